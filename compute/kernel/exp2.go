//go:build amd64 || arm64

package kernel

import "elenchus/compute/tensor"

// exp2Steps are the 256 values of the table of exp2, below 2^31, then the 256 differences to the next.
func exp2Steps() []int32 {
	t := make([]int32, 512)
	at := func(k int64) int64 { return tensor.Exp2(k<<8-1<<16, 31) } // 31 fraction bits make the shift 0
	for k := range int64(256) {
		next := int64(1 << 31)
		if k < 255 {
			next = at(k + 1)
		}
		t[k], t[256+k] = int32(at(k)), int32(next-at(k))
	}
	return t
}

// exp2Pairs are the same, a value in the low half and a difference in the high one.
func exp2Pairs() []int64 {
	t, steps := make([]int64, 256), exp2Steps()
	for k := range t {
		t[k] = int64(steps[k]) | int64(steps[256+k])<<32
	}
	return t
}
