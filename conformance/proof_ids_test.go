package conformance_test

import (
	"bytes"
	"encoding/hex"
	"math/big"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
)

// negated is a posted Groth16 proof with A and B negated: another proof of the same statement, which anybody can make.
func negated(proof []byte) []byte {
	out := bytes.Clone(proof)
	for _, at := range []int{32, 128, 160} { // y of A; of B, imaginary part first
		y := new(big.Int).SetBytes(out[at : at+32])
		y.Sub(fp.Modulus(), y).Mod(y, fp.Modulus()).FillBytes(out[at : at+32])
	}
	return out
}

// Proof bytes are no id: an answer whose proof somebody made into another one of the same statement is as good, and the game
// that it leads to is the same, to the last byte. SPEC 10 §5.4.
func TestProofBytesAreNoID(t *testing.T) {
	b := newElementBench(t)
	tried := 0
	for _, c := range b.Cases {
		payload := unhex(t, c.Payload)
		from := len(payload) - 288
		if c.Next == "" || !bytes.Equal(payload[from-2:from], []byte{1, 32}) { // 288: a Groth16 proof
			continue
		}
		tried++
		other := append(bytes.Clone(payload[:from]), negated(payload[from:])...)
		next, name := b.judge(t, unhex(t, c.State), other)
		if bytes.Equal(other, payload) || name != "" || hex.EncodeToString(next) != c.Next {
			t.Errorf("%s: %q, led elsewhere: %v", c.Name, name, hex.EncodeToString(next) != c.Next)
		}
	}
	if tried < 12 {
		t.Errorf("%d answers were tried", tried)
	}
}
