// Package poseidon hashes the leaves of confidential models with a function that a circuit can repeat.
//
// It stands at the bottom of the commitment floor beside merkle, whose nodes stand above these leaves.
// Invariants: a hash is a field element of BN254, big-endian, below the order; the length of a leaf is
// in it. Proofs of answers name leaves by it, and the contract Poseidon computes it for leaves of 64
// bytes. SPEC 10 §4.1.
//
//	h := poseidon.Leaf(make([]byte, 64))
package poseidon

import (
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/poseidon2"

	"elenchus/commitment/merkle"
)

// WordBytes is how many bytes of a leaf one field element takes, so that no element of a tensor lies
// in two words.
const WordBytes = 24

// FullRounds is the number of rounds in which every element is raised to the fifth power.
const FullRounds = 8

// Sponge is the width of the sponge for a leaf of n bytes and its partial rounds: 4 where the leaf is
// one block of it, else 16.
func Sponge(n int) (width, partial int) {
	if n <= 3*WordBytes {
		return 4, 56
	}
	return 16, 57
}

// permutations are those of the two widths; they are not changed by use.
var permutations = [...]*poseidon2.Permutation{permutation(3 * WordBytes), permutation(3*WordBytes + 1)}

func permutation(n int) *poseidon2.Permutation {
	width, partial := Sponge(n)
	return poseidon2.NewPermutation(width, FullRounds, partial)
}

// Leaf is the hash of a leaf of any length.
func Leaf(b []byte) merkle.Hash {
	width, _ := Sponge(len(b))
	h := sponge(width, uint64(len(b)), func(rate []fr.Element) bool {
		for k := 0; k < len(rate) && len(b) > 0; k++ {
			n := min(WordBytes, len(b))
			absorb(&rate[k], b[:n])
			b = b[n:]
		}
		return len(b) > 0
	})
	return h.Bytes()
}

// sponge permutes a state that begins with start after each block that is added to the rest of it, until
// block says that it was the last one.
func sponge(width int, start uint64, block func(rate []fr.Element) (more bool)) fr.Element {
	p := permutations[0]
	if width != 4 {
		p = permutations[1]
	}
	var room [16]fr.Element
	state := room[:width]
	state[0].SetUint64(start)
	for {
		more := block(state[1:])
		if err := p.Permutation(state); err != nil {
			panic("poseidon: " + err.Error()) // the state has the width of its permutation
		}
		if !more {
			return state[1]
		}
	}
}

// listTag is where state 0 begins for a list of hashes, so that no leaf has its state.
const listTag = 1 << 32

// ListSponge is the width of the sponge for a list of n hashes, and its partial rounds: 4 while two
// permutations of it take them.
func ListSponge(n int) (width, partial int) {
	if n <= 6 {
		return Sponge(WordBytes)
	}
	return Sponge(n * WordBytes)
}

// ListStart is what state 0 of the sponge begins as for a list of n hashes.
func ListStart(n int) uint64 { return listTag + uint64(n) }

// List is the hash of a list of hashes: what a proof about them names them by. SPEC 10 §4.6.
func List(hashes []fr.Element) fr.Element {
	width, _ := ListSponge(len(hashes))
	return sponge(width, ListStart(len(hashes)), func(rate []fr.Element) bool {
		n := min(len(rate), len(hashes))
		for k := range n {
			rate[k].Add(&rate[k], &hashes[k])
		}
		hashes = hashes[n:]
		return len(hashes) > 0
	})
}

// absorb adds the little-endian number of at most WordBytes bytes.
func absorb(to *fr.Element, b []byte) {
	var word [fr.Bytes]byte
	for i, v := range b {
		word[fr.Bytes-1-i] = v
	}
	var e fr.Element
	e.SetBytes(word[:])
	to.Add(to, &e)
}
