package trace

import (
	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
)

// Settings are sampler settings as a request commits to them. SPEC 07 §2.1.
func Settings(s *decode.Sampler) claim.Sampler {
	return claim.Sampler{TopK: s.TopK, TopP: s.TopP, MinP: s.MinP, Repetition: s.Repetition, Presence: s.Presence,
		Frequency: s.Frequency, StopLengths: s.StopLengths(), Lists: Lists(s).Hash()}
}

// Lists are the roots behind the settings.
func Lists(s *decode.Sampler) claim.Lists {
	data := s.Lists()
	if data == nil {
		return claim.Lists{}
	}
	l := claim.Lists{Data: merkle.BytesTree(opset.LeafBytes, data).Root(), Bytes: uint32(len(data))}
	if s.Grammar != nil {
		l.Grammar = s.Grammar.Root
	}
	if len(s.Bias) > 0 {
		l.Bias = BiasTree(s.Bias).Root()
	}
	if len(s.Stops) > 0 {
		l.Stop = merkle.BytesTree(opset.LeafBytes, s.StopTable()).Root()
	}
	return l
}
