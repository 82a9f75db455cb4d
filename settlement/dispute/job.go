package dispute

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/opset"
)

// JobSize is the length of an encoded Job in bytes.
const JobSize = 296

// Kinds of models, SPEC 06 §1.
const (
	TokenModel uint8 = 1
	GraphModel uint8 = 2
)

// Job is what request, claim and model header fix for the whole game. SPEC 08 §1.
type Job struct {
	ModelID     Hash
	PromptRoot  Hash
	StopRoot    Hash
	StateRoot   Hash
	OutputRoot  Hash
	Seed        uint64
	PromptCount uint32 // m
	Count       uint32 // n
	MaxNew      uint32
	Temperature uint32 // Q16
	Vocabulary  uint32 // V
	TMax        uint32
	Layers      uint16 // L: layers of a token model, stages of a graph model
	Kind        uint8
	Finish      uint8
	StopCount   uint8
	DPos        uint8
	DLayer      uint8
	DRow        uint8
	User        claim.Address
	Price       claim.Amount // token units
	Sampler     claim.Sampler
	Salted      bool // each id of the prompt has a leaf of its own. SPEC 06 §3.8
}

// saltedKind is the bit of the kind in an encoded job that says Salted.
const saltedKind uint8 = 0x80

// Encode is the packed form that the arena hashes, JobSize bytes.
func (j *Job) Encode() []byte {
	b := make([]byte, 0, JobSize)
	for _, h := range []Hash{j.ModelID, j.PromptRoot, j.StopRoot, j.StateRoot, j.OutputRoot} {
		b = append(b, h[:]...)
	}
	b = binary.BigEndian.AppendUint64(b, j.Seed)
	for _, v := range []uint32{j.PromptCount, j.Count, j.MaxNew, j.Temperature, j.Vocabulary, j.TMax} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	b = binary.BigEndian.AppendUint16(b, j.Layers)
	kind := j.Kind
	if j.Salted {
		kind |= saltedKind
	}
	b = append(b, kind, j.Finish, j.StopCount, j.DPos, j.DLayer, j.DRow)
	price := j.Price.Bytes()
	b = append(b, j.User[:]...)
	return append(append(b, price[:]...), j.Sampler.Encode()...)
}

// Hash is the job hash that a game keeps.
func (j *Job) Hash() Hash { return claim.Keccak(j.Encode()) }

// DecodeJob reads exactly what Encode writes; anything else is ErrBadJob.
func DecodeJob(b []byte) (Job, error) {
	var j Job
	if len(b) != JobSize {
		return j, fmt.Errorf("%w: %d bytes, want %d", ErrBadJob, len(b), JobSize)
	}
	for i, h := range []*Hash{&j.ModelID, &j.PromptRoot, &j.StopRoot, &j.StateRoot, &j.OutputRoot} {
		copy(h[:], b[32*i:])
	}
	j.Seed = binary.BigEndian.Uint64(b[160:])
	for i, v := range []*uint32{&j.PromptCount, &j.Count, &j.MaxNew, &j.Temperature, &j.Vocabulary, &j.TMax} {
		*v = binary.BigEndian.Uint32(b[168+4*i:])
	}
	j.Layers = binary.BigEndian.Uint16(b[192:])
	for i, v := range []*uint8{&j.Kind, &j.Finish, &j.StopCount, &j.DPos, &j.DLayer, &j.DRow} {
		*v = b[194+i]
	}
	j.Kind, j.Salted = j.Kind&^saltedKind, j.Kind&saltedKind != 0
	copy(j.User[:], b[200:])
	r := &reader{b: b[220:]}
	j.Price, j.Sampler = r.amount(), r.settings()
	return j, nil
}

// States is the number of states, m+n-1; 0 for a graph model.
func (j *Job) States() uint64 {
	if j.Kind == GraphModel {
		return 0
	}
	return uint64(j.PromptCount) + uint64(j.Count) - 1
}

// StateDepth is the depth of the state tree.
func (j *Job) StateDepth() int { return merkle.Depth(j.States()) }

// OutputDepth is the depth of the output tree.
func (j *Job) OutputDepth() int { return idDepth(false, uint64(j.Count)) }

// PromptDepth is the depth of the tree of the prompt ids.
func (j *Job) PromptDepth() int { return idDepth(j.Salted, uint64(j.PromptCount)) }

// idsPerLeaf is how many ids one leaf of an id list holds that is not salted.
const idsPerLeaf = trace.IDsPerLeaf

// idLeaves is how many leaves a list of ids has: 16 ids in each, or one if it is salted.
func idLeaves(salted bool, ids uint64) uint64 {
	if salted {
		return ids
	}
	return (ids + idsPerLeaf - 1) / idsPerLeaf
}

// idDepth is the depth of the tree over a list of ids.
func idDepth(salted bool, ids uint64) int { return merkle.Depth(max(idLeaves(salted, ids), 1)) }

// cover are the leaves [a, b) of a read, and the depth of their tree.
func (j *Job) cover(q opset.Read) (a, b uint64, depth int) {
	if j.Salted && q.Kind == opset.Prompt {
		a = q.Lo / 4
		return a, a + 1, merkle.Depth(q.Total / 4)
	}
	a, b = q.Leaves()
	return a, b, merkle.Depth(merkle.Leaves(q.Total, q.Leaf))
}

// LeafDepth is the height of the position leaf of the KV tree.
func (j *Job) LeafDepth() int { return int(j.DLayer) + 1 + int(j.DRow) }

// KVDepth is the depth of the KV tree.
func (j *Job) KVDepth() int { return int(j.DPos) + j.LeafDepth() }

// Stages is the number of stages in the graph tree.
func (j *Job) Stages() int {
	if j.Kind == GraphModel {
		return int(j.Layers)
	}
	return int(j.Layers) + 3
}

// GraphDepth is the depth of the graph tree, 7 + ceil(log2 stages). SPEC 06 §1.3.
func (j *Job) GraphDepth() int { return 7 + merkle.Depth(uint64(j.Stages())) }

// Boundaries is the number of boundary roots b_0..b_L.
func (j *Job) Boundaries() int { return int(j.Layers) + 1 }

// Emits says whether step t draws its token: t+1 >= m.
func (j *Job) Emits(t uint32) bool { return uint64(t)+1 >= uint64(j.PromptCount) }

// Context is what every operation of step t may see, but for what lists and memory say.
func (j *Job) Context(t uint32, yPrev int32) opset.Context {
	return opset.Context{T: t, M: j.PromptCount, YPrev: yPrev, MaxNew: j.MaxNew, TMax: j.TMax,
		Temperature: j.Temperature, Seed: j.Seed, StopCount: j.StopCount,
		TopK: j.Sampler.TopK, TopP: j.Sampler.TopP, MinP: j.Sampler.MinP, Repetition: j.Sampler.Repetition,
		Presence: j.Sampler.Presence, Frequency: j.Sampler.Frequency, StopLens: j.Sampler.StopLengths}
}
