package conformance_test

import (
	"bytes"
	"errors"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/poseidon"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
	"elenchus/proving/circuit"
	"elenchus/settlement/dispute"
)

// errSeen ends a twin's game where the contract has no key.
var errSeen = errors.New("seen")

// The contract derives reads, inputs and shape of every cluster of a stage as the twin does, of chains too: it asks for
// the key of the same shape. SPEC 10 §4.8, §5.13.
func TestShapesOfClustersOnChain(t *testing.T) {
	w := newClusterWorld(t)
	st, err := trace.Replay(w.man, decode.Job{Prompt: []int32{1, 2, 3, 4}, MaxNew: 2}, 2, nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	stage, err := st.Stage(1)
	if err != nil {
		t.Fatal(err)
	}
	r := newClusterRules(t)
	unknown := r.verifier.Errors["UnknownShape"]
	sets, ops, chains := [][]int{normChain, {1, 2}, {2, 3, 4}}, map[opset.Code]bool{}, 0
	for i := 1; i < len(stage.Tensors); i++ {
		sets = append(sets, []int{i}, []int{i - 1, i})
	}
	for _, tensors := range sets {
		m, x := w.chain(stage, &st.Ctx, tensors)
		if x == nil {
			continue
		}
		s, _ := w.state(dispute.Pick, 0)
		data, err := r.answer.Pack("answer", s.Encode(), m.Encode())
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := r.call(r.answerAt, data)
		if err == nil || len(out) < 68 || !bytes.Equal(out[:4], unknown.ID[:4]) {
			t.Fatalf("tensors %v: %v, %s", tensors, err, refusal(out, r.clusters, r.verifier, r.abi, r.registry))
		}
		want := circuit.WholeShape(x)
		if !bytes.Equal(out[36:68], want[:]) {
			t.Errorf("tensors %v: the contract asks for shape %x, the twin for %x", tensors, out[36:68], want)
		}
		seen := [32]byte{}
		_, _, err = judgedCluster(&s, m.Encode(), func(p *dispute.Proven) error {
			seen = circuit.WholeShape(p.Cluster)
			return errSeen
		})
		if !errors.Is(err, errSeen) || seen != want {
			t.Errorf("tensors %v: the twin's game: %v, shape %x", tensors, err, seen)
		}
		for _, o := range x.Operators {
			ops[o.Descriptor.Op] = true
		}
		if len(tensors) > 1 {
			chains++
		}
	}
	if len(ops) < 9 || chains < 8 {
		t.Errorf("%d operations, %d chains", len(ops), chains)
	}
}

// chain is the answer about the last of some tensors of a stage by the operators that make them, without its proof; nil
// where they are no cluster.
func (w *clusterWorld) chain(stage *trace.Stage, ctx *opset.Context, tensors []int) (dispute.ClusterMove, *opset.Cluster) {
	w.t.Helper()
	m := dispute.ClusterMove{Job: w.job, System: chainGroth16}
	x, err := opset.NewCluster(operatorsOf(w.man.Model, 1, tensors...), ctx)
	if err != nil {
		return m, nil
	}
	for k := range x.Operators {
		o := &x.Operators[k]
		d, path, err := w.man.Descriptor(1, int(o.Tensor))
		if err != nil {
			w.t.Fatal(err)
		}
		o.Descriptor = d // with its roots
		m.Operators = append(m.Operators, dispute.ClusterOperator{Tensor: o.Tensor, Descriptor: d.Encode(), GraphPath: path,
			First: uint16(opset.Data(x.First[k])), Last: uint16(opset.Data(x.Last[k]))})
	}
	path := func(i int) []dispute.Hash { return claim.NewTree(w.roots).Path(i) }
	hash := merkle.Hasher(poseidon.Leaf)
	last := tensors[len(tensors)-1]
	leaf := int(x.Target().Descriptor.Leaf)
	m.Root, m.RootPath, m.Leaves = w.roots[last], path(last), hash.Leaves(leaf, padded(stage, last, leaf))
	for n, leaves := range wholeInputs(w.t, stage, x) {
		in := &x.Inputs[n]
		o := dispute.ClusterInput{Hashes: hash.Leaves(in.Leaf, leaves)}
		if o.Tensor = in.Source.Kind == opset.Tensor; o.Tensor {
			i := int(in.Source.Index)
			tree := stage.Tree(i)
			o.Root, o.RootPath, o.Siblings = w.roots[i], path(i), tree.SiblingsTo(0, in.From, in.To, tree.Depth())
		} else {
			opened, err := stage.Open(&x.Operators[in.Operator].Descriptor, int(x.Operators[in.Operator].Tensor), in.Read())
			if err != nil {
				w.t.Fatal(err)
			}
			o.Siblings = opened.Siblings
		}
		m.Inputs = append(m.Inputs, o)
	}
	return m, x
}
