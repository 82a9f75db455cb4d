package trace

import (
	"elenchus/commitment/claim"
	"elenchus/compute/decode"
)

// Settings are sampler settings as a request commits to them. SPEC 07 §2.1.
func Settings(s *decode.Sampler) claim.Sampler {
	return claim.Sampler{TopK: s.TopK, TopP: s.TopP, MinP: s.MinP}
}
