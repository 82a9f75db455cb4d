// Package trace turns what the machine computes into what a node commits to and can be asked for.
//
// It stands above manifest and below claim's users: a Chain hashes one state per token on the
// honest path; an Answer keeps the states and ids of a whole run; a Step re-executes one step and
// hands out roots, leaves and openings of every tensor, lazily, for the disputed stage alone.
// Invariant: without a Chain nothing is hashed. SPEC 06.
//
//	c := trace.NewChain(man, &job)
//	hooks.Step = func(t int, y decode.Yield, kv *machine.Cache) { c.Append(y, kv) }
package trace

import (
	"crypto/sha256"
	"encoding/binary"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// StateSize is the length of an encoded State in bytes.
const StateSize = 106

// State is S_t before hashing. SPEC 06 §3.
type State struct {
	Step uint32 // t+1
	Y    uint32
	F    uint8
	KV   merkle.Hash
	Aux  merkle.Hash
	Prev merkle.Hash
}

// Encode is the preimage of S_t.
func (s *State) Encode() [StateSize]byte {
	var b [StateSize]byte
	b[0] = 2
	binary.BigEndian.PutUint32(b[1:], s.Step)
	binary.BigEndian.PutUint32(b[5:], s.Y)
	b[9] = s.F
	copy(b[10:], s.KV[:])
	copy(b[42:], s.Aux[:])
	copy(b[74:], s.Prev[:])
	return b
}

// Hash is S_t.
func (s *State) Hash() merkle.Hash {
	b := s.Encode()
	return sha256.Sum256(b[:])
}

// Initial is S_{-1}. SPEC 06 §3.2.
func Initial(h *manifest.Header, job *decode.Job) State {
	s := State{Y: uint32(job.Prompt[0]), KV: merkle.Zero(h.KVDepth())}
	if m := Remember(job); m != nil {
		s.Aux = m.Hash()
	}
	return s
}

// Chain hashes the states of a run as its steps complete.
type Chain struct {
	h         *manifest.Manifest
	kv        [][]merkle.Hash // levels of the position tree, complete as far as positions go
	states    []State
	memories  []Memory // of the states, nil if the request remembers nothing
	counter   *counter // nil if nothing looks at counts
	stops     bool     // the request has stop strings
	grammar   bool     // it has a grammar
	hashes    []merkle.Hash
	positions []merkle.Hash
	pieces    []merkle.Hash // scratch: one position's rows
	buf       [2 * opset.KVLeafBytes]byte
}

// NewChain starts at S_{-1} of a job.
func NewChain(h *manifest.Manifest, job *decode.Job) *Chain {
	first := Initial(&h.Header, job)
	c := &Chain{h: h, states: []State{first}, hashes: []merkle.Hash{first.Hash()}, kv: make([][]merkle.Hash, int(h.DPos)+1)}
	if m := Remember(job); m != nil {
		c.memories, c.counter = []Memory{*m}, newCounter(job)
		c.stops, c.grammar = len(job.Sampler.Stops) > 0, job.Sampler.Grammar != nil
	}
	return c
}

// Append hashes the state of the next step from its token, finish code and the cache's newest row.
func (c *Chain) Append(y decode.Yield, cache *machine.Cache) merkle.Hash {
	return c.AppendLeaf(y, c.Leaf(cache, len(c.positions)))
}

// AppendLeaf is Append with the position leaf of the newest row, as Leaf made it.
func (c *Chain) AppendLeaf(y decode.Yield, leaf merkle.Hash) merkle.Hash {
	t := len(c.positions)
	c.positions = append(c.positions, leaf)
	root := c.grow(leaf, t)
	s := State{Step: uint32(t) + 1, Y: uint32(y.Y), F: uint8(y.F), KV: root, Prev: c.hashes[t]}
	if c.memories != nil {
		m := c.remember(&y)
		s.Aux = m.Hash()
		c.memories = append(c.memories, m)
	}
	c.states = append(c.states, s)
	c.hashes = append(c.hashes, s.Hash())
	return c.hashes[t+1]
}

// Positions are the position leaves so far; the chain owns them.
func (c *Chain) Positions() []merkle.Hash { return c.positions }

// Leaf is the position leaf of t, built without allocation beyond the first call. It holds nothing
// of the request. SPEC 05 §3.2.
func (c *Chain) Leaf(cache *machine.Cache, t int) merkle.Hash {
	c.pieces = positionPieces(c.pieces, c.buf[:opset.KVLeafBytes], c.h, cache, t)
	level := c.pieces
	for h := range c.h.PositionDepth() {
		level = halve(level, h)
	}
	return level[0]
}

// halve computes parents in place; absent nodes are zero subtrees of height h.
func halve(n []merkle.Hash, h int) []merkle.Hash {
	for i := 0; i < len(n); i += 2 {
		if n[i] == merkle.Zero(h) && (i+1 == len(n) || n[i+1] == merkle.Zero(h)) {
			n[i/2] = merkle.Zero(h + 1)
			continue
		}
		r := merkle.Zero(h)
		if i+1 < len(n) {
			r = n[i+1]
		}
		n[i/2] = merkle.Node(n[i], r)
	}
	return n[:(len(n)+1)/2]
}

// positionPieces hashes the row pieces of every layer at position t into leaves of the position's
// subtree, absent ones Z_0. SPEC 02 §4.2.
func positionPieces(dst []merkle.Hash, buf []byte, h *manifest.Manifest, cache *machine.Cache, t int) []merkle.Hash {
	per := 1 << h.DRow
	n := int(h.Layers) * 2 * per
	if cap(dst) < n {
		dst = make([]merkle.Hash, n)
	}
	dst = dst[:n]
	hash := h.Hasher()
	for l := range int(h.Layers) {
		for v, rows := range [2][]int16{cache.K[l], cache.V[l]} {
			row := rows[t*cache.DKV : (t+1)*cache.DKV]
			rowPieces(hash, dst[(2*l+v)*per:(2*l+v+1)*per], buf, row)
		}
	}
	return dst
}

func rowPieces(hash merkle.Hasher, dst []merkle.Hash, buf []byte, row []int16) {
	const each = opset.KVLeafBytes / 2
	for q := range dst {
		dst[q] = merkle.Hash{}
		if q*each >= len(row) {
			continue
		}
		piece := row[q*each : min((q+1)*each, len(row))]
		rest, at := piece, buf
		for ; len(rest) >= 4; rest, at = rest[4:], at[8:] { // a word at a time
			four := uint64(uint16(rest[0])) | uint64(uint16(rest[1]))<<16 | uint64(uint16(rest[2]))<<32 | uint64(uint16(rest[3]))<<48
			binary.LittleEndian.PutUint64(at, four)
		}
		for i, x := range rest {
			binary.LittleEndian.PutUint16(at[2*i:], uint16(x))
		}
		clear(buf[2*len(piece):])
		dst[q] = hash(buf)
	}
}

// grow puts the leaf of position t into the position tree and returns KV_t.
func (c *Chain) grow(leaf merkle.Hash, t int) merkle.Hash {
	node, base := leaf, c.h.PositionDepth()
	for l := range c.kv {
		i := t >> l
		if i < len(c.kv[l]) {
			c.kv[l][i] = node
		} else {
			c.kv[l] = append(c.kv[l], node)
		}
		if l == len(c.kv)-1 {
			return node
		}
		if i&1 == 1 {
			node = merkle.Node(c.kv[l][i-1], node)
		} else {
			node = merkle.Node(node, merkle.Zero(base+l))
		}
	}
	return node
}

// Answer is the commitment to a whole run: what the node keeps of it and can rebuild openings from.
type Answer struct {
	States    []State       // S_{-1}, S_0, ...
	Hashes    []merkle.Hash // of States
	Positions []merkle.Hash // position leaves
	Outputs   []int32
	Memories  []Memory // of States, nil if the request remembers nothing
}

// Answer closes the chain with the produced ids.
func (c *Chain) Answer(outputs []int32) *Answer {
	return &Answer{States: c.states, Hashes: c.hashes, Positions: c.positions, Outputs: outputs, Memories: c.memories}
}

// Cut is the answer that ended after its first n ids, 1 to all of them; it shares what a holds.
func (a *Answer) Cut(n int) *Answer {
	less := len(a.Outputs) - n
	out := &Answer{States: a.States[:len(a.States)-less], Hashes: a.Hashes[:len(a.Hashes)-less],
		Positions: a.Positions[:len(a.Positions)-less], Outputs: a.Outputs[:n]}
	if a.Memories != nil {
		out.Memories = a.Memories[:len(a.Memories)-less]
	}
	return out
}

// StateTree is the tree over S_0.. (S_{-1} is not in it). SPEC 06 §3.4.
func (a *Answer) StateTree() *merkle.Tree {
	n := uint64(len(a.Hashes) - 1)
	return merkle.NewTree(a.Hashes[1:], merkle.Depth(n), 0)
}

// ScalarLeaf is the root of an i32 [1] tensor.
func ScalarLeaf(v int32) merkle.Hash {
	return merkle.Root(opset.LeafBytes, IDBytes([]int32{v}))
}

// TensorTree is the tree over a tensor of a model whose leaves are hashed by hash.
func TensorTree(hash merkle.Hasher, x *tensor.Tensor, leaf int) *merkle.Tree {
	return hash.Tree(leaf, x.Bytes(0, x.Len()))
}
