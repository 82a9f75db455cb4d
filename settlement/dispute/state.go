package dispute

import (
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
)

// Hash is a 32-byte digest.
type Hash = merkle.Hash

// StateSize is the length of an encoded State in bytes; the first headSize of them are what an
// opening fixes beside the job, the first moneySize what a verdict keeps.
const (
	StateSize = 375
	headSize  = 182
	moneySize = 126
)

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
	Demand      Phase = 18 // anyone shows a batch; the deadline is the node's
	Publication Phase = 19 // the node posts the next piece of the ids
	Check       Phase = 20 // the opener takes a delivery or shows that it is garbled
)

var phaseNames = [...]string{"", "states", "outputs", "states-pick", "outputs-pick", "r1", "stage", "rows", "layer",
	"r2", "pick", "tensor", "tensor-pick", "raw", "element", "answer", "refuted", "lost", "demand", "publication", "check"}

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

// Turn is the side that must move in phase p. In Answer and Demand anyone may, and the deadline is the node's.
func (p Phase) Turn() Side {
	switch p {
	case States, Outputs, R1, Rows, R2, Tensor, Raw, Answer, Demand, Publication:
		return Node
	case StatesPick, OutputsPick, Stage, Layer, Pick, TensorPick, Element, Check:
		return Opener
	}
	return Nobody
}

// Flags of a state. SPEC 08 §2.
const (
	FlagVoid      uint8 = 1   // the node missed D1: the claim is unpaid, the game goes on
	FlagDescended uint8 = 2   // Subtree is the leaf that holds the element; with FlagDemand: the game asks for data
	FlagGraph     uint8 = 4   // graph model
	FlagAbsorb    uint8 = 8   // step t reads the prompt and draws nothing
	FlagMemory    uint8 = 16  // KV is the hash of a Memory
	FlagStops     uint8 = 32  // the request has stop strings
	FlagDemand    uint8 = 64  // the game asks for the batch of the claim; GraphRoot is the claim's digest
	FlagGrammar   uint8 = 128 // the request has a grammar
)

// State is a running game. The arena keeps only keccak of its encoding, and of a Verdict once the
// game is decided. SPEC 08 §2.
type State struct {
	Case        Hash // claim and evidence; see CaseID
	Node        claim.Address
	Opener      claim.Address
	Phase       Phase
	Flags       uint8
	CommittedAt uint32
	Escrow      claim.Amount
	Hold        claim.Amount   // stake that the game reserves for its slash
	Cost        claim.Amount   // what the opener has paid so far
	Deadline    uint64         // unix seconds; D1 on the node's turn
	Last        uint64         // D2 on the node's turn, 0 on the opener's
	Class       manifest.Class // of the model
	T           uint32         // below 2^24
	Layers      uint16
	DLayer      uint8
	DRow        uint8
	GraphRoot   Hash
	Stage       uint16
	Tensor      uint8
	Level       uint8
	Count       uint8 // tensors of the stage
	F           uint8
	YPrev       uint32
	Y           uint32
	Index       uint64
	Total       uint64 // bytes of the tree under descent
	Leaf        uint16 // leaf size of that tree in bytes
	Type        uint8  // element type of the tensor under descent
	JobHash     Hash
	KV          Hash // KV root of S_{t-1}, or the hash of a Memory that has it
	Boundaries  Hash // keccak tree of b_0..b_L and the position leaf
	Tensors     Hash // R2 root; between ROWS and R2 the layer rows
	Subtree     Hash // subtree under descent
}

// Encode is the packed form, StateSize bytes.
func (s *State) Encode() []byte {
	escrow, hold, cost := s.Escrow.Bytes(), s.Hold.Bytes(), s.Cost.Bytes()
	w := &writer{b: make([]byte, 0, StateSize)}
	w.hash(s.Case).bytes(s.Node[:]).bytes(s.Opener[:]).u8(uint8(s.Phase)).u8(s.Flags).u32(s.CommittedAt)
	w.bytes(escrow[:]).bytes(hold[:]).bytes(cost[:]).u64(s.Deadline).u64(s.Last).u32(uint32(s.Class)<<24 | s.T)
	w.u16(s.Layers).u8(s.DLayer).u8(s.DRow).hash(s.GraphRoot)
	w.u16(s.Stage).u8(s.Tensor).u8(s.Level).u8(s.Count).u8(s.F).u32(s.YPrev).u32(s.Y)
	w.u64(s.Index).u64(s.Total).u16(s.Leaf).u8(s.Type)
	return w.hash(s.JobHash).hash(s.KV).hash(s.Boundaries).hash(s.Tensors).hash(s.Subtree).b
}

// Slot is the hash that the arena keeps.
func (s *State) Slot() Hash { return claim.Keccak(s.Encode()) }

// DecodeState reads exactly what Encode writes; anything else is ErrBadState.
func DecodeState(b []byte) (State, error) {
	if len(b) != StateSize {
		return State{}, fmt.Errorf("%w: %d bytes, want %d", ErrBadState, len(b), StateSize)
	}
	r := &reader{b: b}
	var s State
	r.head(&s)
	s.Stage, s.Tensor, s.Level, s.Count, s.F, s.YPrev, s.Y = r.u16(), r.u8(), r.u8(), r.u8(), r.u8(), r.u32(), r.u32()
	s.Index, s.Total, s.Leaf, s.Type = r.u64(), r.u64(), r.u16(), r.u8()
	s.JobHash, s.KV, s.Boundaries, s.Tensors, s.Subtree = r.hash(), r.hash(), r.hash(), r.hash(), r.hash()
	return s, s.canonical()
}

// head reads the first headSize bytes of a state.
func (r *reader) head(s *State) {
	r.money(s)
	s.Deadline, s.Last = r.u64(), r.u64()
	at := r.u32()
	s.Class, s.T = manifest.Class(at>>24), at&(1<<24-1)
	s.Layers, s.DLayer, s.DRow, s.GraphRoot = r.u16(), r.u8(), r.u8(), r.hash()
}

// money reads the first moneySize bytes of a state.
func (r *reader) money(s *State) {
	s.Case, s.Node, s.Opener = r.hash(), r.address(), r.address()
	s.Phase, s.Flags, s.CommittedAt = Phase(r.u8()), r.u8(), r.u32()
	s.Escrow, s.Hold, s.Cost = r.amount(), r.amount(), r.amount()
}

// canonical says ErrBadState for a state that no game can be in.
func (s *State) canonical() error {
	if s.Class == manifest.Private && s.Phase <= Answer {
		return fmt.Errorf("%w: phase %d is about elements, and the model is private", ErrBadState, s.Phase)
	}
	// Where leaves are proven Level counts elements.
	if s.Level > merkle.MaxDepth && s.Class != manifest.Confidential || s.Class > manifest.Private || s.Phase < States || s.Phase > Check {
		return fmt.Errorf("%w: phase %d, flags %d, level %d", ErrBadState, s.Phase, s.Flags, s.Level)
	}
	return nil
}
