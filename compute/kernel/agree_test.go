package kernel

import "testing"

// slowDot is dot of activations as they are, with an error in the sum of one row of one token.
func slowDot(token, row int, wrong int64) func(dst []int64, w []int8, sum []int32, x []int16, stride, m int) {
	return func(dst []int64, w []int8, _ []int32, x []int16, stride, m int) {
		clear(dst[:])
		for i := range m {
			for j, v := range w {
				dst[i*Block+j/4%Block] += int64(v) * int64(x[i*stride+j/(4*Block)*4+j%4])
			}
		}
		dst[token*Block+row] += wrong
	}
}

// A set agrees if it multiplies right, and does not if one sum is off by one, in any token or row, or
// only where many tokens are multiplied at once. STYLE 19.
func TestOneWrongSumDisagrees(t *testing.T) {
	set := func(token, row int, wrong int64) Set {
		return Set{name: "slow", tile: tile, dot: slowDot(token, row, wrong), widen: func(dst, x []int16) { copy(dst, x) }}
	}
	right := set(0, 0, 0)
	if !right.Agrees() {
		t.Fatal("a set that multiplies right does not agree")
	}
	for _, at := range [][2]int{{0, 0}, {0, 31}, {3, 17}, {15, 4}} {
		bad := set(at[0], at[1], 1)
		if bad.Agrees() {
			t.Errorf("agrees with row %d of token %d off by one", at[1], at[0])
		}
		many := right
		many.many, many.least = &bad, 16
		if many.Agrees() {
			t.Errorf("agrees with row %d of token %d off by one where many are multiplied", at[1], at[0])
		}
	}
}
