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
		if token < m {
			dst[token*Block+row] += wrong
		}
	}
}

// slowRun is slowDot for block-scaled weights.
func slowRun(token, row int, wrong int64) func(dst []int64, p *Packed, b int, x []int16, stride, m int) {
	word := func(b []int8) int64 {
		return int64(int32(uint32(uint8(b[0])) | uint32(uint8(b[1]))<<8 | uint32(uint8(b[2]))<<16 | uint32(uint8(b[3]))<<24))
	}
	return func(dst []int64, p *Packed, b int, x []int16, stride, m int) {
		clear(dst[:])
		for i := range m * Block * p.width() {
			t, r, c := i/(Block*p.width()), i/p.width()%Block, i%p.width()
			if c >= p.K {
				continue
			}
			part, c, code := p.run(b)[c/p.layout.Len*p.partBytes():][:p.partBytes()], c%p.layout.Len, int8(0)
			if p.layout.Bits == 8 {
				code = part[c/4*4*Block+r*4+c%4]
			} else {
				code = part[c/4*2*Block+r%16*4+c%4] << (4 - r/16*4) >> 4
			}
			w := word(part[p.codeBytes()+4*r:]) * int64(code)
			if p.layout.Least {
				w += word(part[p.codeBytes()+4*(Block+r):])
			}
			dst[t*Block+r] += w * int64(x[t*stride+i%p.width()])
		}
		if token < m {
			dst[token*Block+row] += wrong << 24 // rows are divided by 2^23
		}
	}
}

// A set agrees if it multiplies right, and does not if one sum is off, in any token or row, of either kind
// of weights, or only where many tokens are multiplied at once. STYLE 19.
func TestOneWrongSumDisagrees(t *testing.T) {
	set := func(token, row int, dot, run int64) Set {
		return Set{name: "slow", tile: tile, dot: slowDot(token, row, dot), run: slowRun(token, row, run),
			widen: func(dst, x []int16) { copy(dst, x) }}
	}
	right := set(0, 0, 0, 0)
	if !right.Agrees() {
		t.Fatal("a set that multiplies right does not agree")
	}
	for _, at := range [][2]int{{0, 0}, {0, 31}, {3, 17}, {15, 4}} {
		dot, run := set(at[0], at[1], 1, 0), set(at[0], at[1], 0, 1)
		many, blocks := right, right
		many.many, many.least = &dot, 16
		blocks.manyBlocks, blocks.leastBlocks = &run, 16
		for i, bad := range []Set{dot, run, many, blocks} {
			if bad.Agrees() {
				t.Errorf("agrees with row %d of token %d off (%d: dot, run, dot of many, run of many)", at[1], at[0], i)
			}
		}
	}
}
