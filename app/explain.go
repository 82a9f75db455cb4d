package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"elenchus/compute/opset"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// Dispute is a game as the chain tells it. Hashes and addresses are hex, amounts token units.
type Dispute struct {
	Game     string   `json:"game"`
	Claim    string   `json:"claim"`
	Node     string   `json:"node"`
	Opener   string   `json:"opener"`
	Phase    string   `json:"phase"` // open, decided, resolved
	Outcome  string   `json:"outcome,omitempty"`
	Turn     string   `json:"turn,omitempty"` // whose move is due: node or opener
	Deadline string   `json:"deadline,omitempty"`
	Op       string   `json:"convicted_op,omitempty"`
	Tensor   *uint8   `json:"convicted_tensor,omitempty"`
	Element  *uint64  `json:"convicted_element,omitempty"`
	Slashed  string   `json:"slashed,omitempty"`
	Costs    string   `json:"costs,omitempty"`
	Moves    []string `json:"moves,omitempty"`
	Why      string   `json:"why"` // in a sentence
}

// Outcomes of games.
const (
	outcomeRefuted = "refuted" // the claim was false, or its node did not answer in time
	outcomeUpheld  = "upheld"  // the challenge was lost
	outcomeVoided  = "voided"  // nobody was slashed
)

// Disputes lists the games of a deployment, in the order in which they were opened.
func (l *ChainLookup) Disputes(ctx context.Context) ([]Dispute, error) {
	k, head, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	defer k.Client().Close()
	var games ledger.Games
	err = l.each(ctx, k, head.Number, func(f ledger.Fact) error {
		games.Apply(f)
		return nil
	})
	out := []Dispute{}
	for _, g := range games.All() {
		if len(g.State) > 0 {
			out = append(out, disputeOf(&g))
		}
	}
	return out, err
}

// ErrNothingKnown says that the chain tells nothing about what was asked.
var ErrNothingKnown = errors.New("the chain knows no such game, claim or account")

// Explain tells the games of a game's id, a claim's id or an account, or of at least 8 digits of them.
func (l *ChainLookup) Explain(ctx context.Context, id string) ([]Dispute, error) {
	id = strings.ToLower(strings.TrimPrefix(id, "0x"))
	if _, err := hex.DecodeString(id + strings.Repeat("0", len(id)%2)); err != nil || len(id) < 8 || len(id) > 64 {
		return nil, fmt.Errorf("%w: %q: give 8 to 64 hex digits of a game, a claim or an account", ErrCannot, id)
	}
	all, err := l.Disputes(ctx)
	if err != nil {
		return nil, err
	}
	var out []Dispute
	for _, d := range all {
		for _, of := range []string{d.Game, d.Claim, d.Node[2:], d.Opener[2:]} {
			if strings.HasPrefix(of, id) {
				out = append(out, d)
				break
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: %s, at arena 0x%x of %s: nothing of it was disputed there", ErrNothingKnown, id, l.At.Arena, l.RPC)
	}
	return out, nil
}

// disputeOf tells a game.
func disputeOf(g *ledger.Game) Dispute {
	d := Dispute{Game: hex.EncodeToString(g.Key[:]), Claim: hex.EncodeToString(g.ClaimID[:]), Node: fmt.Sprintf("0x%x", g.Node), Phase: "open"}
	for _, m := range g.Moves {
		d.Moves = append(d.Moves, dispute.Kind(m.Move).String())
	}
	s, err := dispute.DecodeState(g.State)
	d.Opener = fmt.Sprintf("0x%x", s.Opener)
	if err == nil {
		d.Turn, d.Deadline = "node", time.Unix(int64(s.Deadline), 0).UTC().Format(time.RFC3339)
		if s.Last == 0 {
			d.Turn = "opener"
		}
	}
	if g.Decided != nil {
		d.Moves = append(d.Moves, dispute.Kind(g.Decided.Move).String())
		d.Phase, d.Turn, d.Deadline = "decided", "", ""
	}
	if c := g.Convicted; c != nil {
		d.Op, d.Tensor, d.Element = opset.Code(c.Op).String(), &c.Tensor, &c.Element
	}
	if r := g.Resolved; r != nil {
		d.Phase, d.Turn, d.Deadline = "resolved", "", ""
		d.Slashed, d.Costs = r.Slashed.String(), r.Costs.String()
		switch {
		case r.Voided:
			d.Outcome = outcomeVoided
		case dispute.Phase(r.Phase) == dispute.Lost:
			d.Outcome = outcomeUpheld
		default:
			d.Outcome = outcomeRefuted
		}
	}
	d.Why = why(&d, g)
	return d
}

// why is what happened in a sentence.
func why(d *Dispute, g *ledger.Game) string {
	timeout := g.Decided != nil && dispute.Kind(g.Decided.Move) == dispute.KindTimeout
	switch {
	case d.Phase == "open":
		return fmt.Sprintf("the game goes on: the %s must move until %s", d.Turn, d.Deadline)
	case d.Phase == "decided":
		return "play is over; whoever calls resolve closes the game and moves the money"
	case d.Outcome == outcomeVoided:
		return "the game was void: nobody is slashed, the opener has his bond back"
	case d.Outcome == outcomeUpheld && timeout:
		return "the challenger did not move in time and lost his bond; the claim stands"
	case d.Outcome == outcomeUpheld:
		return "the contract computed what the node claims: the challenger lost his bond, the claim stands"
	case g.Convicted != nil:
		return fmt.Sprintf("the claim is false: the contract computed element %d of tensor %d, a result of %s, and the node had committed to another number; %s token units were slashed",
			*d.Element, *d.Tensor, d.Op, d.Slashed)
	case timeout:
		return fmt.Sprintf("the node did not make its last due move in time; %s token units were slashed. Was it running, could it reach the chain, had its account ether for gas?", d.Slashed)
	}
	return fmt.Sprintf("the claim contradicts its own request or its own output; %s token units were slashed", d.Slashed)
}
