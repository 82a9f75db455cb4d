package poseidon_test

import (
	"encoding/hex"
	"testing"

	"elenchus/commitment/merkle"
	"elenchus/commitment/poseidon"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
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

// Lists of hashes of any length have hashes of their own: zeros at the end count, and no leaf has a list's. SPEC 10 §4.6.
func TestListDependsOnLengthAndEveryHash(t *testing.T) {
	seen := map[fr.Element]int{}
	for n := range 34 {
		list := make([]fr.Element, n)
		for i := -1; i < n; i++ {
			if i >= 0 {
				list[i].SetOne()
			}
			h := poseidon.List(list)
			if other, ok := seen[h]; ok {
				t.Fatalf("a list of %d hashes as one of %d", n, other)
			}
			seen[h] = n
			if i >= 0 {
				list[i].SetZero()
			}
		}
	}
	var leaf fr.Element
	h := poseidon.Leaf(make([]byte, 24))
	leaf.SetBytes(h[:])
	if _, ok := seen[leaf]; ok {
		t.Error("a leaf hashes as a list")
	}
}
