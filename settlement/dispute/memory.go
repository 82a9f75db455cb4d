package dispute

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/opset"
)

// memorySize is the length of an encoded Memory in bytes.
const memorySize = 136

// countsPerLeaf is how many counts one leaf of the count tree holds.
const countsPerLeaf = merkle.TableLeaf / 4

// Recall is what R1 shows of the memories of S_{t-1} and S_t. What the request does not use is zero.
// SPEC 08 §7.5.
type Recall struct {
	CountLeaf []byte // of y_t in the count tree of S_{t-1}
	CountPath []Hash // 16 siblings
	Stop      [2]uint32
	Grammar   [2]Hash
}

// Memory is what stands behind the state's memory: the KV root and the memories around step t, without
// the count tree of S_t, which follows. SPEC 08 §2.3.
type Memory struct {
	KV      Hash
	Before  trace.Memory
	Stop    uint32 // of S_t
	Grammar Hash
}

// Encode is the packed form, memorySize bytes.
func (m *Memory) Encode() []byte {
	w := &writer{b: make([]byte, 0, memorySize)}
	w.hash(m.KV).hash(m.Before.Counts).u32(m.Before.Stop).hash(m.Before.Grammar)
	return w.u32(m.Stop).hash(m.Grammar).b
}

// Hash is what the state keeps of it.
func (m *Memory) Hash() Hash { return claim.Keccak(m.Encode()) }

func (r *reader) memory() (m Memory) {
	m.KV = r.hash()
	m.Before = trace.Memory{Counts: r.hash(), Stop: r.u32(), Grammar: r.hash()}
	m.Stop, m.Grammar = r.u32(), r.hash()
	return m
}

// lists reads the roots behind the settings of a job, if it has any.
func (r *reader) lists(j *Job) claim.Lists {
	if j.Sampler.Lists == (Hash{}) {
		return claim.Lists{}
	}
	b := r.take(claim.ListsSize)
	if b == nil {
		return claim.Lists{}
	}
	l := claim.DecodeLists([claim.ListsSize]byte(b))
	return l
}

// listed writes the roots behind the settings of a job, if it has any.
func (w *writer) lists(j *Job, l claim.Lists) *writer {
	if j.Sampler.Lists == (Hash{}) {
		return w
	}
	return w.bytes(l.Encode())
}

// checkLists says that the roots are those behind the settings.
func (j *Job) checkLists(l claim.Lists) error {
	got := l.StructHash()
	if j.Sampler.Lists == (Hash{}) {
		got = l.Hash()
	}
	if got != j.Sampler.Lists {
		return fmt.Errorf("%w: lists hash to %x, want %x", ErrOpening, got[:8], j.Sampler.Lists[:8])
	}
	return nil
}

// recall reads what R1 shows of memories.
func (r *reader) recall(j *Job, l claim.Lists) (m Recall) {
	if j.Sampler.Counts() {
		m.CountLeaf, m.CountPath = r.take(merkle.TableLeaf), r.hashes(merkle.TableDepth)
	}
	if j.Sampler.StopLengths != 0 {
		m.Stop = [2]uint32{r.u32(), r.u32()}
	}
	if l.Grammar != (Hash{}) {
		m.Grammar = [2]Hash{r.hash(), r.hash()}
	}
	return m
}

func (w *writer) recall(j *Job, l claim.Lists, m *Recall) *writer {
	if j.Sampler.Counts() {
		w.bytes(m.CountLeaf).hashes(m.CountPath)
	}
	if j.Sampler.StopLengths != 0 {
		w.u32(m.Stop[0]).u32(m.Stop[1])
	}
	if l.Grammar != (Hash{}) {
		w.hash(m.Grammar[0]).hash(m.Grammar[1])
	}
	return w
}

// memories are those of S_{t-1} and S_t that a recall leads to, which is y_t's.
func (m *Recall) memories(j *Job, t, y uint32) (before, after trace.Memory, err error) {
	before = trace.Memory{Stop: m.Stop[0], Grammar: m.Grammar[0]}
	after = trace.Memory{Stop: m.Stop[1], Grammar: m.Grammar[1]}
	if !j.Sampler.Counts() {
		return before, after, nil
	}
	if y >= merkle.TableElements {
		return before, after, fmt.Errorf("%w: no count of token %d", ErrRange, y)
	}
	if len(m.CountLeaf) != merkle.TableLeaf || len(m.CountPath) != merkle.TableDepth {
		return before, after, fmt.Errorf("%w: count leaf of %d bytes with %d siblings", ErrBadPayload, len(m.CountLeaf), len(m.CountPath))
	}
	leaf, at := [merkle.TableLeaf]byte(m.CountLeaf), leafCount(y)
	before.Counts = climb(merkle.Leaf(leaf[:]), y/countsPerLeaf, m.CountPath)
	count := binary.LittleEndian.Uint32(leaf[at:])
	binary.LittleEndian.PutUint32(leaf[at:], opset.Counted(count, !j.Emits(t)))
	after.Counts = climb(merkle.Leaf(leaf[:]), y/countsPerLeaf, m.CountPath)
	return before, after, nil
}

// leafCount is where the count of a token stands in its leaf.
func leafCount(y uint32) uint32 { return y % countsPerLeaf * 4 }

// climb is the root above node i of level 0.
func climb(n Hash, i uint32, path []Hash) Hash {
	for _, s := range path {
		if i&1 == 1 {
			n = merkle.Node(s, n)
		} else {
			n = merkle.Node(n, s)
		}
		i /= 2
	}
	return n
}

// remember sets the AUX of both preimages from what R1 recalls and gives what the state keeps.
func (m *Reveal) remember(t uint32) (Memory, error) {
	if !m.Job.Sampler.Remembers(m.Lists) {
		m.Before.Aux, m.After.Aux = Hash{}, Hash{}
		return Memory{KV: m.Before.KV}, nil
	}
	before, after, err := m.Recall.memories(&m.Job, t, m.After.Y)
	m.Before.Aux, m.After.Aux = before.Hash(), after.Hash()
	return Memory{m.Before.KV, before, after.Stop, after.Grammar}, err
}

// checkMemory says what follows for memories from the step: ABSORB leaves stop strings and grammar as
// they are, and S_{-1} has counted the first id of the prompt and nothing else. SPEC 06 §3.5.
func checkMemory(s *State, m *Reveal, k *Memory) error {
	if !m.Job.Emits(s.T) && (k.Stop != k.Before.Stop || k.Grammar != k.Before.Grammar) {
		return fmt.Errorf("%w: step %d reads the prompt and changes a state of stop strings or grammar", ErrContradiction, s.T)
	}
	if s.T != 0 || !m.Job.Sampler.Remembers(m.Lists) {
		return nil
	}
	want := trace.Memory{}
	if m.Job.Sampler.Counts() {
		if m.Before.Y >= merkle.TableElements {
			return fmt.Errorf("%w: no count of token %d", ErrRange, m.Before.Y)
		}
		want.Counts = trace.CountTable([]int32{int32(m.Before.Y)}, nil).Root()
	}
	if k.Before != want {
		return fmt.Errorf("%w: before step 0 something is remembered", ErrOpening)
	}
	return nil
}
