package virtual

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/rand/v2"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/engine"
	"elenchus/service/adversary"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

// Fixture is what all schedules share: a model, its honest answer and lies about it. It is not safe
// for concurrent use.
type Fixture struct {
	man    *manifest.Manifest
	job    decode.Job
	domain claim.Domain
	key    *ecdsa.PrivateKey
	views  []*view // the honest one first

	nodeAddr, watchAddr claim.Address
	had                 claim.Amount // of each honest party at the start
}

// view is a computation of the job, and the node's receipt of it.
type view struct {
	name   string
	c      adversary.Computer
	answer *trace.Answer
	finish uint8
	steps  map[int]*trace.Step
	r      *receipt.Receipt
	root   claim.Hash // of the batch of this one claim
}

// Audit gives the computation, whatever is claimed.
func (v *view) Audit(context.Context, decode.Job, []int32) (*trace.Answer, uint8, error) {
	return v.answer, v.finish, nil
}

// Generate is Audit.
func (v *view) Generate(context.Context, decode.Job, func(int32) error) (*trace.Answer, uint8, error) {
	return v.answer, v.finish, nil
}

// Step replays a step once.
func (v *view) Step(job decode.Job, t int, known []int32) (*trace.Step, error) {
	if s := v.steps[t]; s != nil {
		return s, nil
	}
	s, err := v.c.Step(job, t, known)
	v.steps[t] = s
	return s, err
}

// params are those of the L2 profile.
func params() stake.Params { return stake.ParamsOf(stake.L2) }

// NewFixture computes the honest answer and the lies of the kit.
func NewFixture(man *manifest.Manifest, job decode.Job) (*Fixture, error) {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("virtual node")))
	if err != nil {
		return nil, err
	}
	f := &Fixture{man: man, job: job, domain: claim.Domain{ChainID: 1, Arena: claim.Address{0xa}}, key: key,
		nodeAddr: claim.AddressOf(key), watchAddr: claim.Address{0xc}}
	f.had = must(claim.Units(1e18).Mul(1e6))
	honest := engine.Computer{Manifest: man}
	if err := f.add("honest", &honest); err != nil {
		return nil, err
	}
	for _, name := range adversary.Names() {
		a, err := adversary.New(name, 3)
		if err != nil {
			return nil, err
		}
		if err := f.add(name, a.Computer(honest)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return f, nil
}

// add computes a view, unless it is the honest one again.
func (f *Fixture) add(name string, c adversary.Computer) error {
	a, finish, err := c.Generate(context.Background(), f.job, nil)
	if err != nil {
		return err
	}
	q := claim.Request{Model: claim.Hash(f.man.ID()), PromptRoot: trace.IDTree(f.job.Prompt).Root(), PromptCount: uint32(len(f.job.Prompt)),
		MaxNew: f.job.MaxNew, Temperature: f.job.Temperature, Seed: f.job.Seed, User: claim.Address{0xd}, Price: claim.Units(1e17)}
	cl := claim.Claim{Version: claim.Version, Node: f.nodeAddr, RequestDigest: q.Digest(f.domain), Count: uint32(len(a.Outputs)), Finish: finish,
		StateRoot: a.StateTree().Root(), OutputRoot: trace.IDTree(a.Outputs).Root(), Value: claim.Units(1e18), Issued: start, BatchBy: start + 600,
		ChallengeUntil: start + 2*params().Window}
	cl.RequestDigest = cl.Named(f.domain, cl.RequestDigest, claim.Signature{}) // nobody here cancels
	if len(f.views) > 0 && f.views[0].r.Claim == cl {
		return nil
	}
	v := &view{name: name, c: c, answer: a, finish: finish, steps: map[int]*trace.Step{}}
	v.r = &receipt.Receipt{Domain: f.domain, Request: q, Claim: cl, Prompt: f.job.Prompt, Output: a.Outputs}
	v.root = claim.TreeRoot([]claim.Hash{cl.Digest(f.domain)})
	if v.r.Signature, err = claim.Sign(cl.Digest(f.domain), f.key); err != nil {
		return err
	}
	f.views = append(f.views, v)
	return nil
}

// Lies are the names of the false claims.
func (f *Fixture) Lies() (out []string) {
	for _, v := range f.views[1:] {
		out = append(out, v.name)
	}
	return out
}

// defender is the node's side of every game, as service/node plays it.
type defender struct {
	f      *Fixture
	v      *view
	own    dispute.Knowledge
	games  ledger.Games
	posted bool
	stops  int // moves after which nothing is served or posted any more; -1: always
	moves  map[string]bool
}

func (f *Fixture) defender(v *view, stops int) *defender {
	return &defender{f: f, v: v, stops: stops, own: f.knowledge(v), moves: map[string]bool{}}
}

func (f *Fixture) knowledge(v *view) dispute.Knowledge {
	return dispute.NewOwn(f.man, f.job, v.answer, v.r.Claim.Count, func(t int) (*trace.Step, error) { return v.Step(f.job, t, nil) })
}

// Observe answers every game in which the node has the turn.
func (d *defender) Observe(facts []ledger.Fact, head ledger.Head) ([]ledger.Order, error) {
	for _, x := range facts {
		d.games.Apply(x)
		if e, ok := x.Event.(ledger.BatchPosted); ok && e.Root == d.v.root {
			d.posted = !x.Removed
		}
	}
	var out []ledger.Order
	for _, g := range d.games.Open() {
		o := d.next(&g, head.Time)
		if o == nil {
			continue
		}
		_, serves := o.(ledger.Move)
		if _, posts := o.(ledger.PostBatch); serves || posts { // who is mute takes what he won
			if d.stops >= 0 && !d.moves[o.Key()] && len(d.moves) >= d.stops {
				continue
			}
			d.moves[o.Key()] = true
		}
		out = append(out, o)
	}
	return out, nil
}

// data is the node's next move where its batch or its ids are asked for.
func (d *defender) data(g *ledger.Game, s *dispute.State, j dispute.Job) ledger.Order {
	if d.stops >= 0 {
		return nil
	}
	var m dispute.Move
	if s.Phase == dispute.Demand {
		if !d.posted {
			return ledger.PostBatch{Root: d.v.root, Count: 1, Until: s.Last + params().Window + 1}
		}
		m = dispute.Include{Job: j, Root: d.v.root}
	} else {
		p, err := dispute.NextPiece(s, j, &dispute.IDs{Prompt: d.v.r.Prompt, Output: d.v.r.Output, Lists: d.v.r.Sampler.Lists()}, nil)
		if err != nil {
			return nil
		}
		m = p
	}
	return ledger.Move{Game: g.Key, State: g.State, Kind: uint8(m.Kind()), Payload: m.Encode()}
}

func (d *defender) next(g *ledger.Game, now uint64) ledger.Order {
	s, err := dispute.DecodeState(g.State)
	if err != nil {
		return nil
	}
	switch {
	case g.Decided != nil:
		if v, err := dispute.DecodeVerdict(g.Decided.Verdict); err == nil && v.Phase == dispute.Lost {
			return ledger.Resolve{Game: g.Key, Verdict: g.Decided.Verdict}
		}
		return nil
	case s.Phase.Turn() == dispute.Opener && dispute.Overdue(&s, now):
		return ledger.Timeout{Game: g.Key, State: g.State, Job: g.Job}
	case s.Phase.Turn() != dispute.Node || now > s.Last:
		return nil
	}
	j, err := dispute.DecodeJob(g.Job)
	if err != nil {
		return nil
	}
	if s.Phase == dispute.Demand || s.Phase == dispute.Publication {
		return d.data(g, &s, j)
	}
	m, err := dispute.NextForNode(s, j, d.own)
	if err != nil {
		return nil
	}
	if m.Kind() == dispute.KindAnswer {
		if next, _, err := dispute.Apply(s, m, dispute.Env{Now: s.Deadline, Mover: s.Node}); err != nil || next.Phase != dispute.Lost {
			return nil
		}
	}
	return ledger.Move{Game: g.Key, State: g.State, Kind: uint8(m.Kind()), Payload: m.Encode()}
}

// cast fills a world with parties.
func (w *world) cast(f *Fixture) error {
	v := f.views[0]
	if w.res.Honest = w.rng.IntN(2) == 0; !w.res.Honest {
		v = f.views[1+w.rng.IntN(len(f.views)-1)]
	}
	p := params()
	w.a = &arena{p: p, reserve: p.Reserve, unbonding: p.Unbonding, domain: f.domain, nodes: map[claim.Address]stake.Node{f.nodeAddr: {Stake: f.had}},
		credit: map[claim.Address]claim.Amount{f.watchAddr: f.had}, wei: map[claim.Address]uint64{}, commits: map[claim.Hash]commit{},
		games: map[claim.Hash]game{}, cases: map[claim.Hash]stake.Verdict{}, batches: map[claim.Hash]stake.Batch{}}
	batch := w.rng.IntN(2) == 0 && !w.lim.Bare
	if w.lim.Bare || batch && rand.New(rand.NewPCG(w.res.Seed, 0xba4e)).IntN(2) == 0 { // a batch holds what a refutation takes
		all := must(p.Reserve.Add(v.r.Claim.Value))
		w.a.nodes[f.nodeAddr], w.a.credit[f.nodeAddr] = stake.Node{Stake: all}, f.had.Less(all)
	}
	if batch {
		post := ledger.PostBatch{Root: v.root, Count: 1, Cover: v.r.Claim.Value, Until: start + 3*p.Window}
		if _, err := w.a.apply(post, f.nodeAddr, moment{1, start, unit, unit}); err != nil {
			return err
		}
	}
	w.evidence = func() *dispute.Inclusion {
		if !batch {
			return nil
		}
		return &dispute.Inclusion{Root: v.root}
	}
	mute := !w.res.Honest && w.rng.IntN(4) == 0
	stops := -1
	if mute { // at once, or somewhere in its games: states, rows, tensors, leaves and ids are withheld so
		stops = rand.New(rand.NewPCG(w.res.Seed, 0x57)).IntN(8)
	}
	w.join(f.nodeAddr, w.res.Honest, func() player {
		d := f.defender(v, stops)
		d.posted = batch
		return d
	})
	if !w.res.Honest && !w.lim.Away {
		if err := w.joinHand(f, f.watchAddr, true, f.views[0], adversary.Hand{Receipt: v.r, Batch: w.evidence()}); err != nil {
			return err
		}
	}
	for i := range w.rng.IntN(w.lim.Griefer + 1) {
		if err := w.joinAttacker(f, v, i); err != nil {
			return err
		}
	}
	w.scarce = w.lim.Bare || w.a.nodes[f.nodeAddr].Stake != f.had
	w.joinPetitions(f, v, mute)
	w.join(claim.Address{0xee}, false, func() player { return &intruder{rng: w.rng} })
	return nil
}

// join adds a party. Two of three hostile ones send malformed moves, too.
func (w *world) join(a claim.Address, honest bool, of func() player) {
	build := of
	if g := rand.New(rand.NewPCG(w.res.Seed, uint64(a[0])<<8|uint64(a[1]))); !honest && g.IntN(3) > 0 {
		build = func() player { return &vandal{player: of(), rng: g} }
	}
	w.all = append(w.all, &party{addr: a, honest: honest, player: build(), make: build, known: map[string]bool{}})
}

func (w *world) joinHand(f *Fixture, who claim.Address, honest bool, see *view, h adversary.Hand) error {
	build := func() (*adversary.Opponent, error) {
		o := adversary.NewOpponent(adversary.Means{Account: who, Domain: f.domain, Manifest: f.man, View: see, Truth: f.views[0], MaxBond: claim.MaxAmount})
		return o, o.Deal(context.Background(), h)
	}
	if _, err := build(); err != nil {
		return err
	}
	w.join(who, honest, func() player {
		o, _ := build() // it went well before
		return o
	})
	return nil
}

// joinAttacker adds somebody who plays games about the claim to lose them, to win them first, or to
// stop in the middle.
func (w *world) joinAttacker(f *Fixture, v *view, i int) error {
	who := claim.Address{0xb0, byte(i)}
	w.a.credit[who] = f.had
	h := adversary.Hand{Receipt: v.r, Salt: uint64(i), Stops: w.rng.IntN(3) == 0, Blind: w.rng.IntN(3) == 0}
	if rand.New(rand.NewPCG(w.res.Seed, uint64(i))).IntN(2) == 0 {
		h.Batch = w.evidence()
	}
	see := f.views[w.rng.IntN(len(f.views))]
	if w.rng.IntN(2) == 0 || see.r.Claim == v.r.Claim {
		step := uint32(w.rng.IntN(len(f.job.Prompt) + int(v.r.Claim.Count) - 1))
		h.Step = &step
	}
	return w.joinHand(f, who, false, see, h)
}

// intruder moves in other people's games: everything it sends must revert.
type intruder struct {
	rng   interface{ IntN(int) int }
	games ledger.Games
}

// Observe sends what was posted in a game again, and time-outs before their time.
func (i *intruder) Observe(facts []ledger.Fact, _ ledger.Head) ([]ledger.Order, error) {
	var out []ledger.Order
	for _, f := range facts {
		i.games.Apply(f)
		e, ok := f.Event.(ledger.Moved)
		if !ok || f.Removed || i.rng.IntN(4) != 0 {
			continue
		}
		g, ok := i.games.Game(e.Game)
		if !ok || len(g.Posts) == 0 {
			continue
		}
		post := g.Posts[i.rng.IntN(len(g.Posts))]
		out = append(out, ledger.Move{Game: e.Game, Kind: post.Move, State: e.State, Payload: post.Payload},
			ledger.Timeout{Game: e.Game, State: e.State, Job: g.Job})
	}
	return out, nil
}
