package dispute

import (
	"fmt"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
)

// Encode writes the hashes one after the other. SPEC 08 §7.3.
func (m Children) Encode() []byte { return new(writer).hashes(m.Hashes).b }

// Encode is SPEC 08 §7.4.
func (m Child) Encode() []byte { return new(writer).u8(m.Number).hash(m.Hash).hashes(m.Path).b }

// Encode is SPEC 08 §7.5.
func (m Reveal) Encode() []byte {
	w := new(writer).bytes(m.Job.Encode())
	if m.Job.Kind == GraphModel {
		return w.hashes(m.Boundaries).b
	}
	b, a := m.Before, m.After
	w.lists(&m.Job, m.Lists)
	w.u32(b.Y).u8(b.F).hash(b.KV).hash(b.Previous).u32(a.Y).u8(a.F).hash(a.KV)
	w.recall(&m.Job, m.Lists, &m.Recall)
	w.hashes(m.StatePath).bytes(m.PromptLeaf).hashes(m.PromptPath)
	w.hashes(m.Boundaries).hash(m.PositionLeaf).hashes(m.PositionPath)
	return w.bytes(m.OutputLeaf).hashes(m.OutputPath).b
}

// Encode is SPEC 08 §7.6.
func (m PickStage) Encode() []byte { return new(writer).u16(m.Stage).b }

// Encode is SPEC 08 §7.6.
func (m RowHashes) Encode() []byte { return new(writer).hashes(m.Rows).hashes(m.Path).b }

// Encode is SPEC 08 §7.6.
func (m PickLayer) Encode() []byte { return new(writer).u16(m.Layer).b }

// Encode is SPEC 08 §7.7.
func (m Tensors) Encode() []byte {
	w := new(writer).bytes(m.Input[:]).hashes(m.InputPath).hashes(m.Roots).hashes(m.FirstPath).hashes(m.LastPath)
	if m.HasRows {
		w.hash(m.PositionLeaf).hashes(m.PositionPath).hashes(m.LayerPath)
	}
	if m.Memory != (Memory{}) {
		w.bytes(m.Memory.Encode())
	}
	return w.b
}

// Encode is SPEC 08 §7.8.
func (m PickTensor) Encode() []byte {
	w := new(writer).u8(m.Tensor).u64(m.Index)
	if m.Index == Descend {
		w.hash(m.Root).hashes(m.RootPath).bytes(m.Descriptor[:]).hashes(m.GraphPath)
	}
	return w.b
}

// Encode is SPEC 08 §7.9.
func (m RawLeaf) Encode() []byte { return new(writer).bytes(m.Bytes).b }

// Encode is SPEC 08 §7.9.
func (m PickElement) Encode() []byte {
	w := new(writer).u16(m.Element)
	if m.Job != nil {
		w.bytes(m.Job.Encode())
	}
	return w.b
}

// Encode is empty.
func (Timeout) Encode() []byte { return nil }

// Encode is SPEC 08 §7.10. Which fields there are follows from what is set: an answer outside the
// tensor has no target, a descended target no path, a read of a model tensor no root.
func (m AnswerMove) Encode() []byte {
	w := new(writer).bytes(m.Job.Encode()).bytes(m.Descriptor[:]).hashes(m.GraphPath)
	if m.Outside {
		return w.b
	}
	w.lists(&m.Job, m.Lists)
	if m.Job.Sampler.Remembers(m.Lists) {
		w.bytes(m.Memory.Encode())
	}
	if !m.Descended {
		w.hash(m.Root).hashes(m.RootPath).bytes(m.Leaf).hashes(m.Siblings)
	} else {
		w.bytes(m.Leaf)
	}
	w.u32(uint32(len(m.Data))).bytes(m.Data)
	for _, r := range m.Reads {
		if r.Tensor {
			w.hash(r.Root).hashes(r.RootPath)
		}
		w.hashes(r.Siblings)
	}
	return w.b
}

// DecodeMove reads the payload of a move that is next in s, or says ErrPhase or ErrBadPayload.
// Every list has the length that s gives; nothing may be left over.
func DecodeMove(s *State, k Kind, payload []byte) (Move, error) {
	if whole := k == KindAnswer && s.settles() && s.isCluster(payload); !whole && !k.legal(s) {
		return nil, fmt.Errorf("%w: %s in phase %s", ErrPhase, k, s.Phase)
	}
	r := &reader{b: payload}
	m := decoders[k](s, r)
	if err := r.end(k); err != nil {
		return nil, err
	}
	return m, nil
}

// decoders read the moves that legal allows.
var decoders = map[Kind]func(*State, *reader) Move{
	KindChildren: func(s *State, r *reader) Move { return Children{r.hashes(s.descent().present)} },
	KindChild: func(s *State, r *reader) Move {
		return Child{r.u8(), r.hash(), r.hashes(uint64(s.descent().k))}
	},
	KindReveal: decodeReveal,
	KindStage:  func(_ *State, r *reader) Move { return PickStage{r.u16()} },
	KindRows: func(s *State, r *reader) Move {
		return RowHashes{r.hashes(uint64(s.Layers)), r.path(s.boundaryCount())}
	},
	KindLayer:   func(_ *State, r *reader) Move { return PickLayer{r.u16()} },
	KindTensors: decodeTensors,
	KindPick:    decodePick,
	KindRaw:     func(s *State, r *reader) Move { return RawLeaf{r.take(uint64(s.Leaf))} },
	KindElement: decodeElement,
	KindAnswer:  decodeAnswer,
	KindInclude: decodeInclude,
	KindPublish: decodePublish,
	KindDecrypt: decodeDecrypt,
	KindTimeout: func(*State, *reader) Move { return Timeout{} },
}

func decodeReveal(s *State, r *reader) Move {
	m := Reveal{Job: r.job()}
	if r.bad || m.Job.Hash() != s.JobHash {
		r.bad = true
		return m
	}
	j := &m.Job
	if s.graph() {
		m.Boundaries = r.hashes(uint64(j.Boundaries()))
		return m
	}
	m.Lists = r.lists(j)
	m.Before = Preimage{Y: r.u32(), F: r.u8(), KV: r.hash(), Previous: r.hash()}
	m.After = Preimage{Y: r.u32(), F: r.u8(), KV: r.hash()}
	m.Recall = r.recall(j, m.Lists)
	_, _ = m.remember(s.T) // what is wrong with it, applyReveal says
	m.After.Previous = m.Before.Hash(s.T)
	m.StatePath = r.siblings(max(uint64(s.T), 1)-1, uint64(s.T)+1, j.StateDepth())
	if s.T == 0 {
		m.PromptLeaf, m.PromptPath = r.take(opset.LeafBytes), r.siblings(0, 1, j.PromptDepth())
	}
	m.Boundaries = r.hashes(uint64(j.Boundaries()))
	m.PositionLeaf = r.hash()
	m.PositionPath = r.hashes(uint64(j.DPos))
	if j.Emits(s.T) {
		m.OutputLeaf = r.take(opset.LeafBytes)
		at := uint64(s.T-(j.PromptCount-1)) / idsPerLeaf
		m.OutputPath = r.siblings(at, at+1, j.OutputDepth())
	}
	return m
}

func decodeTensors(s *State, r *reader) Move {
	m := Tensors{Input: r.descriptor()}
	at := descriptorsPerStage * uint64(s.Stage)
	m.InputPath = r.siblings(at, at+1, s.graphDepth())
	d, err := opset.Decode(m.Input[:])
	if err != nil || d.P[0] < 2 || d.P[0] > descriptorsPerStage {
		r.bad = true
		return m
	}
	m.Roots = r.hashes(uint64(d.P[0]))
	if _, ok := s.inputBoundary(); ok {
		m.FirstPath = r.path(s.boundaryCount())
	}
	if _, ok := s.outputBoundary(); ok {
		m.LastPath = r.path(s.boundaryCount())
	}
	m.HasRows = s.hasRows() && (d.P[1] != 0 || d.P[2] != 0)
	if m.HasRows {
		m.PositionLeaf = r.hash()
		m.PositionPath = r.path(s.boundaryCount())
		m.LayerPath = r.hashes(uint64(s.DLayer))
	}
	if s.stops() || s.masks() {
		m.Memory = r.memory()
	}
	return m
}

// descriptorsPerStage is the room of a stage in the graph tree. SPEC 06 §1.3.
const descriptorsPerStage = 128

func decodePick(s *State, r *reader) Move {
	m := PickTensor{Tensor: r.u8(), Index: r.u64()}
	if m.Index == Descend {
		m.Root, m.RootPath, m.Descriptor = r.hash(), r.path(uint32(s.Count)), r.descriptor()
		m.GraphPath = r.graphPath(s, m.Tensor)
	}
	return m
}

func decodeElement(s *State, r *reader) Move {
	m := PickElement{Element: r.u16()}
	if s.Phase == OutputsPick {
		j := r.job()
		m.Job = &j
	}
	return m
}

func (r *reader) graphPath(s *State, tensor uint8) []Hash {
	at := descriptorsPerStage*uint64(s.Stage) + uint64(tensor)
	return r.siblings(at, at+1, s.graphDepth())
}

// decodeAnswer evaluates the operation on the posted data, since which reads follow depends on it.
func decodeAnswer(s *State, r *reader) Move {
	if s.isCluster(r.b) {
		return decodeCluster(s, r)
	}
	m := AnswerMove{Job: r.job(), Descriptor: r.descriptor(), GraphPath: r.graphPath(s, s.Tensor)}
	d, err := s.verifyDescriptor(s.Tensor, m.Descriptor[:], m.GraphPath)
	if r.bad || err != nil || m.Job.Hash() != s.JobHash {
		r.bad = true // and nothing was evaluated that the graph does not hold
		return m
	}
	c := s.context(&m.Job)
	m.Outside = s.Index >= d.Count(&c)
	if s.Class == manifest.Confidential {
		p := ProofMove{Job: m.Job, Descriptor: m.Descriptor, GraphPath: m.GraphPath, Outside: m.Outside}
		if m.Outside {
			return p
		}
		return decodeProof(s, r, p, &d)
	}
	if m.Outside {
		return m
	}
	m.Lists = r.lists(&m.Job)
	if m.Job.Sampler.Remembers(m.Lists) {
		m.Memory = r.memory()
	}
	c = m.context(s)
	m.Descended = s.Flags&FlagDescended != 0
	if !m.Descended {
		m.Root, m.RootPath = r.hash(), r.path(uint32(s.Count))
		m.Leaf = r.take(uint64(d.Leaf))
		leaf := s.Index * uint64(d.Type.Size()) / uint64(d.Leaf)
		m.Siblings = r.siblings(leaf, leaf+1, merkle.Depth(merkle.Leaves(d.Bytes(&c), int(d.Leaf))))
	} else {
		m.Leaf = r.take(uint64(d.Leaf))
	}
	m.Data = r.take(uint64(r.u32()))
	reads, _, err := readsOf(&d, &c, s.Index, m.Data)
	r.bad = r.bad || err != nil
	for _, q := range reads {
		a, b, depth := m.Job.cover(q)
		o := ReadOpening{Tensor: q.Kind == opset.Tensor}
		if o.Tensor {
			o.Root, o.RootPath = r.hash(), r.path(uint32(s.Count))
		}
		o.Siblings = r.siblings(a, b, depth)
		m.Reads = append(m.Reads, o)
	}
	return m
}

// readsOf evaluates element i on data, the leaves of every read in order, and lists the reads. It
// fails unless data is exactly what the reads cover.
func readsOf(d *opset.Descriptor, c *opset.Context, i uint64, data []byte) ([]opset.Read, int64, error) {
	var reads []opset.Read
	v, err := opset.Element(d, c, i, func(q opset.Read) ([]byte, error) {
		if q.Leaf <= 0 || q.Lo >= q.Hi || q.Hi > q.Total {
			return nil, fmt.Errorf("%w: read [%d,%d) of %d bytes", ErrRead, q.Lo, q.Hi, q.Total)
		}
		a, b := q.Leaves()
		if b-a > uint64(len(data))/uint64(q.Leaf) {
			return nil, fmt.Errorf("%w: data ends before read %d", ErrBadPayload, len(reads))
		}
		n := (b - a) * uint64(q.Leaf)
		leaves := data[:n]
		data = data[n:]
		reads = append(reads, q)
		return q.Trim(leaves)
	})
	if err == nil && len(data) != 0 {
		err = fmt.Errorf("%w: %d bytes of data left over", ErrBadPayload, len(data))
	}
	return reads, v, err
}
