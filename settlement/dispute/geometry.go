package dispute

import (
	"encoding/binary"

	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// stepLevels is how many levels one descent shows: 64 children.
const stepLevels = 6

func (s *State) graph() bool  { return s.Flags&FlagGraph != 0 }
func (s *State) absorb() bool { return s.Flags&FlagAbsorb != 0 }

// stages is the number of stages in the graph tree.
func (s *State) stages() int {
	if s.graph() {
		return int(s.Layers)
	}
	return int(s.Layers) + 3
}

// graphDepth is the depth of the graph tree. SPEC 06 §1.3.
func (s *State) graphDepth() int { return 7 + merkle.Depth(uint64(s.stages())) }

// boundaryCount is the number of hashes in the boundary tree.
func (s *State) boundaryCount() uint32 {
	if s.graph() {
		return uint32(s.Layers) + 1
	}
	return uint32(s.Layers) + 2
}

// headStage is the stage that computes y and f of step t.
func (s *State) headStage() uint16 {
	if s.absorb() {
		return s.Layers + 2
	}
	return s.Layers + 1
}

// head says whether the stage in hand computes y and f.
func (s *State) head() bool { return !s.graph() && s.Stage > s.Layers }

// hasRows says whether the stage in hand may make a KV row.
func (s *State) hasRows() bool { return !s.graph() && s.Stage >= 1 && s.Stage <= s.Layers }

// inputBoundary is where the stage's input stands in the boundary tree; ok is false for the stage
// that reads y_{t-1}. SPEC 08 §7.7.
func (s *State) inputBoundary() (index uint32, ok bool) {
	switch {
	case s.graph():
		return uint32(s.Stage), true
	case s.head():
		return uint32(s.Layers), true
	case s.Stage == 0:
		return 0, false
	}
	return uint32(s.Stage) - 1, true
}

// outputBoundary is where the stage's output stands; ok is false for the heads.
func (s *State) outputBoundary() (index uint32, ok bool) {
	switch {
	case s.graph():
		return uint32(s.Stage) + 1, true
	case s.head():
		return 0, false
	}
	return uint32(s.Stage), true
}

// shape is what one round of descent shows of the subtree in hand. SPEC 08 §7.3.
type shape struct {
	k       int    // levels
	height  int    // of the children
	first   uint64 // index of the first child at its level
	present uint64 // children that are not wholly beyond the tree, at least 1 while the index is inside
}

func (s *State) descent() shape {
	k := min(stepLevels, int(s.Level))
	d := shape{k: k, height: int(s.Level) - k, first: s.Index << uint(k)}
	leaves := merkle.Leaves(s.Total, max(int(s.Leaf), 1))
	at := (leaves + 1<<uint(d.height) - 1) >> uint(d.height)
	if at > d.first {
		d.present = min(1<<uint(k), at-d.first)
	}
	return d
}

// elements is the number of elements of the tree under descent, and how many one leaf holds.
func (s *State) elements() (total, perLeaf uint64) {
	size := uint64(4)
	if t := tensor.DType(s.Type); t.Valid() {
		size = uint64(t.Size())
	}
	return s.Total / size, uint64(s.Leaf) / size
}

// context is what every operation of step t may see.
func (s *State) context(j *Job) opset.Context { return j.Context(s.T, int32(s.YPrev)) }

// stops says whether the stage in hand makes a state of stop strings that S_t holds.
func (s *State) stops() bool { return s.head() && !s.absorb() && s.Flags&FlagStops != 0 }

// masks says whether the stage in hand makes a state of a grammar that S_t holds.
func (s *State) masks() bool { return s.head() && !s.absorb() && s.Flags&FlagGrammar != 0 }

// context is what the operation of the answer may see.
func (m *AnswerMove) context(s *State) opset.Context {
	c := s.context(&m.Job)
	c.Biased, c.StopState = m.Lists.Bias != Hash{}, m.Memory.Before.Stop
	c.Grammared, c.GrammarState = m.Lists.Grammar != Hash{}, binary.BigEndian.Uint32(m.Memory.Before.Grammar[28:])
	return c
}

// idLeaf is the leaf of an i32 [1] tensor. SPEC 08 §7.7.
func (s *State) idLeaf(v uint32) Hash {
	var b [opset.LeafBytes]byte
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	return s.hasher()(b[:])
}
