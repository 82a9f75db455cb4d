package dispute

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/settlement/ledger"
)

var update = flag.Bool("update", false, "rewrite the shared vectors")

// moveVector is one call of the rules of the game: state and payload to the next state without
// clocks, escrow and cost, or to one of the named custom errors. Bytes are hex without 0x.
type moveVector struct {
	Game    string   `json:"game"`
	Move    uint8    `json:"move"`
	State   string   `json:"state"`
	Payload string   `json:"payload"`
	Next    string   `json:"next,omitempty"`
	Errors  []string `json:"errors,omitempty"`
}

// openVector is one call of the rules of open: what they make of it, or the custom error.
type openVector struct {
	Game    string `json:"game"`
	ChainID uint64 `json:"chainId"`
	Arena   string `json:"arena"`
	Batch   string `json:"batch"` // key, or zeros
	Count   uint32 `json:"count"` // claims of that batch
	Payload string `json:"payload"`
	Key     string `json:"key,omitempty"`
	ClaimID string `json:"claimId,omitempty"`
	State   string `json:"state,omitempty"`
	Job     string `json:"job,omitempty"`
	Work    uint64 `json:"work"`
	Error   string `json:"error,omitempty"` // the custom error of a refusal, instead of the five before
}

// digestVector binds slots and signed moves.
type digestVector struct {
	ChainID uint64 `json:"chainId"`
	Arena   string `json:"arena"`
	Game    string `json:"game"`
	State   string `json:"state"`
	Slot    string `json:"slot"`
	Payload string `json:"payload"`
	Digest  string `json:"digest"`
}

func hx(b []byte) string { return hex.EncodeToString(b) }

// customErrors are the names in the contracts of what a sentinel stands for.
func customErrors(t *testing.T, err error) []string {
	t.Helper()
	for _, e := range []struct {
		err   error
		names []string
	}{
		{ErrBadJob, []string{"WrongJob"}}, {ErrBadPayload, []string{"PayloadLength", "SiblingsMissing", "DataLength"}},
		{ErrPhase, []string{"WrongPhase"}}, {ErrPadding, []string{"BadPadding"}},
		{ErrRange, []string{"OutOfRange", "RangeOutside"}}, {ErrContradiction, []string{"Contradiction"}},
		{ErrStage, []string{"BadStage"}}, {ErrOpening, []string{"NotOpened"}}, {ErrPoint, []string{"BadPoint", "NotShared"}},
	} {
		if errors.Is(err, e.err) {
			return e.names
		}
	}
	t.Fatalf("no custom error for %v", err)
	return nil
}

// bare is a state as the rules see it leave: without what the arena keeps.
func bare(s, before State) State {
	s.Deadline, s.Last, s.Escrow, s.Hold, s.Cost = before.Deadline, before.Last, before.Escrow, before.Hold, before.Cost
	s.Flags = s.Flags&^FlagVoid | before.Flags&FlagVoid
	return s
}

// collector records every move of a game.
type collector struct {
	t       *testing.T
	name    string
	moves   []moveVector
	opens   []openVector
	digests []digestVector
	chain   ledger.Game
}

func (c *collector) open(g *game) {
	p := g.w.open.Encode()
	s := bare(g.s, State{})
	s.CommittedAt = 0
	_, sealed := g.w.open.Sealed(domain)
	id := sealed.ID(domain)
	key := Key(g.w.open.Opener, id, g.w.open.T, g.w.open.Salt)
	batch, count := g.w.open.BatchKey(), uint32(0)
	c.opens = append(c.opens, openVector{Game: c.name, ChainID: domain.ChainID, Arena: hx(domain.Arena[:]), Batch: hx(batch[:]),
		Count: count, Payload: hx(p), Key: hx(key[:]), ClaimID: hx(id[:]), State: hx(s.Encode()), Job: hx(g.j.Encode()),
		Work: g.w.open.Work()})
	c.chain = ledger.Game{Key: key, Job: g.j.Encode(), Moves: []ledger.Moved{{Game: key, Move: uint8(KindOpen), State: g.s.Encode()}}}
}

func (c *collector) move(s State, m Move) {
	c.t.Helper()
	next, e := s, Effect{}
	if err := step(&next, m, Env{}, &e); err != nil {
		c.t.Fatalf("%s: %s: %v", c.name, m.Kind(), err)
	}
	c.moves = append(c.moves, moveVector{Game: c.name, Move: uint8(m.Kind()), State: hx(s.Encode()), Payload: hx(m.Encode()), Next: hx(next.Encode())})
}

// refused records what the rules say to a changed payload.
func (c *collector) refused(s State, k Kind, payload []byte) {
	c.t.Helper()
	m, err := DecodeMove(&s, k, payload)
	if next := s; err == nil {
		err = step(&next, m, Env{}, &Effect{})
	}
	if err == nil {
		c.t.Fatalf("%s: a changed %s passed", c.name, k)
	}
	c.moves = append(c.moves, moveVector{Game: c.name, Move: uint8(k), State: hx(s.Encode()), Payload: hx(payload), Errors: customErrors(c.t, err)})
}

// hostile records changed payloads of a move: cut, extended, one byte changed in front and behind.
func (c *collector) hostile(s State, m Move) {
	c.t.Helper()
	b := m.Encode()
	c.refused(s, m.Kind(), append(append([]byte(nil), b...), 0))
	c.refused(s, m.Kind(), b[:len(b)-1])
	flip := append([]byte(nil), b...)
	flip[len(b)-1] ^= 1
	switch m.Kind() {
	case KindStage, KindLayer, KindPick, KindElement:
		flip[0], flip[len(flip)-1] = 0xee, 0xee
	}
	c.refused(s, m.Kind(), flip)
}

// record plays a game and writes down every move, and once per kind what is refused. It ends with
// the game, or where the node has no move that the rules allow.
func (c *collector) record(name string, w *world, refused map[Kind]bool) *game {
	c.t.Helper()
	c.name = name
	g := begin(c.t, w)
	c.open(g)
	for g.s.Phase.Turn() != Nobody {
		g.now++
		before := g.s
		m, err := honest(g)
		mover := g.s.Opener
		if g.s.Phase.Turn() == Node && g.s.Phase != Answer {
			m, err = NextForNode(g.s, g.j, w.node)
			mover = g.s.Node
		}
		if err != nil {
			c.t.Fatalf("%s: %s: %v", name, g.s.Phase, err)
		}
		if err := g.apply(m, mover); err != nil {
			if mover != g.s.Node {
				c.t.Fatalf("%s: %s: %v", name, m.Kind(), err)
			}
			c.refused(before, m.Kind(), m.Encode())
			return g
		}
		c.move(before, m)
		if !refused[m.Kind()] {
			refused[m.Kind()] = true
			c.hostile(before, m)
		}
		c.follow(g, before, m)
	}
	return g
}

// follow keeps the logs of the game and checks that they alone suffice to play. SPEC 08 §4.7.
func (c *collector) follow(g *game, before State, m Move) {
	c.t.Helper()
	slot, b := before.Slot(), m.Encode()
	if d := Digest(domain, c.chain.Key, slot, b); m.Kind() == KindStage || m.Kind() == KindLayer {
		c.digests = append(c.digests, digestVector{domain.ChainID, hx(domain.Arena[:]), hx(c.chain.Key[:]), hx(before.Encode()), hx(slot[:]), hx(b), hx(d[:])})
	}
	if m.Kind().posts() {
		c.chain.Posts = append(c.chain.Posts, ledger.Posted{Game: c.chain.Key, Move: uint8(m.Kind()), Payload: b})
	}
	if g.s.Phase.Turn() == Nobody {
		return
	}
	c.chain.Moves = append(c.chain.Moves, ledger.Moved{Game: c.chain.Key, Move: uint8(m.Kind()), State: g.s.Encode()})
	s, j, seen, err := Replay(c.chain)
	if err != nil || s != g.s || j != g.j {
		c.t.Fatalf("%s: replay after %s: %v", c.name, m.Kind(), err)
	}
	if s.Phase.Turn() == Nobody || s.Phase.Turn() == Node && s.Phase != Answer {
		return
	}
	want, err1 := honest(g)
	got, err2 := NextForOpener(s, j, seen, g.w.opener, g.w.served)
	if err1 != nil || err2 != nil || hx(want.Encode()) != hx(got.Encode()) {
		c.t.Fatalf("%s: from the logs the opener plays otherwise in %s: %v, %v", c.name, s.Phase, err1, err2)
	}
}

// longJob has more states than one descent shows and more outputs than one leaf holds.
func longJob() decode.Job {
	job := decode.Job{MaxNew: 20, Temperature: 1 << 17, Seed: 4}
	for i := range 70 {
		job.Prompt = append(job.Prompt, int32(i*13%290))
	}
	return job
}

// editedWorld is an honest run whose outputs were edited beyond the first leaf.
func editedWorld(t *testing.T, man *manifest.Manifest) *world {
	t.Helper()
	w := tokenWorld(t, man, longJob(), nil)
	n := len(w.theirs.Outputs)
	if n <= idsPerLeaf {
		t.Fatalf("%d outputs fit into one leaf", n)
	}
	w.theirs.Outputs = slices.Clone(w.theirs.Outputs)
	w.theirs.Outputs[n-1] ^= 1
	w.open.Claim.OutputRoot, w.open.T = trace.IDTree(w.theirs.Outputs).Root(), AnyOutput
	w.sign(t)
	return w
}

func longWorld(t *testing.T, man *manifest.Manifest) *world {
	t.Helper()
	return tokenWorld(t, man, longJob(), &lie{66, 1, 4, 2, 1 << 9})
}

// SPEC 08: the vectors that the contract side replays.
func TestSharedVectors(t *testing.T) {
	llama, toy := bind(t, modeltest.Llama(3, modeltest.Tiny())), bind(t, modeltest.Toy())
	c, refused := &collector{t: t}, map[Kind]bool{}
	served := tokenWorld(t, llama, tokenJob(11), &lie{1, 2, 12, 1, 1 << 9})
	if !served.name() {
		t.Fatal("the served lie is harmless")
	}
	served.serveAll()
	c.record("served", served, refused)
	k := int(llama.Model.Stages[2].Ops[0].P[1])
	c.record("row", tokenWorld(t, llama, tokenJob(11), &lie{0, 2, k, 3, 1 << 9}), refused)
	head := len(llama.Model.Stages[llama.Emit()].Ops) - 2
	c.record("token", tokenWorld(t, llama, tokenJob(11), &lie{3, llama.Emit(), head, 0, 1}), refused)
	c.record("graph", graphWorld(t, toy, &lie{0, 0, 3, 2, 1 << 4}), refused)
	c.record("outputs", editedWorld(t, llama), refused)
	c.record("long", longWorld(t, llama), refused)
	c.record("settings", tokenWorld(t, llama, settingsJob(), &lie{4, llama.Emit(), lastOf(llama, opset.Keep), 5, 1 << 30}), refused)
	memory := map[Kind]bool{KindRaw: true, KindChildren: true, KindChild: true, KindStage: true, KindPick: true, KindElement: true, KindTensors: true}
	c.record("penalties", tokenWorld(t, llama, penaltyJob(), &lie{4, llama.Emit(), lastOf(llama, opset.Penalise), 7, 1 << 20}), memory)
	early := tokenWorld(t, llama, penaltyJob(), &lie{0, 1, 12, 1, 1 << 9})
	early.open.T = 0
	c.record("penalties first", early, map[Kind]bool{})
	first := tokenWorld(t, llama, tokenJob(11), &lie{0, 1, 12, 1, 1 << 9})
	first.open.T = 0
	c.record("first", first, map[Kind]bool{})
	c.salted(llama)
	c.memoryRules()
	c.onItsFace(t, llama, toy)
	c.evidence(t, llama)
	c.data(llama)
	c.tensors()
	c.stages()
	c.private(t, llama)
	for _, f := range []struct {
		name string
		v    any
	}{{"moves", c.moves}, {"opens", c.opens}, {"digests", c.digests}} {
		golden(t, "../../testvectors/dispute/"+f.name+".json", f.v)
	}
	for k := KindChildren; k <= KindAnswer; k++ {
		if !refused[k] && k != KindRaw {
			t.Errorf("no game made the move %s", k)
		}
	}
}

// salted records games about requests that are not public: at step 0, and about an id of the prompt, of
// whose leaf everything is changed once. SPEC 06 §3.8.
func (c *collector) salted(llama *manifest.Manifest) {
	job := longJob()
	job.Salt = Hash{0x5a, 1}
	first := tokenWorld(c.t, llama, job, &lie{0, 1, 12, 1, 1 << 9})
	first.open.T = 0
	c.record("salted first", first, map[Kind]bool{})
	last := len(llama.Model.Stages[llama.Absorb()].Ops) - 1
	prompt := tokenWorld(c.t, llama, job, &lie{40, llama.Absorb(), last, 0, 1})
	prompt.open.T = 40
	c.record("salted prompt", prompt, map[Kind]bool{})
}

// onItsFace records openings of claims that contradict their request or model, each with that and
// with nothing else false, and the refusals: of the same claims at a step, and of a sound claim on
// its face. SPEC 08 §4.8.
func (c *collector) onItsFace(t *testing.T, llama, toy *manifest.Manifest) {
	t.Helper()
	for _, f := range faces(t, llama, toy) {
		c.name = "face " + f.name
		f.w.open.T = OnItsFace
		c.open(begin(t, f.w))
		f.w.open.T = AnyState
		c.opens = append(c.opens, refusedOpen(c.name, f.w, "BadClaim"))
	}
	sound := tokenWorld(t, llama, tokenJob(11), nil)
	sound.open.T = OnItsFace
	c.opens = append(c.opens, refusedOpen("face of a sound claim", sound, "BadStep"))
}

// private records that no game about elements of a private model is opened, and that one is which its request
// or a batch decides. SPEC 10 §8.5.
func (c *collector) private(t *testing.T, man *manifest.Manifest) {
	t.Helper()
	world := func(step uint32) *world {
		w := tokenWorld(t, man, tokenJob(11), nil)
		w.open.Header.Class, w.open.T = manifest.Private, step
		w.sign(t)
		return w
	}
	for _, r := range []struct {
		name string
		step uint32
	}{{"step", 3}, {"states", AnyState}, {"outputs", AnyOutput}} {
		c.opens = append(c.opens, refusedOpen("private, "+r.name, world(r.step), "PrivateModel"))
	}
	lie := world(OnItsFace)
	lie.open.Claim.Finish = 0
	lie.sign(t)
	c.name = "private, on its face"
	c.open(begin(t, lie))
}

func refusedOpen(name string, w *world, custom string) openVector {
	batch := w.open.BatchKey()
	return openVector{Game: name, ChainID: domain.ChainID, Arena: hx(domain.Arena[:]), Batch: hx(batch[:]), Payload: hx(w.open.Encode()),
		Work: w.open.Work(), Error: custom}
}

// settingsJob is a job with every setting of the sampler.
func settingsJob() decode.Job {
	job := tokenJob(11)
	job.Sampler = decode.Sampler{TopK: 100, TopP: 1<<30 - 1<<27, MinP: 1 << 24}
	return job
}

// penaltyJob is a job with penalties, a bias and the other settings.
func penaltyJob() decode.Job {
	job := settingsJob()
	job.Sampler.Repetition, job.Sampler.Presence, job.Sampler.Frequency = 80000, 1<<15, -3000
	job.Sampler.Bias = []opset.TokenBias{{ID: 7, Value: 1 << 17}, {ID: 290, Value: -1 << 16}}
	return job
}

// lastOf is the last tensor of EMIT that an operation computes.
func lastOf(man *manifest.Manifest, op opset.Code) (tensor int) {
	for i, o := range man.Model.Stages[man.Emit()].Ops {
		if o.Op == op {
			tensor = i
		}
	}
	return tensor
}

// answerOf drives an honest game to one element and returns its answer.
func answerOf(t *testing.T, w *world, step uint32, stage, tensor int, element uint64) (State, Move) {
	t.Helper()
	w.open.T = step
	g := begin(t, w)
	for g.s.Phase != Answer {
		var m Move
		err := error(nil)
		mover := g.s.Opener
		switch g.s.Phase {
		case Stage:
			m = PickStage{uint16(stage)}
		case Pick:
			m = PickTensor{Tensor: uint8(tensor), Index: element}
		default:
			m, err = NextForNode(g.s, g.j, w.node)
			mover = g.s.Node
		}
		if err == nil {
			err = g.apply(m, mover)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	m, err := NextForNode(g.s, g.j, w.node)
	if err != nil {
		t.Fatal(err)
	}
	return g.s, m
}

// One answer for every operation of a decoder, all of them true: the challenge is lost.
func TestSharedAnswers(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	r, done := rand.New(rand.NewPCG(6, 6)), map[opset.Code]bool{}
	c := &collector{t: t}
	for _, step := range []uint32{1, 4} {
		for _, l := range lies(man, int(step), len(tokenJob(11).Prompt), r) {
			op := man.Model.Stages[l.stage].Ops[l.tensor].Op
			if done[op] {
				continue
			}
			done[op] = true
			w := tokenWorld(t, man, tokenJob(11), nil)
			c.name = op.String()
			s, m := answerOf(t, w, step, l.stage, l.tensor, l.element)
			c.move(s, m)
			if next, _, err := Apply(s, m, Env{}); err != nil || next.Phase != Lost {
				t.Errorf("%s: ended in %s, %v", op, next.Phase, err)
			}
		}
	}
	for _, op := range []opset.Code{opset.Rank, opset.Hist, opset.Digit, opset.Keep} {
		w := tokenWorld(t, man, settingsJob(), nil)
		c.name = op.String() + " with settings"
		s, m := answerOf(t, w, 4, man.Emit(), lastOf(man, op), 0)
		c.move(s, m)
		if next, _, err := Apply(s, m, Env{}); err != nil || next.Phase != Lost {
			t.Errorf("%s: ended in %s, %v", c.name, next.Phase, err)
		}
	}
	for _, element := range []uint64{7, 17, 200} { // biased; in the prompt; neither
		w := tokenWorld(t, man, penaltyJob(), nil)
		c.name = fmt.Sprintf("penalise %d", element)
		s, m := answerOf(t, w, 5, man.Emit(), lastOf(man, opset.Penalise), element)
		c.move(s, m)
		if next, _, err := Apply(s, m, Env{}); err != nil || next.Phase != Lost {
			t.Errorf("%s: ended in %s, %v", c.name, next.Phase, err)
		}
		lists, memory := m.(AnswerMove), m.(AnswerMove)
		lists.Lists.Stop[0] ^= 1
		c.refused(s, KindAnswer, lists.Encode())
		memory.Memory.Stop++
		c.refused(s, KindAnswer, memory.Encode())
	}
	golden(t, "../../testvectors/dispute/answers.json", c.moves)
}

func golden(t *testing.T, file string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(got) != string(want) {
		t.Fatalf("vectors differ from %s (%v); rewrite them with -update and say why", file, err)
	}
}
