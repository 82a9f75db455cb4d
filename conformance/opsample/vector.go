package opsample

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"elenchus/compute/opset"
)

// ErrVector marks a vector that is malformed or that the definition contradicts.
var ErrVector = errors.New("invalid op vector")

// Vector is one element of one operation with everything that it depends on: a row of
// testvectors/ops/<op>.json. Any implementation of the op set must agree with it.
type Vector struct {
	Name       string   `json:"name"` // what the vector is there for
	Op         string   `json:"op"`
	Descriptor string   `json:"descriptor"` // 192 bytes in hex
	Context    string   `json:"context"`    // 80 bytes in hex
	Index      uint64   `json:"index"`
	Data       []string `json:"data"` // the covering leaves of each read in hex
	Reads      []Read   `json:"reads"`
	Value      string   `json:"value"` // decimal
}

// Read is an opset.Read in a vector.
type Read struct {
	Kind  uint8  `json:"kind"`
	Index uint8  `json:"index"`
	Total uint64 `json:"total"`
	Leaf  int    `json:"leaf"`
	Lo    uint64 `json:"lo"`
	Hi    uint64 `json:"hi"`
}

// Record makes a vector of an element that was computed with s.
func Record(name string, d *opset.Descriptor, c *opset.Context, index uint64, s *Supply, value int64) Vector {
	eb, cb := d.Encode(), c.Encode()
	v := Vector{
		Name: name, Op: d.Op.String(), Descriptor: hex.EncodeToString(eb[:]), Context: hex.EncodeToString(cb[:]),
		Index: index, Value: strconv.FormatInt(value, 10), Data: []string{}, Reads: []Read{},
	}
	for i, r := range s.Reads {
		v.Data = append(v.Data, hex.EncodeToString(s.Leaves[i]))
		v.Reads = append(v.Reads, Read{r.Kind, r.Index, r.Total, r.Leaf, r.Lo, r.Hi})
	}
	return v
}

// Load reads a file of vectors; unknown fields are refused.
func Load(path string) ([]Vector, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var v []Vector
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrVector, path, err)
	}
	return v, nil
}

// Case is a decoded vector.
type Case struct {
	Descriptor opset.Descriptor
	Context    opset.Context
	Index      uint64
	Reads      []opset.Read
	Leaves     [][]byte
	Value      int64
}

// Case decodes the vector.
func (v *Vector) Case() (*Case, error) {
	d, err := hex.DecodeString(v.Descriptor)
	if err != nil {
		return nil, fmt.Errorf("%w: descriptor: %v", ErrVector, err)
	}
	c := &Case{Index: v.Index}
	if c.Descriptor, err = opset.Decode(d); err != nil {
		return nil, err
	}
	if c.Context, err = context(v.Context); err != nil {
		return nil, err
	}
	if c.Value, err = strconv.ParseInt(v.Value, 10, 64); err != nil {
		return nil, fmt.Errorf("%w: value: %v", ErrVector, err)
	}
	if v.Op != c.Descriptor.Op.String() || len(v.Data) != len(v.Reads) {
		return nil, fmt.Errorf("%w: op %s with a descriptor of %s, %d reads with data for %d", ErrVector, v.Op, c.Descriptor.Op, len(v.Reads), len(v.Data))
	}
	for i, r := range v.Reads {
		b, err := hex.DecodeString(v.Data[i])
		if err != nil {
			return nil, fmt.Errorf("%w: data %d: %v", ErrVector, i, err)
		}
		c.Leaves = append(c.Leaves, b)
		c.Reads = append(c.Reads, opset.Read{Source: opset.Source{Kind: r.Kind, Index: r.Index}, Total: r.Total, Leaf: r.Leaf, Lo: r.Lo, Hi: r.Hi})
	}
	return c, nil
}

// context reads the packed form of SPEC 02 §2.
func context(text string) (c opset.Context, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != opset.ContextSize {
		return c, fmt.Errorf("%w: context is not %d bytes in hex", ErrVector, opset.ContextSize)
	}
	u := func(i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }
	c = opset.Context{
		T: u(0), M: u(1), YPrev: int32(u(2)), MaxNew: u(3), TMax: u(4), Temperature: u(5),
		Seed: binary.BigEndian.Uint64(b[24:]), StopCount: b[32], Biased: b[33] == 1,
		TopK: u(9), TopP: u(10), MinP: u(11), Repetition: u(12), Presence: int32(u(13)), Frequency: int32(u(14)),
		StopLens: u(15), StopState: u(16), Grammared: b[34] == 1, GrammarState: u(17),
	}
	if again := c.Encode(); !bytes.Equal(again[:], b) {
		return c, fmt.Errorf("%w: context does not end in zero bytes", ErrVector)
	}
	return c, nil
}

// Check evaluates the case by definition and compares reads and value.
func (c *Case) Check() error {
	k := 0
	got, err := opset.Element(&c.Descriptor, &c.Context, c.Index, func(r opset.Read) ([]byte, error) {
		if k >= len(c.Reads) || r != c.Reads[k] {
			return nil, fmt.Errorf("%w: read %d is %+v", ErrVector, k, r)
		}
		k++
		return r.Trim(c.Leaves[k-1])
	})
	switch {
	case err != nil:
		return err
	case k != len(c.Reads):
		return fmt.Errorf("%w: %d reads, the definition makes %d", ErrVector, len(c.Reads), k)
	case got != c.Value:
		return fmt.Errorf("%w: value %d, the definition says %d", ErrVector, c.Value, got)
	}
	return nil
}
