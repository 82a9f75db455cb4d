package dispute

import (
	"bytes"
	"fmt"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/opset"
)

// Where two claims on one request differ. SPEC 08 §4.9.
const (
	DifferRoots  uint8 = 0 // they have the same count and different roots
	DifferState  uint8 = 1 // a state that both have
	DifferOutput uint8 = 2 // an output id that both have
)

// Second is a claim that the node signed for the request of another one: neither is a prefix of the
// other. SPEC 08 §4.9.
type Second struct {
	Claim     claim.Claim     // version, node and request are those of the first
	Cancel    claim.Signature // of its user, if it was cancelled
	Key       claim.Address   // that signed in the node's name; zero: the node itself
	Signature claim.Signature
	Differ    uint8
	Index     uint32 // of the state or output id that differs; 0 for DifferRoots
	Mine      Opened // of the first claim; for DifferRoots both are empty
	Theirs    Opened // of this one
}

// Opened is a leaf of a claim's states (32 bytes) or outputs (64) with its siblings.
type Opened struct {
	Leaf []byte
	Path []Hash
}

// tree is the geometry of a claim's states or outputs, m and n its counts.
func (d *Second) tree(m, n uint32) (depth int, leafBytes uint64, at uint64) {
	if d.Differ == DifferState {
		states := max(uint64(m)+uint64(n), 1) - 1
		return merkle.Depth(states), uint64(len(Hash{})), uint64(d.Index)
	}
	return merkle.Depth(merkle.Leaves(4*uint64(n), opset.LeafBytes)), opset.LeafBytes, uint64(d.Index) / idsPerLeaf
}

// both says that the state or id is one that both claims have; a graph model's have none.
func (d *Second) both(m *OpenMove) bool {
	least := uint64(min(m.Claim.Count, d.Claim.Count))
	if d.Differ == DifferState {
		least = max(uint64(m.Request.PromptCount)+least, 1) - 1
	}
	return !m.graph() && d.Differ <= DifferOutput && uint64(d.Index) < least
}

func (d *Second) append(w *writer) {
	c, value := &d.Claim, d.Claim.Value.Bytes()
	w.u32(c.Count).u8(c.Finish).hash(c.StateRoot).hash(c.OutputRoot).bytes(value[:]).u64(c.Issued).u64(c.BatchBy).u64(c.ChallengeUntil)
	w.cancel(c, d.Cancel)
	w.signed(d.Key, d.Signature)
	w.u8(d.Differ).u32(d.Index).bytes(d.Mine.Leaf).hashes(d.Mine.Path).bytes(d.Theirs.Leaf).hashes(d.Theirs.Path)
}

// signed appends a signature of the node, or of a key in its name.
func (w *writer) signed(key claim.Address, s claim.Signature) {
	if key == (claim.Address{}) {
		w.u8(0).bytes(s[:])
		return
	}
	w.u8(2).bytes(key[:]).bytes(s[:])
}

// signed reads what stands behind an evidence of kind 0 or 2.
func (r *reader) signed(kind uint8) (key claim.Address, s claim.Signature) {
	if kind == 2 {
		key = r.address()
		r.bad = r.bad || key == (claim.Address{}) // the node has its own kind
	}
	copy(s[:], r.take(uint64(len(s))))
	return key, s
}

func (r *reader) second(m *OpenMove) *Second {
	d := new(Second)
	r.fields(&d.Claim)
	d.Cancel = r.cancel(&d.Claim)
	kind := r.u8()
	if kind != 0 && kind != 2 {
		r.bad = true
	}
	d.Key, d.Signature = r.signed(kind)
	d.Differ, d.Index = r.u8(), r.u32()
	if r.bad || d.Differ == DifferRoots || !d.both(m) {
		return d
	}
	open := func(c *claim.Claim) Opened {
		depth, leaf, _ := d.tree(m.Request.PromptCount, c.Count)
		return Opened{Leaf: r.take(leaf), Path: r.hashes(uint64(depth))}
	}
	d.Mine = open(&m.Claim)
	d.Theirs = open(&d.Claim)
	return d
}

// contradicts checks that the node signed both claims on one request and that they differ where
// neither ends.
func (m *OpenMove) contradicts(first claim.Claim, c Chain) error {
	d := m.Second
	if d == nil {
		return fmt.Errorf("%w: no second claim", ErrStep)
	}
	second := d.Claim
	r, _ := m.Sealed(c.Domain)
	second.Version, second.Node, second.RequestDigest = first.Version, first.Node, second.Named(c.Domain, r.Digest(c.Domain), d.Cancel)
	if err := c.signed(second.Digest(c.Domain), d.Key, d.Signature, first.Node); err != nil {
		return err
	}
	if d.Differ == DifferRoots {
		if d.Index != 0 || second.Count != first.Count || second.StateRoot == first.StateRoot && second.OutputRoot == first.OutputRoot {
			return fmt.Errorf("%w: the claims do not differ in their roots alone", ErrSame)
		}
		return nil
	}
	if !d.both(m) {
		return fmt.Errorf("%w: there is no state or id %d in both claims", ErrSame, d.Index)
	}
	if err := d.opens(m, &first, d.Mine); err != nil {
		return err
	}
	if err := d.opens(m, &second, d.Theirs); err != nil {
		return err
	}
	mine, theirs := d.Mine.Leaf, d.Theirs.Leaf
	if d.Differ == DifferOutput {
		at := 4 * (d.Index % idsPerLeaf)
		mine, theirs = mine[at:at+4], theirs[at:at+4]
	}
	if bytes.Equal(mine, theirs) {
		return fmt.Errorf("%w: %d of both is %x", ErrSame, d.Index, mine)
	}
	return nil
}

func (d *Second) opens(m *OpenMove, c *claim.Claim, o Opened) error {
	depth, size, at := d.tree(m.Request.PromptCount, c.Count)
	if uint64(len(o.Leaf)) != size {
		return fmt.Errorf("%w: a leaf of %d bytes", ErrBadPayload, len(o.Leaf))
	}
	if d.Differ == DifferState {
		return opens(c.StateRoot, depth, at, Hash(o.Leaf), o.Path)
	}
	return opens(c.OutputRoot, depth, at, merkle.Leaf(o.Leaf), o.Path)
}

// signed checks a signature of the node or of one of its keys.
func (c *Chain) signed(digest Hash, key claim.Address, s claim.Signature, node claim.Address) error {
	signer := node
	if key != (claim.Address{}) {
		if signer = key; !slices.Contains(c.Keys, key) {
			return fmt.Errorf("%w: %x is no key of %x", ErrEvidence, key, node)
		}
	}
	if err := claim.VerifySigner(digest, s, signer); err != nil {
		return fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	return nil
}

// Include shows the batch in which the claim of a demand is. SPEC 08 §4.10.
type Include struct {
	Job   Job
	Root  Hash
	Index uint16
	Path  []Hash // as long as the batch is deep
}

// Kind is KindInclude.
func (Include) Kind() Kind { return KindInclude }

// Encode is the payload of SPEC 08 §7.11.
func (m Include) Encode() []byte {
	return new(writer).bytes(m.Job.Encode()).hash(m.Root).u16(m.Index).hashes(m.Path).b
}

// decodeInclude takes the path as long as it is: how deep the batch is, the chain knows.
func decodeInclude(_ *State, r *reader) Move {
	m := Include{Job: r.job(), Root: r.hash(), Index: r.u16()}
	m.Path = r.hashes(uint64(len(r.b)) / 32)
	return m
}

func applyInclude(s *State, m Include, env Env) error {
	if m.Job.Hash() != s.JobHash {
		return fmt.Errorf("%w: %x", ErrBadJob, m.Job.Hash())
	}
	if env.BatchCount == 0 {
		return fmt.Errorf("%w: the node never posted the batch %x", ErrEvidence, m.Root)
	}
	if uint32(m.Index) >= env.BatchCount {
		return fmt.Errorf("%w: claim %d of %d", ErrRange, m.Index, env.BatchCount)
	}
	// In a demand the digest of the claim stands in place of the graph's root.
	if err := claim.VerifyLeaf(m.Root, env.BatchCount, uint32(m.Index), s.GraphRoot, m.Path); err != nil {
		return fmt.Errorf("%w: %w", ErrOpening, err)
	}
	s.Phase = Lost
	return nil
}

// Contradiction finds where the claim of m, whose output ids are mine, and another one on the same
// request contradict each other, as far as counts, roots and output ids show it: what two receipts
// hold. ok is false where one may be a prefix of the other. The trees of the ids are those of the
// claims, or the proof does not open.
func Contradiction(m *OpenMove, mine []int32, second Second, theirs []int32) (_ *Second, ok bool) {
	a, b := &m.Claim, &second.Claim
	if a.Count == b.Count {
		second.Differ, second.Index = DifferRoots, 0
		return &second, a.StateRoot != b.StateRoot || a.OutputRoot != b.OutputRoot
	}
	for i := range min(len(mine), len(theirs)) {
		if mine[i] == theirs[i] {
			continue
		}
		second.Differ, second.Index = DifferOutput, uint32(i)
		at := uint64(i) / idsPerLeaf
		open := func(ids []int32) Opened {
			b, tree := make([]byte, opset.LeafBytes), trace.IDTree(ids)
			copy(b, trace.IDBytes(ids)[at*opset.LeafBytes:])
			return Opened{Leaf: b, Path: tree.Siblings(0, at, at+1)}
		}
		second.Mine, second.Theirs = open(mine), open(theirs)
		return &second, true
	}
	return nil, false
}
