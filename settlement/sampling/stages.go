package sampling

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/opset"
)

// maxStageDepth bounds the tree of a stage's output: the contract takes no deeper one.
const maxStageDepth = 32

// StageProof is what a reveal of "true" about a graph model's claim opens. SPEC 11 §4.4.
type StageProof struct {
	Signature claim.Signature // of the attestation
	Opening   trace.StageOpening
}

// Stages is how many stages of a graph model have outputs that are not served: all but the last.
func Stages(h *manifest.Header) uint64 { return uint64(max(h.Layers, 1)) - 1 }

// Stage is the stage whose output an audit of a graph model opens, and the bits that draw its leaf. The model
// must have a stage that is not the last. SPEC 11 §4.2.
func Stage(seed, audit Hash, h *manifest.Header) (stage, draw uint64) {
	e := claim.Keccak(seed[:], audit[:])
	return binary.BigEndian.Uint64(e[:]) % Stages(h), binary.BigEndian.Uint64(e[24:])
}

// Encode is the bytes of the proof.
func (p *StageProof) Encode() []byte {
	o := &p.Opening
	there := byte(1)
	if o.Absent != nil {
		there = 0
	}
	b := append(append([]byte(nil), p.Signature[:]...), byte(o.Depth), there)
	b = append(b, o.Leaf[:]...)
	for _, hs := range [][]merkle.Hash{o.Absent, o.Output, o.Boundary, o.Salted} {
		b = appendHashes(b, hs)
	}
	return b
}

// DecodeStageProof reads the proof about a claim of a graph model. The error matches ErrProof.
func DecodeStageProof(b []byte, h *manifest.Header) (*StageProof, error) {
	const fixed = len(claim.Signature{}) + 2 + opset.LeafBytes
	if len(b) < fixed || Stages(h) == 0 {
		return nil, fmt.Errorf("%w: %d bytes about a model of %d stages", ErrProof, len(b), h.Layers)
	}
	p := &StageProof{Signature: claim.Signature(b[:65])}
	depth, there := int(b[65]), b[66]
	if depth > maxStageDepth || there > 1 || depth == 0 && there == 0 {
		return nil, fmt.Errorf("%w: a leaf marked %d in a tree of depth %d", ErrProof, there, depth)
	}
	p.Opening.Depth, p.Opening.Leaf = depth, [opset.LeafBytes]byte(b[67:fixed])
	b = b[fixed:]
	above, salted := merkle.Depth(uint64(h.Layers)+1), depth+merkle.Depth(Stages(h))
	want := depth + above + salted
	if there == 0 {
		want += depth
	}
	if len(b) != 32*want {
		return nil, fmt.Errorf("%w: %d bytes of siblings, want %d", ErrProof, len(b), 32*want)
	}
	if there == 0 {
		b = takeHashes(b, depth, &p.Opening.Absent)
	}
	b = takeHashes(b, depth, &p.Opening.Output)
	takeHashes(takeHashes(b, above, &p.Opening.Boundary), salted, &p.Opening.Salted)
	return p, nil
}

// Check holds a proof to a claim, to a salted root and to what was drawn; the signature is the arena's affair.
// The error matches ErrProof.
func (p *StageProof) Check(c *claim.Claim, h *manifest.Header, salt trace.Salt, root Hash, stage, draw uint64) error {
	o := &p.Opening
	at, instead := trace.DrawnLeaf(draw, o.Depth)
	drawn := at
	if o.Absent != nil {
		at = instead
	}
	output, err := merkle.RootFrom(o.Depth, at, []merkle.Hash{merkle.Leaf(o.Leaf[:])}, o.Output)
	if err != nil {
		return fmt.Errorf("%w: the output: %w", ErrProof, err)
	}
	if o.Absent != nil {
		if err := opens(output, merkle.Hash{}, drawn, o.Depth, o.Absent); err != nil {
			return fmt.Errorf("%w: the absent leaf %d: %w", ErrProof, drawn, err)
		}
	}
	if err := opens(merkle.Hash(c.StateRoot), output, stage+1, merkle.Depth(uint64(h.Layers)+1), o.Boundary); err != nil {
		return fmt.Errorf("%w: the boundaries: %w", ErrProof, err)
	}
	if err := opens(merkle.Hash(root), salt.Leaf(o.Leaf[:]), stage<<uint(o.Depth)|at, o.Depth+merkle.Depth(Stages(h)), o.Salted); err != nil {
		return fmt.Errorf("%w: the salted outputs: %w", ErrProof, err)
	}
	return nil
}
