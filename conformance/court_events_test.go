package conformance_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"elenchus/settlement/dispute"
)

// tells checks the events and the meter of a move that passed: logs alone suffice to play and to resolve, and what
// was booked is what the transaction costs. SPEC 08 §4.5, §4.7.
func (c *bar) tells(t testing.TB, g *trial, k dispute.Kind, payload []byte, before *dispute.State, logs int) {
	t.Helper()
	decided := g.state.Phase.Turn() == dispute.Nobody
	var want []logged
	add := func(name string, values ...any) {
		t.Helper()
		data, err := c.arena.Events[name].Inputs.NonIndexed().Pack(values...)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, logged{c.arena.Events[name].ID, data})
	}
	if before.Phase.Turn() == dispute.Node && methods[k] != "" {
		add("Posted", uint8(k), payload)
	}
	if k == dispute.KindAnswer && g.state.Phase == dispute.Refuted {
		add("Convicted", payload[dispute.JobSize], g.state.Tensor, g.state.Index)
	}
	if v := g.state.Verdict(&g.job); decided {
		add("Decided", uint8(k), v.Encode())
	} else {
		add("Moved", uint8(k), g.state.Encode())
	}
	got := c.cfg.State.Logs()[logs:]
	if len(got) != len(want) {
		t.Fatalf("%s in %s, %s: %d events, want %d", g.name, before.Phase, k, len(got), len(want))
	}
	for i, w := range want {
		if got[i].Topics[0] != w.topic || got[i].Topics[1] != common.Hash(g.key) || !bytes.Equal(got[i].Data, w.data) {
			t.Fatalf("%s in %s, %s: event %d is %x %x, want %x %x", g.name, before.Phase, k, i, got[i].Topics, got[i].Data, w.topic, w.data)
		}
	}
}

// metered is what a call used: gas without what it costs to send it, and its bytes.
type metered struct {
	used uint64
	sent int
}

// booked checks that what the arena booked for a move is what its transaction costs.
func (c *bar) booked(t testing.TB, g *trial, k dispute.Kind, before *dispute.State, m metered) {
	t.Helper()
	paid, err := g.state.Cost.Sub(before.Cost)
	if err != nil {
		t.Fatal(err)
	}
	if g.state.Escrow.IsZero() {
		return // it took all that there was
	}
	used := new(big.Int).Mul(paid.Big(), big.NewInt(1e18))
	used.Div(used, new(big.Int).Mul(c.p.TokenPerEther.Big(), c.cfg.GasPrice))
	floor := 21_000 + 40*m.sent
	if over := int(used.Int64()) - max(floor, 21_000+16*m.sent+int(m.used)); over < -leastOver || over > mostOver {
		t.Fatalf("%s in %s, %s: %d gas is booked, %d too much: the call took %d, its %d bytes at least %d", g.name, before.Phase, k,
			used, over, m.used, m.sent, floor)
	}
}

// What a move is booked at may be below what it takes, if no byte of its calldata were zero, and above it: the
// contract knows only about how much gas follows its meter.
const leastOver, mostOver = 3_200, 12_500
