package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
	"elenchus/network/chain"
	"elenchus/network/peer"
	"elenchus/service/adversary"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"

	"github.com/ethereum/go-ethereum/crypto"
)

func tinyModel(t *testing.T) *manifest.Manifest {
	t.Helper()
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	return man
}

// holdings are what a party has in audits.
func (c *tribunal) holdings(ctx context.Context, name string) (deposit, credit claim.Amount, err error) {
	deposit, err1 := c.k.AuditDeposit(ctx, c.n.Accounts[name])
	credit, err2 := c.k.AuditCredit(ctx, c.n.Accounts[name])
	return deposit, credit, errors.Join(err1, err2)
}

// honestDay lets one auditor compute and one invent: the first has the fee, the second loses the forfeit.
func (c *tribunal) honestDay(ctx context.Context, t *testing.T) error {
	p := courtAudits()
	if err := lazyAuditor(ctx, c); err != nil {
		return err
	}
	if _, credit, err := c.holdings(ctx, "watch"); err != nil || credit != p.Fee {
		t.Errorf("the auditor has credit %s, want %s: %v", credit, p.Fee, err)
	}
	deposit, credit, err := c.holdings(ctx, "mallory")
	if err != nil || deposit != p.Deposit.Less(p.Forfeit) || !credit.IsZero() {
		t.Errorf("the lazy one has deposit %s and credit %s: %v", deposit, credit, err)
	}
	return nil
}

// On an honest day the auditor who computed earns the fee; who invented a tree opens nothing, loses the
// forfeit, and earns nothing, though the claim is true. Its data are kept for parties: its node serves them
// to the drawn ones alone; the model is confidential, so that the reveal shows no row. SPEC 11 §4.2, §6.1,
// §6.3, §8.2, 15 §2.4.
func TestHonestDayPaysWhoComputed(t *testing.T) {
	t.Parallel()
	sc := sceneOf("lazy-auditor")
	sc.class = claim.Parties
	p := courtAudits()
	sc.alone = func(ctx context.Context, c *tribunal) error {
		if err := c.honestDay(ctx, t); err != nil {
			return err
		}
		return c.servedToTheDrawn(ctx, t)
	}
	card, _ := adversary.Find("lazy-auditor")
	alone, at := sc.alone, chain.Addresses{}
	sc.alone = func(ctx context.Context, c *tribunal) error { at = c.n.Addresses; return alone(ctx, c) }
	playAudits(t, CourtOptions{Confidential: true}, card, sc, func(ctx context.Context, rpc string, _ map[string]*receipt.Receipt) error {
		return withdrawn(ctx, t, &ChainLookup{RPC: rpc, At: at}, p.Fee)
	})
}

// servedToTheDrawn asks node1 for the drawn claim with every key of the court at both places.
func (c *tribunal) servedToTheDrawn(ctx context.Context, t *testing.T) error {
	t.Helper()
	places, _, err := c.drawn(ctx, "node1")
	if err != nil {
		return err
	}
	asked := c.asked["node1"]
	for who, p := range places {
		for name, key := range c.keys {
			r, err := peer.New(httpClient()).As(key, c.k.Domain()).Drawn(ctx, c.nodes["node1"].url, p)
			var s *peer.StatusError
			if drawn := c.n.Accounts[name] == who; drawn && (err != nil || r.Claim != asked.Claim || !slices.Equal(r.Prompt, asked.Prompt)) ||
				!drawn && (!errors.As(err, &s) || s.Status != http.StatusUnauthorized) {
				t.Errorf("%s asks for place %d of %x: %v", name, p.Place, who, err)
			}
		}
	}
	_, err = peer.New(httpClient()).Receipt(ctx, c.nodes["node1"].url, asked.ID())
	var s *peer.StatusError
	if len(places) != sampling.Places || !errors.As(err, &s) || s.Status != http.StatusUnauthorized {
		t.Errorf("%d places; asked by nobody, node1 says %v", len(places), err)
	}
	return nil
}

// withdrawn has the watcher paid what audits owe it, once, while audits can pay all that they owe.
func withdrawn(ctx context.Context, t *testing.T, l *ChainLookup, want claim.Amount) error {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, fmt.Appendf(nil, "%x\n", crypto.Keccak256([]byte("elenchus/court/watch"))), 0o600); err != nil {
		return err
	}
	for _, paid := range []string{want.String(), ""} {
		m, err := l.WithdrawAudits(ctx, KeyFile{Path: path})
		if err != nil {
			return err
		}
		if m.Withdrawn != paid || m.Credit != "0" || m.Deposit != courtAudits().Deposit.String() {
			t.Errorf("withdrawn %q of %q: %+v", m.Withdrawn, paid, m)
		}
	}
	s, err := l.Status(ctx)
	if err == nil && (s.Audits == nil || s.Audits.Holds != s.Audits.Owes || s.Audits.Holds == "0") {
		t.Errorf("audits are %+v", s.Audits)
	}
	return err
}

func playAudits(t *testing.T, o CourtOptions, card adversary.Card, sc scene, inspect func(context.Context, string, map[string]*receipt.Receipt) error) {
	t.Helper()
	var b strings.Builder
	o.Attack, o.Seed, o.Story, o.Within, o.Inspect = card.Name, max(o.Seed, 1), &b, 9*time.Minute, inspect
	if o.Manifest == nil {
		o.Manifest = tinyModel(t)
	}
	r, err := playCourt(t.Context(), o, card, sc)
	if err == nil {
		err = r.Failure()
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, &b)
	}
}

// A drawn lie is found by who computes it. Who attests it with the rows that the liar serves loses the
// whole deposit in a game about its own attestation: half to who refuted it. The data are kept for parties:
// the drawn have them, and the game about the lie is opened by its place in the batch. SPEC 11 §6.1, §6.2, §8.3.
func TestWhoAttestsALieLosesTheDeposit(t *testing.T) {
	t.Parallel()
	card := adversary.Card{Name: "bad-kv", Verdict: adversary.Slashed, Fates: map[string]adversary.Fate{"node1": adversary.Forfeits, "mallory": adversary.Pays}}
	playAudits(t, CourtOptions{}, card, scene{lie: "bad-kv", class: claim.Parties, audits: true, alone: func(ctx context.Context, c *tribunal) error { return blindAuditor(ctx, t, c) }}, nil)
}

func blindAuditor(ctx context.Context, t *testing.T, c *tribunal) error {
	if err := c.seats(ctx, "watch", "mallory"); err != nil {
		return err
	}
	if err := c.honestAndBlind(c.o.Seed); err != nil {
		return err
	}
	c.do(ctx, c.tick)
	if _, err := c.ask(ctx, "node1"); err != nil {
		return err
	}
	places, times, err := c.drawn(ctx, "node1")
	if err != nil {
		return err
	}
	if err := c.drawsAgree(ctx, t, places, times); err != nil {
		return err
	}
	honest, blind := places[c.n.Accounts["watch"]], places[c.n.Accounts["mallory"]]
	if err := errors.Join(c.comes(ctx, honest, statusCommitted), c.comes(ctx, blind, statusCommitted), c.refutations(ctx, 1)); err != nil {
		return err
	}
	if err := c.skipTo(ctx, times.CommitBy+4); err != nil {
		return err
	}
	// The watcher finds the attestation false and refutes it; then its place is settled, and the find paid.
	if err := errors.Join(c.refutations(ctx, 2), c.comes(ctx, blind, statusDone), c.comes(ctx, honest, statusDone)); err != nil {
		return err
	}
	p := courtAudits()
	found, err1 := p.Fee.Add(p.Reward)
	want, err2 := found.Add(p.Deposit.Div(2))
	_, credit, err3 := c.holdings(ctx, "watch")
	deposit, none, err4 := c.holdings(ctx, "mallory")
	if credit != want || !deposit.IsZero() || !none.IsZero() {
		t.Errorf("the watcher has %s, want %s; the blind one has deposit %s and credit %s", credit, want, deposit, none)
	}
	return errors.Join(err1, err2, err3, err4)
}

// drawsAgree holds the contract's draws to those of its twin.
func (c *tribunal) drawsAgree(ctx context.Context, t *testing.T, places map[claim.Address]ledger.AuditPlace, times sampling.Times) error {
	s, err := c.beacon.Sign(times.Drawing)
	if err != nil {
		return err
	}
	for who, p := range places {
		index, seat, ok := sampling.Draw(s.Seed(), sampling.BatchKey(p.Node, p.Root), p.Draw, p.Place, 1, 2)
		got, _, err := c.k.AuditDraw(ctx, p)
		if err != nil {
			return err
		}
		held, _, err := c.k.Seat(ctx, seat)
		if err != nil {
			return err
		}
		if !ok || uint64(got) != index || held.Owner != who {
			t.Errorf("place %d: claim %d and auditor %x, its twin says claim %d and seat %d of %x", p.Place, got, who, index, seat, held.Owner)
		}
	}
	return nil
}

// refutations waits for that many games that ended with a refutation.
func (c *tribunal) refutations(ctx context.Context, n int) error {
	return c.until(ctx, func(f ledger.Fact) bool {
		if e, ok := f.Event.(ledger.Resolved); ok && len(e.Held) > 0 {
			n--
		}
		return n == 0
	})
}

// The terms of courts are those that the contract takes.
func TestTermsOfCourtsAreInRange(t *testing.T) {
	p, a := courtAudits(), courtParams()
	if err := p.Check(a.Window, a.ReplyTime+a.Grace, 3); err != nil {
		t.Error(err)
	}
	if p.Fee != sampling.ParamsOf(0).Fee {
		t.Error("courts pay another fee")
	}
}

// honestAndBlind starts the auditor watch, who computes, and mallory, who attests what a lie would give.
func (c *tribunal) honestAndBlind(seed uint64) error {
	lie, err := adversary.New(cmp.Or(map[bool]string{true: "byte"}[c.man.Kind == model.KindGraph], "bad-kv"), seed)
	if err != nil {
		return err
	}
	_, err1 := c.auditor("watch", computer(c.man, nil), true)
	_, err2 := c.auditor("mallory", lie.Computer(engine.Computer{Manifest: c.man}), false)
	return errors.Join(err1, err2)
}
