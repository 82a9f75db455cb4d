package graph_test

import (
	"slices"
	"testing"

	"elenchus/compute/graph"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Rules about experts refuse alone. SPEC 03 §4, §5.1.
func TestExpertsOutsideTheirRanges(t *testing.T) {
	none := opset.Source{}
	tests := []struct {
		err    error
		op     opset.Code
		change func(d *opset.Descriptor)
	}{
		{graph.ErrParameter, opset.RowMatMul, func(d *opset.Descriptor) { d.Src[2] = none }},
		{graph.ErrParameter, opset.RowResult, func(d *opset.Descriptor) { d.Src[2] = none }},
		{graph.ErrParameter, opset.Combine, func(d *opset.Descriptor) { d.P[2] = -1 }},
		{graph.ErrShape, opset.RowMatMul, func(d *opset.Descriptor) { d.P[3] ^= 1 }},
		{graph.ErrWeights, opset.RowMatMul, func(d *opset.Descriptor) { d.P[1]-- }},
		{graph.ErrOverflow, opset.Share, func(d *opset.Descriptor) { d.P[3] = 31 }}, // the sum of slots rests on it
	}
	for _, test := range tests {
		p := program(modeltest.Llama(3, modeltest.Experts()))
		ds := p.Stages[1]
		test.change(&ds[find(t, ds, test.op, 0)])
		if got := graph.Violations(p); !slices.Equal(got, []error{test.err}) {
			t.Errorf("%s: violates %v, want %v alone", test.op, got, test.err)
		}
	}
}

// Every operation of a mixture of 256 experts can be answered at width 16,384 and feed-forward
// width 65,536 in a model of 80 layers. SPEC 03 §4 G20.
func TestWideExpertsCanBeAnswered(t *testing.T) {
	const d, ff, experts, chosen, stages = 16384, 65536, 256, 8, 83
	tensors := func(n int) (s [4]opset.Source) {
		for i := range n {
			s[i] = opset.Source{Kind: opset.Tensor, Index: uint8(i + 1)}
		}
		return s
	}
	vec := func(n uint32) [3]opset.Dim { return [3]opset.Dim{{C: 1}, {C: 1}, {C: n}} }
	tests := []opset.Descriptor{
		{Op: opset.Order, Type: tensor.I32, Dims: vec(experts), Src: tensors(1), P: [11]int64{experts}},
		{Op: opset.Slot, Type: tensor.I32, Dims: vec(chosen), Src: tensors(1), P: [11]int64{experts}},
		{Op: opset.Gather, Type: tensor.I32, Dims: vec(chosen), Src: tensors(2), P: [11]int64{experts}},
		{Op: opset.RowMatMul, Type: tensor.I64, Dims: [3]opset.Dim{{C: chosen}, {C: d}, {C: ff / 512}}, Src: tensors(3), P: [11]int64{ff, 512, experts, 1}},
		{Op: opset.RowResult, Type: tensor.I32, Dims: vec(chosen * d), Src: tensors(4), P: [11]int64{ff / 512, d, experts, 1}},
		{Op: opset.RowQuant, Type: tensor.I16, Dims: vec(chosen * ff), Src: tensors(2), P: [11]int64{chosen * ff, ff}},
		{Op: opset.Combine, Type: tensor.I32, Dims: vec(d), Src: tensors(2), P: [11]int64{d, chosen, 24}},
	}
	for i := range tests {
		x := &tests[i]
		x.Leaf = opset.LeafBytes
		switch x.Op {
		case opset.RowMatMul:
			x.Src[1] = opset.Source{Kind: opset.RootA}
		case opset.RowResult:
			x.Src[1] = opset.Source{Kind: opset.RootB}
		}
		cost, err := graph.Worst(x, opset.Context{TMax: 1 << 17}, stages)
		if err != nil {
			t.Fatal(err)
		}
		if cost.Bytes > graph.MaxAnswerBytes || cost.Hashes > graph.MaxAnswerHashes || cost.Reads > graph.MaxAnswerReads {
			t.Errorf("%s costs %+v", x.Op, cost)
		}
		t.Logf("%-12s %+v", x.Op, cost)
	}
}
