package conformance_test

import (
	"fmt"
	"math"

	"elenchus/compute/opset"
	"elenchus/conformance/opsample"
)

// corners are the places of single operations where a decision comes out one way for one number and another way for the
// next: change sets a descriptor and asks.
var corners = map[opset.Code][]func(x *brink, ask func(what string)){
	opset.Embed: {rowsOfTokens, lastWeight}, opset.Position: {lastWeight}, opset.EmbedBlock: {rowsOfTokens, blocks},
	opset.MatMulBlock: {blocks}, opset.MatMulG4: {blocks},
	opset.Score: {treesOfRows}, opset.Transpose: {treesOfRows}, opset.RoPE: {pairs}, opset.Activate: {curves, manyRows},
	opset.PromptOp: {noPrompt}, opset.RowInv: {halfARow}, opset.Select: {smallWeights},
	opset.DivOp: {smallQuotients}, opset.MatMul: {manyRows}, opset.Row: {manyRows}, opset.RowResult: {manyRows}, opset.Combine: {manyRows},
	opset.MaxAbs: {manyRows}, opset.Max: {manyRows}, opset.Sum: {manyRows}, opset.ArgKey: {manyRows}, opset.SumSquares: {manyRows},
}

// rowsOfTokens: ids at the ends of a table, of a small one and of one with more rows than ids.
func rowsOfTokens(x *brink, ask func(string)) {
	for _, rows := range []int64{5, 1 << 31, 1 << 32} {
		for _, y := range []int64{-1, 0, rows - 1, rows, math.MaxInt32, math.MinInt32} {
			if int64(int32(y)) == y {
				x.d.P[0], x.c.YPrev = rows, int32(y)
				ask(fmt.Sprintf("id %d of %d", y, rows))
			}
		}
	}
}

// lastWeight: the last byte of a table, and a table of the greatest size that there is.
func lastWeight(x *brink, ask func(string)) {
	n := int64(x.d.Count(&x.c))
	x.d.P[0], x.d.P[1], x.c.YPrev, x.c.T, x.i = 5, n, 4, 4, uint64(n-1)
	ask("the last weight")
	x.d.P[1] = n - 1
	ask("a weight behind the last")
	x.d.P[0], x.d.P[1], x.c.YPrev, x.c.T = math.MaxUint32, math.MaxUint32+2, 0, 0
	ask("2^64 - 1 weights")
}

// blocks: leaves of more weights than there may be, and more of them.
func blocks(x *brink, ask func(string)) {
	for _, chunk := range []int64{64, 96, 512, 576} {
		x.d.P[1] = chunk
		ask(fmt.Sprint("leaves of ", chunk))
	}
	const side = 1 << 20
	x.d.P[1], x.i = 64, 0
	x.d.Dims = [3]opset.Dim{{C: side}, {C: side}, {C: 1}}
	if x.d.Op == opset.EmbedBlock {
		x.d.Dims, x.d.P[0], x.c.YPrev = [3]opset.Dim{{C: 1}, {C: 1}, {C: 64}}, 1<<40, 0
	}
	ask("2^40 leaves")
	x.d.Dims[0].C++
	ask("more")
	x.d.Dims[0].C--
	x.d.P[0]++
	ask("a wider matrix")
}

// treesOfRows: layers, depths and rows of the KV tree at their bounds.
func treesOfRows(x *brink, ask func(string)) {
	x.c.T, x.d.Window, x.i = 300, 0, 0
	x.d.P[0], x.d.P[1], x.d.P[4], x.d.P[5], x.d.P[6] = 256, 1, 0, 512, 2
	x.d.Dims = [3]opset.Dim{{C: 1}, {C: 512}, {C: 1, K: 1}}
	depths := func(position, layer, row int64) { x.d.P[7] = position<<16 | layer<<8 | row }
	for _, row := range []int64{0, 1} {
		depths(10, 3, row)
		for _, h := range []uint64{0, 1, 255, 256} {
			x.i = h * 301
			ask(fmt.Sprintf("row depth %d, element %d", row, h))
		}
	}
	x.i, x.d.P[0] = 0, 2
	for _, layer := range []int64{7, 8} {
		depths(10, 3, 1)
		x.d.P[4] = layer
		ask(fmt.Sprint("layer ", layer))
	}
	x.d.P[4] = 0
	for _, position := range []int64{50, 51, 52} {
		depths(position, 3, 0)
		ask(fmt.Sprint("depth ", position+4))
	}
}

// pairs: heads of odd width, both styles, and positions beyond the table.
func pairs(x *brink, ask func(string)) {
	x.d.Dims, x.d.P[1] = [3]opset.Dim{{C: 1}, {C: 1}, {C: 5}}, 5
	for _, rotated := range []int64{0, 1, 2, 3, 4, 5} {
		for style := range int64(2) {
			for x.i = range uint64(5) {
				x.d.P[2], x.d.P[4], x.d.P[5], x.c.T = rotated, style, 4, uint32(x.i+1)
				ask(fmt.Sprintf("%d of 5 in style %d", rotated, style))
			}
		}
	}
}

// curves: every curve on both sides, in its bend and far beyond it, and a value that is the first to saturate.
func curves(x *brink, ask func(string)) {
	for kind := range int64(opset.GELUErf + 2) {
		for _, scale := range [][2]int64{{1, 0}, {1, 1}, {1 << 20, 0}, {math.MinInt64, math.MinInt64}, {math.MaxInt64, -62}} {
			for _, x.style = range []opsample.Style{opsample.Zero, opsample.Least, opsample.Most, opsample.Tiny, opsample.Log} {
				x.d.P[2], x.d.P[3], x.d.P[4], x.d.P[5], x.d.P[6] = kind, scale[0], scale[1], 3, 20
				ask(fmt.Sprintf("curve %d, scale %v, style %d", kind, scale, x.style))
			}
		}
	}
	x.style = opsample.Tiny
	for x.seed = range uint64(8) { // among them 1: twice 2^30 is 2^31
		x.d.P[2], x.d.P[3], x.d.P[4], x.d.P[6] = opset.SiLU, 1<<40, 0, -1
		ask("just beyond the type")
	}
}

// manyRows: more elements than 2^64 bytes hold.
func manyRows(x *brink, _ func(string)) {
	x.d.Dims, x.d.P[0], x.d.P[1], x.i = [3]opset.Dim{{C: 1 << 30}, {C: 1 << 29}, {C: 1}}, 1<<31, 0, 0
	switch x.d.Op {
	case opset.MatMul:
		x.d.P[0], x.d.P[1] = 512, 512
	case opset.Row, opset.RowResult:
		x.d.P[0], x.d.P[1] = 64, 1
	case opset.Combine:
		x.d.P[1] = 256
	}
	x.name = x.d.Op.String() + ": 2^66 elements and more"
	x.refused()
}

// smallQuotients: small dividends and divisors of both signs, exact quotients among them.
func smallQuotients(x *brink, ask func(string)) {
	x.style = opsample.Tiny
	for x.seed = range uint64(150) {
		ask("a small quotient")
	}
}

// noPrompt: a prompt of no ids acts as one of one.
func noPrompt(x *brink, ask func(string)) {
	for x.c.M = range uint32(3) {
		ask("a short prompt")
	}
}

// halfARow: a target of one element has a row.
func halfARow(x *brink, ask func(string)) {
	x.d.Dims, x.i = [3]opset.Dim{{C: 1}, {C: 1}, {C: 1}}, 0
	ask("half a row")
}

// smallWeights: many small weights of either type, so that the sum ends anywhere in a chunk.
func smallWeights(x *brink, ask func(string)) {
	for _, kind := range []int64{3, 4} {
		for x.seed = range uint64(12) {
			x.style, x.i = opsample.Tiny, x.seed%2
			x.d.P[0], x.d.P[1], x.d.P[2] = 64, 64, kind
			ask(fmt.Sprintf("small weights of type %d, %d", kind, x.seed))
		}
	}
}
