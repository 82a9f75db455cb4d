package circuit

import (
	"math"
	"math/big"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Circuits of grammars and stop strings, which follow what tables say of a token.

// mask gives a token that the grammar refuses the least logit.
func (e *env) mask(j uint64) Num {
	x := e.one(e.src(0), tensor.I32, e.count(), j)
	if !e.c.Grammared {
		return x
	}
	e.fixed(e.lit(0)) // the logit names nothing
	allowed := e.atLeast(e.grammar(j), e.lit(1))
	return e.pick(allowed, e.greater(x, e.lit(opset.MaskLeast)), e.lit(opset.MaskRefused))
}

func (e *env) grammarState(uint64) Num {
	switch {
	case !e.c.Grammared:
		return e.lit(0)
	case e.c.GrammarState == math.MaxUint32:
		return e.lit(opset.GrammarDead)
	}
	y := e.fixed(e.known(e.one(e.src(0), tensor.I32, 1, 0), max(e.p(0), 1)))
	return e.sub(e.greater(e.grammar(y), e.lit(0)), e.lit(1))
}

// known is an id below n, 0 in the place of any other.
func (e *env) known(y Num, n uint64) Num {
	below := e.not(e.atLeast(y, e.lit(int64(min(n, math.MaxInt64)))))
	return e.pick(e.and(e.notNegative(y), below), y, e.lit(0))
}

// grammar is the entry of token j in the row of the state.
func (e *env) grammar(j uint64) Num {
	class := e.held(e.one(e.src(1), tensor.I32, opset.GrammarCount, min(j, opset.GrammarCount-1)), 1<<31)
	at := max(e.p(0), 1) + uint64(e.c.GrammarState) + class
	return e.one(e.src(1), tensor.I32, opset.GrammarCount, min(at, opset.GrammarCount-1))
}

// stopState compares words of bytes: a window of the text is the beginning of a string if the numbers that
// both are written as are equal.
func (e *env) stopState(uint64) Num {
	if e.c.StopLens == 0 {
		return e.lit(0)
	}
	if e.c.StopState == 1<<32-1 {
		return e.lit(opset.StopDone)
	}
	y := e.fixed(e.known(e.one(e.src(0), tensor.I32, 1, 0), max(e.p(0), 1)))
	added := e.tokenBytes(y)
	table := e.reads(e.src(3), tensor.I8, leafBytes, opset.StopTableSize, 0, opset.StopTableSize)
	if e.err != nil {
		return e.lit(0)
	}
	var done bit = 0
	state := e.lit(0)
	for s := range opset.StopStrings {
		length := min(int(e.c.StopLens>>(8*s)&255), opset.StopBytes)
		had := min(int(e.c.StopState>>(8*s)&255), max(length-1, 0))
		want := table[s*opset.StopBytes:][:length]
		n, whole := e.overlap(append(append([]Num(nil), want[:had]...), added...), want)
		done = e.api.Or(done, whole)
		state = e.add(state, e.mul64(n, 1<<(8*s)))
	}
	// A string that is complete ends the walk; what the strings behind it give does not matter.
	return e.pick(done, e.lit(opset.StopDone), state)
}

// tokenBytes are what token y adds to the text. Place and length are of the unit.
func (e *env) tokenBytes(y uint64) []Num {
	rows, total := max(e.p(0), 1), max(e.p(1), 1)
	at, n := e.scales(e.src(1), rows, y)
	place := e.from.place(e.build)
	lo, size := place&math.MaxUint32, place>>32
	at = e.clamp64(at, 0, int64(min(total-1, math.MaxInt64)))
	n = e.clamp64(n, 0, int64(min(opset.TokenBytes, total-min(lo, total-1))))
	e.api.AssertIsEqual(at.v, lo)
	e.api.AssertIsEqual(n.v, size)
	if size == 0 {
		return nil
	}
	return e.reads(e.src(2), tensor.I8, leafBytes, total, lo, lo+size)
}

// wordBytes is how many bytes a number holds.
const wordBytes = fieldBits/8 - 1

// overlap is the length of want if text contains it, else that of the longest end of text that want begins
// with, 0 if there is none; whole says whether text contains it.
func (e *env) overlap(text, want []Num) (n Num, whole bit) {
	n, whole = e.lit(0), 0
	if len(want) == 0 {
		return n, whole
	}
	var before bit = 1 // no window so far is a beginning
	terms := []Num{}
	for i := range text {
		size := min(len(want), len(text)-i)
		first := e.and(before, e.begins(text[i:i+size], want))
		before = e.api.Sub(before, first)
		terms = append(terms, e.mul64(e.flag(first), int64(size)))
		if size == len(want) {
			whole = e.api.Add(whole, first)
		}
	}
	sum := e.add(n, terms...) // of flags at most one is 1
	return e.num(sum.v, new(big.Int), big64(int64(len(want)))), whole
}

// begins says whether want begins with text.
func (e *env) begins(text, want []Num) bit {
	var same bit = 1
	for at := 0; at < len(text); at += wordBytes {
		end := min(at+wordBytes, len(text))
		same = e.and(same, e.equal(e.number(text[at:end]), e.number(want[at:end])))
	}
	return same
}

// number is a run of bytes as one number: two runs of one length have one number only if they are equal.
func (e *env) number(x []Num) Num {
	terms := make([]Num, len(x))
	for i, v := range x {
		terms[i] = e.mulBig(v, pow(8*uint(i)))
	}
	return e.add(e.lit(0), terms...)
}
