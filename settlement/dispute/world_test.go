package dispute

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
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

var (
	domain = claim.Domain{ChainID: 31337, Arena: claim.Address{0xa}}
	params = Params{D0: 8, Grace: 8}
	who    = claim.Address{0xc}
)

// lie names the one element that a node changes.
type lie struct {
	t, stage, tensor int
	element          uint64
	mask             int64
}

func (l *lie) tamper() trace.Tamper {
	if l == nil {
		return nil
	}
	return func(stage int, c *opset.Context, i int, x *tensor.Tensor) {
		if int(c.T) == l.t && stage == l.stage && i == l.tensor {
			x.Set(int(l.element), x.At(int(l.element))^l.mask)
		}
	}
}

// drawnToken is the tensor of EMIT that holds the token.
func drawnToken(man *manifest.Manifest) int { return len(man.Model.Stages[man.Emit()].Ops) - 2 }

// world is a claim that one node made, and what both sides know.
type world struct {
	man    *manifest.Manifest
	open   OpenMove
	node   Knowledge
	opener Knowledge
	served Served
	mine   *trace.Answer // the opener's
	theirs *trace.Answer
}

func bind(t testing.TB, m *model.Model) *manifest.Manifest {
	t.Helper()
	man, err := manifest.Bind(m)
	if err != nil {
		t.Fatal(err)
	}
	return man
}

func run(t testing.TB, man *manifest.Manifest, job decode.Job, tamper trace.Tamper) (*trace.Answer, uint8) {
	t.Helper()
	chain := trace.NewChain(man, &job)
	hooks := decode.Hooks{Step: func(_ int, y decode.Yield, kv *machine.Cache) { chain.Append(y, kv) }}
	if tamper != nil {
		hooks.Tensor = tamper
	}
	r, err := decode.New(man.Model, job, nil, hooks)
	if err != nil {
		t.Fatal(err)
	}
	for !r.Done() {
		if err := r.Advance(1); err != nil {
			t.Fatal(err)
		}
	}
	return chain.Answer(r.Output()), uint8(r.Finish())
}

func tokenJob(seed uint64) decode.Job {
	return decode.Job{Prompt: []int32{5, 17, 290, 4}, StopIDs: []int32{2, 9}, MaxNew: 3, Temperature: 1 << 16, Seed: seed}
}

// keep gives a job a grammar of the letters that tokens of drawn models have.
func keep(t testing.TB, man *manifest.Manifest, job *decode.Job) {
	t.Helper()
	v, err := trace.Vocabulary(man.Model)
	if err != nil {
		t.Fatal(err)
	}
	if job.Sampler.Grammar, err = trace.BindGrammar(v, modeltest.Letters(3), job.StopIDs); err != nil {
		t.Fatal(err)
	}
}

// tokenWorld is the claim of a node that tells the lie (nil: none) about a token job.
func tokenWorld(t testing.TB, man *manifest.Manifest, job decode.Job, l *lie) *world {
	t.Helper()
	w := &world{man: man}
	var f uint8
	w.theirs, f = run(t, man, job, l.tamper())
	w.mine, _ = run(t, man, job, nil)
	n := uint32(len(w.theirs.Outputs))
	replay := func(at int) (*trace.Step, error) { return trace.Replay(man, job, at, nil, nil, l.tamper(), nil) }
	w.node = NewOwn(man, job, w.theirs, n, replay)
	w.opener = NewOwn(man, job, w.mine, n, nil)
	prompt, out := trace.PromptTree(job.Prompt, job.Salt), trace.IDTree(w.theirs.Outputs)
	w.open = OpenMove{Opener: who, T: AnyState, Sampler: trace.Settings(&job.Sampler), Salt: Hash{1}, Header: man.Header,
		Claim: claim.Claim{Count: n, Finish: f, StateRoot: w.theirs.StateTree().Root(), OutputRoot: out.Root(), Value: claim.Units(7),
			Issued: 100, BatchBy: 160, ChallengeUntil: 190},
		Request: claim.Request{PromptRoot: prompt.Root(), PromptCount: uint32(len(job.Prompt)), MaxNew: job.MaxNew,
			Temperature: job.Temperature, Seed: job.Seed, StopRoot: trace.IDTree(job.StopIDs).Root(), StopCount: uint8(len(job.StopIDs)),
			User: claim.Address{0xd}, Price: claim.Units(5)}}
	if job.Salt != [32]byte{} {
		w.open.Request.DataClass = claim.Parties
	}
	w.sign(t)
	return w
}

// userKey is the key of a user who may end answers.
func userKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{0xd}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// asked makes the holder of the user key the one who asks.
func (w *world) asked(t testing.TB) *world {
	t.Helper()
	w.open.Request.User = claim.AddressOf(userKey(t))
	w.sign(t)
	return w
}

// cancel is the user's signature that ends the answer after count ids.
func (w *world) cancel(t testing.TB, count uint32) claim.Signature {
	t.Helper()
	r, _ := w.open.Sealed(domain)
	s, err := claim.Sign(claim.CancelDigest(domain, r.Digest(domain), count), userKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) sign(t testing.TB) {
	t.Helper()
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	w.open.Claim.Node = claim.AddressOf(k)
	_, c := w.open.Sealed(domain)
	if w.open.Signature, err = claim.Sign(c.Digest(domain), k); err != nil {
		t.Fatal(err)
	}
}

// name opens at the first state that differs instead of descending to it.
func (w *world) name() bool {
	for i, h := range w.theirs.Hashes[1:] {
		if i+1 < len(w.mine.Hashes) && h == w.mine.Hashes[i+1] {
			continue
		}
		w.open.T = uint32(i)
		return true
	}
	return false
}

// serveAll makes the accused serve every tensor.
func (w *world) serveAll() {
	w.served = func(t uint32, stage, i int) ([]byte, bool) {
		step, err := w.node.Step(t)
		if err != nil {
			return nil, false
		}
		tr, err := step.Stage(stage)
		if err != nil {
			return nil, false
		}
		_, data, err := tr.Tensor(i)
		return data, err == nil
	}
}

// game drives one game to its end.
type game struct {
	t     testing.TB
	w     *world
	s     State
	j     Job
	now   uint64
	seen  []Move
	last  Effect
	moves int
}

func begin(t testing.TB, w *world) *game {
	t.Helper()
	if w.served == nil {
		w.served = Withheld
	}
	payload := w.open.Encode()
	back, err := DecodeOpen(payload, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.Encode(), payload) {
		t.Fatal("open has two encodings")
	}
	s, j, err := Begin(back, Chain{Domain: domain, Now: 200, CommittedAt: 190, Queue: 210, Escrow: claim.Units(1000), Hold: claim.Units(107), Params: params})
	if err != nil {
		t.Fatal(err)
	}
	if j2, s2, err := DecodeRecord(Record(&j, &s)); err != nil || j2 != j || s2 != s {
		t.Fatalf("the record of the opening gives %+v, want %+v, %v", s2, s, err)
	}
	return &game{t: t, w: w, s: s, j: j, now: 200}
}

// apply makes a move after sending it through its encoding.
func (g *game) apply(m Move, mover claim.Address) error {
	g.t.Helper()
	before := g.s
	b := m.Encode()
	back, err := DecodeMove(&before, m.Kind(), b)
	if m.Kind() == KindTimeout {
		back, err = m, nil
	}
	if err != nil {
		return err
	}
	if !bytes.Equal(back.Encode(), b) {
		g.t.Fatalf("%s has two encodings", m.Kind())
	}
	next, effect, err := Apply(g.s, back, Env{Now: g.now, Mover: mover, Gas: claim.Units(3), Params: params})
	if err != nil {
		if next != before {
			g.t.Fatalf("%s failed and changed the state: %v", m.Kind(), err)
		}
		return err
	}
	if d, err := DecodeState(next.Encode()); err != nil || d != next {
		g.t.Fatalf("state after %s: %v", m.Kind(), err)
	}
	v := next.Verdict(&g.j)
	if d, err := DecodeVerdict(v.Encode()); effect.Over != (err == nil) || effect.Over && d != v {
		g.t.Fatalf("verdict after %s: %v", m.Kind(), err)
	}
	g.s, g.last = next, effect
	g.seen = append(g.seen, back)
	g.moves++
	return nil
}

// play runs opener against node until the game waits for resolve. The node never answers for itself
// when it lies; when it has no legal move, its time runs out.
func (g *game) play(opener func(*game) (Move, error), answers bool) {
	g.t.Helper()
	for g.s.Phase.Turn() != Nobody {
		if g.moves > 100 {
			g.t.Fatalf("no end in sight: phase %s", g.s.Phase)
		}
		g.now++
		var m Move
		var err error
		mover := g.s.Node
		switch {
		case g.s.Phase.Turn() == Opener, g.s.Phase == Answer && !answers:
			m, err = opener(g)
			mover = g.s.Opener
		default:
			m, err = NextForNode(g.s, g.j, g.w.node)
		}
		if err == nil {
			err = g.apply(m, mover)
		}
		if err != nil {
			g.stall(err)
		}
	}
}

// stall lets the clock of the side to move run out.
func (g *game) stall(why error) {
	g.t.Helper()
	phase := g.s.Phase
	if phase.Turn() == Opener || errors.Is(why, ErrMover) || errors.Is(why, ErrLate) {
		g.t.Fatalf("phase %s: %v", phase, why)
	}
	g.now = g.s.Last + 1
	if err := g.apply(Timeout{}, who); err != nil {
		g.t.Fatalf("timeout in phase %s after %v: %v", phase, why, err)
	}
}

func honest(g *game) (Move, error) {
	return NextForOpener(g.s, g.j, g.seen, g.w.opener, g.w.served)
}

// graphWorld is the claim of a node about one run of a graph model.
func graphWorld(t testing.TB, man *manifest.Manifest, l *lie) *world {
	t.Helper()
	first := &man.Model.Stages[0].Ops[0]
	in := tensor.New(first.Type, 1, 1, int(first.Count(&opset.Context{})))
	for i := range in.Len() {
		in.Set(i, int64(i*37%200-100))
	}
	theirs, err := trace.ReplayGraph(man, in, nil, l.tamper())
	if err != nil {
		t.Fatal(err)
	}
	mine, err := trace.ReplayGraph(man, in, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	root := func(x *tensor.Tensor) Hash { return merkle.Root(opset.LeafBytes, x.Bytes(0, x.Len())) }
	w := &world{man: man, node: NewOwnGraph(man, theirs), opener: NewOwnGraph(man, mine)}
	w.open = OpenMove{Opener: who, Header: man.Header, Claim: claim.Claim{StateRoot: trace.BoundaryTree(theirs.Boundaries()).Root(), OutputRoot: root(theirs.Output()), ChallengeUntil: 300},
		Request: claim.Request{PromptRoot: root(in)}}
	w.sign(t)
	return w
}

func idRoot(data []byte) Hash { return merkle.Root(opset.LeafBytes, data) }
