package dispute

import (
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// answered is the answer m in the form that the model of the game wants: with a proof to be made
// where that is confidential.
func answered(s *State, m AnswerMove) (Move, error) {
	if s.Class != manifest.Confidential {
		return m, nil
	}
	d, err := opset.Decode(m.Descriptor[:])
	if err != nil {
		return nil, err
	}
	p := ProofMove{Job: m.Job, Lists: m.Lists, Memory: m.Memory, Descriptor: m.Descriptor, GraphPath: m.GraphPath, Outside: m.Outside,
		Descended: m.Descended, Root: m.Root, RootPath: m.RootPath, Siblings: m.Siblings, DataSize: uint32(len(m.Data))}
	if m.Outside {
		return p, nil
	}
	c, hash := m.context(s), s.hasher()
	p.Secret, p.Leaf = &Secret{Target: m.Leaf}, hash(m.Leaf)
	if m.Descended && p.Leaf != s.Subtree {
		return nil, fmt.Errorf("%w: the leaf in hand is not the own one", ErrStuck)
	}
	reads, value, err := readsOf(&d, &c, s.Index, m.Data)
	if err != nil {
		return nil, err
	}
	data := m.Data
	for i, q := range reads {
		a, b := q.Leaves()
		leaves := data[:(b-a)*uint64(q.Leaf)]
		data = data[len(leaves):]
		p.Secret.Leaves = append(p.Secret.Leaves, leaves)
		o := ProofRead{Tensor: m.Reads[i].Tensor, Root: m.Reads[i].Root, RootPath: m.Reads[i].RootPath, Siblings: m.Reads[i].Siblings}
		if shown(q) {
			o.Shown = leaves
		} else {
			o.Hashes = hash.Leaves(q.Leaf, leaves)
		}
		p.Reads = append(p.Reads, o)
	}
	p.Equal = holds(&d, &c, s.Index, m.Leaf, value)
	return p, nil
}

// holds says whether a leaf has the value at element i, and zeros behind the tensor.
func holds(d *opset.Descriptor, c *opset.Context, i uint64, leaf []byte, value int64) bool {
	size := uint64(d.Type.Size())
	at := i * size % uint64(d.Leaf)
	if tensor.Element(d.Type, leaf[at:], 0) != value {
		return false
	}
	start := i*size - at
	for k := range leaf {
		if leaf[k] != 0 && start+uint64(k) >= d.Count(c)*size {
			return false
		}
	}
	return true
}

// With is the move with its proof, of which system it is, for whom it was made, and what the first of its reads name.
func (m ProofMove) With(system uint8, prover claim.Address, reads []opset.Read, places []uint64, proof []byte) ProofMove {
	m.System, m.Prover, m.Proof, m.Secret, m.Places = system, prover, proof, nil, nil
	at := uint64(0)
	for k, v := range places[:min(len(places), len(reads))] {
		q := reads[k]
		m.Places = append(m.Places, Place{uint16(at + q.Lo%uint64(q.Leaf)), v})
		a, b := q.Leaves()
		at += (b - a) * uint64(q.Leaf)
	}
	return m
}

// Unit is the element that the move answers about, in s.
func (m *ProofMove) Unit(s *State) (opset.Descriptor, opset.Context, uint64, error) {
	d, err := opset.Decode(m.Descriptor[:])
	return d, m.context(s), s.Index, err
}

// Outcome is the phase that an answer leads to, by one who knows that what it opens is right: Lost
// for an element that is true, Refuted for one that is not. A proof need not have been made.
func Outcome(s State, m Move) (Phase, error) {
	if w, ok := m.(ClusterMove); ok {
		return w.outcome(), nil
	}
	p, ok := m.(ProofMove)
	if !ok {
		next, _, err := Apply(s, m, Env{Now: s.Deadline})
		return next.Phase, err
	}
	if p.Outside || p.Equal {
		return Lost, nil
	}
	return Refuted, nil
}

// checkServed checks bytes that the accused served against the root that it posted.
func (s *State) checkServed(d *opset.Descriptor, c *opset.Context, root Hash, data []byte) (*merkle.Tree, bool) {
	leaf := int(d.Leaf)
	if uint64(len(data)) != merkle.Leaves(d.Bytes(c), leaf)*uint64(leaf) {
		return nil, false
	}
	tree := s.hasher().Tree(leaf, data)
	return tree, tree.Root() == root
}
