package poseidon_test

import (
	"encoding/hex"
	"testing"

	"elenchus/commitment/merkle"
	"elenchus/commitment/poseidon"
)

// Hashes of leaves as circuits have them too: conformance compares both, and the contract. SPEC 10 §4.1.
func TestLeafDependsOnLengthAndEveryByte(t *testing.T) {
	seen := map[merkle.Hash]string{}
	add := func(what string, leaf []byte) {
		h := poseidon.Leaf(leaf)
		if other, ok := seen[h]; ok {
			t.Fatalf("%s hashes as %s: %x", what, other, h)
		}
		seen[h] = what
	}
	for _, n := range []int{0, 24, 64, 72, 73, 128, 360, 361, 512} {
		leaf := make([]byte, n)
		add("zero bytes", leaf)
		for i := range leaf {
			leaf[i] ^= 0x80
			add("a byte set in "+hex.EncodeToString(leaf), leaf)
			leaf[i] = 0
		}
	}
}
