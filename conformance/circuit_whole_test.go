package conformance_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/proving/circuit"
	"elenchus/proving/step"

	"github.com/consensys/gnark/constraint"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
)

// operatorsOf are tensors of a stage as the operators of a cluster.
func operatorsOf(m *model.Model, stage int, tensors ...int) []opset.Operator {
	var out []opset.Operator
	for _, i := range tensors {
		out = append(out, opset.Operator{Tensor: uint8(i), Descriptor: m.Stages[stage].Ops[i].Descriptor})
	}
	return out
}

// padded are the bytes of a tensor in whole leaves.
func padded(st *trace.Stage, tensor, leaf int) []byte {
	b := st.Tensors[tensor].Bytes(0, st.Tensors[tensor].Len())
	out := make([]byte, merkle.Leaves(uint64(len(b)), leaf)*uint64(leaf))
	copy(out, b)
	return out
}

// wholeInputs are the leaves that a cluster reads from a replayed stage.
func wholeInputs(t *testing.T, st *trace.Stage, x *opset.Cluster) [][]byte {
	t.Helper()
	var out [][]byte
	for n := range x.Inputs {
		in := &x.Inputs[n]
		if in.Source.Kind == opset.Tensor {
			all := padded(st, int(in.Source.Index), in.Leaf)
			out = append(out, all[in.From*uint64(in.Leaf):in.To*uint64(in.Leaf)])
			continue
		}
		o := &x.Operators[in.Operator]
		opened, err := st.Open(&o.Descriptor, int(o.Tensor), in.Read())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, opened.Leaves)
	}
	return out
}

// wholeOf prepares a cluster of a stage; nil where there is none.
func wholeOf(t *testing.T, st *trace.Stage, ctx *opset.Context, operators []opset.Operator) *circuit.Whole {
	t.Helper()
	x, err := opset.NewCluster(operators, ctx)
	if err != nil {
		if !errors.Is(err, opset.ErrCluster) {
			t.Fatal(err)
		}
		return nil
	}
	w, err := circuit.PrepareWhole(x, wholeInputs(t, st, x))
	if errors.Is(err, circuit.ErrUnit) {
		return nil // reads that are not between those of the first and the last element
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Clusters of the stages of random models give the tensors that the kernels computed, and their circuits admit these
// and no others. SPEC 10 §4.7.
func TestWholeTensorsEqualTheKernels(t *testing.T) {
	rounds, most, solved := 9, 6, map[opset.Code]int{}
	if soak {
		rounds, most = 120, 1000
	}
	r := rand.New(rand.NewPCG(10, 47))
	seen := map[opset.Code]bool{}
	for round := range rounds {
		m := []*model.Model{modeltest.Llama(uint64(round), modeltest.Tiny()), modeltest.Family(uint64(round)), modeltest.MLP(uint64(round))}[round%3]
		st, ctx, s := randomStage(t, r, m)
		for i := 1; i < len(st.Tensors); i++ {
			d := &m.Stages[s].Ops[i].Descriptor
			if !d.Op.Clusters() {
				continue
			}
			w := wholeOf(t, st, ctx, operatorsOf(m, s, i))
			if w == nil {
				continue
			}
			if !bytes.Equal(w.Target, padded(st, i, int(d.Leaf))) {
				t.Fatalf("stage %d tensor %d, %s: not what the kernel made", s, i, d.Op)
			}
			seen[d.Op] = true
			if len(solved) < most && solved[d.Op] == 0 && d.Count(ctx) <= 12 && len(w.Inputs[0]) <= 192 {
				solved[d.Op]++
				solveWhole(t, r, w)
			}
		}
	}
	t.Logf("%d operations, %d of them proven", len(seen), len(solved))
	if len(seen) < 12 || len(solved) < 4 {
		t.Errorf("%d operations, %d of them proven", len(seen), len(solved))
	}
}

// solveWhole solves the circuit of a whole tensor, and not with one byte of the target changed.
func solveWhole(t *testing.T, r *rand.Rand, w *circuit.Whole) {
	t.Helper()
	c, err := circuit.WholeCircuit(w.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	s, err := circuit.Compile(c, r1cs.NewBuilder[constraint.U64])
	if err != nil {
		t.Fatal(err)
	}
	estimated(t, step.Groth16, w.Cluster, s.GetNbConstraints())
	for _, change := range []bool{false, true} {
		x := *w
		if x.Target = bytes.Clone(w.Target); change {
			x.Target[r.IntN(len(x.Target))] ^= 1
		}
		assigned, _, err := x.Assignment([32]byte{7})
		if err != nil {
			t.Fatal(err)
		}
		full, err := frontend.NewWitness(assigned, circuit.Curve.ScalarField())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.IsSolved(full, solver.WithHints(circuit.Hints()...)); (err == nil) == change {
			t.Fatalf("%s, changed %v: %v", w.Cluster.Target().Descriptor.Op, change, err)
		}
	}
}

// estimated compares the size of a circuit with what is said of it before it is compiled: not less, and a quarter more at
// most, of a chain, whose operators range less when they know what they read, three times.
func estimated(t *testing.T, system step.System, x *opset.Cluster, size int) {
	t.Helper()
	got, err := step.EstimateWhole(system, x)
	most := size + size/4 + 64
	if len(x.Operators) > 1 {
		most = 3 * size
	}
	if err != nil || got < size || got > most {
		t.Errorf("%s, %d elements: estimated %d (%v), %s has %d constraints", x.Target().Descriptor.Op, x.Target().Descriptor.Count(&x.Context), got, err, system, size)
	}
}

// normChain are the operators of the first norm of stage 1: what is inside is read from nowhere.
var normChain = []int{1, 2, 3, 4}

// A chain of operators is one cluster; positions that change no reads change no circuit, and another position of a
// rotation reads another run of its table under the same shape. SPEC 10 §4.7, §5.13.
func TestShapesOfClustersNameCircuits(t *testing.T) {
	m := modeltest.Llama(4, modeltest.Config{Vocab: 64, TMax: 40, Dim: 16, Heads: 1, KVHeads: 1, HeadDim: 16, FF: 16, Layers: 1})
	man := bind(t, m)
	rope := 0
	for i := range m.Stages[1].Ops {
		if m.Stages[1].Ops[i].Descriptor.Op == opset.RoPE {
			rope = i
			break
		}
	}
	digests, froms := map[[32]byte][32]byte{}, map[uint64]bool{}
	for _, at := range []int{3, 5} {
		step, err := trace.Replay(man, decode.Job{Prompt: []int32{1, 2, 3, 4, 5, 6, 7}, MaxNew: 2}, at, nil, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		st, err := step.Stage(1)
		if err != nil {
			t.Fatal(err)
		}
		for _, tensors := range [][]int{normChain, {rope}} {
			w := wholeOf(t, st, &step.Ctx, operatorsOf(m, 1, tensors...))
			if w == nil {
				t.Fatalf("tensors %v are no cluster", tensors)
			}
			last := tensors[len(tensors)-1]
			if !bytes.Equal(w.Target, padded(st, last, int(m.Stages[1].Ops[last].Descriptor.Leaf))) {
				t.Fatalf("tensors %v: not what the kernels made", tensors)
			}
			digest, err := wholeDigest(w.Cluster)
			if err != nil {
				t.Fatal(err)
			}
			shape := circuit.WholeShape(w.Cluster)
			if was, ok := digests[shape]; ok != (at == 5) || ok && was != digest {
				t.Errorf("position %d, tensors %v: shape %x seen %v with circuit %x, now %x", at, tensors, shape, ok, was, digest)
			}
			digests[shape] = digest
			if len(tensors) == 1 {
				froms[w.Cluster.Inputs[1].From] = true
			} else if n := len(w.Cluster.Inputs); n != 1 {
				t.Errorf("the norm reads %d inputs, want the stage's own", n)
			}
		}
	}
	if len(digests) != 2 || len(froms) != 2 {
		t.Errorf("%d shapes, %d places of the table", len(digests), len(froms))
	}
}

// Chains of operators give what the kernels give, though several of them read the same cells: the circuit has the true
// tensor and no other one. SPEC 10 §4.7.
func TestChainsOfOperatorsEqualTheKernels(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 8))
	m := modeltest.Llama(4, modeltest.Config{Vocab: 64, TMax: 40, Dim: 16, Heads: 1, KVHeads: 1, HeadDim: 16, FF: 16, Layers: 1})
	step, err := trace.Replay(bind(t, m), decode.Job{Prompt: []int32{1, 2, 3}, MaxNew: 2}, 1, nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	st, err := step.Stage(1)
	if err != nil {
		t.Fatal(err)
	}
	norm, solved := false, 0
	ops := m.Stages[1].Ops
	for last := 2; last < len(ops); last++ {
		for first := last - 1; first > 0 && last-first < opset.ClusterOperators; first-- {
			var chain []int
			for i := first; i <= last && ops[i].Op.Clusters(); i++ {
				chain = append(chain, i)
			}
			if len(chain) != last-first+1 {
				break
			}
			w := wholeOf(t, st, &step.Ctx, operatorsOf(m, 1, chain...))
			if w == nil {
				continue
			}
			if !bytes.Equal(w.Target, padded(st, last, int(ops[last].Leaf))) {
				t.Fatalf("tensors %v: not what the kernels made", chain)
			}
			if isNorm := slices.Equal(chain, normChain); isNorm || soak || len(chain) == 2 && last < 24 {
				solveWhole(t, r, w)
				norm = norm || isNorm
				solved++
			}
		}
	}
	if !norm || solved < 4 {
		t.Errorf("%d chains, the norm's %v", solved, norm)
	}
}

func wholeDigest(x *opset.Cluster) ([32]byte, error) {
	c, err := circuit.WholeCircuit(x)
	if err != nil {
		return [32]byte{}, err
	}
	return step.CircuitDigest(step.Groth16, c)
}

// What cannot be proven at once is refused. SPEC 10 §4.8.
func TestClustersOfStagesRefuse(t *testing.T) {
	m := modeltest.Llama(4, modeltest.Config{Vocab: 64, TMax: 40, Dim: 16, Heads: 1, KVHeads: 1, HeadDim: 16, FF: 16, Layers: 1})
	ops := func(tensors ...int) []opset.Operator { return operatorsOf(m, 1, tensors...) }
	large := ops(4)
	large[0].Descriptor.Dims[2].C = opset.ClusterElements + 1
	leaves := ops(4) // 4,096 elements of 4 bytes are 256 leaves, three times
	leaves[0].Descriptor.Op, leaves[0].Descriptor.Type, leaves[0].Descriptor.Dims[2].C = opset.Add, 3, opset.ClusterElements
	context := ops(4)
	context[0].Descriptor.Src[1] = opset.Source{Kind: opset.Counts}
	twice := ops(4)
	twice[0].Descriptor.Op, twice[0].Descriptor.Type = opset.Add, 3
	twice = append(twice, twice[0])
	twice[1].Tensor++
	twice[1].Descriptor.Dims[2].C--
	twice[1].Descriptor.Src[0] = twice[0].Descriptor.Src[0]
	for name, operators := range map[string][]opset.Operator{
		"no operator": nil, "an operation that names places or is a product": ops(5), "operators out of order": ops(2, 1), "an operator twice": ops(1, 1),
		"nine operators": ops(1, 2, 3, 4, 1, 2, 3, 4, 1), "too many elements": large, "too many leaves": leaves, "a source of the request": context, "a tensor of two sizes": twice,
	} {
		if _, err := opset.NewCluster(operators, &opset.Context{T: 3, M: 4}); !errors.Is(err, opset.ErrCluster) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
