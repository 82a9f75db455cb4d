// Package opset defines the closed set of integer operations: what one element of each means.
//
// It stands above tensor and below graph: the machine computes whole tensors, the game asks for
// one element, and both mean what Element says. Invariants: every operation is a total function
// of descriptor, context, index and at most four contiguous reads; no operation has advice.
// SPEC 02.
//
//	v, err := opset.Element(&d, &ctx, index, func(r opset.Read) ([]byte, error) { ... })
package opset

import (
	"encoding/binary"
	"errors"
	"fmt"

	"elenchus/compute/tensor"
)

// DescriptorSize is the length of an encoded Descriptor in bytes.
const DescriptorSize = 192

// Source kinds, SPEC 02 §1.2.
const (
	None    = 0  // unused
	Tensor  = 1  // tensor Index of the stage
	RootA   = 2  // model tensor with root A
	RootB   = 3  // model tensor with root B
	KV      = 4  // KV tree of the state before
	Prompt  = 5  // prompt ids
	Stop    = 6  // stop ids
	Counts  = 7  // count tree of the state before
	Bias    = 8  // bias tree of the request
	Strings = 9  // stop strings of the request
	Grammar = 10 // token table of the request's grammar
)

// MaxKind is the greatest source kind.
const MaxKind = Grammar

// DenseCount is the number of i32 elements of the count and the bias tree, whatever the vocabulary:
// their depth is a constant of contracts. SPEC 02 §4.8.
const DenseCount = 1 << 20

// GrammarCount is the number of i32 elements of the tree over a token table, however many the table has:
// its depth is a constant of contracts. SPEC 02 §4.11.
const GrammarCount = 1 << 22

// LeafBytes is the leaf size of trace tensors and id lists, KVLeafBytes that of KV rows.
const (
	LeafBytes   = 64
	KVLeafBytes = 512
)

// ErrDescriptor marks a descriptor that is not canonical or not valid.
var ErrDescriptor = errors.New("invalid descriptor")

// Dim is a dimension: C if K is 0, else C * ceil(min(t+1, W) / K).
type Dim struct{ C, K uint32 }

// Source is where an operand comes from.
type Source struct{ Kind, Index uint8 }

// Descriptor is one hyperedge of a stage: operation, target and sources. SPEC 02 §1.
type Descriptor struct {
	Op     Code
	Type   tensor.DType
	Leaf   uint16
	Window uint32
	Dims   [3]Dim
	Src    [4]Source
	P      [11]int64
	RootA  [32]byte
	RootB  [32]byte
}

// Encode is the canonical form of SPEC 02 §1.
func (d *Descriptor) Encode() [DescriptorSize]byte {
	var b [DescriptorSize]byte
	b[0], b[1] = byte(d.Op), byte(d.Type)
	binary.BigEndian.PutUint16(b[2:], d.Leaf)
	binary.BigEndian.PutUint32(b[4:], d.Window)
	for i, m := range d.Dims {
		binary.BigEndian.PutUint32(b[8+8*i:], m.C)
		binary.BigEndian.PutUint32(b[12+8*i:], m.K)
	}
	for i, s := range d.Src {
		b[32+2*i], b[33+2*i] = s.Kind, s.Index
	}
	for i, p := range d.P {
		binary.BigEndian.PutUint64(b[40+8*i:], uint64(p))
	}
	copy(b[128:], d.RootA[:])
	copy(b[160:], d.RootB[:])
	return b
}

// Decode reads a descriptor; every 192-byte string has at most one meaning, and those without one
// are refused with ErrDescriptor. It checks form only; graph.Validate checks meaning.
func Decode(b []byte) (Descriptor, error) {
	var d Descriptor
	if len(b) != DescriptorSize {
		return d, fmt.Errorf("%w: %d bytes, want %d", ErrDescriptor, len(b), DescriptorSize)
	}
	d.Op, d.Type = Code(b[0]), tensor.DType(b[1])
	d.Leaf = binary.BigEndian.Uint16(b[2:])
	d.Window = binary.BigEndian.Uint32(b[4:])
	for i := range d.Dims {
		d.Dims[i] = Dim{binary.BigEndian.Uint32(b[8+8*i:]), binary.BigEndian.Uint32(b[12+8*i:])}
	}
	for i := range d.Src {
		d.Src[i] = Source{b[32+2*i], b[33+2*i]}
		if d.Src[i].Kind > MaxKind || (d.Src[i].Kind != Tensor && d.Src[i].Index != 0) {
			return d, fmt.Errorf("%w: source %d is (%d, %d)", ErrDescriptor, i, b[32+2*i], b[33+2*i])
		}
	}
	for i := range d.P {
		d.P[i] = int64(binary.BigEndian.Uint64(b[40+8*i:]))
	}
	copy(d.RootA[:], b[128:])
	copy(d.RootB[:], b[160:])
	return d, d.checkForm()
}

func (d *Descriptor) checkForm() error {
	if !d.Op.Valid() {
		return fmt.Errorf("%w: no operation has the code %d", ErrDescriptor, uint8(d.Op))
	}
	if !d.Type.Valid() {
		return fmt.Errorf("%w: element type %d", ErrDescriptor, d.Type)
	}
	if d.Leaf != LeafBytes && d.Leaf != KVLeafBytes {
		return fmt.Errorf("%w: leafBytes %d, want %d or %d", ErrDescriptor, d.Leaf, LeafBytes, KVLeafBytes)
	}
	for i, m := range d.Dims {
		if m.C == 0 {
			return fmt.Errorf("%w: dim %d has c = 0", ErrDescriptor, i)
		}
	}
	return nil
}

// Context is what request and state fix for every operation of a step. SPEC 02 §2.
type Context struct {
	T, M        uint32
	YPrev       int32
	MaxNew      uint32
	TMax        uint32
	Temperature uint32 // Q16
	Seed        uint64
	StopCount   uint8

	// The sampler's settings; 0 turns each of them off. SPEC 05 §4.
	Biased              bool   // the request has a bias tree
	TopK                uint32 // tokens
	TopP, MinP          uint32 // Q30
	Repetition          uint32 // Q16
	Presence, Frequency int32  // Q16, in units of the logits
	StopLens            uint32 // bytes of the four stop strings, the first in the lowest byte
	StopState           uint32 // of the stop strings in the state before
	Grammared           bool   // the request has a grammar
	GrammarState        uint32 // of the grammar in the state before

	// The lists behind the sources of these kinds, for whoever computes whole tensors; Element reads
	// them through fetch, and Encode leaves them out. len(Prompt) is M and len(StopIDs) is StopCount;
	// Drawn are the ids drawn before this step, which with Prompt give the counts; Biases ascend by
	// id; StopTable has StopTableSize bytes or none; GrammarTable is the token table without the zeros
	// behind it, at most GrammarCount elements.
	Prompt       []int32
	StopIDs      []int32
	Drawn        []int32
	Biases       []TokenBias
	StopTable    []byte
	GrammarTable []int32
}

// TokenBias is what is added to the logit of a token, Q16.
type TokenBias struct{ ID, Value int32 }

// Counted says whether a setting looks at how often tokens have occurred.
func (c *Context) Counted() bool { return c.Repetition != 0 || c.Presence != 0 || c.Frequency != 0 }

// ContextSize is the length of an encoded Context in bytes.
const ContextSize = 80

// Encode is the packed form that evaluators read: big-endian, zero-padded.
func (c *Context) Encode() [ContextSize]byte {
	var b [ContextSize]byte
	for i, v := range []uint32{c.T, c.M, uint32(c.YPrev), c.MaxNew, c.TMax, c.Temperature} {
		binary.BigEndian.PutUint32(b[4*i:], v)
	}
	binary.BigEndian.PutUint64(b[24:], c.Seed)
	b[32] = c.StopCount
	if c.Biased {
		b[33] = 1
	}
	if c.Grammared {
		b[34] = 1
	}
	for i, v := range []uint32{c.TopK, c.TopP, c.MinP, c.Repetition, uint32(c.Presence), uint32(c.Frequency), c.StopLens, c.StopState, c.GrammarState} {
		binary.BigEndian.PutUint32(b[36+4*i:], v)
	}
	return b
}

// Span is len(t): how many positions are attended. SPEC 02 §1.4.
func (d *Descriptor) Span(c *Context) uint64 {
	n := uint64(c.T) + 1
	if d.Window != 0 {
		n = min(n, uint64(d.Window))
	}
	return n
}

// First is first(t), the first attended position.
func (d *Descriptor) First(c *Context) uint64 { return uint64(c.T) + 1 - d.Span(c) }

// Size evaluates a dim.
func (d *Descriptor) Size(m Dim, c *Context) uint64 {
	if m.K == 0 {
		return uint64(m.C)
	}
	return uint64(m.C) * ((d.Span(c) + uint64(m.K) - 1) / uint64(m.K))
}

// Shape is the three dims of the target at t.
func (d *Descriptor) Shape(c *Context) [3]uint64 {
	return [3]uint64{d.Size(d.Dims[0], c), d.Size(d.Dims[1], c), d.Size(d.Dims[2], c)}
}

// Count is the number of elements of the target at t.
func (d *Descriptor) Count(c *Context) uint64 {
	s := d.Shape(c)
	return s[0] * s[1] * s[2]
}

// Bytes is the size of the target in bytes at t.
func (d *Descriptor) Bytes(c *Context) uint64 { return d.Count(c) * uint64(d.Type.Size()) }

// Read is a contiguous byte range [Lo, Hi) of a source, with the source's geometry.
type Read struct {
	Source
	Total uint64 // bytes of the source
	Leaf  int    // leaf size of the source in bytes
	Lo    uint64
	Hi    uint64
}

// Leaves are the indices [a, b) of the leaves that cover the read.
func (r Read) Leaves() (a, b uint64) {
	return r.Lo / uint64(r.Leaf), (r.Hi + uint64(r.Leaf) - 1) / uint64(r.Leaf)
}

// Trim cuts the bytes of the read out of the bytes of its covering leaves.
func (r Read) Trim(leaves []byte) ([]byte, error) {
	a, b := r.Leaves()
	if uint64(len(leaves)) != (b-a)*uint64(r.Leaf) {
		return nil, fmt.Errorf("read [%d,%d) needs %d leaf bytes, got %d", r.Lo, r.Hi, (b-a)*uint64(r.Leaf), len(leaves))
	}
	off := r.Lo - a*uint64(r.Leaf)
	return leaves[off : off+r.Hi-r.Lo], nil
}
