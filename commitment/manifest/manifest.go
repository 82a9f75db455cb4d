package manifest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"elenchus/commitment/merkle"
	"elenchus/compute/graph"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Manifest is a model with its identity: every descriptor carries the roots of its model tensors.
type Manifest struct {
	Header
	Model *model.Model
	// Backing is where the weights lie if that is not the memory of this program; else nil.
	Backing Backing
	tree    *merkle.Tree // over descriptors
	secret  *Secret      // of a private model
}

// Backing is a place from which weights are read as they are used, such as a mapped file.
type Backing interface {
	// Release gives back the memory that weights take which were read; they are read again.
	Release()
}

// Bind checks that the model is one that honest nodes can defend, then computes roots, graph tree
// and header. The model is owned by the manifest from then on. Errors match ErrModel or those of
// package graph.
func Bind(m *model.Model) (*Manifest, error) { return BindAs(m, Public) }

// BindAs is Bind of a model of a class; BindPrivate is that of private ones. Only token models can be
// confidential, and only those whose leaves are whole blocks of 64 bytes, as circuits take them.
func BindAs(m *model.Model, class Class) (*Manifest, error) {
	if class == Private {
		return nil, fmt.Errorf("%w: a private model is bound with its secret", ErrSecret)
	}
	return bind(m, class, nil)
}

func bind(m *model.Model, class Class, secret *Secret) (*Manifest, error) {
	if err := validate(m); err != nil {
		return nil, err
	}
	if class != Public {
		if err := provable(m); err != nil {
			return nil, err
		}
	}
	number, _ := operands(m)
	hash, roots := operandHasher(class, secret), map[*tensor.Tensor]merkle.Hash{}
	for s := range m.Stages {
		ops := m.Stages[s].Ops
		for i := range ops {
			o := &ops[i]
			o.RootA, o.RootB = merkle.Hash{}, merkle.Hash{}
			if o.A != nil {
				o.RootA = rootOf(hash(number[o.A]), roots, o.A)
			}
			if o.B != nil {
				o.RootB = rootOf(hash(number[o.B]), roots, o.B)
			}
		}
	}
	man := &Manifest{Model: m, secret: secret}
	man.Header = Header{Kind: uint16(m.Kind), Class: class, Layers: uint16(m.Layers), Template: digest(m.Template), Stop: StopDigest(m.EndIDs)}
	if m.Kind == model.KindToken {
		man.Vocab, man.TMax = uint32(m.Vocab), uint32(m.TMax)
		man.DPos = uint8(merkle.Depth(uint64(m.TMax)))
		man.DLayer = uint8(merkle.Depth(uint64(m.Layers)))
		man.DRow = uint8(merkle.Depth(merkle.Leaves(uint64(2*m.DKV), opset.KVLeafBytes)))
	}
	if m.Kind == model.KindToken || len(m.Tokenizer) > 0 {
		man.Tokenizer = digest(m.Tokenizer)
	}
	man.tree = graphTree(m, man.GraphDepth())
	man.Graph = man.tree.Root()
	if err := man.check(); err != nil {
		return nil, err
	}
	return man, nil
}

// provable says whether every leaf of a model is made of blocks of 64 bytes.
func provable(m *model.Model) error {
	for s := range m.Stages {
		for i := range m.Stages[s].Ops {
			o := &m.Stages[s].Ops[i]
			for _, t := range []*tensor.Tensor{o.A, o.B} {
				if t != nil && leafOf(t)%opset.LeafBytes != 0 {
					return fmt.Errorf("%w: stage %d tensor %d: leaves of %d bytes; confidential and private models have multiples of %d", ErrModel, s, i, leafOf(t), opset.LeafBytes)
				}
			}
			if o.Leaf%opset.LeafBytes != 0 {
				return fmt.Errorf("%w: stage %d tensor %d: leaves of %d bytes; confidential and private models have multiples of %d", ErrModel, s, i, o.Leaf, opset.LeafBytes)
			}
		}
	}
	return nil
}

// validate holds the model against the numbered invariants of package graph, model tensors included.
func validate(m *model.Model) error {
	p := &graph.Program{Token: m.Kind == model.KindToken, Vocab: uint32(m.Vocab), TMax: uint32(m.TMax), Layers: m.Layers, DKV: m.DKV}
	for s := range m.Stages {
		ds := make([]opset.Descriptor, len(m.Stages[s].Ops))
		for i := range ds {
			ds[i] = m.Stages[s].Ops[i].Descriptor
		}
		p.Stages = append(p.Stages, ds)
	}
	if err := graph.Validate(p); err != nil {
		return err
	}
	for s := range m.Stages {
		for i := range m.Stages[s].Ops {
			if err := checkOperands(&m.Stages[s].Ops[i]); err != nil {
				return fmt.Errorf("stage %d tensor %d: %w", s, i, err)
			}
		}
	}
	return nil
}

// checkOperands wants exactly the model tensors that the descriptor names.
func checkOperands(o *machine.Op) error {
	for _, c := range [...]struct {
		kind uint8
		x    *tensor.Tensor
	}{{opset.RootA, o.A}, {opset.RootB, o.B}} {
		kind, x := c.kind, c.x
		used := slices.ContainsFunc(o.Src[:], func(s opset.Source) bool { return s.Kind == kind })
		if !used && x == nil {
			continue
		}
		if err := graph.CheckOperand(&o.Descriptor, kind, x); err != nil {
			return err
		}
	}
	return nil
}

// leafOf is the leaf size of a model tensor: its chunk for weights, else 64.
func leafOf(t *tensor.Tensor) int {
	if t.Type == tensor.I8 {
		return t.Shape[2]
	}
	return opset.LeafBytes
}

func rootOf(hash merkle.Hasher, known map[*tensor.Tensor]merkle.Hash, t *tensor.Tensor) merkle.Hash {
	h, ok := known[t]
	if !ok {
		h = hashes(hash, t, leafOf(t))
		known[t] = h
	}
	return h
}

// hashes is the root over all of a tensor, whose bytes are never in memory as a whole: a model may
// take most of it.
func hashes(hash merkle.Hasher, t *tensor.Tensor, leaf int) merkle.Hash {
	step := min(t.Len(), leaf*(1<<8)) // elements of 1 to 8 bytes: whole leaves
	leaves := make([]merkle.Hash, 0, merkle.Leaves(uint64(t.Len())*uint64(t.Type.Size()), leaf))
	b := make([]byte, 0, step*t.Type.Size())
	for i := 0; i < t.Len(); i += step {
		b = t.Append(b[:0], i, min(i+step, t.Len()))
		leaves = append(leaves, hash.Leaves(leaf, b)...)
	}
	return merkle.RootOf(leaves, merkle.Depth(uint64(len(leaves))))
}

// Intact reads all weights and says, matching ErrModel, which tensor does not hash to its root any more.
func (m *Manifest) Intact() error {
	number, _ := operands(m.Model)
	hash, roots := operandHasher(m.Class, m.secret), map[*tensor.Tensor]merkle.Hash{}
	for s := range m.Model.Stages {
		for i := range m.Model.Stages[s].Ops {
			o := &m.Model.Stages[s].Ops[i]
			for _, c := range [...]struct {
				x    *tensor.Tensor
				root merkle.Hash
			}{{o.A, o.RootA}, {o.B, o.RootB}} {
				if c.x != nil && rootOf(hash(number[c.x]), roots, c.x) != c.root {
					return fmt.Errorf("%w: stage %d tensor %d: the weights do not hash to their root any more", ErrModel, s, i)
				}
			}
		}
	}
	return nil
}

func digest(b []byte) [32]byte { return sha256.Sum256(b) }

// StopDigest commits to the model's end ids, ascending. SPEC 06 §1.1.
func StopDigest(ids []int32) [32]byte {
	var b []byte
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	return digest(b)
}

// graphTree is the tree over descriptors, 128 leaves a stage. SPEC 06 §1.3.
func graphTree(m *model.Model, depth int) *merkle.Tree {
	leaves := make([]merkle.Hash, len(m.Stages)*StageTensors)
	for s := range m.Stages {
		for i := range m.Stages[s].Ops {
			d := m.Stages[s].Ops[i].Encode()
			leaves[s*StageTensors+i] = merkle.Leaf(d[:])
		}
	}
	return merkle.NewTree(leaves, depth, 0)
}

// Descriptor is the descriptor of a tensor of a stage with its opening in the graph tree.
func (m *Manifest) Descriptor(stage, index int) (d opset.Descriptor, siblings []merkle.Hash, err error) {
	if stage < 0 || stage >= len(m.Model.Stages) || index < 0 || index >= len(m.Model.Stages[stage].Ops) {
		return d, nil, fmt.Errorf("stage %d has no tensor %d", stage, index)
	}
	at := uint64(stage*StageTensors + index)
	return m.Model.Stages[stage].Ops[index].Descriptor, m.tree.Siblings(0, at, at+1), nil
}

// With is the same identity over model tensors replaced by change, which returns its argument where
// it changes nothing: a model that is not what its header says. It serves experiments and tests
// of what a dispute finds.
func (m *Manifest) With(change func(*tensor.Tensor) *tensor.Tensor) *Manifest {
	known := map[*tensor.Tensor]*tensor.Tensor{nil: nil}
	of := func(t *tensor.Tensor) *tensor.Tensor {
		if _, ok := known[t]; !ok {
			known[t] = change(t)
		}
		return known[t]
	}
	mod := *m.Model
	mod.Stages = make([]machine.Stage, len(m.Model.Stages))
	for s := range mod.Stages {
		mod.Stages[s] = machine.Stage{Layer: m.Model.Stages[s].Layer, Ops: append([]machine.Op(nil), m.Model.Stages[s].Ops...)}
		for i := range mod.Stages[s].Ops {
			o := &mod.Stages[s].Ops[i]
			o.A, o.B = of(o.A), of(o.B)
		}
	}
	return &Manifest{Header: m.Header, Model: &mod, Backing: m.Backing, tree: m.tree, secret: m.secret}
}
