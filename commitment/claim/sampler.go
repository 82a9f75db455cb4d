package claim

// SamplerType is the EIP-712 type whose structure hash is extras. SPEC 07 §2.1.
const SamplerType = "Sampler(uint32 topK,uint32 topP,uint32 minP,uint32 repetition,int32 presence,int32 frequency," +
	"bytes32 biasRoot,uint32 stopLengths,bytes32 stopAutomatonRoot,bytes32 grammarRoot)"

// Sampler is what a request fixes of the draw beyond temperature and seed. What is off is 0; the
// roots are those of lists that the request does not hold. SPEC 07 §2.1, 05 §4.
type Sampler struct {
	TopK                uint32
	TopP, MinP          uint32 // Q30
	Repetition          uint32 // Q16
	Presence, Frequency int32  // Q16
	BiasRoot            Hash
	StopLengths         uint32
	StopRoot            Hash
	GrammarRoot         Hash
}

// Extras is the field of a request: 0 when everything is off, else the EIP-712 structure hash.
func (s Sampler) Extras() Hash {
	if s == (Sampler{}) {
		return Hash{}
	}
	return newWords(SamplerType, 10).uint(uint64(s.TopK)).uint(uint64(s.TopP)).uint(uint64(s.MinP)).
		uint(uint64(s.Repetition)).int(s.Presence).int(s.Frequency).hash(s.BiasRoot).uint(uint64(s.StopLengths)).
		hash(s.StopRoot).hash(s.GrammarRoot).sum()
}

// int appends a signed word in two's complement.
func (w *words) int(v int32) *words {
	var b Hash
	for i := range b {
		b[i] = byte(int64(v) >> (8 * min(7, len(b)-1-i)))
	}
	return w.hash(b)
}
