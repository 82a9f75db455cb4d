package conformance_test

import (
	"math"

	"elenchus/compute/opset"
)

// entry is what an example of mask or grammar_state finds in the row, if it looks.
func (e *example) entry() (v int64, ok bool) {
	if len(e.x) < 3 {
		return 0, false
	}
	return e.x[2][0], true
}

// masked says whether an example has a grammar and found an entry of a sign.
func (e *example) masked(allowed bool) bool {
	v, ok := e.entry()
	return ok && (v > 0) == allowed
}

// ruling are the conditions of mask and grammar_state.
var ruling = []condition{
	{"no grammar", all(opset.Mask), func(e *example) bool { return !e.c.Grammared && len(e.x) == 1 && e.value == e.x[0][0] }},
	{"no grammar after a token", all(opset.GrammarState), func(e *example) bool { return !e.c.Grammared && len(e.x) == 0 && e.value == 0 }},
	{"allowed", all(opset.Mask), func(e *example) bool { return e.masked(true) && e.value == e.x[0][0] }},
	{"allowed and very low", all(opset.Mask), func(e *example) bool {
		return e.masked(true) && e.value == opset.MaskLeast && e.x[0][0] < opset.MaskLeast
	}},
	{"refused", all(opset.Mask), func(e *example) bool { return e.masked(false) && e.value == opset.MaskRefused && e.x[2][0] == 0 }},
	{"refused by a negative entry", all(opset.Mask, opset.GrammarState), func(e *example) bool { return e.masked(false) && e.x[2][0] < 0 }},
	{"next state", all(opset.GrammarState), func(e *example) bool { return e.masked(true) && e.value == e.x[2][0]-1 && e.value > 1 }},
	{"dies", all(opset.GrammarState), func(e *example) bool { return e.masked(false) && e.value == opset.GrammarDead && e.x[2][0] == 0 }},
	{"is dead", all(opset.GrammarState), func(e *example) bool { return e.c.GrammarState == math.MaxUint32 && len(e.x) == 0 && e.c.Grammared }},
	{"a class below 0", all(opset.Mask, opset.GrammarState), func(e *example) bool { return len(e.x) == 3 && e.x[1][0] < 0 }},
	{"beyond the table", all(opset.Mask, opset.GrammarState), func(e *example) bool {
		return len(e.x) == 3 && e.d.P[0]+int64(e.c.GrammarState)+e.x[1][0] >= opset.GrammarCount
	}},
	{"a row of the table", all(opset.Mask, opset.GrammarState), func(e *example) bool {
		return len(e.x) == 3 && e.c.GrammarState > 0 && e.x[1][0] > 0 && e.d.P[0]+int64(e.c.GrammarState)+e.x[1][0] < opset.GrammarCount
	}},
	{"a token beyond the grammar", all(opset.GrammarState), func(e *example) bool { return len(e.x) == 3 && e.x[0][0] >= e.d.P[0] }},
	{"a token below the grammar", all(opset.GrammarState), func(e *example) bool { return len(e.x) == 3 && e.x[0][0] < 0 }},
	{"a dead grammar", all(opset.StopOp), func(e *example) bool { return e.value == opset.FinishGrammar }},
	{"a dead grammar before an end", all(opset.StopOp), func(e *example) bool {
		return e.value == opset.FinishGrammar && e.x[len(e.x)-2][0] == opset.StopDone
	}},
}
