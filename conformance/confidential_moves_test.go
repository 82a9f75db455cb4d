package conformance_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
	"elenchus/proving/step"
	"elenchus/settlement/dispute"
)

// vault is a bar with games about a small confidential model: positions of class 1, whose answers are proofs. A proof
// is made once for each position: it holds for the state that the position has.
type vault struct {
	*bar
	*notary
	t      testing.TB
	man    *manifest.Manifest
	job    dispute.Job
	tensor uint8 // that games are about
}

func newVault(t *testing.T) *vault {
	t.Helper()
	v := &vault{bar: newBar(t), t: t, man: concealed(t)}
	v.job = dispute.Job{PromptCount: 4, Count: 2, MaxNew: 2, Layers: v.man.Layers, Kind: 1, TMax: v.man.TMax}
	for i, o := range v.man.Model.Stages[1].Ops {
		if o.Op == opset.Add && v.tensor == 0 {
			v.tensor = uint8(i)
		}
	}
	input, err := v.registry.Pack("proofsAt", numerics, uint8(step.Groth16))
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := v.judge.call(v.step, input)
	if err != nil || v.tensor == 0 {
		t.Fatalf("%v, tensor %d", err, v.tensor)
	}
	at := common.BytesToAddress(out)
	v.notary = newNotary(t, vectorChain, at, func(shape [32]byte, words []byte) {
		v.must(t, common.Address{}, at, v.verifier, "register", numerics, shape, words)
	})
	v.decides = v.decide
	return v
}

// answer is the payload of the node's answer in a state, proven; known is what the node knows of its claim.
func (v *vault) answer(s dispute.State, known dispute.Knowledge) string {
	v.t.Helper()
	next, err := dispute.NextForNode(s, v.job, known)
	if err != nil {
		v.t.Fatal(err)
	}
	m, ok := next.(dispute.ProofMove)
	if !ok {
		v.t.Fatalf("the answer is a %T", next)
	}
	return fmt.Sprintf("%x", v.prove(s, m, claim.Address{9}).Encode())
}

// run is the step of the job that games are about, with element 0 of the tensor turned over where lies says so.
func (v *vault) run(lies bool) *trace.Step {
	v.t.Helper()
	var l *lie
	if lies {
		l = &lie{t: 2, stage: 1, tensor: int(v.tensor), element: 0, mask: 1}
	}
	s, err := trace.Replay(v.man, decode.Job{Prompt: []int32{1, 2, 3, 4}, MaxNew: 2}, 2, nil, nil, l.tamper(), nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return s
}

// game puts a live game into a position of class 1 about the tensor: phase and element, the claim a lie or not, the
// leaf of the element in hand or not.
func (v *vault) game(phase dispute.Phase, index uint64, lies, descended bool) (*trial, dispute.Knowledge) {
	v.t.Helper()
	st := v.run(lies)
	stage, err := st.Stage(1)
	if err != nil {
		v.t.Fatal(err)
	}
	x := v.bar.at(v.t, "served", 0)
	s := x.state
	s.Phase, s.Class, s.Flags, s.T, s.Layers, s.GraphRoot = phase, manifest.Confidential, 0, 2, v.man.Layers, v.man.Graph
	s.Stage, s.Count, s.Tensors, s.JobHash, s.Tensor, s.Index = 1, uint8(len(stage.Roots())), claim.NewTree(stage.Roots()).Root(), v.job.Hash(), v.tensor, index
	if phase == dispute.Pick {
		s.Tensor, s.Index = 0, 0
	}
	if descended {
		values := stage.Tensors[v.tensor]
		perLeaf := uint64(opset.LeafBytes / values.Type.Size())
		first := int(index / perLeaf * perLeaf)
		s.Flags, s.Type = dispute.FlagDescended, uint8(values.Type)
		s.Subtree = s.Class.Hasher()(values.Bytes(first, first+int(perLeaf)))
	}
	x.job, x.state, x.moves = v.job, s, nil
	v.place(x)
	return x, dispute.NewOwnGraph(v.man, st)
}

// hidden are positions of class 1: what follows from them is what differs from games about public models.
func (v *vault) hidden() (list []position) {
	v.t.Helper()
	add := func(x *trial, k dispute.Kind, payload string) {
		x.moves = []moveCase{{Move: uint8(k), Payload: payload}}
		list = append(list, v.here(x))
	}
	answered := func(index uint64, lies, descended bool) {
		x, own := v.game(dispute.Answer, index, lies, descended)
		v.answer(x.state, own) // the chain has its key then, in every position
	}
	ends := []uint64{0}
	if soak {
		ends = append(ends, 15) // of a leaf: a key more
	}
	for _, index := range ends {
		v.back(func() { answered(index, false, false) })
	}
	for shape, words := range v.words { // back in the state that all positions are copies of
		v.enters(shape, words)
	}
	for _, x := range []struct {
		index           uint64
		lies, descended bool
	}{{0, false, false}, {0, true, false}, {0, false, true}, {0, true, true}, {15, false, true}} {
		if x.index != 0 && !soak {
			continue
		}
		v.back(func() {
			g, own := v.game(dispute.Answer, x.index, x.lies, x.descended)
			add(g, dispute.KindAnswer, v.answer(g.state, own))
			if x.descended && !x.lies && x.index == 0 {
				g.moves = list[len(list)-1].game.moves
				v.next(v.t, g)
				add(g, dispute.KindElement, fmt.Sprintf("%x", dispute.PickElement{Element: 1}.Encode()))
			}
		})
	}
	v.back(func() {
		g, _ := v.game(dispute.Pick, 0, false, false)
		add(g, dispute.KindPick, fmt.Sprintf("%x", dispute.PickTensor{Tensor: v.tensor, Index: 3}.Encode()))
	})
	v.back(func() { v.leafOf(add) })
	return list
}

// leafOf is the last step of a descent: the opener picks a leaf, and its elements are next, without its bytes.
func (v *vault) leafOf(add func(x *trial, k dispute.Kind, payload string)) {
	v.t.Helper()
	g, _ := v.game(dispute.Tensor, 0, false, false)
	level := []claim.Hash{{1}, {2}, {3}, {4}}
	upper := []claim.Hash{merkle.Node(level[0], level[1]), merkle.Node(level[2], level[3])}
	g.state.Type = uint8(v.man.Model.Stages[1].Ops[v.tensor].Type)
	g.state.Level, g.state.Total, g.state.Leaf, g.state.Subtree = 2, 4*opset.LeafBytes, opset.LeafBytes, merkle.Node(upper[0], upper[1])
	v.place(g)
	add(g, dispute.KindChildren, fmt.Sprintf("%x", dispute.Children{Hashes: level}.Encode()))
	g.moves = []moveCase{{Move: uint8(dispute.KindChildren), Payload: fmt.Sprintf("%x", dispute.Children{Hashes: level}.Encode())}}
	v.next(v.t, g)
	add(g, dispute.KindChild, fmt.Sprintf("%x", dispute.Child{Number: 0, Hash: level[0], Path: []claim.Hash{level[1], upper[1]}}.Encode()))
	g.moves = []moveCase{{Move: uint8(dispute.KindChild), Payload: fmt.Sprintf("%x", dispute.Child{Number: 0, Hash: level[0], Path: []claim.Hash{level[1], upper[1]}}.Encode())}}
	v.next(v.t, g)
	add(g, dispute.KindElement, fmt.Sprintf("%x", dispute.PickElement{Element: 2}.Encode()))
}

// What games about confidential models do otherwise: an answer is a proof, a withheld leaf is proven element by element
// without its bytes. Arena and twin agree on each transition, with random illegal moves before it, and on who is paid: a
// thousand times in a soak. SPEC 08 §4.11, §7.11, 10 §6.
func TestEveryHiddenTransitionIsMade(t *testing.T) {
	t.Parallel()
	times := 1
	if os.Getenv("ELENCHUS_SOAK") != "" {
		times = 1000
	}
	v := newVault(t)
	list := v.hidden()
	clear(v.moves)
	want := []string{"answer: answer to lost", "answer: answer to refuted", "answer: answer to element", "element: element to answer",
		"child: tensor-pick to element", "children: tensor to tensor-pick", "pick: pick to answer", "timeout: answer to refuted, void",
		"timeout: element to lost", "resolve: lost", "resolve: refuted", "settle"}
	v.wander(t, list, want, times, rand.New(rand.NewPCG(4, 79)))
	if v.moves["raw: raw to element"] != 0 {
		t.Error("a leaf of a confidential model was shown")
	}
}
