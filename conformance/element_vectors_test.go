package conformance_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/opset"
	"elenchus/proving/step"
	"elenchus/settlement/dispute"

	"github.com/ethereum/go-ethereum/params"
)

// elementVectors are answers by proof about elements, under a key for each shape.
const elementVectors = "../testvectors/dispute/elements.json"

type elementFile struct {
	Chain    uint64            `json:"chain"`
	Verifier string            `json:"verifier"` // of Groth16
	Keys     map[string]string `json:"keys"`     // words by shape; development keys
	PLONK    string            `json:"plonk_verifier"`
	Words    map[string]string `json:"plonk_keys"` // of PLONK
	Cases    []elementCase     `json:"cases"`
}

type elementCase struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Payload string `json:"payload"`
	Next    string `json:"next,omitempty"` // state that the answer leads to, with the clocks of the one before
	Want    string `json:"want,omitempty"` // the reason of a refusal
}

// elementWorld makes answers about a small confidential model: an element of a tensor of a stage, and one of a prompt.
type elementWorld struct {
	*notary
	plonk *notary
	man   *manifest.Manifest
	job   decode.Job
	terms dispute.Job
	cases []elementCase
}

// elementReasons are all for which an answer by proof is refused; BadTarget, RangeOutside and what evaluators say of
// descriptors follow from graphs that no opened header has.
func elementReasons() []string {
	return []string{"", "WrongPhase", "WrongJob", "PayloadLength", "NotOpened", "SiblingsMissing", "BadRead", "ProofWanted", "BadFlag", "BadPlace", "DataLength",
		"UnknownSystem", "UnknownShape", "ProofLength", "LeafOutOfField", "ScalarOutOfField", "BadPoint", "ProofRefused"}
}

func newElementWorld(t *testing.T, f *elementFile) *elementWorld {
	t.Helper()
	w := &elementWorld{man: concealed(t)}
	w.notary = newNotary(t, f.Chain, clusterVerifier, func(shape [32]byte, words []byte) {
		f.Keys[hex.EncodeToString(shape[:])] = hex.EncodeToString(words)
	})
	w.plonk = newNotary(t, f.Chain, plonkVerifier, func(shape [32]byte, words []byte) {
		f.Words[hex.EncodeToString(shape[:])] = hex.EncodeToString(words)
	})
	w.plonk.system = step.PLONK
	w.job = decode.Job{Prompt: []int32{1, 2, 3, 4, 5, 6}, MaxNew: 2, Salt: [32]byte{8}}
	w.terms = dispute.Job{PromptCount: 6, Count: 2, MaxNew: 2, Layers: w.man.Layers, Kind: 1, TMax: w.man.TMax, Salted: true,
		PromptRoot: trace.PromptTree(w.job.Prompt, w.job.Salt).Root()}
	return w
}

// place is an element of step 2, as the claim has it.
type place struct {
	stage     int
	tensor    uint8
	index     uint64
	lies      bool
	descended bool
}

// answer is a game in phase ANSWER about an element, and the answer that it gets, without proof.
func (w *elementWorld) answer(p place) (dispute.State, dispute.ProofMove) {
	w.t.Helper()
	var l *lie
	if p.lies {
		l = &lie{t: 2, stage: p.stage, tensor: int(p.tensor), element: p.index, mask: 1}
	}
	run, err := trace.Replay(w.man, w.job, 2, nil, nil, l.tamper(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	stage, err := run.Stage(p.stage)
	if err != nil {
		w.t.Fatal(err)
	}
	roots := stage.Roots()
	s := dispute.State{Case: dispute.Hash{1}, Node: claim.Address{2}, Opener: claim.Address{3}, Phase: dispute.Answer, Deadline: 100, Last: 200,
		Class: manifest.Confidential, T: 2, Layers: w.man.Layers, GraphRoot: w.man.Graph, Stage: uint16(p.stage), Count: uint8(len(roots)),
		JobHash: w.terms.Hash(), Tensors: claim.NewTree(roots).Root(), Tensor: p.tensor, Index: p.index}
	if p.descended {
		x := stage.Tensors[p.tensor]
		per := opset.LeafBytes / x.Type.Size()
		first := int(p.index) / per * per
		leaf := make([]byte, opset.LeafBytes)
		copy(leaf, x.Bytes(first, min(first+per, x.Len())))
		s.Flags, s.Type, s.Subtree = dispute.FlagDescended, uint8(x.Type), s.Class.Hasher()(leaf)
	}
	m, err := dispute.NextForNode(s, w.terms, dispute.NewOwnGraph(w.man, run))
	if err != nil {
		w.t.Fatal(err)
	}
	return s, m.(dispute.ProofMove)
}

// add keeps a case; an answer that is taken leads to a state by the twin, which the contract has to give, too.
func (w *elementWorld) add(name, want string, s dispute.State, payload []byte) {
	w.t.Helper()
	c := elementCase{Name: name, State: hex.EncodeToString(s.Encode()), Payload: hex.EncodeToString(payload), Want: want}
	if want == "" {
		next, err := judgedElement(&s, payload, either(w.notary, w.plonk))
		if err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
		c.Next = hex.EncodeToString(next)
	}
	w.cases = append(w.cases, c)
}

// judgedElement is the state that a payload leads to by the twin, with the clocks of the one before.
func judgedElement(s *dispute.State, payload []byte, proofs dispute.Proofs) ([]byte, error) {
	m, err := dispute.DecodeMove(s, dispute.KindAnswer, payload)
	if err != nil {
		return nil, err
	}
	next, _, err := dispute.Apply(*s, m, dispute.Env{Now: s.Deadline, Proofs: proofs})
	next.Deadline, next.Last, next.Cost = s.Deadline, s.Last, s.Cost
	return next.Encode(), err
}

// writeElements makes the vectors anew, under new keys.
func writeElements(t *testing.T) {
	t.Helper()
	f := &elementFile{Chain: params.MergedTestChainConfig.ChainID.Uint64(), Verifier: hex.EncodeToString(clusterVerifier[:]), Keys: map[string]string{},
		PLONK: hex.EncodeToString(plonkVerifier[:]), Words: map[string]string{}}
	w := newElementWorld(t, f)
	sum := uint8(slices.IndexFunc(w.man.Model.Stages[1].Ops, func(o machine.Op) bool { return o.Op == opset.Add }))
	row := place{stage: 1, tensor: sum}
	prompt := place{stage: w.man.Absorb(), tensor: 1}
	w.verdicts(row, prompt)
	w.forms(row)
	w.openings(row)
	w.proofs(row)
	w.prompts(prompt)
	w.graphs(row)
	w.systems(row)
	w.requests(t)
	f.Cases = w.cases
	out, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(elementVectors, append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// verdicts are answers that hold.
func (w *elementWorld) verdicts(row, prompt place) {
	last := row
	last.index = 15
	for _, v := range []struct {
		name string
		place
	}{{"an element of a tensor", row}, {"the last element of a leaf", last}, {"an id of a salted prompt", prompt}} {
		for _, descended := range []bool{false, true} {
			for _, lies := range []bool{false, true} {
				p := v.place
				p.descended, p.lies = descended, lies
				s, m := w.answer(p)
				name := v.name + map[bool]string{true: ", false", false: ", true"}[lies] + map[bool]string{true: ", its leaf withheld", false: ""}[descended]
				w.add(name, "", s, w.prove(s, m, claim.Address{9}).Encode())
			}
		}
	}
	s, m := w.answer(place{stage: row.stage, tensor: row.tensor, index: 1 << 20})
	w.add("an element behind the tensor", "", s, m.Encode())
}

// edits makes an answer and what it is with one thing changed.
func (w *elementWorld) edits(p place) (s dispute.State, proven dispute.ProofMove, with func(name, want string, edit func(m *dispute.ProofMove))) {
	s, m := w.answer(p)
	proven = w.prove(s, m, claim.Address{9})
	return s, proven, func(name, want string, edit func(m *dispute.ProofMove)) {
		m := proven
		m.Siblings, m.Proof, m.Reads = slices.Clone(m.Siblings), slices.Clone(m.Proof), slices.Clone(m.Reads)
		m.GraphPath, m.RootPath, m.Places = slices.Clone(m.GraphPath), slices.Clone(m.RootPath), slices.Clone(m.Places)
		for i := range m.Reads {
			r := &m.Reads[i]
			r.Hashes, r.Shown, r.Siblings, r.RootPath = slices.Clone(r.Hashes), slices.Clone(r.Shown), slices.Clone(r.Siblings), slices.Clone(r.RootPath)
		}
		edit(&m)
		w.add(name, want, s, m.Encode())
	}
}

// forms are payloads that are not of an answer, or of another one.
func (w *elementWorld) forms(row place) {
	s, proven, with := w.edits(row)
	for _, phase := range []dispute.Phase{dispute.R2, dispute.Pick, dispute.Tensor, dispute.Element, dispute.Refuted} {
		other := s
		other.Phase = phase
		w.add("in phase "+phase.String(), "WrongPhase", other, proven.Encode())
	}
	mark := dispute.JobSize + opset.DescriptorSize + 32*len(proven.GraphPath)
	at := func(name, want string, offset int, value byte) {
		b := proven.Encode()
		b[mark+offset] = value
		w.add(name, want, s, b)
	}
	at("another mark", "ProofWanted", 0, 'y')
	at("proof system 0", "ProofWanted", 3, '0')
	at("a proof system beyond 9", "ProofWanted", 3, ':')
	at("equal 2", "BadFlag", 24, 2)
	with("a system that has no verifier", "UnknownSystem", func(m *dispute.ProofMove) { m.System = 3 })
	w.add("a byte more", "PayloadLength", s, append(proven.Encode(), 0))
	w.add("a byte less", "PayloadLength", s, proven.Encode()[:len(proven.Encode())-1])
	w.add("nothing behind the descriptor", "PayloadLength", s, proven.Encode()[:mark])
	w.add("a target cut off", "SiblingsMissing", s, proven.Encode()[:mark+25+32*(2+len(proven.RootPath)+len(proven.Siblings))-1])
	with("too much data", "PayloadLength", func(m *dispute.ProofMove) { m.DataSize = 6145 })
	with("a leaf more of data", "DataLength", func(m *dispute.ProofMove) { m.DataSize += 64 })
	with("four places", "PayloadLength", func(m *dispute.ProofMove) { m.Places = make([]dispute.Place, 4) })
	with("a place where no read begins", "BadPlace", func(m *dispute.ProofMove) { m.Places = []dispute.Place{{Position: 1}} })
	with("a place wider than its read", "BadPlace", func(m *dispute.ProofMove) { m.Places = []dispute.Place{{Value: 1 << 32}} })
	with("a place behind the data", "BadPlace", func(m *dispute.ProofMove) { m.Places = []dispute.Place{{Position: 6144}} })
	with("a place for no read", "BadPlace", func(m *dispute.ProofMove) { m.Places = []dispute.Place{{Position: 0}, {Position: 64}, {Position: 124}} })
	with("a place that its operation does not follow", "UnknownShape", func(m *dispute.ProofMove) { m.Places = []dispute.Place{{Value: 1}} })
}

// openings are answers whose parts lead to no root.
func (w *elementWorld) openings(row place) {
	_, proven, with := w.edits(row)
	with("another job", "WrongJob", func(m *dispute.ProofMove) { m.Job.Seed++ })
	with("the descriptor of nothing", "NotOpened", func(m *dispute.ProofMove) { m.Descriptor[0]++ })
	with("another place of the descriptor", "NotOpened", func(m *dispute.ProofMove) { m.GraphPath[0][31] ^= 1 })
	with("another target", "NotOpened", func(m *dispute.ProofMove) { m.Root[31] ^= 1 })
	with("another path of the target", "NotOpened", func(m *dispute.ProofMove) { m.RootPath[0][31] ^= 1 })
	with("another leaf of the target", "NotOpened", func(m *dispute.ProofMove) { m.Leaf[31] ^= 1 })
	with("another sibling of the target", "NotOpened", func(m *dispute.ProofMove) { m.Siblings[0][31] ^= 1 })
	for i := range proven.Reads {
		name := [...]string{"the first input", "the second input"}[i]
		with("another root of "+name, "NotOpened", func(m *dispute.ProofMove) { m.Reads[i].Root[31] ^= 1 })
		with("another leaf of "+name, "NotOpened", func(m *dispute.ProofMove) { m.Reads[i].Hashes[0][31] ^= 1 })
		with("another sibling of "+name, "NotOpened", func(m *dispute.ProofMove) { m.Reads[i].Siblings[0][31] ^= 1 })
	}
	with("the inputs exchanged", "NotOpened", func(m *dispute.ProofMove) { slices.Reverse(m.Reads) })
}

// proofs are answers that open, with proofs of something else.
func (w *elementWorld) proofs(row place) {
	s, proven, with := w.edits(row)
	with("the other verdict", "ProofRefused", func(m *dispute.ProofMove) { m.Equal = !m.Equal })
	with("the proof of somebody else", "ProofRefused", func(m *dispute.ProofMove) { m.Prover[0] ^= 1 })
	with("a proof cut off", "ProofLength", func(m *dispute.ProofMove) { m.Proof = m.Proof[1:] })
	with("a point off the curve", "BadPoint", func(m *dispute.ProofMove) { m.Proof[31] ^= 1 })
	with("another point", "ProofRefused", func(m *dispute.ProofMove) { clear(m.Proof[192:256]) })
	with("another digest", "ProofRefused", func(m *dispute.ProofMove) { m.Proof[287] ^= 1 })
	with("a digest beyond the field", "ScalarOutOfField", func(m *dispute.ProofMove) { m.Proof[256] = 0xff })
	other := s
	other.Cost = claim.Units(1)
	w.add("the proof of another state", "ProofRefused", other, proven.Encode())
	next := row
	next.index = 15
	far, m := w.answer(next)
	keyless := w.prove(far, m, claim.Address{9})
	keyless.System = 2
	w.add("a system that has no key", "UnknownShape", far, keyless.Encode())
	theirs := w.prove(far, m, claim.Address{9})
	with("the proof of another element", "ProofRefused", func(m *dispute.ProofMove) { m.Proof = theirs.Proof })
	held := row
	held.descended = true
	s, m = w.answer(held)
	proven = w.prove(s, m, claim.Address{9})
	s.Subtree[31] ^= 1
	w.add("another leaf than the one in hand", "ProofRefused", s, proven.Encode())
	s.Subtree[0] = 0xff
	w.add("a leaf in hand beyond the field", "LeafOutOfField", s, proven.Encode())
}

// prompts are answers that show a leaf of a prompt.
func (w *elementWorld) prompts(prompt place) {
	s, proven, with := w.edits(prompt)
	with("another id", "NotOpened", func(m *dispute.ProofMove) { m.Reads[0].Shown[12] ^= 1 })
	with("another salt", "NotOpened", func(m *dispute.ProofMove) { m.Reads[0].Shown[63] ^= 1 })
	with("another sibling of the prompt", "NotOpened", func(m *dispute.ProofMove) { m.Reads[0].Siblings[0][31] ^= 1 })
	with("the other verdict about an id", "ProofRefused", func(m *dispute.ProofMove) { m.Equal = !m.Equal })
	w.add("a leaf of the prompt cut off", "PayloadLength", s, proven.Encode()[:len(proven.Encode())-len(proven.Proof)-2-32*len(proven.Reads[0].Siblings)-1])
}

// graphs are games about descriptors that no model has, which open all the same.
func (w *elementWorld) graphs(row place) {
	s, proven, _ := w.edits(row)
	for _, kind := range []uint8{opset.Counts, opset.Bias} {
		w.graph(fmt.Sprintf("a source that the request has not: %d", kind), "BadRead", s, proven, func(d *opset.Descriptor) { d.Src[0] = opset.Source{Kind: kind} })
	}
}

// graph changes the descriptor of an answer, and the graph of its game so that it opens.
func (w *elementWorld) graph(name, want string, s dispute.State, m dispute.ProofMove, edit func(d *opset.Descriptor)) {
	w.t.Helper()
	d, err := opset.Decode(m.Descriptor[:])
	if err != nil {
		w.t.Fatal(err)
	}
	edit(&d)
	m.Descriptor = d.Encode()
	at := 128*uint64(s.Stage) + uint64(s.Tensor)
	s.GraphRoot = merkle.Leaf(m.Descriptor[:])
	for _, sibling := range m.GraphPath {
		if at&1 == 1 {
			s.GraphRoot = merkle.Node(sibling, s.GraphRoot)
		} else {
			s.GraphRoot = merkle.Node(s.GraphRoot, sibling)
		}
		at >>= 1
	}
	w.add(name, want, s, m.Encode())
}
