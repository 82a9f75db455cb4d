package dispute

import (
	"errors"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
)

// ClusterCode stands in the place of an operation where an answer is about a whole tensor: in its payload, its
// binding and the event of a conviction, whose element is then WholeTensor. SPEC 10 §4.7.
const ClusterCode uint8 = 255

// WholeTensor is the element of a conviction that is about all of them.
const WholeTensor = ^uint64(0)

// ClusterOperator opens one operator of a cluster.
type ClusterOperator struct {
	Tensor      uint8
	Descriptor  [opset.DescriptorSize]byte
	GraphPath   []Hash
	First, Last uint16 // bytes of the leaves that its first and its last element read
}

// ClusterInput opens the leaves of one input of a cluster.
type ClusterInput struct {
	Tensor   bool // of the stage: root and path are there
	Root     Hash
	RootPath []Hash
	Hashes   []Hash
	Siblings []Hash
}

// ClusterMove answers about a whole tensor of a confidential model: the leaves that operators give for committed
// ones, with a proof. SPEC 08 §7.15.
type ClusterMove struct {
	Job       Job
	System    uint8 // the proof system, by its number in the registry
	Prover    claim.Address
	Operators []ClusterOperator
	Root      Hash // of the target as it was posted
	RootPath  []Hash
	Leaves    []Hash // of the target as the operators give it
	Inputs    []ClusterInput
	Proof     []byte
	// Secret are the leaves of the inputs: what the proof is made from. They are no part of the payload.
	Secret [][]byte
}

// Kind is that of an answer.
func (ClusterMove) Kind() Kind { return KindAnswer }

// Encode is SPEC 08 §7.15.
func (m ClusterMove) Encode() []byte {
	w := new(writer).bytes(m.Job.Encode()).u8(ClusterCode).u8(m.System).bytes(m.Prover[:]).u8(uint8(len(m.Operators)))
	for _, o := range m.Operators {
		w.u8(o.Tensor).bytes(o.Descriptor[:]).hashes(o.GraphPath).u16(o.First).u16(o.Last)
	}
	w.hash(m.Root).hashes(m.RootPath).hashes(m.Leaves)
	for _, o := range m.Inputs {
		if o.Tensor {
			w.hash(o.Root).hashes(o.RootPath)
		}
		w.hashes(o.Hashes).hashes(o.Siblings)
	}
	return w.u16(uint16(len(m.Proof))).bytes(m.Proof).b
}

// settles says whether answers about whole tensors are moves in s.
func (s *State) settles() bool {
	return s.Class == manifest.Confidential && s.Phase >= Pick && s.Phase <= Answer
}

// isCluster says whether the payload of an answer in s is about a whole tensor.
func (s *State) isCluster(payload []byte) bool {
	return s.Class == manifest.Confidential && len(payload) > JobSize && payload[JobSize] == ClusterCode
}

// decodeCluster reads an answer about a whole tensor. Nothing is evaluated that the graph does not hold.
func decodeCluster(s *State, r *reader) Move {
	m := ClusterMove{Job: r.job()}
	_ = r.u8() // ClusterCode
	m.System, m.Prover = r.u8(), r.address()
	n := r.u8()
	switch {
	case r.bad:
		return m
	case m.Job.Hash() != s.JobHash:
		r.bad, r.why = true, fmt.Errorf("%w: it hashes to %x, want %x", ErrBadJob, m.Job.Hash(), s.JobHash)
		return m
	case n > opset.ClusterOperators:
		r.bad, r.why = true, fmt.Errorf("%w: %d operators, at most %d can be", ErrCluster, n, opset.ClusterOperators)
		return m
	}
	for range n {
		o := ClusterOperator{Tensor: r.u8(), Descriptor: r.descriptor()}
		o.GraphPath = r.graphPath(s, o.Tensor)
		o.First, o.Last = r.u16(), r.u16()
		m.Operators = append(m.Operators, o)
	}
	if r.bad {
		return m
	}
	x, err := m.cluster(s)
	if err != nil {
		r.bad, r.why = true, err
		return m
	}
	m.Root, m.RootPath, m.Leaves = r.hash(), r.path(uint32(s.Count)), r.hashes(x.TargetLeaves())
	for i := range x.Inputs {
		in := &x.Inputs[i]
		o := ClusterInput{Tensor: in.Source.Kind == opset.Tensor}
		if o.Tensor {
			o.Root, o.RootPath = r.hash(), r.path(uint32(s.Count))
		}
		o.Hashes = r.hashes(in.To - in.From)
		o.Siblings = r.siblings(in.From, in.To, merkle.Depth(merkle.Leaves(in.Total, in.Leaf)))
		m.Inputs = append(m.Inputs, o)
	}
	m.Proof = r.take(uint64(r.u16()))
	return m
}

// cluster opens the operators and finds what they read.
func (m *ClusterMove) cluster(s *State) (*opset.Cluster, error) {
	var operators []opset.Operator
	for i := range m.Operators {
		o := &m.Operators[i]
		if o.Tensor == 0 || o.Tensor >= s.Count || i > 0 && o.Tensor <= m.Operators[i-1].Tensor {
			return nil, fmt.Errorf("%w: operator %d makes tensor %d of %d", ErrRange, i, o.Tensor, s.Count)
		}
		d, err := s.verifyDescriptor(o.Tensor, o.Descriptor[:], o.GraphPath)
		if err != nil {
			return nil, err
		}
		operators = append(operators, opset.Operator{Tensor: o.Tensor, Descriptor: d})
	}
	c := s.context(&m.Job)
	x, err := opset.NewCluster(operators, &c)
	switch {
	case errors.Is(err, opset.ErrClusterRead):
		return nil, fmt.Errorf("%w: %w", ErrRead, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCluster, err)
	}
	for i, o := range m.Operators {
		if first, last := opset.Data(x.First[i]), opset.Data(x.Last[i]); uint64(o.First) != first || uint64(o.Last) != last {
			return nil, fmt.Errorf("%w: elements of operator %d read %d and %d bytes of leaves, not %d and %d", ErrBadPayload, i, first, last, o.First, o.Last)
		}
	}
	return x, nil
}

// applyCluster is the twin of ClusterRules.
func applyCluster(s *State, m ClusterMove, env Env, effect *Effect) error {
	if !s.settles() {
		return fmt.Errorf("%w: an answer about a whole tensor in phase %s", ErrPhase, s.Phase)
	}
	if m.Job.Hash() != s.JobHash {
		return fmt.Errorf("%w: it hashes to %x, want %x", ErrBadJob, m.Job.Hash(), s.JobHash)
	}
	x, err := m.cluster(s)
	if err != nil {
		return err
	}
	tensor := x.Target().Tensor
	if s.Phase != Pick && tensor != s.Tensor {
		return fmt.Errorf("%w: tensor %d is in hand, not %d", ErrRange, s.Tensor, tensor)
	}
	p := &Proven{Slot: s.Slot(), Cluster: x, Context: x.Context, Index: uint64(tensor), System: m.System, Prover: m.Prover, Equal: true, Proof: m.Proof}
	given, err := m.open(s, x, p)
	if err != nil {
		return err
	}
	if env.Proofs == nil {
		return fmt.Errorf("%w: nothing here decides on proofs", ErrProof)
	}
	if err := env.Proofs(p); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	switch {
	case given != m.Root:
		s.Phase = Refuted
		effect.Convicts, effect.Op, effect.Tensor, effect.Element = true, ClusterCode, tensor, WholeTensor
	case s.Phase == Pick:
		return fmt.Errorf("%w: tensor %d is true, and none is accused", ErrPhase, tensor)
	default:
		s.Phase = Lost
	}
	return nil
}

// open opens the leaves of all inputs and gives the root over those of the target.
func (m *ClusterMove) open(s *State, x *opset.Cluster, p *Proven) (given Hash, err error) {
	n := x.TargetLeaves()
	if uint64(len(m.Leaves)) != n || len(m.Inputs) != len(x.Inputs) {
		return given, fmt.Errorf("%w: %d leaves and %d inputs, want %d and %d", ErrBadPayload, len(m.Leaves), len(m.Inputs), n, len(x.Inputs))
	}
	if err := inTree(s.Tensors, uint32(s.Count), uint32(x.Target().Tensor), m.Root, m.RootPath); err != nil {
		return given, err
	}
	p.Hashes = append(p.Hashes, m.Leaves...)
	for i := range x.Inputs {
		in, o := &x.Inputs[i], &m.Inputs[i]
		root := o.Root
		switch in.Source.Kind {
		case opset.RootA:
			root = x.Operators[in.Operator].Descriptor.RootA
		case opset.RootB:
			root = x.Operators[in.Operator].Descriptor.RootB
		default:
			err = inTree(s.Tensors, uint32(s.Count), uint32(in.Source.Index), root, o.RootPath)
		}
		if err != nil {
			return given, err
		}
		if uint64(len(o.Hashes)) != in.To-in.From {
			return given, fmt.Errorf("%w: %d leaves opened, want %d", ErrBadPayload, len(o.Hashes), in.To-in.From)
		}
		p.Hashes = append(p.Hashes, o.Hashes...)
		depth := merkle.Depth(merkle.Leaves(in.Total, in.Leaf))
		if err := merkle.VerifyNodes(root, depth, in.From, append([]Hash(nil), o.Hashes...), o.Siblings); err != nil {
			return given, fmt.Errorf("%w: input %d: %w", ErrOpening, i, err)
		}
	}
	return m.given(), nil
}

// With is the move with its proof, of which system it is, and for whom it was made.
func (m ClusterMove) With(system uint8, prover claim.Address, proof []byte) ClusterMove {
	m.System, m.Prover, m.Proof, m.Secret = system, prover, proof, nil
	return m
}

// Cluster is what the move proves in s. It returns the errors of a move that s refuses.
func (m *ClusterMove) Cluster(s *State) (*opset.Cluster, error) { return m.cluster(s) }

// given is the root over the leaves that the operators give.
func (m *ClusterMove) given() Hash {
	return merkle.NewTree(append([]Hash(nil), m.Leaves...), merkle.Depth(uint64(len(m.Leaves))), 0).Root()
}

// outcome is the phase that the leaves lead to.
func (m *ClusterMove) outcome() Phase {
	if m.given() == m.Root {
		return Lost
	}
	return Refuted
}
