package stake

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"elenchus/commitment/claim"
)

const (
	testReserve = 100
	testWindow  = 90
	testUnbond  = 60
)

// post is a batch on the chain; its claims are numbered 0 to Count-1.
type post struct {
	Batch
	commits [][3]uint64 // open and settled commits in its window: claim, commit time, value
}

// place is a case: a claim of a batch, or with batch -1 one that was only signed.
type place struct{ batch, claim int }

// play is an open game.
type play struct {
	at          place
	hold, sure  Amount
	committedAt uint32
}

// world is all the money of one node and a purse that stands for every other account.
type world struct {
	p      Params
	n      Node
	posts  []post
	cases  map[place]*Verdict
	plays  []play
	purse  Amount
	held   Amount // by verdicts
	burned Amount
	now    uint64
}

func (w *world) total(t *rapid.T) Amount { return add(t, w.n.Stake, w.purse, w.held, w.burned) }

// post puts a batch on the chain if there is free stake.
func (w *world) post(t *rapid.T) {
	count, cover := rapid.Uint64Range(1, 4).Draw(t, "count"), claim.Units(rapid.Uint64Max(300).Draw(t, "cover"))
	b, err := NewBatch(&w.n, claim.Units(testReserve), count, cover, w.now+testWindow, w.now, testWindow)
	if err == nil {
		w.posts = append(w.posts, post{Batch: b})
	}
}

// commit hides a challenge of a claim, in the window of its batch.
func (w *world) commit(t *rapid.T) {
	for i := range w.posts {
		b := &w.posts[i]
		if b.Count == 0 || w.now > b.Until || len(b.commits) > 3 {
			continue
		}
		b.commits = append(b.commits, [3]uint64{rapid.Uint64Max(b.Count-1).Draw(t, "claim"), w.now, rapid.Uint64Max(500).Draw(t, "value")})
	}
}

// open opens a commit that is not too old. The batch must be there and give all that it promised,
// however late in its time the commit came. SPEC 09 §2.2.
func (w *world) open(t *rapid.T) {
	for i := range w.posts {
		b := &w.posts[i]
		if len(b.commits) == 0 {
			continue
		}
		c := b.commits[0]
		b.commits = b.commits[1:]
		if w.now > c[1]+testWindow/2 {
			continue
		}
		if b.Count == 0 {
			t.Fatalf("batch %d was released at %d, before the commit of %d had to be opened", i, w.now, c[1])
		}
		w.begin(t, place{i, int(c[0])}, &b.Batch, claim.Units(c[2]), uint32(c[1]))
		return
	}
}

// signed opens a game on a claim that no batch holds.
func (w *world) signed(t *rapid.T) {
	w.begin(t, place{-1, rapid.IntRange(0, 2).Draw(t, "claim")}, nil, claim.Units(rapid.Uint64Max(3000).Draw(t, "value")), uint32(w.now))
}

func (w *world) begin(t *rapid.T, at place, b *Batch, value Amount, committedAt uint32) {
	sure, err := b.Sure(claim.Units(testReserve), value)
	if err != nil {
		t.Fatal(err)
	}
	free := w.n.Free()
	hold, err := w.n.Open(add(t, claim.Units(testReserve), value), sure)
	if errors.Is(err, ErrGames) {
		return
	}
	if err != nil || hold != add(t, sure, add(t, claim.Units(testReserve), value).Less(sure).Min(free)) {
		t.Fatalf("hold %s with %s sure and %s free, %v", hold, sure, free, err)
	}
	w.plays = append(w.plays, play{at, hold, sure, committedAt})
}

// end closes any open game, refuting the claim or not.
func (w *world) end(t *rapid.T) {
	if len(w.plays) == 0 {
		t.Skip()
	}
	i := rapid.IntRange(0, len(w.plays)-1).Draw(t, "game")
	g := w.plays[i]
	w.plays = append(w.plays[:i:i], w.plays[i+1:]...)
	if rapid.Bool().Draw(t, "lost") {
		if err := w.n.Close(g.hold); err != nil {
			t.Fatal(err)
		}
		return
	}
	v := w.cases[g.at]
	if v == nil {
		v = &Verdict{}
		w.cases[g.at] = v
	}
	first := !v.Refuted
	cost := claim.Units(rapid.Uint64Max(300).Draw(t, "cost"))
	paid, err := w.p.Refute(v, &w.n, Win{CommittedAt: g.committedAt, Hold: g.hold, Cost: cost, Price: claim.Units(3)}, w.now, testUnbond)
	if err != nil {
		t.Fatal(err)
	}
	if first && (paid.Slashed != g.hold || paid.Slashed.Cmp(g.sure) < 0 || !w.n.Jailed) {
		t.Fatalf("the first refutation of %+v takes %s of the %s that its game held", g.at, paid.Slashed, g.hold)
	}
	if !first && (paid.Costs.Cmp(cost) > 0 || paid.Slashed.Cmp(paid.Costs) > 0) {
		t.Fatalf("a later refutation that cost %s takes %+v", cost, paid)
	}
	w.purse, w.held = add(t, w.purse, paid.Costs), add(t, w.held, paid.Slashed).Less(paid.Costs)
}

func (w *world) settle(t *rapid.T) {
	for at, v := range w.cases {
		h := v.Held
		if h == nil {
			continue
		}
		if back, err := DecodeHeld(h.Encode()); err != nil || back != *h || !bytes.Equal(back.Encode(), h.Encode()) {
			t.Fatalf("what %+v holds has another form: %v", at, err)
		}
		_, cut, err := w.p.Settle(v, w.now)
		if err != nil {
			continue
		}
		if cut.Burned.Cmp(h.Slashed.Less(h.Slashed.Div(2))) < 0 {
			t.Fatalf("%s of %s burn", cut.Burned, h.Slashed)
		}
		w.held = w.held.Less(add(t, cut.Refund, cut.Reward, cut.Burned))
		w.purse, w.burned = add(t, w.purse, cut.Refund, cut.Reward), add(t, w.burned, cut.Burned)
	}
}

// reserved is what the account must say that it reserves.
func (w *world) reserved(t *rapid.T) Amount {
	var sum Amount
	for i := range w.posts {
		weight, err := w.posts[i].weight(claim.Units(testReserve))
		if err != nil {
			t.Fatal(err)
		}
		sum = add(t, sum, weight)
	}
	for _, g := range w.plays {
		sum = add(t, sum, g.hold)
	}
	return sum
}

// liable is what refutations can still take: of every claim of a batch that was not refuted the
// larger of reserve and holds, of every other case the largest hold. SPEC 09 §2.6.
func (w *world) liable(t *rapid.T) Amount {
	most := map[place]Amount{}
	for i := range w.posts {
		for c := range int(w.posts[i].Count) {
			most[place{i, c}] = add(t, claim.Units(testReserve), w.posts[i].Cover)
		}
	}
	for _, g := range w.plays {
		if g.hold.Cmp(most[g.at]) > 0 {
			most[g.at] = g.hold
		}
	}
	var sum Amount
	for at, a := range most {
		if v := w.cases[at]; v == nil || !v.Refuted {
			sum = add(t, sum, a)
		}
	}
	return sum
}

// Whatever happens in whatever order: no money comes or goes, what the account reserves is what
// batches and games reserve, the stake covers all that refutations can still take, and each of them
// takes what its game held. SPEC 09 §1.2, §2.
func TestEveryHoldIsThereWhenItIsTaken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := world{p: devnet(), purse: claim.Units(1 << 40), now: 1000, cases: map[place]*Verdict{}}
		w.n.Stake = claim.Units(3000)
		start := w.total(t)
		t.Repeat(map[string]func(*rapid.T){
			"post": w.post, "commit": w.commit, "open": w.open, "signed": w.signed, "end": w.end, "settle": w.settle,
			"release": func(t *rapid.T) {
				for i := range w.posts {
					_ = w.posts[i].Release(&w.n, claim.Units(testReserve), w.now, testWindow)
				}
			},
			"unbond": func(t *rapid.T) {
				_ = w.n.RequestUnbond(claim.Units(rapid.Uint64Max(6000).Draw(t, "unbond")), w.now, testUnbond)
			},
			"withdraw": func(t *rapid.T) {
				if out, err := w.n.Withdraw(w.now); err == nil {
					w.purse = add(t, w.purse, out)
				}
			},
			"deposit": func(t *rapid.T) {
				more := claim.Units(rapid.Uint64Max(500).Draw(t, "more"))
				w.n.Stake, w.purse = add(t, w.n.Stake, more), w.purse.Less(more)
			},
			"wait": func(t *rapid.T) { w.now += rapid.Uint64Max(60).Draw(t, "wait") },
			"": func(t *rapid.T) {
				if w.total(t) != start {
					t.Fatalf("%s of %s", w.total(t), start)
				}
				if got, want := w.n.Reserved, w.reserved(t); got != want {
					t.Fatalf("reserved %s, batches and games reserve %s", got, want)
				}
				if l := w.liable(t); l.Cmp(w.n.Stake) > 0 {
					t.Fatalf("refutations can take %s of a stake of %s", l, w.n.Stake)
				}
			},
		})
	})
}

// A batch is released only after the last second in which a commit of its window may be opened. SPEC 09
// §2.2.
func TestReleaseWaitsForTheCommitsOfTheWindow(t *testing.T) {
	p, n := devnet(), Node{Stake: claim.Units(1000)}
	b, err := NewBatch(&n, claim.Units(testReserve), 2, claim.Units(7), testWindow, 0, testWindow)
	if err != nil {
		t.Fatal(err)
	}
	last := b.Until + testWindow/2
	if err := p.CheckOpen(1, b.Until, 2, last, b.Until); err != nil {
		t.Fatalf("a commit of the last second cannot be opened at %d: %v", last, err)
	}
	if err := b.Release(&n, claim.Units(testReserve), last, testWindow); !errors.Is(err, ErrBatch) || n.Reserved != claim.Units(214) {
		t.Fatalf("released at %d, %v", last, err)
	}
	if err := b.Release(&n, claim.Units(testReserve), last+1, testWindow); err != nil || !n.Reserved.IsZero() {
		t.Fatalf("not released at %d, %v", last+1, err)
	}
}

// A node that refutes itself with weaker evidence does not shield its batch: case by case, what was
// reserved is taken. SPEC 09 §4.2.
func TestSelfRefutationBySignatureSparesNoBatch(t *testing.T) {
	p := devnet()
	n := Node{Stake: claim.Units(150)}
	b, err := NewBatch(&n, claim.Units(testReserve), 1, claim.Units(50), testWindow, 0, testWindow)
	if err != nil {
		t.Fatal(err)
	}
	var signed, posted Verdict
	refute := func(v *Verdict, b *Batch) Paid {
		sure, err := b.Sure(claim.Units(testReserve), claim.Units(50))
		if err != nil {
			t.Fatal(err)
		}
		hold, err := n.Open(claim.Units(150), sure)
		if err != nil {
			t.Fatal(err)
		}
		paid, err := p.Refute(v, &n, Win{Hold: hold}, 1, testUnbond)
		if err != nil {
			t.Fatal(err)
		}
		return paid
	}
	if got := refute(&signed, nil); !got.Slashed.IsZero() {
		t.Fatalf("a signature takes %s of the batch's reserve", got.Slashed)
	}
	if got := refute(&posted, &b); got.Slashed != claim.Units(150) {
		t.Fatalf("the batch gives %s", got.Slashed)
	}
}

// At most 255 games are open against a node, so that their holds fit into its slot.
func TestGamesAreBounded(t *testing.T) {
	n := Node{Games: MaxGames}
	if _, err := n.Open(claim.Units(1), Amount{}); !errors.Is(err, ErrGames) {
		t.Fatal(err)
	}
	if err := (&Node{}).Close(Amount{}); !errors.Is(err, ErrGames) {
		t.Fatal(err)
	}
}

func FuzzDecodeHeld(f *testing.F) {
	f.Add(make([]byte, HeldSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := DecodeHeld(b); err == nil && !bytes.Equal(h.Encode(), b) {
			t.Fatal("two encodings of one verdict's holdings")
		}
	})
}
