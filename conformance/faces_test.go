package conformance_test

import (
	"math/rand/v2"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// TestMachineEqualsDefinition computes whole stages with the kernels and asks the element function
// for the same numbers, through openings that verify. SPEC 02 §3, STYLE 20.
func TestMachineEqualsDefinition(t *testing.T) {
	t.Parallel()
	seen := map[opset.Code]bool{}
	r := rand.New(rand.NewPCG(1, 1))
	for _, m := range []*model.Model{
		modeltest.Llama(3, modeltest.Tiny()), modeltest.Llama(3, modeltest.Wide()), modeltest.Llama(3, modeltest.Blocks()), modeltest.Family(3),
		modeltest.Llama(3, modeltest.Experts()),
	} {
		man := bind(t, m)
		prompt := make([]int32, 140)
		for i := range prompt {
			prompt[i] = int32(r.IntN(m.Vocab))
		}
		job := decode.Job{Prompt: prompt, StopIDs: []int32{2, 9}, MaxNew: 5, Temperature: 52429, Seed: 11,
			Sampler: decode.Sampler{TopK: 90, TopP: 900 << 20, MinP: 1 << 16, Repetition: 80000, Presence: 1 << 15, Frequency: -3000,
				Bias: []opset.TokenBias{{ID: 3, Value: 1 << 18}, {ID: 290, Value: -70000}}}}
		for _, at := range []int{0, 3, 138, 140} {
			step, err := trace.Replay(man, job, at, nil, nil, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			for s := 0; s <= int(man.Layers); s++ {
				compareStage(t, man, step, s, seen, r)
			}
			compareStage(t, man, step, step.Head(), seen, r)
		}
	}
	for _, m := range []*model.Model{modeltest.Toy(), modeltest.MLP(5), modeltest.Encoder(5, 130, 264)} {
		man := bind(t, m)
		in := &m.Stages[0].Ops[0]
		x := tensor.New(in.Type, 1, 1, int(in.Dims[2].C))
		for i := range x.Len() {
			x.Set(i, int64(int16(r.IntN(1<<16)))>>(x.Type/tensor.I32*9)) // ids are -64 to 63
		}
		step, err := trace.ReplayGraph(man, x, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for s := range m.Stages {
			compareStage(t, man, step, s, seen, r)
		}
	}
	for _, op := range opset.Codes() {
		if !seen[op] && op != opset.Mul {
			t.Errorf("no stage of the test models uses %s", op)
		}
	}
}

func bind(t *testing.T, m *model.Model) *manifest.Manifest {
	t.Helper()
	man, err := manifest.Bind(m)
	if err != nil {
		t.Fatal(err)
	}
	return man
}

// compareStage checks all elements of small tensors and a sample of large ones.
func compareStage(t *testing.T, man *manifest.Manifest, step *trace.Step, s int, seen map[opset.Code]bool, r *rand.Rand) {
	t.Helper()
	st, err := step.Stage(s)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(st.Tensors); i++ {
		d, _, err := man.Descriptor(s, i)
		if err != nil {
			t.Fatal(err)
		}
		seen[d.Op] = true
		n := d.Count(&step.Ctx)
		if n != uint64(st.Tensors[i].Len()) {
			t.Fatalf("stage %d tensor %d (%s): %d elements, descriptor says %d", s, i, d.Op, st.Tensors[i].Len(), n)
		}
		for k := range min(n, 24) {
			e := k
			if n > 24 {
				e = r.Uint64N(n)
			}
			got, err := opset.Element(&d, &step.Ctx, e, st.Fetch(i))
			if err != nil {
				t.Fatalf("stage %d tensor %d (%s) element %d: %v", s, i, d.Op, e, err)
			}
			if want := st.Tensors[i].At(int(e)); got != want {
				t.Fatalf("stage %d tensor %d (%s) element %d: definition %d, kernel %d", s, i, d.Op, e, got, want)
			}
		}
		verifyOpenings(t, step, st, &d, i, r.Uint64N(n))
	}
}

// verifyOpenings checks that every read of an element opens under its root.
func verifyOpenings(t *testing.T, step *trace.Step, st *trace.Stage, d *opset.Descriptor, i int, e uint64) {
	t.Helper()
	_, err := opset.Element(d, &step.Ctx, e, func(r opset.Read) ([]byte, error) {
		o, err := st.Open(d, i, r)
		if err != nil {
			return nil, err
		}
		a, _ := r.Leaves()
		root := merkle.Hash{}
		switch r.Kind {
		case opset.Tensor:
			root = st.Tree(int(r.Index)).Root()
		case opset.RootA:
			root = d.RootA
		case opset.RootB:
			root = d.RootB
		case opset.KV:
			root = step.Prev.KV
		case opset.Prompt:
			root = trace.IDTree(step.Ctx.Prompt).Root()
		case opset.Stop:
			root = trace.IDTree(step.Job.StopIDs).Root()
		case opset.Counts:
			root = step.Before().Counts
		case opset.Bias:
			root = trace.BiasTree(step.Job.Sampler.Bias).Root()
		}
		if err := merkle.Verify(root, merkle.Depth(merkle.Leaves(r.Total, r.Leaf)), a, r.Leaf, o.Leaves, o.Siblings); err != nil {
			t.Errorf("%s element %d, read %+v: %v", d.Op, e, r, err)
		}
		return r.Trim(o.Leaves)
	})
	if err != nil {
		t.Fatal(err)
	}
}
