package virtual

import (
	"fmt"
	"math/rand/v2"

	"elenchus/commitment/claim"
	"elenchus/commitment/trace"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

// mangled is a move that nobody honest makes; several may be made in one state.
type mangled struct {
	ledger.Move
	n int
}

// Key names the order and its number.
func (m mangled) Key() string { return fmt.Sprintf("%s/mangled/%d", m.Move.Key(), m.n) }

// vandal is a hostile party who sends malformed moves before its own: random bytes, too few and too many, bits
// turned over, another kind of move, and what was posted before, in this game or in another one.
type vandal struct {
	player
	rng   *rand.Rand
	n     int
	past  []ledger.Move // of everybody
	games ledger.Games
}

// maxPast bounds what a vandal remembers.
const maxPast = 64

// Observe is what the party sends, with malformed moves before it.
func (v *vandal) Observe(facts []ledger.Fact, head ledger.Head) ([]ledger.Order, error) {
	orders, err := v.player.Observe(facts, head)
	for _, f := range facts {
		if e, ok := f.Event.(ledger.Posted); ok && len(v.past) < maxPast {
			v.past = append(v.past, ledger.Move{Game: e.Game, Kind: e.Move, Payload: e.Payload})
		}
		if key, ok := v.games.Apply(f); ok && !f.Removed && v.rng.IntN(4) == 0 {
			orders = append(v.strays(key), orders...)
		}
	}
	var out []ledger.Order
	for _, o := range orders {
		if m, ok := o.(ledger.Move); ok && v.rng.IntN(3) == 0 {
			out = append(out, v.mangle(m), v.mangle(m))
		}
		out = append(out, o)
	}
	return out, err
}

// Forget lets an order of the party be returned again.
func (v *vandal) Forget(key string) {
	if f, ok := v.player.(interface{ Forget(string) }); ok {
		f.Forget(key)
	}
}

// strays are moves in a game whose turn may be anybody's: also answers, which anybody may send.
func (v *vandal) strays(key claim.Hash) []ledger.Order {
	g, ok := v.games.Game(key)
	if !ok || g.Decided != nil || g.Resolved != nil {
		return nil
	}
	m := ledger.Move{Game: key, State: g.State, Kind: uint8(3 + v.rng.IntN(16)), Payload: v.bytes(v.rng.IntN(700))}
	if s, err := dispute.DecodeState(g.State); err == nil && s.Phase == dispute.Answer {
		m.Kind, m.Payload = uint8(dispute.KindAnswer), append(append([]byte(nil), g.Job...), m.Payload...)
	}
	return []ledger.Order{v.mangle(m)}
}

func (v *vandal) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(v.rng.Uint32())
	}
	return b
}

// mangle is a move like m that is hardly legal.
func (v *vandal) mangle(m ledger.Move) mangled {
	v.n++
	p := append([]byte(nil), m.Payload...)
	at := func() int { return v.rng.IntN(max(len(p), 1)) }
	switch v.rng.IntN(8) {
	case 0:
		p = v.bytes(len(p))
	case 1:
		p = p[:at()]
	case 2:
		p = append(p, v.bytes(1+v.rng.IntN(64))...)
	case 3:
		if len(p) > 0 {
			p[at()] ^= 1 << v.rng.IntN(8)
		}
	case 4:
		m.Kind = uint8(v.rng.IntN(20))
	case 5:
		if len(v.past) > 0 { // of another state, another game
			old := v.past[v.rng.IntN(len(v.past))]
			m.Kind, p = old.Kind, old.Payload
		}
	case 6:
		m.State = append([]byte(nil), m.State...)
		if len(m.State) > 0 {
			m.State[v.rng.IntN(len(m.State))] ^= 1
		}
	case 7:
		p = nil
	}
	m.Payload = p
	return mangled{m, v.n}
}

// petition is a party who opens one game that needs no computing and waits for its end: a demand for a batch or for
// the ids of a claim, or two claims that contradict each other.
type petition struct {
	who       claim.Address
	key       claim.Hash
	open      []byte
	from      uint64 // not committed to before
	committed uint64 // block of the commit, 0 without
	games     ledger.Games
	cases     ledger.Cases
}

// petitionOf is a petition about an opening; salt tells several of one party apart.
func petitionOf(f *Fixture, who claim.Address, m dispute.OpenMove, from, salt uint64) *petition {
	m.Opener, m.Salt, m.MaxBond = who, claim.Keccak([]byte("petition"), []byte(fmt.Sprint(salt))), claim.MaxAmount
	_, sealed := m.Sealed(f.domain)
	return &petition{who: who, key: dispute.Key(who, sealed.ID(f.domain), m.T, m.Salt), open: m.Encode(), from: from}
}

// Observe brings the game to its end.
func (p *petition) Observe(facts []ledger.Fact, head ledger.Head) ([]ledger.Order, error) {
	for _, f := range facts {
		p.games.Apply(f)
		p.cases.Apply(f)
		if e, ok := f.Event.(ledger.Committed); ok && e.Game == p.key {
			if p.committed = f.Block; f.Removed {
				p.committed = 0
			}
		}
	}
	var out []ledger.Order
	g, opened := p.games.Game(p.key)
	switch {
	case g.Resolved != nil:
	case !opened && p.committed == 0:
		if head.Time >= p.from {
			out = append(out, ledger.Commit{Game: p.key})
		}
	case !opened:
		if head.Number > p.committed {
			out = append(out, ledger.Open{Game: p.key, Payload: p.open})
		}
	case g.Decided != nil:
		if v, err := dispute.DecodeVerdict(g.Decided.Verdict); err == nil && v.Phase != dispute.Lost {
			out = append(out, ledger.Resolve{Game: g.Key, Verdict: g.Decided.Verdict, Held: p.cases.Held(v.Case)})
		}
	default:
		if s, err := dispute.DecodeState(g.State); err == nil && s.Phase.Turn() == dispute.Node && dispute.Overdue(&s, head.Time) {
			out = append(out, ledger.Timeout{Game: g.Key, State: g.State, Job: g.Job})
		}
	}
	for _, id := range p.cases.All() {
		held, err := stake.DecodeHeld(p.cases.Held(id))
		if err == nil && held.Winner == p.who && head.Time > held.SettleAt {
			out = append(out, ledger.Settle{Case: id, Held: p.cases.Held(id)})
		}
	}
	return out, nil
}

// opening is one of the claim of a view by its signature.
func (v *view) opening(f *Fixture, t uint32) dispute.OpenMove {
	return dispute.OpenMove{T: t, Claim: v.r.Claim, Request: v.r.Request, Sampler: trace.Settings(&v.r.Sampler), Header: f.man.Header, Signature: v.r.Signature}
}

// contradiction is the opening that shows two claims of one request; ok is false where they do not contradict
// each other.
func (f *Fixture) contradiction(v, other *view) (dispute.OpenMove, bool) {
	m := v.opening(f, dispute.Contradicts)
	second, ok := dispute.Contradiction(&m, v.r.Output, dispute.Second{Claim: other.r.Claim, Signature: other.r.Signature}, other.r.Output)
	m.Second = second
	return m, ok
}

// joinPetitions adds who demands data or a batch, and who was told two stories. An honest one demands of a node
// that does not serve: of one that does it would only pay. SPEC 09 §8.11.
func (w *world) joinPetitions(f *Fixture, v *view, mute bool) {
	g := rand.New(rand.NewPCG(w.res.Seed, 0xde3a))
	add := func(who claim.Address, honest bool, m dispute.OpenMove, from uint64) {
		w.a.credit[who] = f.had
		salt := g.Uint64()
		w.join(who, honest, func() player { return petitionOf(f, who, m, from, salt) })
	}
	first := v.opening(f, 0)
	if field, _ := first.Face(f.domain); field != "" {
		return // such a claim is opened for that alone
	}
	kinds := []uint32{dispute.Published, dispute.NotIncluded}
	switch pick := g.IntN(4); {
	case pick == 0 && w.lim.Griefer > 0 && !w.lim.Bare:
		t := kinds[g.IntN(2)]
		from := uint64(0)
		if t == dispute.NotIncluded {
			from = v.r.Claim.BatchBy + 1
		}
		add(claim.Address{0xde}, false, v.opening(f, t), from)
	case w.res.Honest || w.lim.Away || w.scarce:
	case pick == 1 && mute:
		w.user = claim.Address{0xdd}
		add(w.user, true, v.opening(f, dispute.Published), 0)
	case pick == 2:
		if m, ok := f.contradiction(v, f.views[0]); ok {
			w.user = claim.Address{0xdd}
			add(w.user, true, m, 0)
			w.res.Equivocations++
		}
	}
}
