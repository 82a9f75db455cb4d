package trace

import (
	"crypto/sha256"
	"fmt"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
)

// Salt is who audits what: every leaf of a salted tree is hashed with it, so that nobody else's tree
// has a node in common. SPEC 11 §4.2.
type Salt struct {
	Auditor [20]byte
	Audit   [32]byte
}

// Leaf is the salted hash of one leaf of rows: of its 512 bytes, or, of a confidential model, of its hash.
func (s *Salt) Leaf(b []byte) merkle.Hash {
	h := sha256.New()
	h.Write([]byte{4})
	h.Write(s.Auditor[:])
	h.Write(s.Audit[:])
	h.Write(b)
	return merkle.Hash(h.Sum(nil))
}

// Salted are the rows of all positions up to a step, and their tree with every leaf salted.
type Salted struct {
	step      *Step
	positions []merkle.Hash // salted
	salt      Salt
}

// RowOpening is one leaf of KV_t with the siblings of both trees; Leaf is nil where the row has no
// such piece, and the 32 bytes of its hash where the model is confidential. SPEC 11 §4.4.
type RowOpening struct {
	Leaf   []byte
	KV     []merkle.Hash
	Salted []merkle.Hash
}

// Salted builds the salted tree over KV_t of a token model's step. SPEC 11 §4.2.
func (s *Step) Salted(salt Salt) *Salted {
	out := &Salted{step: s, salt: salt, positions: make([]merkle.Hash, s.Ctx.T+1)}
	for p := range out.positions {
		out.positions[p] = out.position(p, out.hashes(p)).Root()
	}
	return out
}

// position is the salted tree below one position; plain is hashes of it.
func (x *Salted) position(p int, plain *merkle.Tree) *merkle.Tree {
	leaves := make([]merkle.Hash, int(x.step.man.Layers)<<(1+x.step.man.DRow))
	for q := range leaves {
		if x.step.piece(q) {
			leaves[q] = x.salt.Leaf(x.shown(plain, uint64(p), uint64(q)))
		}
	}
	return merkle.NewTree(leaves, x.step.man.PositionDepth(), 0)
}

// hashes is the tree of a position where leaves are shown as their hashes, else nil.
func (x *Salted) hashes(p int) *merkle.Tree {
	if x.step.man.Class == manifest.Public {
		return nil
	}
	return x.step.positionTree(p)
}

// shown is what an opening of leaf q of a position shows; plain is hashes of that position.
func (x *Salted) shown(plain *merkle.Tree, p, q uint64) []byte {
	if plain == nil {
		return x.step.kvLeaves(p, q, q+1)
	}
	h := plain.At(0, q)
	return h[:]
}

// piece says whether the rows have piece q of a position.
func (s *Step) piece(q int) bool {
	per := 1 << s.man.DRow
	return q%per*opset.KVLeafBytes < 2*s.cache.DKV
}

// tree is the salted tree above the positions.
func (x *Salted) tree() *merkle.Tree {
	return merkle.NewTree(x.positions, int(x.step.man.DPos), x.step.man.PositionDepth())
}

// Root is what a commit is about.
func (x *Salted) Root() merkle.Hash { return x.tree().Root() }

// Open opens a leaf of KV_t in both trees. The error matches ErrTrace.
func (x *Salted) Open(index uint64) (RowOpening, error) {
	s := x.step
	depth := s.man.PositionDepth()
	p, q := index>>uint(depth), index&(1<<uint(depth)-1)
	if p >= uint64(len(x.positions)) || q >= uint64(s.man.Layers)<<(1+s.man.DRow) {
		return RowOpening{}, fmt.Errorf("%w: row piece %d at step %d", ErrTrace, index, s.Ctx.T)
	}
	plain := x.hashes(int(p))
	own := plain
	if own == nil {
		own = s.positionTree(int(p))
	}
	var o RowOpening
	if s.piece(int(q)) {
		o.Leaf = x.shown(plain, p, q)
	}
	all := merkle.NewTree(s.positions[:s.Ctx.T+1], int(s.man.DPos), depth)
	o.KV = append(own.Siblings(0, q, q+1), all.Siblings(0, p, p+1)...)
	o.Salted = append(x.position(int(p), plain).Siblings(0, q, q+1), x.tree().Siblings(0, p, p+1)...)
	return o, nil
}
