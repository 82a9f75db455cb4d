package sampling

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/opset"
)

// Proof is what a reveal of "true" opens. SPEC 11 §4.4.
type Proof struct {
	Signature claim.Signature // of the attestation
	Y         uint32          // of the last state, as are F to Prev
	F         uint8
	KV        Hash
	Aux       Hash
	Prev      Hash
	States    []merkle.Hash // siblings of the last state
	Row       trace.RowOpening
}

// Prove opens what the opening round drew, from the last step of the own computation. The error
// matches trace.ErrTrace.
func Prove(sig claim.Signature, a *trace.Answer, x *trace.Salted, leaf uint64) (*Proof, error) {
	last := a.States[len(a.States)-1]
	tree := a.StateTree()
	n := uint64(len(a.Hashes) - 1)
	row, err := x.Open(leaf)
	if err != nil {
		return nil, err
	}
	return &Proof{Signature: sig, Y: last.Y, F: last.F, KV: Hash(last.KV), Aux: Hash(last.Aux), Prev: Hash(last.Prev),
		States: tree.Siblings(0, n-1, n), Row: row}, nil
}

// stateBytes is the length of the last state in a proof: all that the number of states does not say.
const stateBytes = trace.StateSize - 5

// sizes are the numbers of siblings that a proof about a claim has.
func sizes(h *manifest.Header, states uint64) (ofStates, ofRows int) {
	return siblingsOfLast(states), h.KVDepth()
}

// siblingsOfLast is the depth of the tree over the states: an opened single leaf has one sibling a level.
func siblingsOfLast(states uint64) int { return merkle.Depth(states) }

// shown is how many bytes an opening of a leaf of rows shows: the leaf, or its hash. SPEC 11 §4.2.
func shown(h *manifest.Header) int {
	if h.Class == manifest.Public {
		return opset.KVLeafBytes
	}
	return len(Hash{})
}

// Encode is the bytes of the proof.
func (p *Proof) Encode() []byte {
	b := append([]byte(nil), p.Signature[:]...)
	b = binary.BigEndian.AppendUint32(b, p.Y)
	b = append(b, p.F)
	b = append(b, p.KV[:]...)
	b = append(b, p.Aux[:]...)
	b = append(b, p.Prev[:]...)
	b = appendHashes(b, p.States)
	if p.Row.Leaf == nil {
		b = append(b, 0)
	} else {
		b = append(append(b, 1), p.Row.Leaf...)
	}
	return appendHashes(appendHashes(b, p.Row.KV), p.Row.Salted)
}

func appendHashes(b []byte, hs []merkle.Hash) []byte {
	for _, h := range hs {
		b = append(b, h[:]...)
	}
	return b
}

// DecodeProof reads the proof about a claim with that many states of a model. The error matches ErrProof.
func DecodeProof(b []byte, h *manifest.Header, states uint64) (*Proof, error) {
	ofStates, ofRows := sizes(h, states)
	fixed := len(claim.Signature{}) + stateBytes + 32*ofStates + 1 + 2*32*ofRows
	leaf := shown(h)
	if len(b) != fixed && len(b) != fixed+leaf {
		return nil, fmt.Errorf("%w: %d bytes, want %d, or %d more", ErrProof, len(b), fixed, leaf)
	}
	p := &Proof{Signature: claim.Signature(b[:65])}
	b = b[65:]
	p.Y, p.F = binary.BigEndian.Uint32(b), b[4]
	p.KV, p.Aux, p.Prev = Hash(b[5:37]), Hash(b[37:69]), Hash(b[69:101])
	b = takeHashes(b[stateBytes:], ofStates, &p.States)
	present, rest := b[0], b[1:]
	if present > 1 || (len(rest) != 64*ofRows) != (present == 1) {
		return nil, fmt.Errorf("%w: a leaf marked %d before %d bytes", ErrProof, present, len(rest))
	}
	if present == 1 {
		p.Row.Leaf, rest = append([]byte(nil), rest[:leaf]...), rest[leaf:]
	}
	takeHashes(takeHashes(rest, ofRows, &p.Row.KV), ofRows, &p.Row.Salted)
	return p, nil
}

func takeHashes(b []byte, n int, out *[]merkle.Hash) []byte {
	for range n {
		*out = append(*out, merkle.Hash(b[:32]))
		b = b[32:]
	}
	return b
}

// Check holds a proof to a claim of that many states and to a salted root; the signature is the
// arena's affair. The error matches ErrProof.
func (p *Proof) Check(c *claim.Claim, h *manifest.Header, states uint64, salt trace.Salt, root Hash, leaf uint64) error {
	last := trace.State{Step: uint32(states), Y: p.Y, F: p.F, KV: merkle.Hash(p.KV), Aux: merkle.Hash(p.Aux), Prev: merkle.Hash(p.Prev)}
	if err := opens(merkle.Hash(c.StateRoot), last.Hash(), states-1, merkle.Depth(states), p.States); err != nil {
		return fmt.Errorf("%w: the last state: %w", ErrProof, err)
	}
	var plain, salted merkle.Hash
	switch {
	case p.Row.Leaf == nil:
	case len(p.Row.Leaf) != shown(h):
		return fmt.Errorf("%w: a leaf of %d bytes, want %d", ErrProof, len(p.Row.Leaf), shown(h))
	case h.Class == manifest.Public:
		plain, salted = sha256.Sum256(append([]byte{0}, p.Row.Leaf...)), salt.Leaf(p.Row.Leaf)
	default:
		plain, salted = merkle.Hash(p.Row.Leaf), salt.Leaf(p.Row.Leaf)
	}
	if err := opens(merkle.Hash(p.KV), plain, leaf, h.KVDepth(), p.Row.KV); err != nil {
		return fmt.Errorf("%w: the rows: %w", ErrProof, err)
	}
	if err := opens(merkle.Hash(root), salted, leaf, h.KVDepth(), p.Row.Salted); err != nil {
		return fmt.Errorf("%w: the salted rows: %w", ErrProof, err)
	}
	return nil
}

func opens(root, leaf merkle.Hash, index uint64, depth int, siblings []merkle.Hash) error {
	return merkle.VerifyNodes(root, depth, index, []merkle.Hash{leaf}, siblings)
}
