package adversary

import (
	"context"
	"fmt"
	"log/slog"

	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// Impostor is a stranger who makes moves in other people's games: hashes in the node's name,
// positions in the opener's, malformed answers. All of them must revert. GAME hole 1.
type Impostor struct {
	Chain Chain
	Log   *slog.Logger

	games ledger.Games
	tried map[string]bool
}

// Run follows the games of others until ctx ends.
func (i *Impostor) Run(ctx context.Context) error {
	i.tried = map[string]bool{}
	return i.Chain.Follow(ctx, func(facts []ledger.Fact, _ ledger.Head) error {
		for _, f := range facts {
			i.games.Apply(f)
		}
		for _, g := range i.games.Open() {
			if err := i.intrude(ctx, g); err != nil {
				return err
			}
		}
		return nil
	})
}

// intrude sends the move that the state waits for, with contents of its own.
func (i *Impostor) intrude(ctx context.Context, g ledger.Game) error {
	s, err := dispute.DecodeState(g.State)
	if err != nil {
		return err
	}
	m := forged(s)
	if m == nil {
		return nil
	}
	o := ledger.Move{Game: g.Key, State: g.State, Kind: uint8(m.Kind()), Payload: m.Encode()}
	if i.tried[o.Key()] {
		return nil
	}
	i.tried[o.Key()] = true
	i.Log.Info("intrusion", "game", fmt.Sprintf("%x", g.Key), "phase", s.Phase.String())
	return i.Chain.Submit(ctx, o)
}

// forged is a well-formed move of the side to move, nil where there is none to forge.
func forged(s dispute.State) dispute.Move {
	junk := dispute.Hash{0xba, 0xdd}
	switch s.Phase {
	case dispute.R1:
		return dispute.Reveal{Boundaries: []dispute.Hash{junk, junk}}
	case dispute.Stage:
		return dispute.PickStage{Stage: 0}
	case dispute.R2:
		return dispute.Tensors{Roots: []dispute.Hash{junk, junk}}
	case dispute.Pick:
		return dispute.PickTensor{Tensor: 1, Index: 0}
	case dispute.States, dispute.Outputs, dispute.Tensor:
		return dispute.Children{Hashes: []dispute.Hash{junk}}
	case dispute.Answer:
		return dispute.RawLeaf{Bytes: make([]byte, 64)}
	}
	return nil
}
