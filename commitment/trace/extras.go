package trace

import (
	"elenchus/commitment/claim"
	"elenchus/compute/decode"
)

// Settings are sampler settings as a request commits to them. SPEC 07 §2.1.
func Settings(s *decode.Sampler) claim.Sampler {
	out := claim.Sampler{TopK: s.TopK, TopP: s.TopP, MinP: s.MinP, Repetition: s.Repetition, Presence: s.Presence,
		Frequency: s.Frequency, Lists: Lists(s).Hash()}
	for i, text := range s.Stops {
		out.StopLengths |= uint32(len(text)) << (8 * i)
	}
	return out
}

// Lists are the roots behind the settings.
func Lists(s *decode.Sampler) claim.Lists {
	l := claim.Lists{Grammar: s.Grammar}
	if len(s.Bias) > 0 {
		l.Bias = BiasTree(s.Bias).Root()
	}
	return l
}
