package app

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
	"unicode"

	"elenchus/app/meter"
	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/settlement/ledger"
)

// sight is what a role last saw of its chain.
type sight struct {
	mu      sync.Mutex // guards the fields below
	block   ledger.Head
	at      time.Time       // when the chain last answered
	counted map[string]bool // outcomes of orders
}

func (s *sight) saw(h ledger.Head) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.block, s.at = h, time.Now()
}

func (s *sight) last() (ledger.Head, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.block, s.at
}

// chainSilence is how long a chain may not answer before a role is no longer ready.
const chainSilence = 30 * time.Second

// reachable says whether the chain answered lately.
func (s *sight) reachable(context.Context) error {
	_, at := s.last()
	if at.IsZero() {
		return errors.New("the chain has not answered yet")
	}
	if d := time.Since(at); d > chainSilence {
		return fmt.Errorf("the chain has not answered for %s: is the node behind --rpc running?", d.Round(time.Second))
	}
	return nil
}

// measure sets the gauges that every role with a chain has.
func (s *sight) measure(m *meter.Set) {
	h, _ := s.last()
	if h.Number == 0 {
		return
	}
	m.Set("elenchus_head_block", float64(h.Number))
	m.Set("elenchus_head_age_seconds", since(time.Unix(int64(h.Time), 0)))
}

// watchOver lets an operator see a link.
func (l *Link) watchOver(o *ops) {
	l.meter = o.meter
	o.need("chain", l.sight.reachable)
	o.before(func() {
		l.sight.measure(o.meter)
		if keys, err := l.Outbox.Pending(); err == nil {
			o.meter.Set("elenchus_outbox_pending", float64(len(keys)))
		}
	})
}

// scrapeWithin bounds what a scrape asks of the chain.
const scrapeWithin = 2 * time.Second

// measureStake sets the gauges of a node's account.
func (l *Link) measureStake() {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWithin)
	defer cancel()
	a, err := l.Contracts.Account(ctx, l.account)
	if err != nil {
		return // the age of the head tells
	}
	l.meter.Set("elenchus_account_stake", units(a.Stake))
	l.meter.Set("elenchus_account_stake_free", units(a.Free()))
	l.meter.Set("elenchus_account_games_open", float64(a.Games))
	jailed := 0.0
	if a.Jailed {
		jailed = 1
	}
	l.meter.Set("elenchus_account_jailed", jailed)
}

// measureCredit sets the gauge of a challenger's credit.
func (l *Link) measureCredit() {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWithin)
	defer cancel()
	if c, err := l.Contracts.Credit(ctx, l.account); err == nil {
		l.meter.Set("elenchus_watch_credit", units(c))
	}
}

// units is an amount as a float, for people who look at curves.
func units(a claim.Amount) float64 {
	i, ok := new(big.Int).SetString(a.String(), 10)
	if !ok {
		return 0
	}
	f, _ := new(big.Float).SetInt(i).Float64()
	return f
}

// kindOf is the name of a value's type in a label: PostBatch is post_batch.
func kindOf(v any) string {
	name := fmt.Sprintf("%T", v)
	name = name[strings.LastIndexByte(name, '.')+1:]
	var b strings.Builder
	for i, c := range name {
		if unicode.IsUpper(c) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// maxCounted bounds the orders that are remembered as counted.
const maxCounted = 1 << 16

// count notes what became of an order, once: orders are submitted again until the chain has them.
func (l *Link) count(o ledger.Order, outcome string, gas uint64) {
	l.sight.mu.Lock()
	key := outcome + " " + o.Key()
	known := l.sight.counted[key]
	if l.sight.counted == nil || len(l.sight.counted) >= maxCounted {
		l.sight.counted = map[string]bool{}
	}
	l.sight.counted[key] = true
	l.sight.mu.Unlock()
	if known {
		return
	}
	l.meter.Add("elenchus_orders_total", 1, kindOf(o), outcome)
	if gas > 0 {
		l.meter.Add("elenchus_order_gas_total", float64(gas), kindOf(o))
	}
}

// noteFacts keeps what was seen of the chain.
func (l *Link) noteFacts(b chain.FactBatch) ledger.Head {
	h := ledger.Head{Number: b.Head.Number, Time: b.Head.Time}
	l.sight.saw(h)
	for _, f := range b.Facts {
		if !f.Removed {
			l.meter.Add("elenchus_facts_total", 1, kindOf(f.Event))
		}
	}
	return h
}
