package dispute

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
)

// Hash is a 32-byte digest.
type Hash = merkle.Hash

// StateSize is the length of an encoded State in bytes.
const StateSize = 432

// Phase says whose turn it is and for what. SPEC 08 §3.
type Phase uint8

// The phases; the zero value is illegal.
const (
	States      Phase = 1
	Outputs     Phase = 2
	StatesPick  Phase = 3
	OutputsPick Phase = 4
	R1          Phase = 5
	Stage       Phase = 6
	Rows        Phase = 7
	Layer       Phase = 8
	R2          Phase = 9
	Pick        Phase = 10
	Tensor      Phase = 11
	TensorPick  Phase = 12
	Raw         Phase = 13
	Element     Phase = 14
	Answer      Phase = 15
	Refuted     Phase = 16
	Lost        Phase = 17
)

var phaseNames = [...]string{"", "states", "outputs", "states-pick", "outputs-pick", "r1", "stage", "rows", "layer",
	"r2", "pick", "tensor", "tensor-pick", "raw", "element", "answer", "refuted", "lost"}

// String is the word for logs and scenarios.
func (p Phase) String() string {
	if p == 0 || int(p) >= len(phaseNames) {
		return fmt.Sprintf("phase(%d)", uint8(p))
	}
	return phaseNames[p]
}

// Side is a party of the game.
type Side uint8

// The sides; Nobody has the turn when a game waits for resolve.
const (
	Nobody Side = 0
	Node   Side = 1
	Opener Side = 2
)

// Turn is the side that must move in phase p. In Answer anyone may, and the deadline is the node's.
func (p Phase) Turn() Side {
	switch p {
	case States, Outputs, R1, Rows, R2, Tensor, Raw, Answer:
		return Node
	case StatesPick, OutputsPick, Stage, Layer, Pick, TensorPick, Element:
		return Opener
	}
	return Nobody
}

// Flags of a state. SPEC 08 §2.
const (
	FlagVoid      uint8 = 1 // the node missed D1: the claim is unpaid, the game goes on
	FlagDescended uint8 = 2 // Subtree is the leaf that holds the element
	FlagGraph     uint8 = 4 // graph model
	FlagAbsorb    uint8 = 8 // step t reads the prompt and draws nothing
)

// State is a game. The arena keeps only keccak of its encoding. SPEC 08 §2.
type State struct {
	ClaimID     Hash
	Node        claim.Address
	Opener      claim.Address
	Phase       Phase
	Flags       uint8
	Stage       uint16
	Tensor      uint8
	Level       uint8
	Count       uint8 // tensors of the stage
	Index       uint64
	Deadline    uint64 // unix seconds; D1 on the node's turn
	Last        uint64 // D2 on the node's turn, 0 on the opener's
	OpenedAt    uint64
	Escrow      claim.Amount
	T           uint32
	YPrev       uint32
	Y           uint32
	CommittedAt uint32
	JobHash     Hash
	GraphRoot   Hash
	Before      Hash // S_{t-1}
	After       Hash // S_t
	KV          Hash // root of S_{t-1}
	Boundaries  Hash // keccak tree of b_0..b_L and the position leaf
	Tensors     Hash // R2 root; between ROWS and R2 the layer rows
	Subtree     Hash // subtree under descent
	F           uint8
	Total       uint64 // bytes of the tree under descent
	Leaf        uint16 // leaf size of that tree in bytes
	Type        uint8  // element type of the tensor under descent
	Layers      uint16
	DLayer      uint8
	DRow        uint8
	Cost        claim.Amount // what the opener has paid so far
}

// Encode is the packed form, StateSize bytes.
func (s *State) Encode() []byte {
	b := make([]byte, 0, StateSize)
	b = append(b, s.ClaimID[:]...)
	b = append(b, s.Node[:]...)
	b = append(b, s.Opener[:]...)
	b = append(b, byte(s.Phase), s.Flags)
	b = binary.BigEndian.AppendUint16(b, s.Stage)
	b = append(b, s.Tensor, s.Level, s.Count, 0)
	for _, v := range []uint64{s.Index, s.Deadline, s.Last, s.OpenedAt} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	escrow := s.Escrow.Bytes()
	b = append(b, escrow[:]...)
	for _, v := range []uint32{s.T, s.YPrev, s.Y, s.CommittedAt} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	for _, h := range s.hashes() {
		b = append(b, h[:]...)
	}
	b = append(b, s.F)
	b = binary.BigEndian.AppendUint64(b, s.Total)
	b = binary.BigEndian.AppendUint16(b, s.Leaf)
	b = append(b, s.Type)
	b = binary.BigEndian.AppendUint16(b, s.Layers)
	b = append(b, s.DLayer, s.DRow)
	cost := s.Cost.Bytes()
	return append(b, cost[:]...)
}

func (s *State) hashes() [8]*Hash {
	return [8]*Hash{&s.JobHash, &s.GraphRoot, &s.Before, &s.After, &s.KV, &s.Boundaries, &s.Tensors, &s.Subtree}
}

// Slot is the hash that the arena keeps.
func (s *State) Slot() Hash { return claim.Keccak(s.Encode()) }

// DecodeState reads exactly what Encode writes; anything else is ErrBadState.
func DecodeState(b []byte) (State, error) {
	var s State
	if len(b) != StateSize {
		return s, fmt.Errorf("%w: %d bytes, want %d", ErrBadState, len(b), StateSize)
	}
	copy(s.ClaimID[:], b)
	copy(s.Node[:], b[32:])
	copy(s.Opener[:], b[52:])
	s.Phase, s.Flags, s.Tensor, s.Level, s.Count = Phase(b[72]), b[73], b[76], b[77], b[78]
	s.Stage = binary.BigEndian.Uint16(b[74:])
	for i, v := range []*uint64{&s.Index, &s.Deadline, &s.Last, &s.OpenedAt} {
		*v = binary.BigEndian.Uint64(b[80+8*i:])
	}
	s.Escrow = claim.AmountFrom([16]byte(b[112:128]))
	for i, v := range []*uint32{&s.T, &s.YPrev, &s.Y, &s.CommittedAt} {
		*v = binary.BigEndian.Uint32(b[128+4*i:])
	}
	for i, h := range s.hashes() {
		copy(h[:], b[144+32*i:])
	}
	s.F, s.Type, s.DLayer, s.DRow = b[400], b[411], b[414], b[415]
	s.Total = binary.BigEndian.Uint64(b[401:])
	s.Leaf = binary.BigEndian.Uint16(b[409:])
	s.Layers = binary.BigEndian.Uint16(b[412:])
	s.Cost = claim.AmountFrom([16]byte(b[416:]))
	if b[79] != 0 || s.Level > merkle.MaxDepth || s.Phase < States || s.Phase > Lost || s.Flags > 15 {
		return State{}, fmt.Errorf("%w: phase %d, flags %d, level %d, byte 79 is %d", ErrBadState, s.Phase, s.Flags, s.Level, b[79])
	}
	return s, nil
}
