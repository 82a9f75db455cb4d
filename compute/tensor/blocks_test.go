package tensor_test

import (
	"math/rand/v2"
	"testing"

	"elenchus/compute/tensor"
)

// Codes, mantissas and offsets of every layout come back as stored and touch nothing else. SPEC 02 §5.
func TestBlocksHoldWhatIsStored(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 70))
	for _, bits := range []int{4, 8} {
		for _, n := range []int{16, 32} {
			for _, chunk := range []int{64, 192, 512} {
				roundTrip(t, r, tensor.Blocks{Bits: bits, Chunk: chunk, Len: n, Least: r.IntN(2) == 0})
			}
		}
	}
}

func roundTrip(t *testing.T, r *rand.Rand, b tensor.Blocks) {
	t.Helper()
	if !b.Valid() || b.Leaf() > tensor.MaxBlockLeaf {
		t.Fatalf("layout %+v of %d bytes", b, b.Leaf())
	}
	leaf := make([]int8, b.Leaf())
	codes, scales := make([]int64, b.Chunk), make([][2]int32, b.Count())
	for _, i := range r.Perm(b.Chunk) {
		codes[i] = r.Int64N(1<<b.Bits) - 1<<(b.Bits-1)
		b.SetCode(leaf, i, int(codes[i]))
	}
	for _, k := range r.Perm(b.Count()) {
		scales[k] = [2]int32{int32(r.Uint32()), int32(r.Uint32())}
		b.SetBlock(leaf, k, scales[k][0], scales[k][1])
		if !b.Least {
			scales[k][1] = 0
		}
	}
	for i, want := range codes {
		if got := b.Code(leaf, i); got != want {
			t.Fatalf("%+v: code %d is %d, want %d", b, i, got, want)
		}
	}
	for k, want := range scales {
		if m, o := b.Mantissa(leaf, k), b.Offset(leaf, k); m != int64(want[0]) || o != int64(want[1]) {
			t.Fatalf("%+v: block %d is %d and %d, want %v", b, k, m, o, want)
		}
	}
}

// The order of 4-bit codes is that of the spec: two's complement, 16 low halves, 16 high halves.
func TestOrderOfHalfBytes(t *testing.T) {
	b := tensor.Blocks{Bits: 4, Chunk: 64, Len: 32}
	leaf := make([]int8, b.Leaf())
	b.SetCode(leaf, 33, -1)
	b.SetCode(leaf, 49, 5)
	b.SetBlock(leaf, 1, -2, 0)
	if uint8(leaf[17]) != 0x5f || uint8(leaf[36]) != 0xfe || leaf[39] != -1 || leaf[32] != 0 {
		t.Errorf("leaf is %x", leaf)
	}
}
