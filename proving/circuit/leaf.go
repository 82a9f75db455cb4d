package circuit

import (
	"fmt"
	"math/big"
	"slices"

	"elenchus/commitment/poseidon"
	"elenchus/compute/tensor"

	"github.com/consensys/gnark/frontend"
	permutation "github.com/consensys/gnark/std/permutation/poseidon2"
)

// maxLeaf is the largest leaf of the op set in bytes.
const maxLeaf = tensor.MaxBlockLeaf

// LeafHash is the hash of a leaf of the confidential class: a field element, big-endian. It returns
// ErrUnit for a length that no leaf has.
func LeafHash(leaf []byte) (h [32]byte, err error) {
	if len(leaf) == 0 || len(leaf) > maxLeaf || len(leaf)%64 != 0 {
		return h, fmt.Errorf("%w: leaf of %d bytes", ErrUnit, len(leaf))
	}
	return poseidon.Leaf(leaf), nil
}

// leafHash is LeafHash of elements of a type that fill a leaf of n bytes.
func (b *build) leafHash(x []Num, t tensor.DType, n int) frontend.Variable {
	if len(x)*t.Size() != n {
		b.fail(fmt.Errorf("%w: leaf of %d elements of %s for %d bytes", ErrUnit, len(x), t, n))
		return 0
	}
	var words []frontend.Variable
	for part := range slices.Chunk(x, poseidon.WordBytes/t.Size()) {
		words = append(words, b.word(part, t))
	}
	width, partial := poseidon.Sponge(n)
	return b.sponge(uint64(n), words, width, partial)
}

// listHash is poseidon.List.
func (b *build) listHash(hashes []frontend.Variable) frontend.Variable {
	width, partial := poseidon.ListSponge(len(hashes))
	return b.sponge(poseidon.ListStart(len(hashes)), hashes, width, partial)
}

// sponge absorbs words, of which there is at least one, into a state that begins as start.
func (b *build) sponge(start uint64, words []frontend.Variable, width, partial int) frontend.Variable {
	p, err := permutation.NewPoseidon2FromParameters(b.api, width, poseidon.FullRounds, partial)
	if err != nil {
		b.fail(err)
		return 0
	}
	state := make([]frontend.Variable, width)
	for i := range state {
		state[i] = 0
	}
	state[0] = start
	for block := range slices.Chunk(words, width-1) {
		for k, w := range block {
			state[1+k] = b.api.Add(state[1+k], w)
		}
		if err := p.Permutation(state); err != nil {
			b.fail(err)
			return 0
		}
	}
	return state[1]
}

// word packs elements as they lie in bytes: little-endian, two's complement.
func (b *build) word(x []Num, t tensor.DType) frontend.Variable {
	size := uint(8 * t.Size())
	terms := make([]frontend.Variable, 0, 2*len(x)+1)
	offset := new(big.Int)
	for i, v := range x {
		if len(v.bits) != int(size) {
			b.fail(fmt.Errorf("%w: an element of a leaf has no bits", ErrUnit))
			return 0
		}
		// v + 2^n where v is negative, which is where the top bit of v + 2^(n-1) is 0.
		at := uint(i) * size
		terms = append(terms, b.api.Mul(v.v, pow(at)), b.api.Mul(v.bits[size-1], new(big.Int).Neg(pow(at+size))))
		offset.Add(offset, pow(at+size))
	}
	return b.total(append(terms, offset))
}
