package dispute

import (
	"fmt"

	"elenchus/commitment/claim"
)

// VerdictSize is the length of an encoded Verdict in bytes.
const VerdictSize = moneySize + 36

// Verdict is what a decided game leaves for resolve: the arena keeps only keccak of its encoding.
// SPEC 08 §2.2.
type Verdict struct {
	Case        Hash
	Node        claim.Address
	Opener      claim.Address
	Phase       Phase // Refuted or Lost
	Flags       uint8
	CommittedAt uint32
	Escrow      claim.Amount
	Hold        claim.Amount
	Cost        claim.Amount
	User        claim.Address
	Price       claim.Amount
}

// Verdict is what the arena keeps of a decided state.
func (s *State) Verdict(j *Job) Verdict {
	return Verdict{Case: s.Case, Node: s.Node, Opener: s.Opener, Phase: s.Phase, Flags: s.Flags, CommittedAt: s.CommittedAt,
		Escrow: s.Escrow, Hold: s.Hold, Cost: s.Cost, User: j.User, Price: j.Price}
}

// Encode is the packed form, VerdictSize bytes.
func (v *Verdict) Encode() []byte {
	s := State{Case: v.Case, Node: v.Node, Opener: v.Opener, Phase: v.Phase, Flags: v.Flags, CommittedAt: v.CommittedAt,
		Escrow: v.Escrow, Hold: v.Hold, Cost: v.Cost}
	price := v.Price.Bytes()
	return (&writer{b: s.Encode()[:moneySize]}).bytes(v.User[:]).bytes(price[:]).b
}

// Slot is the hash that the arena keeps.
func (v *Verdict) Slot() Hash { return claim.Keccak(v.Encode()) }

// DecodeVerdict reads exactly what Encode writes; anything else is ErrBadState.
func DecodeVerdict(b []byte) (Verdict, error) {
	if len(b) != VerdictSize {
		return Verdict{}, fmt.Errorf("%w: verdict of %d bytes, want %d", ErrBadState, len(b), VerdictSize)
	}
	r := &reader{b: b}
	var s State
	r.money(&s)
	if s.Phase != Refuted && s.Phase != Lost {
		return Verdict{}, fmt.Errorf("%w: a verdict in phase %d with flags %d", ErrBadState, s.Phase, s.Flags)
	}
	return s.Verdict(&Job{User: r.address(), Price: r.amount()}), nil
}

// Record is what the arena says of an opening: the job and the head of the state, or all of it where
// data are asked for.
func Record(j *Job, s *State) []byte {
	b := s.Encode()
	if s.Phase != Publication {
		b = b[:headSize]
	}
	return append(j.Encode(), b...)
}

// DecodeRecord rebuilds job and state from what the arena says of an opening. SPEC 08 §4.7.
func DecodeRecord(b []byte) (Job, State, error) {
	if len(b) != JobSize+headSize && len(b) != JobSize+StateSize {
		return Job{}, State{}, fmt.Errorf("%w: record of %d bytes, want %d", ErrBadState, len(b), JobSize+headSize)
	}
	j, err := DecodeJob(b[:JobSize])
	if err != nil {
		return Job{}, State{}, err
	}
	var s State
	if len(b) == JobSize+StateSize {
		if s, err = DecodeState(b[JobSize:]); err == nil && (s.Phase != Publication || s.JobHash != j.Hash()) {
			err = fmt.Errorf("%w: opened in phase %s with the whole state", ErrBadState, s.Phase)
		}
		return j, s, err
	}
	(&reader{b: b[JobSize:]}).head(&s)
	s.JobHash = j.Hash()
	switch s.Phase {
	case States:
		s.overStates(&j)
	case Outputs:
		s.overOutputs(&j)
	case R1, Refuted, Demand:
	default:
		return j, s, fmt.Errorf("%w: opened in phase %s", ErrBadState, s.Phase)
	}
	return j, s, s.canonical()
}
