package graph

import (
	"math"
	"math/bits"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// size is a number of elements as a function of t: c, or c * ceil(min(t+1, w) / k) if k is not 0.
type size struct {
	c    uint64
	k, w uint32
}

func fixed(n int64) size { return size{c: uint64(max(n, 0))} }

// times is s * n.
func (s size) times(n int64) size { return size{s.c * uint64(max(n, 0)), s.k, s.w} }

// settle turns a size that never changes into a constant: ceil(min(t+1, w) / k) is 1 if the
// positions attended never exceed k.
func (s size) settle(tMax uint32) size {
	if s.k == 0 || s.span(tMax) <= s.k {
		return size{c: s.c}
	}
	return s
}

func (s size) span(tMax uint32) uint32 {
	if s.w != 0 {
		return min(s.w, tMax)
	}
	return max(tMax, 1)
}

// top is the size at the last position.
func (s size) top(tMax uint32) uint64 {
	if s.k == 0 {
		return s.c
	}
	return s.c * ((uint64(s.span(tMax)) + uint64(s.k) - 1) / uint64(s.k))
}

// dims is the number of elements of a shape; ok is false if two dims depend on t or the product
// overflows.
func dims(m [3]opset.Dim, window uint32) (s size, ok bool) {
	s.c = 1
	for _, d := range m {
		hi, lo := bits.Mul64(s.c, uint64(d.C))
		if hi != 0 || d.K != 0 && s.k != 0 {
			return s, false
		}
		s.c = lo
		if d.K != 0 {
			s.k, s.w = d.K, window
		}
	}
	return s, true
}

// count is a number of a dim; the largest one, which no dim has (G2), where n is none.
func count(n int64) uint32 {
	if n < 0 || n > math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(n)
}

// chunkOf is the weights in a leaf of a row of k. SPEC 02 §3.
func chunkOf(k int64) int64 { return min(512, (k+63)/64*64) }

func ceilDiv(a, b int64) int64 { return (a + max(b, 1) - 1) / max(b, 1) }

// fanIn is the largest chunk of a reduction over elements of a type. SPEC 02 §4.1.
func fanIn(t tensor.DType) int64 {
	if t == tensor.I64 {
		return 128
	}
	return 256
}

// log2 is ceil(log2 n), 0 for n < 2.
func log2(n uint64) int {
	if n < 2 {
		return 0
	}
	return bits.Len64(n - 1)
}
