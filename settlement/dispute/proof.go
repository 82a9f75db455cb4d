package dispute

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/poseidon"
	"elenchus/compute/opset"
)

// proofMark and the digit of a proof system begin what a proof needs in the payload of an answer, so
// that an answer that shows leaves of a confidential model is refused by its name. SPEC 08 §7.12.
const proofMark = 0x7a6b2f00 // "zk/"

// Bounds of an answer by proof, as the contract has them.
const (
	maxProofData = 6144
	maxPlaces    = 3
)

// ProofRead opens the leaves of one read by their hashes, or by their bytes where they are ids of the
// request.
type ProofRead struct {
	Tensor   bool // the read is of a tensor of the stage: root and path are there
	Root     Hash
	RootPath []Hash
	Hashes   []Hash
	Shown    []byte // in place of Hashes
	Siblings []Hash
}

// ProofMove answers about a confidential model: it opens hashes of leaves and proves what their
// elements give. SPEC 08 §7.11.
type ProofMove struct {
	Job        Job
	Lists      claim.Lists
	Memory     Memory
	Descriptor [opset.DescriptorSize]byte
	GraphPath  []Hash
	Outside    bool  // the index is not below the element count: nothing follows
	Native     bool  // what follows is no proof
	System     uint8 // 1 to 9: the proof system, by its number in the registry
	Prover     claim.Address
	Equal      bool // the claimed element is the value
	Descended  bool // the target's leaf is in hand: no root, path, leaf and siblings
	Root       Hash
	RootPath   []Hash
	Leaf       Hash
	Siblings   []Hash
	DataSize   uint32  // bytes of all leaves that are read
	Places     []Place // what the first reads name, in their order
	Reads      []ProofRead
	Proof      []byte
	// Secret is what the proof is made from. It is no part of the payload.
	Secret *Secret
}

// Place is what a read names, where its operation follows it. SPEC 10 §1.3.
type Place struct {
	Position uint16 // where in the data the read begins
	Value    uint64
}

// Secret are the leaves behind the hashes of a ProofMove: what its prover knows.
type Secret struct {
	Target []byte   // the leaf of the claimed tensor that holds the element
	Leaves [][]byte // of every read
}

// Proven is what a proof must show: hashes are those of the target's leaf and of the leaves of every
// read, in order.
type Proven struct {
	Slot       Hash           // of the game before the move
	Cluster    *opset.Cluster // of an answer about a whole tensor; nil: Descriptor and Reads are of one element
	Descriptor opset.Descriptor
	Context    opset.Context
	Index      uint64 // of the element; of the tensor
	Reads      []opset.Read
	Places     []uint64
	System     uint8
	Prover     claim.Address
	Equal      bool
	Hashes     []Hash
	Proof      []byte
}

// Prover finishes an answer that Next made in s: with a proof where it is a ProofMove, else as it is.
// It may take seconds; it does not keep s.
type Prover func(s State, m Move) (Move, error)

// Proofs decides on proofs: the twin of ProofVerifier.
type Proofs func(p *Proven) error

// Kind is that of an answer: the state says which form it has.
func (ProofMove) Kind() Kind { return KindAnswer }

// Encode is SPEC 08 §7.11.
func (m ProofMove) Encode() []byte {
	w := new(writer).bytes(m.Job.Encode()).bytes(m.Descriptor[:]).hashes(m.GraphPath)
	if m.Outside {
		return w.b
	}
	w.u32(proofMark|uint32('0'+m.System)).bytes(m.Prover[:]).u8(bit(m.Equal)).lists(&m.Job, m.Lists)
	if m.Job.Sampler.Remembers(m.Lists) {
		w.bytes(m.Memory.Encode())
	}
	if !m.Descended {
		w.hash(m.Root).hashes(m.RootPath).hash(m.Leaf).hashes(m.Siblings)
	}
	w.u32(m.DataSize).u8(uint8(len(m.Places)))
	for _, v := range m.Places {
		w.u16(v.Position).u64(v.Value)
	}
	for _, r := range m.Reads {
		if r.Tensor {
			w.hash(r.Root).hashes(r.RootPath)
		}
		w.hashes(r.Hashes).bytes(r.Shown).hashes(r.Siblings)
	}
	return w.u16(uint16(len(m.Proof))).bytes(m.Proof).b
}

func bit(v bool) uint8 {
	if v {
		return 1
	}
	return 0
}

// shown says whether a read is of ids of the request, which an answer by proof shows.
func shown(q opset.Read) bool { return q.Kind >= opset.Prompt }

// decodeProof reads an answer about a confidential model.
func decodeProof(s *State, r *reader, m ProofMove, d *opset.Descriptor) Move {
	mark := r.u32()
	if mark&^0xff != proofMark || mark&0xff <= '0' || mark&0xff > '9' {
		m.Native, r.b = true, nil
		return m
	}
	m.System = uint8(mark&0xff) - '0'
	m.Prover = r.address()
	equal := r.u8()
	r.bad, m.Equal = r.bad || equal > 1, equal == 1
	m.Lists = r.lists(&m.Job)
	if m.Job.Sampler.Remembers(m.Lists) {
		m.Memory = r.memory()
	}
	c := m.context(s)
	if m.Descended = s.Flags&FlagDescended != 0; !m.Descended {
		m.Root, m.RootPath, m.Leaf = r.hash(), r.path(uint32(s.Count)), r.hash()
		leaf := s.Index * uint64(d.Type.Size()) / uint64(d.Leaf)
		m.Siblings = r.siblings(leaf, leaf+1, merkle.Depth(merkle.Leaves(d.Bytes(&c), int(d.Leaf))))
	}
	m.DataSize = r.u32()
	n := r.u8()
	r.bad = r.bad || n > maxPlaces
	for range min(n, maxPlaces) {
		m.Places = append(m.Places, Place{r.u16(), r.u64()})
	}
	reads, err := m.reads(d, &c, s.Index)
	r.bad = r.bad || err != nil
	for _, q := range reads {
		m.Reads = append(m.Reads, r.proofRead(s, &m.Job, q))
	}
	m.Proof = r.take(uint64(r.u16()))
	return m
}

func (r *reader) proofRead(s *State, j *Job, q opset.Read) ProofRead {
	a, b, depth := j.cover(q)
	o := ProofRead{Tensor: q.Kind == opset.Tensor}
	if o.Tensor {
		o.Root, o.RootPath = r.hash(), r.path(uint32(s.Count))
	}
	if shown(q) {
		o.Shown = r.take((b - a) * uint64(q.Leaf))
	} else {
		o.Hashes = r.hashes(b - a)
	}
	o.Siblings = r.siblings(a, b, depth)
	return o
}

// answering is the form of an answer that shows leaves, for what both have in common.
func (m *ProofMove) answering() *AnswerMove {
	return &AnswerMove{Job: m.Job, Lists: m.Lists, Memory: m.Memory}
}

// values are the places without their positions.
func (m *ProofMove) values() []uint64 {
	var out []uint64
	for _, p := range m.Places {
		out = append(out, p.Value)
	}
	return out
}

func (m *ProofMove) context(s *State) opset.Context { return m.answering().context(s) }

// reads are those of the element on data that are zero but for the places: what an operation reads
// depends on nothing else. SPEC 10 §1.3.
func (m *ProofMove) reads(d *opset.Descriptor, c *opset.Context, i uint64) ([]opset.Read, error) {
	var reads []opset.Read
	size := uint64(0)
	_, err := opset.Element(d, c, i, func(q opset.Read) ([]byte, error) {
		if q.Leaf <= 0 || q.Lo >= q.Hi || q.Hi > q.Total || q.Hi-q.Lo > maxProofData {
			return nil, fmt.Errorf("%w: read [%d,%d) of %d bytes", ErrRead, q.Lo, q.Hi, q.Total)
		}
		data := make([]byte, q.Hi-q.Lo)
		if k := len(reads); k < len(m.Places) {
			if err := m.Places[k].put(data, size, q); err != nil {
				return nil, err
			}
		}
		a, b := q.Leaves()
		size += (b - a) * uint64(q.Leaf)
		reads = append(reads, q)
		return data, nil
	})
	switch {
	case err != nil:
		return nil, err
	case size != uint64(m.DataSize) || size > maxProofData:
		return nil, fmt.Errorf("%w: %d bytes of data, the reads cover %d", ErrBadPayload, m.DataSize, size)
	case len(m.Places) > len(reads):
		return nil, fmt.Errorf("%w: %d places for %d reads", ErrBadPayload, len(m.Places), len(reads))
	}
	return reads, nil
}

// put writes the place as the first bytes of a read whose leaves begin at byte before of the data.
func (p Place) put(data []byte, before uint64, q opset.Read) error {
	if uint64(p.Position) != before+q.Lo%uint64(q.Leaf) || p.Value>>32 != 0 && len(data) < 8 {
		return fmt.Errorf("%w: no place %d fits at byte %d of the data", ErrBadPayload, p.Value, p.Position)
	}
	copy(data, binary.LittleEndian.AppendUint64(nil, p.Value))
	return nil
}

// applyProof is the twin of ProofRules.
func applyProof(s *State, m ProofMove, env Env, effect *Effect) error {
	if m.Job.Hash() != s.JobHash {
		return fmt.Errorf("%w: it hashes to %x, want %x", ErrBadJob, m.Job.Hash(), s.JobHash)
	}
	d, err := s.verifyDescriptor(s.Tensor, m.Descriptor[:], m.GraphPath)
	if err != nil {
		return err
	}
	c := m.context(s)
	if s.Index >= d.Count(&c) {
		s.Phase = Lost
		return nil
	}
	if m.Native {
		return fmt.Errorf("%w: an answer about this model is a proof and shows no leaf", ErrConfidential)
	}
	if err := m.answering().checkMemory(s); err != nil {
		return err
	}
	p := &Proven{Slot: s.Slot(), Descriptor: d, Context: c, Index: s.Index, Places: m.values(), System: m.System, Prover: m.Prover, Equal: m.Equal, Proof: m.Proof}
	if err := m.openTarget(s, p); err != nil {
		return err
	}
	if p.Reads, err = m.reads(&d, &c, s.Index); err != nil {
		return err
	}
	if err := m.openReads(s, p); err != nil {
		return err
	}
	if env.Proofs == nil {
		return fmt.Errorf("%w: nothing here decides on proofs", ErrProof)
	}
	if err := env.Proofs(p); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	s.proven(&d, &c, m.Equal)
	if !m.Equal {
		effect.Convicts, effect.Op, effect.Tensor, effect.Element = true, uint8(d.Op), s.Tensor, s.Index
	}
	return nil
}

// proven is what a proof leads to: a true element of a withheld leaf to those behind it. SPEC 08 §4.11.
func (s *State) proven(d *opset.Descriptor, c *opset.Context, equal bool) {
	perLeaf := uint64(d.Leaf) / uint64(d.Type.Size())
	next := s.Index + 1
	switch {
	case !equal:
		s.Phase = Refuted
	case s.Flags&FlagDescended == 0 || next%perLeaf == 0 || next >= d.Count(c):
		s.Phase = Lost
	default:
		s.Phase, s.Level, s.Index = Element, uint8(next%perLeaf), s.Index/perLeaf
		s.Flags &^= FlagDescended
	}
}

// openTarget opens the hash of the leaf that holds the element.
func (m *ProofMove) openTarget(s *State, p *Proven) error {
	if s.Flags&FlagDescended != 0 {
		p.Hashes = append(p.Hashes, s.Subtree)
		return nil
	}
	if err := inTree(s.Tensors, uint32(s.Count), uint32(s.Tensor), m.Root, m.RootPath); err != nil {
		return err
	}
	d := &p.Descriptor
	depth := merkle.Depth(merkle.Leaves(d.Bytes(&p.Context), int(d.Leaf)))
	p.Hashes = append(p.Hashes, m.Leaf)
	return opens(m.Root, depth, s.Index*uint64(d.Type.Size())/uint64(d.Leaf), m.Leaf, m.Siblings)
}

// openReads opens the leaves of every read against the root that its kind names.
func (m *ProofMove) openReads(s *State, p *Proven) error {
	if len(p.Reads) != len(m.Reads) {
		return fmt.Errorf("%w: %d reads opened, want %d", ErrBadPayload, len(m.Reads), len(p.Reads))
	}
	for i, q := range p.Reads {
		o := &m.Reads[i]
		root, err := rootOf(s, m.answering(), &p.Descriptor, q, &ReadOpening{Root: o.Root, RootPath: o.RootPath})
		if err != nil {
			return err
		}
		a, b, depth := m.Job.cover(q)
		nodes, named := o.Hashes, o.Hashes
		if shown(q) {
			if q.Leaf != opset.LeafBytes || uint64(len(o.Shown)) != (b-a)*opset.LeafBytes {
				return fmt.Errorf("%w: ids in %d bytes, leaves of %d", ErrRead, len(o.Shown), q.Leaf)
			}
			nodes = merkle.LeafHashes(q.Leaf, o.Shown)
			named = merkle.Hasher(poseidon.Leaf).Leaves(q.Leaf, o.Shown)
		}
		if uint64(len(nodes)) != b-a {
			return fmt.Errorf("%w: %d leaves opened, want %d", ErrBadPayload, len(nodes), b-a)
		}
		p.Hashes = append(p.Hashes, named...)
		if err := merkle.VerifyNodes(root, depth, a, append([]Hash(nil), nodes...), o.Siblings); err != nil {
			return fmt.Errorf("%w: read %d: %w", ErrOpening, i, err)
		}
	}
	return nil
}

// hasher is that of leaves of the model of the game.
func (s *State) hasher() merkle.Hasher { return s.Class.Hasher() }

// bottom is where the children of a withheld tensor end: with its bytes, or for a confidential model
// without.
func (s *State) bottom() Phase {
	if s.Class == manifest.Confidential {
		return Element
	}
	return Raw
}
