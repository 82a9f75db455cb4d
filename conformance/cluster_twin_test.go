package conformance_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/contracts"
	"elenchus/proving/check"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
	"elenchus/settlement/dispute"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
)

// clusterVectors are answers about whole tensors under one key.
const clusterVectors = "../testvectors/dispute/clusters.json"

type clusterFile struct {
	Op       string        `json:"op"`
	Chain    uint64        `json:"chain"`
	Verifier string        `json:"verifier"` // of Groth16
	Shape    string        `json:"shape"`
	Key      string        `json:"key"` // words; a development key
	PLONK    string        `json:"plonk_verifier"`
	Words    string        `json:"plonk_key"` // of PLONK
	Cases    []clusterCase `json:"cases"`
}

type clusterCase struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Payload string `json:"payload"`
	Phase   uint8  `json:"phase,omitempty"` // that the answer leads to
	Want    string `json:"want,omitempty"`  // the reason of a refusal
}

// clusterVerifier is where the vectors have the verifier of Groth16, plonkVerifier that of PLONK.
var (
	clusterVerifier = common.Address{0xc1}
	plonkVerifier   = common.Address{0xc2}
)

// newClusterRules are the rules of the game over a verifier at the vectors' place.
func newClusterRules(t testing.TB) *rules {
	t.Helper()
	r := &rules{judge: newJudge(t)}
	var ops []uint8
	var at []common.Address
	for _, code := range opset.Codes() {
		ops, at = append(ops, uint8(code)), append(at, r.of[code])
	}
	for address, name := range map[common.Address]string{clusterVerifier: "ProofVerifier", plonkVerifier: "PlonkVerifier"} {
		code, err := contracts.Runtime(name)
		if err != nil {
			t.Fatal(err)
		}
		r.cfg.State.SetCode(address, code, 0)
	}
	_, r.step = r.deploy(t, "StepVerifier", common.Address{}, ops, at, []common.Address{clusterVerifier, plonkVerifier})
	_, poseidon := r.deploy(t, "Poseidon")
	r.proofs, r.proofsAt = r.deploy(t, "ProofRules", r.step, poseidon)
	var clusters common.Address
	r.clusters, clusters = r.deploy(t, "ClusterRules", r.step)
	r.answer, r.answerAt = r.deploy(t, "AnswerRules", r.step, r.proofsAt, clusters)
	return r
}

// register adds a key as the registrar of bare code, the zero address.
func (r *rules) register(t testing.TB, verifier common.Address, shape [32]byte, words []byte) {
	t.Helper()
	data, err := r.verifier.Pack("register", numerics, shape, words)
	if err != nil {
		t.Fatal(err)
	}
	if out, _, err := r.call(verifier, data); err != nil {
		t.Fatalf("register: %s", refusal(out, r.verifier))
	}
}

// Contracts and twin agree about every answer of the vectors: where it leads, or why it is refused; every reason that an
// answer about a whole tensor can be refused by is shown. SPEC 08 §4.13, §7.15, STYLE 30, 33.
func TestClusterAnswersOnChain(t *testing.T) {
	if *update {
		writeClusters(t)
	}
	var f clusterFile
	if err := json.Unmarshal([]byte(read(t, clusterVectors)), &f); err != nil {
		t.Fatal(err)
	}
	r := newClusterRules(t)
	shape := [32]byte(unhex(t, f.Shape))
	r.register(t, clusterVerifier, shape, unhex(t, f.Key))
	r.register(t, plonkVerifier, shape, unhex(t, f.Words))
	shown := map[string]bool{}
	for _, c := range f.Cases {
		state, payload := unhex(t, c.State), unhex(t, c.Payload)
		next, name := r.play(t, uint8(dispute.KindAnswer), state, payload)
		if name != c.Want || name == "" && next[72] != c.Phase {
			t.Errorf("%s: %q, want %q", c.Name, name, c.Want)
		}
		s, err := dispute.DecodeState(state)
		if err != nil {
			t.Fatal(err)
		}
		got, effect, err := judgedCluster(&s, payload, func(p *dispute.Proven) error { return provenBy(&f, shape, p) })
		switch {
		case (err == nil) != (c.Want == ""):
			t.Errorf("%s: the twin says %v, want %q", c.Name, err, c.Want)
		case err == nil && (uint8(got.Phase) != c.Phase || effect.Convicts != (got.Phase == dispute.Refuted)):
			t.Errorf("%s: the twin is in %s, convicts %v", c.Name, got.Phase, effect.Convicts)
		}
		shown[c.Want] = true
	}
	for _, reason := range []string{"", "WrongPhase", "WrongJob", "PayloadLength", "OutOfRange", "NotOpened", "BadCluster", "BadRead", "DataLength",
		"UnknownSystem", "UnknownShape", "ProofLength", "LeafOutOfField", "ScalarOutOfField", "BadPoint", "ProofRefused"} {
		if !shown[reason] {
			t.Errorf("no vector shows %q", reason)
		}
	}
}

// Proof files and games bind a whole tensor alike. SPEC 10 §4.7.
func TestWholeTensorsAreBoundAlike(t *testing.T) {
	x, err := opset.NewCluster([]opset.Operator{{Tensor: 7, Descriptor: opset.Descriptor{Op: opset.ReLU, Type: tensor.I32, Leaf: opset.LeafBytes,
		Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 16}}, Src: [4]opset.Source{{Kind: opset.Tensor, Index: 1}}, P: [11]int64{16}}}}, &opset.Context{M: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := (step.Binding{Chain: 5}).OfWhole(x), (step.Binding{Chain: 5, Op: dispute.ClusterCode, Element: 7}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// judgedCluster plays a payload by the twin.
func judgedCluster(s *dispute.State, payload []byte, proofs dispute.Proofs) (dispute.State, dispute.Effect, error) {
	m, err := dispute.DecodeMove(s, dispute.KindAnswer, payload)
	if err != nil {
		return *s, dispute.Effect{}, err
	}
	return dispute.Apply(*s, m, dispute.Env{Now: s.Deadline, Proofs: proofs})
}

// provenBy decides on a proof as the verifier of the vectors does.
func provenBy(f *clusterFile, shape [32]byte, p *dispute.Proven) error {
	text, verifier := f.Key, clusterVerifier
	if p.System == uint8(step.PLONK) {
		text, verifier = f.Words, plonkVerifier
	}
	if p.System > uint8(step.PLONK) || p.Cluster == nil || circuit.WholeShape(p.Cluster) != shape {
		return check.ErrShape
	}
	words, err := hex.DecodeString(text)
	if err != nil {
		return err
	}
	leaves := make([][32]byte, len(p.Hashes))
	for i, h := range p.Hashes {
		leaves[i] = h
	}
	about := &check.Statement{Game: p.Slot, Op: dispute.ClusterCode, Element: p.Index, Chain: f.Chain, Verifier: verifier, Prover: p.Prover, Equal: p.Equal}
	return check.Answer(words, about, leaves, p.Proof)
}

// chainGroth16 is the number of Groth16 in the registry.
const chainGroth16 = uint8(step.Groth16)

// clusterWorld is a stage of a small confidential model with a game about it, and the key of its first norm.
type clusterWorld struct {
	t      *testing.T
	man    *manifest.Manifest
	own    *dispute.Own
	roots  []dispute.Hash // of the stage
	job    dispute.Job
	keys   map[step.System]*step.Key
	tensor uint8 // that is accused
	cases  []clusterCase
}

func newClusterWorld(t *testing.T) *clusterWorld {
	t.Helper()
	man := concealed(t)
	st, err := trace.Replay(man, decode.Job{Prompt: []int32{1, 2, 3, 4}, MaxNew: 2}, 2, nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	stage, err := st.Stage(1)
	if err != nil {
		t.Fatal(err)
	}
	w := &clusterWorld{t: t, man: man, own: dispute.NewOwnGraph(man, st), roots: stage.Roots(), tensor: 3}
	if op := man.Model.Stages[1].Ops[w.tensor].Descriptor.Op; op != opset.NormInv {
		t.Fatalf("tensor %d is %s", w.tensor, op)
	}
	w.job = dispute.Job{PromptCount: 4, Count: 2, MaxNew: 2, Layers: man.Layers, Kind: 1, TMax: man.TMax}
	return w
}

// state is a game in a phase, with tensor lie false, 0: none.
func (w *clusterWorld) state(phase dispute.Phase, lie uint8) (dispute.State, []dispute.Move) {
	roots := append([]dispute.Hash(nil), w.roots...)
	if lie != 0 {
		roots[lie][0] ^= 1
	}
	s := dispute.State{Case: dispute.Hash{1}, Node: claim.Address{2}, Opener: claim.Address{3}, Phase: phase, Deadline: 100, Last: 200, Class: manifest.Confidential,
		T: 2, Layers: w.man.Layers, GraphRoot: w.man.Graph, Stage: 1, Count: uint8(len(roots)), JobHash: w.job.Hash(),
		Tensors: claim.NewTree(roots).Root()}
	if phase != dispute.Pick {
		s.Tensor = w.tensor
	}
	return s, []dispute.Move{dispute.Tensors{Roots: roots}}
}

// move is the answer about the tensor that is false, or in hand.
func (w *clusterWorld) move(s dispute.State, seen []dispute.Move, lie uint8) dispute.ClusterMove {
	w.t.Helper()
	all, err := dispute.WholesForOpener(s, w.job, seen, w.own)
	if lie == 0 {
		s.Tensor = w.tensor
		held := s.Phase
		s.Phase = dispute.Tensor
		all, err = dispute.WholesForNode(s, w.job, w.own)
		s.Phase = held
	}
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := all.Move(0)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// prove finishes an answer, by Groth16.
func (w *clusterWorld) prove(s dispute.State, m dispute.ClusterMove) dispute.ClusterMove {
	w.t.Helper()
	return w.proveBy(step.Groth16, w.keys[step.Groth16], s, m, func(*step.Binding) {})
}

// proveBy finishes an answer by a system and a key, with a proof for what edit makes of the binding.
func (w *clusterWorld) proveBy(y step.System, key *step.Key, s dispute.State, m dispute.ClusterMove, edit func(b *step.Binding)) dispute.ClusterMove {
	w.t.Helper()
	x, err := m.Cluster(&s)
	if err != nil {
		w.t.Fatal(err)
	}
	whole, err := circuit.PrepareWhole(x, m.Secret)
	if err != nil {
		w.t.Fatal(err)
	}
	prover := claim.Address{9}
	b := step.Binding{Game: s.Slot(), Op: dispute.ClusterCode, Element: uint64(x.Target().Tensor), Chain: params.MergedTestChainConfig.ChainID.Uint64(),
		Verifier: clusterVerifier, Prover: prover}
	if y == step.PLONK {
		b.Verifier = plonkVerifier
	}
	edit(&b)
	assigned, digest, err := whole.Assignment(b.Hash())
	if err != nil {
		w.t.Fatal(err)
	}
	proof, err := key.Prove(assigned)
	if err != nil {
		w.t.Fatal(err)
	}
	return m.With(uint8(y), prover, y.Posted(proof, digest))
}

func (w *clusterWorld) add(name string, s dispute.State, payload []byte, phase dispute.Phase, want string) {
	c := clusterCase{Name: name, State: hex.EncodeToString(s.Encode()), Payload: hex.EncodeToString(payload), Want: want}
	if want == "" {
		c.Phase = uint8(phase)
	}
	w.cases = append(w.cases, c)
}

// writeClusters makes the vectors anew, under a new key.
func writeClusters(t *testing.T) {
	t.Helper()
	w := newClusterWorld(t)
	s, seen := w.state(dispute.Pick, w.tensor)
	m := w.move(s, seen, w.tensor)
	x, err := m.Cluster(&s)
	if err != nil {
		t.Fatal(err)
	}
	c, err := circuit.WholeCircuit(x)
	if err != nil {
		t.Fatal(err)
	}
	words, others := map[step.System]string{}, map[step.System]*step.Key{}
	w.keys = map[step.System]*step.Key{}
	for _, y := range []step.System{step.Groth16, step.PLONK} {
		w.keys[y], others[y] = developedWhole(t, y, c), developedWhole(t, y, c)
		b, err := w.keys[y].Words()
		if err != nil {
			t.Fatal(err)
		}
		words[y] = hex.EncodeToString(b)
	}
	shape := circuit.WholeShape(x)
	w.verdicts()
	w.systems(others)
	w.refusals()
	w.hostileGraphs()
	out, err := json.MarshalIndent(clusterFile{Op: x.Target().Descriptor.Op.String(), Chain: params.MergedTestChainConfig.ChainID.Uint64(),
		Verifier: hex.EncodeToString(clusterVerifier[:]), Shape: hex.EncodeToString(shape[:]), Key: words[step.Groth16], PLONK: hex.EncodeToString(plonkVerifier[:]),
		Words: words[step.PLONK], Cases: w.cases}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(clusterVectors, append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// verdicts are answers that hold, in every phase.
func (w *clusterWorld) verdicts() {
	for phase := dispute.R2; phase <= dispute.Refuted; phase++ {
		for _, lie := range []uint8{0, w.tensor} {
			s, seen := w.state(phase, lie)
			at := s
			if phase < dispute.Pick || phase > dispute.Answer {
				at.Phase = dispute.Pick // where it could be made
			}
			m := w.prove(at, w.move(at, seen, lie))
			to, want := dispute.Lost, ""
			if lie != 0 {
				to = dispute.Refuted
			}
			if at.Phase != phase || phase == dispute.Pick && lie == 0 {
				want = "WrongPhase"
			}
			w.add(phase.String()+": a tensor that is "+map[bool]string{true: "false", false: "true"}[lie != 0], s, m.Encode(), to, want)
		}
	}
}

// refusals are answers of which one thing is wrong.
func (w *clusterWorld) refusals() {
	s, seen := w.state(dispute.Pick, w.tensor)
	proven := w.prove(s, w.move(s, seen, w.tensor))
	with := func(name, want string, edit func(m *dispute.ClusterMove)) {
		m := proven
		m.Operators = append([]dispute.ClusterOperator(nil), proven.Operators...)
		m.Leaves = append([]dispute.Hash(nil), proven.Leaves...)
		m.Proof = append([]byte(nil), proven.Proof...)
		m.Inputs = append([]dispute.ClusterInput(nil), proven.Inputs...)
		for i := range m.Inputs {
			m.Inputs[i].Hashes = append([]dispute.Hash(nil), m.Inputs[i].Hashes...)
		}
		edit(&m)
		w.add(name, s, m.Encode(), 0, want)
	}
	with("another job", "WrongJob", func(m *dispute.ClusterMove) { m.Job.Seed++ })
	with("no operator", "BadCluster", func(m *dispute.ClusterMove) { m.Operators = nil })
	with("nine operators", "BadCluster", func(m *dispute.ClusterMove) {
		for len(m.Operators) < 9 {
			m.Operators = append(m.Operators, m.Operators[0])
		}
	})
	with("an operator twice", "OutOfRange", func(m *dispute.ClusterMove) { m.Operators = append(m.Operators, m.Operators[0]) })
	with("the stage's input as an operator", "OutOfRange", func(m *dispute.ClusterMove) { m.Operators[0].Tensor = 0 })
	with("a tensor of the next stage", "OutOfRange", func(m *dispute.ClusterMove) { m.Operators[0].Tensor = 128 + 3 })
	with("the descriptor of another tensor", "NotOpened", func(m *dispute.ClusterMove) { m.Operators[0].Tensor++ })
	with("reads of another length", "DataLength", func(m *dispute.ClusterMove) { m.Operators[0].Last += 64 })
	with("reads of more than an element may have", "PayloadLength", func(m *dispute.ClusterMove) { m.Operators[0].First = 6145 })
	with("the root of another tensor", "NotOpened", func(m *dispute.ClusterMove) { m.Root = w.roots[w.tensor] })
	with("another leaf of an input", "NotOpened", func(m *dispute.ClusterMove) { m.Inputs[0].Hashes[0][31] ^= 1 })
	with("another root of an input", "NotOpened", func(m *dispute.ClusterMove) { m.Inputs[0].Root[31] ^= 1 })
	with("a system that has no verifier", "UnknownSystem", func(m *dispute.ClusterMove) { m.System = 3 })
	with("another leaf of the target", "ProofRefused", func(m *dispute.ClusterMove) { m.Leaves[0][31] ^= 1 })
	with("a leaf beyond the field", "LeafOutOfField", func(m *dispute.ClusterMove) { m.Leaves[0][0] = 0xff })
	with("the proof of somebody else", "ProofRefused", func(m *dispute.ClusterMove) { m.Prover[0] ^= 1 })
	with("a byte of the proof cut off", "ProofLength", func(m *dispute.ClusterMove) { m.Proof = m.Proof[1:] })
	w.add("a byte more", s, append(proven.Encode(), 0), 0, "PayloadLength")
	w.add("a byte less", s, proven.Encode()[:len(proven.Encode())-1], 0, "PayloadLength")
	w.add("nothing behind the mark", s, proven.Encode()[:dispute.JobSize+1], 0, "PayloadLength")
	other := s
	other.Cost = claim.Units(1)
	w.add("the proof of another state", other, proven.Encode(), 0, "ProofRefused")
	hand, seen := w.state(dispute.Answer, w.tensor)
	hand.Tensor++
	held := hand
	held.Phase = dispute.Pick
	w.add("another tensor than the one in hand", hand, w.prove(held, w.move(held, seen, w.tensor)).Encode(), 0, "OutOfRange")
}

// hostileGraphs are games about graphs that no model has, whose descriptors open all the same.
func (w *clusterWorld) hostileGraphs() {
	base, seen := w.state(dispute.Pick, w.tensor)
	m := w.move(base, seen, w.tensor)
	with := func(name, want string, edit func(d *opset.Descriptor)) {
		s, m := base, m
		d, err := opset.Decode(m.Operators[0].Descriptor[:])
		if err != nil {
			w.t.Fatal(err)
		}
		edit(&d)
		m.Operators = append([]dispute.ClusterOperator(nil), m.Operators...)
		m.Operators[0].Descriptor, m.System = d.Encode(), chainGroth16
		at := 128*uint64(s.Stage) + uint64(w.tensor)
		s.GraphRoot = merkle.Leaf(m.Operators[0].Descriptor[:])
		for _, sibling := range m.Operators[0].GraphPath {
			if at&1 == 1 {
				s.GraphRoot = merkle.Node(sibling, s.GraphRoot)
			} else {
				s.GraphRoot = merkle.Node(s.GraphRoot, sibling)
			}
			at >>= 1
		}
		w.add(name, s, m.Encode(), 0, want)
	}
	with("a constant that has no key", "UnknownShape", func(d *opset.Descriptor) { d.P[1]++ })
	with("a product", "BadCluster", func(d *opset.Descriptor) { d.Op = opset.MatMul })
	with("a source of the request", "BadRead", func(d *opset.Descriptor) { d.Src[0] = opset.Source{Kind: opset.Counts} })
	with("too many elements", "BadCluster", func(d *opset.Descriptor) { d.Dims[2].C = opset.ClusterElements + 1 })
	with("too many leaves", "BadCluster", func(d *opset.Descriptor) {
		d.Op, d.Type, d.Dims[2].C, d.P = opset.Add, 3, opset.ClusterElements, [11]int64{opset.ClusterElements}
	})
}
