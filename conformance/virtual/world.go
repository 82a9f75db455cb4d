package virtual

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

// Limits bound what a schedule may do to honest parties. Times are seconds. The fields after Griefer
// break law 3.
type Limits struct {
	Slack   uint64 // before a deadline at which an honest order is on the chain at the latest
	Depth   int    // of the deepest reorganisation, in blocks
	Reorgs  int    // the most of them
	Spike   uint64 // the largest base fee, in tenths of the price cap
	Griefer int    // the most attackers on the chain

	Late uint64 // one order in six is on the chain up to so much after its deadline
	Once bool   // an order whose transaction reverted is not sent again
	Lost bool   // a crash may lose the state directory: nothing is known any more
	Away bool   // no watcher looks within the window
	Bare bool   // the node's stake is one reserve, and the claim is in no batch
}

// Law3 are the assumptions under which an honest party loses nothing: whoever keeps sending is on the
// chain before D2, its disk and its wallet hold, a watcher looks once in a window, and what it pays for
// gas stays below the price cap, at which open books commit and resolve. GAME law 3.
func Law3() Limits { return Limits{Slack: 600, Depth: 3, Spike: 9, Reorgs: 4, Griefer: 3} }

// Times of a schedule's chain.
const (
	blockTime = 12
	start     = 1_000_000
	unit      = 10_000_000 // wei per gas: a tenth of the price that bonds of the L2 profile assume
)

// Result says what became of a schedule.
type Result struct {
	Seed    uint64
	Honest  bool // the node's claim is true
	Games   int
	Refuted int
	Lost    int
	Voided  int
	Moves   int
	Reverts int
	Reorgs  int
	Crashes int
	Blocks  uint64
	Seconds uint64 // of the chain
	// What honest parties lost in token units, gas included, and whether a false claim stands.
	NodeLost, WatchLost, UserLost claim.Amount
	Stands                        bool
	Wasted                        uint64 // wei of what honest parties sent in vain because of a reorganisation or of another winner: not in the losses
	Open                          int    // decided games that nobody closes
	Mangled, Passed               int    // malformed moves, and how many of them were legal by luck
	Demands                       int    // games about data or a batch
	Equivocations                 int    // two claims of one request
}

// block is what is needed to take a block back.
type block struct {
	number, time uint64
	before       *arena
	facts        []ledger.Fact
	mined        []*pending
}

// pending is an order on its way.
type pending struct {
	o     ledger.Order
	from  *party
	at    uint64 // not on the chain before
	mined bool
}

// world is one schedule.
type world struct {
	rng    *rand.Rand
	lim    Limits
	a      *arena
	now    uint64
	number uint64
	fork   byte
	blocks []*block
	facts  []ledger.Fact
	all    []*party
	res    Result
	total  claim.Amount
	user   claim.Address // an honest party who was given nothing, or two stories; zero without
	scarce bool          // the node has stake for one refutation
	// evidence is the place of the claim in its batch, nil without.
	evidence func() *dispute.Inclusion
}

// party is somebody with an outbox.
type party struct {
	addr   claim.Address
	honest bool
	player player
	make   func() player // after a crash
	out    []*pending
	known  map[string]bool
	read   int // facts that the player has seen
	crash  uint64
	tries  map[string]int
}

// vain says whether the party sends what must revert, and again and again if it could.
func (p *party) vain() bool {
	x := p.player
	if v, ok := x.(*vandal); ok {
		x = v.player
	}
	_, ok := x.(*intruder)
	return ok
}

// again lets a party send an order again whose transaction reverted, if its player still wants it:
// after a reorganisation what it stands on may have come behind it.
func (p *party) again(key string) {
	if p.tries == nil {
		p.tries = map[string]int{}
	}
	if p.vain() || p.tries[key] > maxTries {
		return
	}
	p.tries[key]++
	delete(p.known, key)
	if f, ok := p.player.(interface{ Forget(string) }); ok {
		f.Forget(key)
	}
}

// maxTries is how often an order is sent again after a revert: as a link, which sends it again whenever it
// would pass. No schedule comes near; more is a loop.
const maxTries = 100

// player is what a party does, given the news.
type player interface {
	Observe(facts []ledger.Fact, head ledger.Head) ([]ledger.Order, error)
}

// nothing is who has lost all that he knew.
type nothing struct{}

// Observe does nothing.
func (nothing) Observe([]ledger.Fact, ledger.Head) ([]ledger.Order, error) { return nil, nil }

// price is base fee and what a sender pays at a time.
func (w *world) price() (base, price uint64) {
	g := rand.New(rand.NewPCG(w.now/blockTime, 99))
	base = 1 * unit
	if g.IntN(4) == 0 {
		base = (1 + g.Uint64N(w.lim.Spike)) * unit
	}
	return base, base + unit
}

// maxSteps is the most blocks of a schedule, which has some thirty.
const maxSteps = 1000

// Run plays a schedule to its end.
func Run(f *Fixture, lim Limits, seed uint64) (Result, error) {
	w := &world{rng: rand.New(rand.NewPCG(seed, 0x5eed)), lim: lim, now: start, number: 1}
	w.res.Seed = seed
	if err := w.cast(f); err != nil {
		return w.res, err
	}
	w.total = w.a.held()
	reorgs := w.rng.IntN(lim.Reorgs + 1)
	for step := range maxSteps {
		if err := w.news(); err != nil {
			return w.res, err
		}
		if w.over() {
			return w.res, w.account(f)
		}
		if err := w.mine(); err != nil {
			return w.res, err
		}
		if reorgs > 0 && w.rng.IntN(8) == 0 && len(w.blocks) > 1 {
			reorgs--
			w.reorg(1 + w.rng.IntN(lim.Depth))
		}
		if step == maxSteps-1 && w.lim.Once {
			w.res.Open = len(w.a.games)
			return w.res, nil
		}
		if step == maxSteps-1 {
			return w.res, fmt.Errorf("seed %d: %s", seed, w.stuck())
		}
	}
	return w.res, nil
}

// stuck says what a schedule still waits for.
func (w *world) stuck() string {
	text := fmt.Sprintf("at %d", w.now)
	for _, g := range w.a.games {
		text += fmt.Sprintf(", game of %x in phase %s until %d and %d", g.state.Opener[:2], g.state.Phase, g.state.Deadline, g.state.Last)
	}
	for _, p := range w.all {
		for _, x := range p.out {
			if !x.mined {
				text += fmt.Sprintf(", %x sends %T at %d", p.addr[:2], x.o, x.at)
			}
		}
	}
	return text
}

// news lets every party that is up see what is new and act on it.
func (w *world) news() error {
	head := ledger.Head{Number: w.number, Time: w.now}
	for _, p := range w.all {
		if p.crash > w.now {
			continue
		}
		if p.honest && w.rng.IntN(40) == 0 { // a crash: what is in memory is gone
			p.player, p.read, p.crash = p.make(), 0, w.now+blockTime*w.rng.Uint64N(4)
			if w.lim.Lost && w.rng.IntN(2) == 0 {
				p.player = nothing{}
			}
			w.res.Crashes++
			if p.crash > w.now {
				continue
			}
		}
		facts := w.facts[p.read:]
		p.read = len(w.facts)
		orders, err := p.player.Observe(facts, head)
		if err != nil {
			return fmt.Errorf("seed %d: %w", w.res.Seed, err)
		}
		for _, o := range orders {
			if !p.known[o.Key()] {
				p.known[o.Key()] = true
				at := w.held(p, o)
				for _, x := range p.out { // what comes before it does not hold it up
					x.at = min(x.at, at)
				}
				p.out = append(p.out, &pending{o: o, from: p, at: at})
			}
		}
	}
	return nil
}

// held is when the schedule lets an order reach the chain: at once, or at any time until shortly
// before it would be late. A crash, an empty wallet, full blocks, a censor and a slow sequencer are
// the same to a contract.
func (w *world) held(p *party, o ledger.Order) uint64 {
	if !p.honest || w.rng.IntN(3) == 0 {
		return w.now
	}
	end := w.due(o)
	if w.lim.Late > 0 && w.rng.IntN(6) == 0 {
		return end + w.rng.Uint64N(w.lim.Late)
	}
	if end < w.now+w.lim.Slack {
		return w.now
	}
	return w.now + w.rng.Uint64N(end-w.lim.Slack-w.now+1)
}

// due is when an order is too late.
func (w *world) due(o ledger.Order) uint64 {
	switch o := o.(type) {
	case ledger.Commit:
		return start + w.a.p.Window
	case ledger.Open:
		return w.a.commits[o.Game].time + w.a.p.Window/2
	case ledger.Move:
		s, err := dispute.DecodeState(o.State)
		if err != nil {
			return w.now
		}
		return max(s.Deadline, s.Last)
	}
	return w.now + w.a.p.ReplyTime
}

// mine makes the next block: at the next block time, or when something is due.
func (w *world) mine() error {
	next := w.next()
	w.now, w.number = max(w.now+blockTime, next), w.number+1
	b := &block{number: w.number, time: w.now, before: w.a.clone()}
	var ready []*pending
	for _, i := range w.rng.Perm(len(w.all)) { // of one account in the order of its nonces
		for _, x := range w.all[i].out {
			if !x.mined && x.at > w.now {
				break
			}
			if !x.mined {
				ready = append(ready, x)
			}
		}
	}
	base, price := w.price()
	moved := map[*party]bool{} // who has an order in this block
	for _, x := range ready {
		x.mined = true
		b.mined = append(b.mined, x)
		spent := w.a.wei[x.from.addr]
		events, err := w.a.apply(x.o, x.from.addr, moment{w.number, w.now, base, price})
		if _, ok := x.o.(mangled); ok {
			w.res.Mangled++
			if err == nil {
				w.res.Passed++
			}
		}
		if err != nil {
			w.res.Reverts++
			switch {
			case !x.from.honest:
			case moved[x.from]: // an outbox asks the pending state first, with its own orders in it, and sends nothing in vain
				w.a.wei[x.from.addr] = spent
			case w.res.Reorgs > 0 || w.a.overtaken(x.o):
				w.res.Wasted += w.a.wei[x.from.addr] - spent
				w.a.wei[x.from.addr] = spent
			}
			if !w.lim.Once {
				x.from.again(x.o.Key())
			}
			continue
		}
		moved[x.from] = true
		for _, e := range events {
			ref := ledger.Ref{Block: w.number, BlockHash: claim.Hash{byte(w.number), byte(w.number >> 8), w.fork}, Time: w.now, Index: uint(len(b.facts))}
			b.facts = append(b.facts, ledger.Fact{Ref: ref, Event: e})
		}
	}
	w.facts = append(w.facts, b.facts...)
	w.blocks = append(w.blocks, b)
	w.res.Blocks++
	if got := w.a.held(); got != w.total {
		return fmt.Errorf("seed %d: %s token units became %s in block %d", w.res.Seed, w.total, got, w.number)
	}
	return nil
}

// next is the earliest time at which anything can happen: blocks in which nothing does are left out.
func (w *world) next() uint64 {
	next := ^uint64(0)
	for _, p := range w.all {
		for _, x := range p.out {
			if !x.mined {
				next = min(next, x.at)
			}
		}
		if p.crash > w.now {
			next = min(next, p.crash)
		}
	}
	if len(w.facts) > 0 && w.blocks[len(w.blocks)-1].facts != nil {
		return w.now // somebody may answer
	}
	for _, c := range w.a.commits {
		if c.block+1 >= w.number {
			return w.now // it can be opened in the next block
		}
		if end := c.time + w.a.p.Window/2; end >= w.now {
			next = min(next, end+1)
		}
	}
	for _, g := range w.a.games {
		s := &g.state
		for _, t := range []uint64{s.Deadline, s.Last} {
			if t >= w.now && s.Phase.Turn() != dispute.Nobody {
				next = min(next, t+1)
			}
		}
	}
	for _, v := range w.a.cases {
		if v.Held != nil && v.Held.SettleAt >= w.now {
			next = min(next, v.Held.SettleAt+1)
		}
	}
	if next == ^uint64(0) {
		return w.now
	}
	return next
}

// reorg takes blocks back, as far as they are not older than depth block times; what was in them is on
// its way again.
func (w *world) reorg(depth int) {
	var gone []ledger.Fact
	taken := 0
	for range depth {
		b := w.blocks[len(w.blocks)-1]
		if len(w.blocks) == 1 || b.time+uint64(depth)*blockTime < w.now {
			break
		}
		w.blocks, w.a = w.blocks[:len(w.blocks)-1], b.before
		for _, f := range slices.Backward(b.facts) {
			f.Removed = true
			gone = append(gone, f)
		}
		for _, x := range b.mined {
			x.mined = false
		}
		taken++
	}
	if taken == 0 {
		return
	}
	w.fork++
	w.res.Reorgs++
	w.facts = append(w.facts, gone...)
}

// over says whether every order is mined, every game closed and every verdict paid.
func (w *world) over() bool {
	for _, p := range w.all {
		if p.crash > w.now {
			return false
		}
		for _, x := range p.out {
			if !x.mined {
				return false
			}
		}
	}
	for _, v := range w.a.cases {
		if v.Held != nil {
			return false
		}
	}
	for _, c := range w.a.commits {
		if c.time+w.a.p.Window/2 >= w.now {
			return false
		}
	}
	return len(w.a.games) == 0 && w.now > start+20*blockTime
}

// account counts what everybody has.
func (w *world) account(f *Fixture) error {
	w.res.Seconds = w.now - start
	var games ledger.Games
	for _, x := range w.facts {
		games.Apply(x)
	}
	for _, g := range games.All() {
		w.res.Games++
		w.res.Moves += len(g.Moves)
		if s, err := dispute.DecodeState(g.Moves[0].State); err == nil && s.Flags&dispute.FlagDemand != 0 {
			w.res.Demands++
		}
		if g.Resolved == nil {
			return fmt.Errorf("seed %d: game %x is not resolved", w.res.Seed, g.Key)
		}
		if g.Resolved.Voided {
			w.res.Voided++
		}
		if dispute.Phase(g.Resolved.Phase) == dispute.Refuted {
			w.res.Refuted++
		} else {
			w.res.Lost++
		}
	}
	if w.user != (claim.Address{}) {
		w.res.UserLost = w.poorer(w.user, f.had)
	}
	w.res.NodeLost, w.res.WatchLost = w.poorer(f.nodeAddr, f.had), w.poorer(f.watchAddr, f.had)
	w.res.Stands = !w.res.Honest && w.res.Refuted == 0
	return nil
}

// poorer is what a party has less than before, gas included.
func (w *world) poorer(who claim.Address, had claim.Amount) claim.Amount {
	n := w.a.nodes[who]
	have := must(n.Stake.Add(w.a.credit[who]))
	return must(had.Add(worth(w.a.p, w.a.wei[who]))).Less(have)
}

// worth is an amount of wei in token units.
func worth(p stake.Params, wei uint64) claim.Amount {
	return must(claim.Units(wei).Mul(p.TokenPerEther.Div(1e18).Lo))
}
