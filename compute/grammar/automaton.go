// Package grammar turns what an answer must look like into what the machine looks up.
//
// It stands in the compute floor below decode, and needs no model: Schema compiles a JSON Schema, Use the
// calls of tools, into an Automaton over bytes and control pieces, which is small and travels with requests
// and receipts; Table binds it to the tokens of a vocabulary and gives the token table that the operations
// mask and grammar_state read and whose root a request commits to. Invariants: both steps are functions
// of their arguments alone, and what they would need beyond stated sizes they refuse with the number.
// SPEC 02 §4.11, 05 §7.
//
//	a, err := grammar.Schema(text)
//	table, err := grammar.NewVocabulary(n, bytes).Table(a, ends)
package grammar

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrGrammar marks grammars that are not valid, beyond a limit, or not supported.
var ErrGrammar = errors.New("invalid grammar")

// Limits of an automaton. SPEC 05 §7.2.
const (
	MaxStates = 1 << 13
	MaxSource = 1 << 17 // bytes of an encoded automaton
)

// Grammar is an automaton with the root of its token table over the vocabulary of a model. Table is nil
// until it is made for that model; nothing changes a grammar afterwards.
type Grammar struct {
	Source []byte   // the automaton as Encode gives it
	Root   [32]byte // of the tree over the token table: what a request commits to
	Table  []int32  // without the zeros behind it
}

// Edge leads from a state to Next with the bytes from Lo to Hi, both included.
type Edge struct {
	Lo, Hi byte
	Next   uint16
}

// Piece leads from a state to Next with the token of an id (0 and above), which adds no bytes to a text.
type Piece struct {
	ID   int32
	Next uint16
}

// State is a state of an automaton: whether a text may end there, its edges by ascending bytes, as few as
// there can be, and those by ascending ids, at most 255 of each.
type State struct {
	Accept bool
	Edges  []Edge
	Pieces []Piece
}

// Automaton decides byte by byte, and piece by piece, which texts a grammar allows. State 0 is that before
// the first; what has no edge is refused.
type Automaton struct{ States []State }

// Bits of the first byte of an encoded state.
const (
	accepts   = 1 << iota // a text may end there
	hasPieces             // edges by ids follow those by bytes
)

// Encode is the canonical form: the number of states u16; of each a byte, 1 if a text may end there plus 2 if
// it has edges by ids, the number of edges by bytes u8, then lo, hi, next u16 of each, and where there are
// edges by ids their number u8, then id u32, next u16 of each. Integers are big-endian. SPEC 05 §7.2.
func (a *Automaton) Encode() []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(a.States)))
	for i := range a.States {
		s := &a.States[i]
		flags := byte(0)
		if s.Accept {
			flags |= accepts
		}
		if len(s.Pieces) > 0 {
			flags |= hasPieces
		}
		b = append(b, flags, byte(len(s.Edges)))
		for _, e := range s.Edges {
			b = binary.BigEndian.AppendUint16(append(b, e.Lo, e.Hi), e.Next)
		}
		if len(s.Pieces) == 0 {
			continue
		}
		b = append(b, byte(len(s.Pieces)))
		for _, p := range s.Pieces {
			b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(b, uint32(p.ID)), p.Next)
		}
	}
	return b
}

// Decode reads exactly what Encode writes of an automaton within the limits. The error is ErrGrammar.
func Decode(b []byte) (*Automaton, error) {
	if len(b) > MaxSource || len(b) < 2 {
		return nil, fmt.Errorf("%w: an automaton of %d bytes, want 2..%d", ErrGrammar, len(b), MaxSource)
	}
	n := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; n < 1 || n > MaxStates || 2*n > len(b) {
		return nil, fmt.Errorf("%w: %d states in %d bytes, want 1..%d", ErrGrammar, n, len(b), MaxStates)
	}
	a := &Automaton{States: make([]State, n)}
	for i := range a.States {
		var err error
		if a.States[i], b, err = readState(b, n); err != nil {
			return nil, fmt.Errorf("%w: state %d: %w", ErrGrammar, i, err)
		}
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%w: %d bytes follow it", ErrGrammar, len(b))
	}
	return a, nil
}

// readState takes one of n states off the front of bytes.
func readState(b []byte, n int) (s State, rest []byte, err error) {
	if len(b) < 2 || b[0] > accepts|hasPieces || len(b) < 2+4*int(b[1]) {
		return s, nil, errors.New("it ends or goes wrong there")
	}
	flags, edges := b[0], int(b[1])
	s.Accept = flags&accepts != 0
	b = b[2:]
	for range edges {
		s.Edges = append(s.Edges, Edge{b[0], b[1], binary.BigEndian.Uint16(b[2:])})
		b = b[4:]
	}
	if flags&hasPieces == 0 {
		return s, b, s.check(n)
	}
	if len(b) < 1 || b[0] == 0 || len(b) < 1+6*int(b[0]) {
		return s, nil, errors.New("its edges by ids end or are none")
	}
	pieces := int(b[0])
	b = b[1:]
	for range pieces {
		s.Pieces = append(s.Pieces, Piece{int32(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint16(b[4:])})
		b = b[6:]
	}
	return s, b, s.check(n)
}

// check says whether the edges ascend, lead to one of n states, and are not more than needed.
func (s *State) check(n int) error {
	for i, e := range s.Edges {
		if e.Lo > e.Hi || int(e.Next) >= n {
			return fmt.Errorf("edge %d has bytes %d to %d and leads to %d", i, e.Lo, e.Hi, e.Next)
		}
		if i == 0 {
			continue
		}
		if before := s.Edges[i-1]; before.Hi >= e.Lo || before.Hi+1 == e.Lo && before.Next == e.Next {
			return fmt.Errorf("edge %d begins at %d, the one before ends at %d", i, e.Lo, before.Hi)
		}
	}
	above := int32(-1)
	for i, p := range s.Pieces {
		if p.ID <= above || int(p.Next) >= n {
			return fmt.Errorf("edge %d by ids has id %d, want more than %d, and leads to %d", i, p.ID, above, p.Next)
		}
		above = p.ID
	}
	return nil
}

// piece is the state to which an id leads, refused if none.
func (s *State) piece(id int32) int16 {
	for _, p := range s.Pieces {
		if p.ID == id {
			return int16(p.Next)
		}
	}
	return refused
}

// refused is the state of texts that no continuation makes valid.
const refused = -1

// steps gives for each state and byte the next state.
type steps [][256]int16

func (a *Automaton) steps() steps {
	t := make(steps, len(a.States))
	for i := range t {
		for b := range t[i] {
			t[i][b] = refused
		}
		for _, e := range a.States[i].Edges {
			for b := int(e.Lo); b <= int(e.Hi); b++ {
				t[i][b] = int16(e.Next)
			}
		}
	}
	return t
}

// Allows says whether a text without control pieces is allowed as a whole.
func (a *Automaton) Allows(text string) bool {
	at, t := int16(0), a.steps()
	for i := range len(text) {
		if at = t[at][text[i]]; at == refused {
			return false
		}
	}
	return a.States[at].Accept
}
