package claim

import "encoding/binary"

// The EIP-712 types of the settings; extras is the structure hash of the first. SPEC 07 §2.1.
const (
	SamplerType = "Sampler(uint32 topK,uint32 topP,uint32 minP,uint32 repetition,int32 presence,int32 frequency," +
		"uint32 stopLengths,bytes32 lists)"
	ListsType = "Lists(bytes32 biasRoot,bytes32 stopRoot,bytes32 grammarRoot,bytes32 dataRoot,uint32 dataBytes)"
)

// SamplerSize is the length of an encoded Sampler in bytes, ListsSize that of encoded Lists.
const (
	SamplerSize = 60
	ListsSize   = 132
)

// MaxListBytes bounds Lists.Bytes: 8,194 bytes of bias, 261 of stop strings, 131,108 of a grammar. SPEC 07 §2.1.
const MaxListBytes = 139_563

// Sampler is what a request fixes of the draw beyond temperature and seed. What is off is 0.
// SPEC 07 §2.1, 05 §4.
type Sampler struct {
	TopK                uint32
	TopP, MinP          uint32 // Q30
	Repetition          uint32 // Q16
	Presence, Frequency int32  // Q16
	StopLengths         uint32 // bytes of the four stop strings, the first in the lowest byte
	Lists               Hash   // Lists.Hash
}

// Lists are the roots of what a request does not hold; what it does not use is 0.
type Lists struct {
	Bias    Hash // tree of the bias, SPEC 06 §3.6
	Stop    Hash // table of the stop strings
	Grammar Hash
	Data    Hash   // tree over the bytes that say what they are, SPEC 07 §2.1
	Bytes   uint32 // how many these are
}

// Hash is 0 if nothing is used, else the EIP-712 structure hash.
func (l Lists) Hash() Hash {
	if l == (Lists{}) {
		return Hash{}
	}
	return l.StructHash()
}

// StructHash is the EIP-712 structure hash, of empty ones as of others.
func (l Lists) StructHash() Hash {
	return newWords(ListsType, 5).hash(l.Bias).hash(l.Stop).hash(l.Grammar).hash(l.Data).uint(uint64(l.Bytes)).sum()
}

// Encode is the roots and the size, ListsSize bytes.
func (l Lists) Encode() []byte {
	b := append(make([]byte, 0, ListsSize), l.Bias[:]...)
	b = append(append(append(b, l.Stop[:]...), l.Grammar[:]...), l.Data[:]...)
	return binary.BigEndian.AppendUint32(b, l.Bytes)
}

// DecodeLists reads what Encode writes.
func DecodeLists(b [ListsSize]byte) (l Lists) {
	copy(l.Bias[:], b[:])
	copy(l.Stop[:], b[32:])
	copy(l.Grammar[:], b[64:])
	copy(l.Data[:], b[96:])
	l.Bytes = binary.BigEndian.Uint32(b[128:])
	return l
}

// Extras is the field of a request: 0 when everything is off, else the EIP-712 structure hash.
func (s Sampler) Extras() Hash {
	if s == (Sampler{}) {
		return Hash{}
	}
	return newWords(SamplerType, 8).uint(uint64(s.TopK)).uint(uint64(s.TopP)).uint(uint64(s.MinP)).
		uint(uint64(s.Repetition)).int(s.Presence).int(s.Frequency).uint(uint64(s.StopLengths)).hash(s.Lists).sum()
}

// Counts says whether the draw depends on how often tokens have occurred.
func (s Sampler) Counts() bool { return s.Repetition != 0 || s.Presence != 0 || s.Frequency != 0 }

// Remembers says whether states have an AUX: something beside rows and tokens goes from step to step.
// l are the lists behind s. SPEC 06 §3.5.
func (s Sampler) Remembers(l Lists) bool {
	return s.Counts() || s.StopLengths != 0 || l.Grammar != Hash{}
}

// Encode is the packed form of jobs and openings, SamplerSize bytes big-endian. SPEC 08 §1.
func (s Sampler) Encode() []byte {
	b := make([]byte, 0, SamplerSize)
	for _, v := range []uint32{s.TopK, s.TopP, s.MinP, s.Repetition, uint32(s.Presence), uint32(s.Frequency), s.StopLengths} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return append(b, s.Lists[:]...)
}

// DecodeSampler reads what Encode writes, in range or not: a game is about whatever was signed.
func DecodeSampler(b [SamplerSize]byte) (s Sampler) {
	var v [7]uint32
	for i := range v {
		v[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	s = Sampler{v[0], v[1], v[2], v[3], int32(v[4]), int32(v[5]), v[6], Hash{}}
	copy(s.Lists[:], b[28:])
	return s
}

// int appends a signed word in two's complement.
func (w *words) int(v int32) *words {
	var b Hash
	for i := range b {
		b[i] = byte(int64(v) >> (8 * min(7, len(b)-1-i)))
	}
	return w.hash(b)
}
