package dispute

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
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
}

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
	b = append(b, j.Kind, j.Finish, j.StopCount, j.DPos, j.DLayer, j.DRow)
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

// OutputDepth is the depth of the output tree: n ids of 4 bytes in leaves of 64.
func (j *Job) OutputDepth() int {
	return merkle.Depth(merkle.Leaves(4*uint64(j.Count), opset.LeafBytes))
}

// PromptDepth is the depth of the tree of the prompt ids.
func (j *Job) PromptDepth() int {
	return merkle.Depth(merkle.Leaves(4*uint64(j.PromptCount), opset.LeafBytes))
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
