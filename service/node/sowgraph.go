package node

import (
	"context"
	"fmt"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
)

// falseRun computes a job of a graph model with a fault that shows in a boundary. No position of it is one of
// another claim's, since every stage sees the whole input.
func (n *Node) falseRun(ctx context.Context, m *Model, j *Job) (*receipt.Receipt, uint64, error) {
	run, err := runner(m.Computer)
	if err != nil {
		return nil, 0, err
	}
	_, honest, err := run.Run(ctx, j.Prompt)
	if err != nil {
		return nil, 0, err
	}
	for range maxFaults {
		seed := n.o.Plants.draw(1 << 63)
		fault, err := n.o.Plants.Fault(ctx, m, seed)
		if err != nil {
			return nil, 0, err
		}
		if run, err = runner(fault); err != nil {
			return nil, 0, err
		}
		out, states, err := run.Run(ctx, j.Prompt)
		if err != nil {
			return nil, 0, err
		}
		if states == honest {
			continue
		}
		r, err := n.planned(j, claim.Claim{StateRoot: states}, out)
		return r, seed, err
	}
	return nil, 0, fmt.Errorf("none of %d faults shows in an input of %d elements", maxFaults, len(j.Prompt))
}

// spliceInputs is an input of a graph model between two. Inputs of encoders (ids, then types, -1 where no piece
// is) are spliced like prompts, so that they are of a text again; of others two neighbours are exchanged.
func spliceInputs(a, b []int32, draw func(uint64) uint64) (out []int32, shared int) {
	ids, plain := pieces(a)
	others, also := pieces(b)
	if !plain {
		return exchange(a, draw)
	}
	if !also || len(a) != len(b) {
		others = ids
	}
	mixed, _ := splice(ids, others, draw)
	if mixed == nil {
		return nil, 0
	}
	out = slices.Repeat([]int32{-1}, len(a))
	copy(out, mixed)
	copy(out[len(a)/2:], make([]int32, len(mixed)))
	return out, 0
}

// pieces are the ids of an encoder's input whose types are all 0; ok is false for another input.
func pieces(in []int32) (ids []int32, ok bool) {
	half := len(in) / 2
	n := max(slices.Index(in[:half], -1), 0)
	if n == 0 && half > 0 && in[half-1] >= 0 {
		n = half
	}
	for i, id := range in {
		live := i%max(half, 1) < n
		switch {
		case live && i < half && id < 0, live && i >= half && id != 0, !live && id != -1:
			return nil, false
		}
	}
	return in[:n], n > 0 && len(in)%2 == 0
}
