package opset

import (
	"math/big"

	"elenchus/compute/tensor"
)

// Stop strings end an answer by its bytes, wherever tokens begin and end. Per string the state is how
// many of its first bytes the answer ends with, so that a step needs its own token's bytes, never
// those of the tokens before. SPEC 02 §4 op 34.

// Bounds of stop strings.
const (
	StopStrings   = 4                       // strings of a request
	StopBytes     = 64                      // bytes of a string
	StopTableSize = StopStrings * StopBytes // the strings, each padded with zeros
	TokenBytes    = 128                     // bytes that a token adds to the text
	MostStopLens  = StopBytes * 0x01010101  // StopLens where every string has StopBytes bytes
)

// StopDone is the state once a string is complete.
const StopDone = -1

func stopState(e *env, _ uint64) *big.Int {
	if e.c.StopLens == 0 {
		return new(big.Int)
	}
	if e.c.StopState == 1<<32-1 {
		return b64(StopDone)
	}
	added := e.tokenBytes(e.one(e.d.Src[0], tensor.I32, 1, 0))
	table := e.read(e.d.Src[3], tensor.I8, LeafBytes, StopTableSize, 0, StopTableSize)
	if e.err != nil {
		return new(big.Int)
	}
	state := int64(0)
	for s := range StopStrings {
		length := min(int(e.c.StopLens>>(8*s)&255), StopBytes)
		had := min(int(e.c.StopState>>(8*s)&255), max(length-1, 0))
		want := table[s*StopBytes : s*StopBytes+length]
		n := overlap(append(append([]int64(nil), want[:had]...), added...), want)
		if length > 0 && n == length {
			return b64(StopDone)
		}
		state |= int64(n) << (8 * s)
	}
	return b64(state)
}

// tokenBytes are what token y adds to the text: B has a place in A and a length for each token. What
// does not lie in A is cut off.
func (e *env) tokenBytes(y int64) []int64 {
	rows, total := max(e.p(0), 1), max(e.p(1), 1)
	if y < 0 || uint64(y) >= rows {
		y = 0
	}
	at, n := e.rowScale(e.d.Src[1], rows, uint64(y))
	lo := min(uint64(max(at, 0)), total-1)
	hi := lo + min(uint64(max(n, 0)), TokenBytes, total-lo)
	if lo == hi {
		return nil
	}
	return e.read(e.d.Src[2], tensor.I8, LeafBytes, total, lo, hi)
}

// overlap is the length of want if text contains it, else that of the longest end of text that want
// begins with.
func overlap(text, want []int64) int {
	for i := range text {
		n := min(len(want), len(text)-i)
		j := 0
		for j < n && text[i+j] == want[j] {
			j++
		}
		if j == n {
			return n
		}
	}
	return 0
}
