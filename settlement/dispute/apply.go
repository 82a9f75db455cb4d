package dispute

import (
	"fmt"

	"elenchus/commitment/claim"
)

// Params are the clocks of an arena. SPEC 08 §5.
type Params struct {
	D0    uint64 // seconds for a move
	Grace uint64 // seconds between D1 and D2
}

// Env is what the chain adds to a move.
type Env struct {
	Now   uint64        // block time, unix seconds
	Mover claim.Address // the party that sent, delegated or signed the move
	Gas   claim.Amount  // metered cost of the move in token units
	Space Space
	// BatchCount is how many claims the batch has that an include names; 0 if the node never posted it.
	BatchCount uint32
	// ProofBond is what element adds to the escrow where an answer by proof follows.
	ProofBond claim.Amount
	// Proofs decides on answers about confidential models; nil refuses them.
	Proofs Proofs
	Params Params
}

// Space is by how many seconds a side's open games lengthen the deadline that a move sets for it. SPEC
// 08 §5.5.
type Space struct{ Node, Opener uint64 }

// Effect is what a move does beside the new state.
type Effect struct {
	Credit   claim.Amount // paid to the mover from the escrow
	Added    claim.Amount // taken from the opener's credit into the escrow
	Void     bool         // the claim became void with this move
	Over     bool         // the game waits for resolve
	Convicts bool         // an answer refuted the claim:
	Op       uint8        // with this operation,
	Tensor   uint8        // this tensor of the stage
	Element  uint64       // and this element; ClusterCode and WholeTensor if all of it was proven
}

// Apply makes one move: the twin of the arena. On error the state is unchanged and the error is
// one of the sentinels of this package. SPEC 08 §4.
func Apply(s State, m Move, env Env) (State, Effect, error) {
	k := m.Kind()
	if k == KindTimeout {
		return applyTimeout(s, env)
	}
	if _, whole := m.(ClusterMove); !whole && !k.legal(&s) {
		return s, Effect{}, fmt.Errorf("%w: %s in phase %s", ErrPhase, k, s.Phase)
	}
	if err := allowed(&s, k, env); err != nil {
		return s, Effect{}, err
	}
	next, effect := s, Effect{}
	if err := step(&next, m, env, &effect); err != nil {
		return s, Effect{}, err
	}
	if s.Phase.Turn() == Node && env.Now > s.Deadline && s.Flags&FlagVoid == 0 {
		next.Flags |= FlagVoid
		effect.Void = true
	}
	if err := cover(&next, k, env.ProofBond, &effect); err != nil {
		return s, Effect{}, err
	}
	if err := meter(&next, s.Phase.Turn(), env.Gas, &effect); err != nil {
		return s, Effect{}, err
	}
	wind(&next, env)
	effect.Over = next.Phase.Turn() == Nobody
	return next, effect, nil
}

// allowed checks whose move it is and that it is in time.
func allowed(s *State, k Kind, env Env) error {
	until := s.Deadline
	if s.Phase.Turn() == Node {
		until = s.Last
	}
	if env.Now > until {
		return fmt.Errorf("%w: %s at %d, until %d", ErrLate, k, env.Now, until)
	}
	if k == KindAnswer || k == KindInclude {
		return nil
	}
	want := s.Node
	if s.Phase.Turn() == Opener {
		want = s.Opener
	}
	if env.Mover != want {
		return fmt.Errorf("%w: %s by %x, want %x", ErrMover, k, env.Mover, want)
	}
	return nil
}

// step dispatches to the transition of a move.
func step(s *State, m Move, env Env, effect *Effect) error {
	switch m := m.(type) {
	case Children:
		return applyChildren(s, m)
	case Child:
		return applyChild(s, m)
	case Reveal:
		return applyReveal(s, m)
	case PickStage:
		return applyStage(s, m)
	case RowHashes:
		return applyRows(s, m)
	case PickLayer:
		return applyLayer(s, m)
	case Tensors:
		return applyTensors(s, m)
	case PickTensor:
		return applyPick(s, m)
	case RawLeaf:
		return applyRaw(s, m)
	case PickElement:
		return applyElement(s, m)
	case AnswerMove:
		return applyAnswer(s, m, effect)
	case ProofMove:
		return applyProof(s, m, env, effect)
	case ClusterMove:
		return applyCluster(s, m, env, effect)
	case Include:
		return applyInclude(s, m, env)
	case Publish:
		return applyPublish(s, m)
	case Decrypt:
		return applyDecrypt(s, m)
	}
	return fmt.Errorf("%w: %s", ErrPhase, m.Kind())
}

// cover adds what an answer by proof takes to the escrow when an element of a withheld leaf is asked for. SPEC 09 §3.5.
func cover(s *State, k Kind, more claim.Amount, effect *Effect) (err error) {
	if k == KindElement && s.Phase == Answer && s.Class != 0 {
		effect.Added = more
		s.Escrow, err = s.Escrow.Add(more)
	}
	return err
}

// meter pays the mover of a node's turn from the escrow and books what the game cost the opener.
func meter(s *State, turn Side, gas claim.Amount, effect *Effect) error {
	paid := gas
	if turn == Node {
		paid = gas.Min(s.Escrow)
		effect.Credit = paid
		s.Escrow = s.Escrow.Less(paid)
	}
	cost, err := s.Cost.Add(paid)
	s.Cost = cost
	return err
}

// wind sets the clock of the side that the move handed the turn to. SPEC 08 §5.
func wind(s *State, env Env) {
	switch s.Phase.Turn() {
	case Node:
		s.Deadline = env.Now + env.Params.D0 + env.Space.Node
		s.Last = s.Deadline + env.Params.Grace
	case Opener:
		s.Deadline, s.Last = env.Now+env.Params.D0+env.Space.Opener+env.Params.Grace, 0
	default:
		s.Deadline, s.Last = 0, 0
	}
}

func applyTimeout(s State, env Env) (State, Effect, error) {
	next := s
	switch turn := s.Phase.Turn(); {
	case turn == Nobody:
		return s, Effect{}, fmt.Errorf("%w: timeout in phase %s", ErrPhase, s.Phase)
	case turn == Opener && env.Now > s.Deadline:
		next.Phase = Lost
	case turn == Node && env.Now > s.Last:
		next.Phase = Refuted
		next.Flags |= FlagVoid
	case turn == Node && env.Now > s.Deadline && s.Flags&FlagVoid == 0:
		next.Flags |= FlagVoid
	default:
		return s, Effect{}, fmt.Errorf("%w: %d, until %d", ErrEarly, env.Now, s.Deadline)
	}
	effect := Effect{Over: next.Phase.Turn() == Nobody, Void: next.Flags&^s.Flags&FlagVoid != 0}
	if err := meter(&next, other(s.Phase.Turn()), env.Gas, &effect); err != nil {
		return s, Effect{}, err
	}
	if effect.Over {
		wind(&next, env)
	}
	return next, effect, nil
}

// other is the side that a timeout of a turn is a move of.
func other(turn Side) Side {
	if turn == Node {
		return Opener
	}
	return Node
}
