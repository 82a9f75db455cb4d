package arenatest

import (
	"errors"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"
	"elenchus/settlement/stake"
)

// Window is W of plants, in seconds: a veil is older than that when its batch is posted.
const Window = 90

// plant applies an order about planted faults. SPEC 11 §5.2.
func (c *Chain) plant(o ledger.Order, from claim.Address) (out []ledger.Event, err error) {
	switch o := o.(type) {
	case ledger.LayVeils:
		for _, v := range o.Veils {
			if c.veils[v] == 0 {
				c.veils[v] = c.time()
				out = append(out, ledger.PlantVeiled{Node: from, Veil: v})
			}
		}
		return out, nil
	case ledger.ShowPlant:
		veiled, posted := c.veils[sampling.Veil(from, o.Claim, o.Salt)], c.posted[o.Root]
		if veiled == 0 || posted == 0 || c.batches[o.Root].Node != from || veiled+Window >= posted {
			return nil, fmt.Errorf("veiled at %d, posted at %d: no plant", veiled, posted)
		}
		id := sampling.Case(o.Claim, sampling.BatchKey(from, o.Root))
		if c.cases[id] == nil {
			c.cases[id] = &stake.Verdict{}
		}
		c.cases[id].Refuted = true
		return []ledger.Event{ledger.PlantShown{Node: from, Arena: c.domain.Arena, Case: id, Claim: o.Claim}}, nil
	}
	return nil, errors.New("no order about plants")
}
