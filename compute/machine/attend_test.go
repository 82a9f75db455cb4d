package machine_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/compute/machine"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Attention of the positions of a pass as one step, on one cache and on two, with a window and without,
// gives what each operation by itself gives; scores are never made. ADR 0078.
func TestAttentionTogetherEqualsEachOperation(t *testing.T) {
	c := modeltest.Heads()
	m := modeltest.Llama(3, c)
	const positions = 140
	for _, set := range machine.Sets() {
		if set.Name() == "amx" { // differs in products alone; package engine tests it
			continue
		}
		for layer := range c.Layers {
			r := rand.New(rand.NewPCG(uint64(layer), 5))
			s := machine.Prepare(m.Stages, set, nil, nil)[1+layer]
			fast := [2]*machine.Cache{machine.NewCache(c.Layers, positions, c.KVHeads*c.HeadDim), machine.NewCache(c.Layers, positions, c.KVHeads*c.HeadDim)}
			slow := [2]*machine.Cache{machine.NewCache(c.Layers, positions, c.KVHeads*c.HeadDim), machine.NewCache(c.Layers, positions, c.KVHeads*c.HeadDim)}
			one, whole := &machine.Workspace{Split: thirds}, &machine.Workspace{Materialize: true}
			for at := [2]int{}; at[0] < positions-40; {
				var ctx []opset.Context
				var in []*tensor.Tensor
				var kv, other []*machine.Cache
				for run := range fast {
					for range 1 + r.IntN(40)*r.IntN(2) {
						if at[run] == positions {
							break
						}
						x := tensor.New(tensor.I32, 1, 1, c.Dim)
						for i := range x.I32 {
							x.I32[i] = int32(r.IntN(1<<20) - 1<<19)
						}
						ctx = append(ctx, opset.Context{T: uint32(at[run]), M: 1, MaxNew: 1, TMax: uint32(c.TMax), Prompt: []int32{1}})
						in, kv, other = append(in, x), append(kv, fast[run]), append(other, slow[run])
						at[run]++
					}
				}
				got, want := one.RunCaches(&s, ctx, in, kv), whole.RunCaches(&s, ctx, in, other)
				for j := range want {
					if !slices.Equal(got[j].I32, want[j].I32) {
						t.Fatalf("%s, layer %d: position %d, entry %d of %d, differs", set.Name(), layer, ctx[j].T, j, len(ctx))
					}
				}
			}
			scores := slices.IndexFunc(s.Ops, func(o machine.Op) bool { return o.Op == opset.Score })
			if one.Tensors()[scores] != nil && set.Name() == "avx512" {
				t.Error("scores are made one by one")
			}
		}
	}
}

// thirds splits work in three uneven parts, last part first.
func thirds(n int, work func(lo, hi int)) {
	a, b := n/3, n/3+n/2
	work(b, n)
	work(0, a)
	work(a, b)
}
