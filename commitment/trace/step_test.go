package trace_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

func bind(t testing.TB, m *model.Model) *manifest.Manifest {
	t.Helper()
	man, err := manifest.Bind(m)
	if err != nil {
		t.Fatal(err)
	}
	return man
}

// job has a prompt of four ids, so that steps 0..2 absorb.
func job() decode.Job {
	return decode.Job{Prompt: []int32{5, 17, 290, 4}, StopIDs: []int32{2, 9}, MaxNew: 3, Temperature: 1 << 16, Seed: 11}
}

// answer runs a job with the chain as observer.
func answer(t testing.TB, man *manifest.Manifest, j decode.Job, tamper trace.Tamper, flip func(int, *machine.Cache)) *trace.Answer {
	t.Helper()
	c := trace.NewChain(man, &j)
	hooks := decode.Hooks{Tensor: tamper, Step: func(at int, y decode.Yield, kv *machine.Cache) {
		c.Append(y, kv)
		if flip != nil {
			flip(at, kv)
		}
	}}
	r, err := decode.New(man.Model, j, nil, hooks)
	if err != nil {
		t.Fatal(err)
	}
	for !r.Done() {
		if err := r.Advance(1); err != nil {
			t.Fatal(err)
		}
	}
	return c.Answer(r.Output())
}

// Replay finds at every step the states that the chain hashed, the position leaf, the layer rows
// below it and boundaries that feed each other. SPEC 06 §1.4, §2, §3.
func TestReplayIsTheChain(t *testing.T) {
	for _, c := range []struct {
		name string
		conf modeltest.Config
	}{{"tiny", modeltest.Tiny()}, {"wide", modeltest.Wide()}} {
		t.Run(c.name, func(t *testing.T) {
			man, j := bind(t, modeltest.Llama(3, c.conf)), job()
			a := answer(t, man, j, nil, nil)
			for at := range len(a.States) - 1 {
				s, err := trace.Replay(man, j, at, nil, nil, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				if s.Prev != a.States[at] || s.Now != a.States[at+1] || s.PositionLeaf() != a.Positions[at] {
					t.Fatalf("step %d is not the chain's", at)
				}
				if s.Emit() != (at >= 3) {
					t.Fatalf("step %d emits: %v", at, s.Emit())
				}
				sib := s.KVSiblings()
				if err := merkle.VerifyNodes(s.Now.KV, int(man.DPos), uint64(at), []merkle.Hash{s.PositionLeaf()}, sib); err != nil {
					t.Errorf("step %d: %v", at, err)
				}
				rowsOpen(t, man, s)
				stagesJoin(t, man, s)
			}
		})
	}
}

func rowsOpen(t *testing.T, man *manifest.Manifest, s *trace.Step) {
	t.Helper()
	rows := s.Rows()
	if got := merkle.RootAt(rows, int(man.DLayer), int(man.DRow)+1); got != s.PositionLeaf() {
		t.Errorf("%d rows lead to %x, not to the position leaf", len(rows), got)
	}
	for l, row := range rows {
		if err := merkle.VerifyNodes(s.PositionLeaf(), int(man.DLayer), uint64(l), []merkle.Hash{row}, s.RowSiblings(l)); err != nil {
			t.Errorf("row %d: %v", l, err)
		}
		st, err := s.Stage(l + 1)
		if err != nil {
			t.Fatal(err)
		}
		in := man.Model.Stages[l+1].Ops[0]
		k, v := st.Roots()[in.P[1]], st.Roots()[in.P[2]]
		if merkle.Node(k, v) != row {
			t.Errorf("row %d is not H(01 | K | V) of its stage", l)
		}
	}
}

// stagesJoin: the input of each stage is the boundary before, the output the boundary after, and
// the head ends in y and f of the state.
func stagesJoin(t *testing.T, man *manifest.Manifest, s *trace.Step) {
	t.Helper()
	b := s.Boundaries()
	for n := range int(man.Layers) + 1 {
		st, err := s.Stage(n)
		if err != nil {
			t.Fatal(err)
		}
		in := trace.ScalarLeaf(int32(s.Prev.Y))
		if n > 0 {
			in = b[n-1]
		}
		if r := st.Roots(); r[0] != in || r[len(r)-1] != b[n] {
			t.Errorf("stage %d does not lead from boundary to boundary", n)
		}
	}
	st, err := s.Stage(s.Head())
	if err != nil {
		t.Fatal(err)
	}
	r := st.Roots()
	want := []merkle.Hash{trace.ScalarLeaf(int32(s.Now.Y))}
	if s.Emit() {
		want = append(want, trace.ScalarLeaf(int32(s.Now.F)))
	}
	if !slices.Equal(r[len(r)-len(want):], want) {
		t.Errorf("head of step %d does not end in y and f", s.Ctx.T)
	}
}

// Every read of every operation opens under the root that its source has, and what is read gives
// the element that the machine computed. SPEC 02 §3, 06 §1.
func TestEverySourceOpens(t *testing.T) {
	man, j := bind(t, modeltest.Llama(3, modeltest.Tiny())), job()
	kinds := map[uint8]int{}
	for _, at := range []int{0, 2, 4} {
		s, err := trace.Replay(man, j, at, nil, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for n := range man.Stages() {
			st, err := s.Stage(n)
			if n > int(man.Layers) && n != s.Head() {
				if !errors.Is(err, trace.ErrTrace) {
					t.Errorf("step %d has stage %d: %v", at, n, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := 1; i < len(st.Tensors); i++ {
				for _, e := range []int{0, st.Tensors[i].Len() / 2, st.Tensors[i].Len() - 1} {
					elementOpens(t, man, s, st, i, uint64(e), kinds)
				}
			}
		}
	}
	for _, k := range []uint8{opset.Tensor, opset.RootA, opset.RootB, opset.KV, opset.Prompt, opset.Stop} {
		if kinds[k] == 0 {
			t.Errorf("no source of kind %d was opened", k)
		}
	}
}

func elementOpens(t *testing.T, man *manifest.Manifest, s *trace.Step, st *trace.Stage, i int, e uint64, kinds map[uint8]int) {
	t.Helper()
	d := &man.Model.Stages[st.Number].Ops[i].Descriptor
	roots := map[uint8]merkle.Hash{
		opset.RootA: d.RootA, opset.RootB: d.RootB, opset.KV: s.Prev.KV,
		opset.Prompt: trace.IDTree(s.Job.Prompt).Root(), opset.Stop: trace.IDTree(s.Job.StopIDs).Root(),
	}
	got, err := opset.Element(d, &s.Ctx, e, func(r opset.Read) ([]byte, error) {
		o, err := st.Open(d, i, r)
		if err != nil {
			return nil, err
		}
		root := roots[r.Kind]
		if r.Kind == opset.Tensor {
			root = st.Roots()[r.Index]
		}
		a, _ := r.Leaves()
		depth := merkle.Depth(merkle.Leaves(r.Total, r.Leaf))
		if err := merkle.Verify(root, depth, a, r.Leaf, o.Leaves, o.Siblings); err != nil {
			return nil, fmt.Errorf("source %+v: %w", r, err)
		}
		kinds[r.Kind]++
		return r.Trim(o.Leaves)
	})
	if err != nil || got != st.Tensors[i].At(int(e)) {
		t.Errorf("step %d, stage %d, tensor %d (%s), element %d: %d, %v; the machine has %d", s.Ctx.T, st.Number, i, d.Op, e, got, err, st.Tensors[i].At(int(e)))
	}
	same, err := opset.Element(d, &s.Ctx, e, st.Fetch(i))
	if err != nil || same != got {
		t.Errorf("Fetch gives %d, %v; openings give %d", same, err, got)
	}
	z := uint64(d.Type.Size())
	if leaf := st.Leaf(i, e*z/uint64(d.Leaf)); tensor.Element(d.Type, leaf, int(e*z%uint64(d.Leaf)/z)) != got {
		t.Errorf("leaf of element %d of tensor %d does not hold it", e, i)
	}
}

// What is disturbed on purpose is disturbed again by Replay: same states, and openings that are
// consistent with them. GAME rule 42.
func TestDisturbancesAreRepeated(t *testing.T) {
	man, j := bind(t, modeltest.Llama(3, modeltest.Tiny())), job()
	tamper := func(stage int, c *opset.Context, index int, x *tensor.Tensor) {
		if stage == 1 && c.T == 1 && index == len(man.Model.Stages[1].Ops)-1 {
			x.I32[3] ^= 1 << 20
		}
	}
	flip := func(at int, kv *machine.Cache) {
		if at == 2 {
			kv.V[0][kv.DKV+1] ^= 1 << 13 // a row of position 1; layer 1 sees it
		}
	}
	honest := answer(t, man, j, nil, nil)
	for _, c := range []struct {
		name   string
		tamper trace.Tamper
		flip   func(int, *machine.Cache)
		first  int // step whose state differs first
	}{{"tamper", tamper, nil, 1}, {"flip", nil, flip, 3}, {"both", tamper, flip, 1}} {
		t.Run(c.name, func(t *testing.T) {
			a := answer(t, man, j, c.tamper, c.flip)
			for at := range len(a.States) - 1 {
				s, err := trace.Replay(man, j, at, nil, nil, c.tamper, c.flip)
				if err != nil {
					t.Fatal(err)
				}
				if s.Prev != a.States[at] || s.Now != a.States[at+1] {
					t.Fatalf("step %d is replayed otherwise", at)
				}
				if same := a.Hashes[at+1] == honest.Hashes[min(at+1, len(honest.Hashes)-1)]; same && at >= c.first || !same && at < c.first && at < len(honest.Hashes)-1 {
					t.Errorf("step %d is the honest one: %v", at, same)
				}
				stagesJoin(t, man, s)
			}
		})
	}
}

// What a trace does not have is an error, no panic.
func TestWhatIsNotInTheTrace(t *testing.T) {
	man, j := bind(t, modeltest.Llama(3, modeltest.Tiny())), job()
	a := answer(t, man, j, nil, nil)
	if _, err := trace.Replay(man, j, len(a.States)-1, nil, nil, nil, nil); !errors.Is(err, trace.ErrTrace) {
		t.Errorf("a step beyond the end: %v", err)
	}
	bad := j
	bad.Prompt = nil
	if _, err := trace.Replay(man, bad, 0, nil, nil, nil, nil); !errors.Is(err, decode.ErrJob) {
		t.Errorf("an empty prompt: %v", err)
	}
	s, err := trace.Replay(man, j, 1, nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{-1, man.Emit(), man.Stages()} {
		if _, err := s.Stage(n); !errors.Is(err, trace.ErrTrace) {
			t.Errorf("stage %d of an ABSORB step: %v", n, err)
		}
	}
	st, err := s.Stage(1)
	if err != nil {
		t.Fatal(err)
	}
	d := &man.Model.Stages[1].Ops[1].Descriptor
	leaf := uint64(opset.KVLeafBytes)
	for _, r := range []opset.Read{
		{Source: opset.Source{Kind: opset.KV}, Total: leaf << man.KVDepth(), Leaf: int(leaf), Lo: leaf << man.PositionDepth(), Hi: leaf<<man.PositionDepth() + 2},
		{Source: opset.Source{Kind: opset.None}, Total: 64, Leaf: 64, Lo: 0, Hi: 4},
	} {
		if _, err := st.Open(d, 1, r); !errors.Is(err, trace.ErrTrace) {
			t.Errorf("%+v opens: %v", r, err)
		}
	}
	if _, err := trace.ReplayGraph(man, tensor.New(tensor.I16, 1, 1, 8), nil, nil); !errors.Is(err, trace.ErrTrace) {
		t.Errorf("a single run of a token model: %v", err)
	}
}

// A graph run has boundaries that join, from its input to its output, and refuses other inputs.
func TestGraphRuns(t *testing.T) {
	man := bind(t, modeltest.MLP(5))
	in := tensor.New(tensor.I16, 1, 1, 600)
	for i := range in.I16 {
		in.I16[i] = int16(i*37%200 - 100)
	}
	s, err := trace.ReplayGraph(man, in, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := s.Boundaries()
	if len(b) != man.Boundaries() || b[0] != trace.TensorTree(merkle.Leaf, in, 64).Root() || b[len(b)-1] != trace.TensorTree(merkle.Leaf, s.Output(), 64).Root() {
		t.Errorf("%d boundaries from %x to %x", len(b), b[0], b[len(b)-1])
	}
	for n := range man.Stages() {
		st, err := s.Stage(n)
		if err != nil {
			t.Fatal(err)
		}
		if r := st.Roots(); r[0] != b[n] || r[len(r)-1] != b[n+1] {
			t.Errorf("stage %d does not lead from boundary to boundary", n)
		}
		for i := 1; i < len(st.Tensors); i++ {
			elementOpens(t, man, s, st, i, uint64(st.Tensors[i].Len()-1), map[uint8]int{})
		}
	}
	for _, x := range []*tensor.Tensor{tensor.New(tensor.I16, 1, 1, 599), tensor.New(tensor.I32, 1, 1, 600)} {
		if _, err := trace.ReplayGraph(man, x, nil, nil); !errors.Is(err, trace.ErrTrace) {
			t.Errorf("an input of %d %s: %v", x.Len(), x.Type, err)
		}
	}
}
