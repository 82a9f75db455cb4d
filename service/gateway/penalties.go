package gateway

import (
	"fmt"

	"elenchus/compute/decode"
)

func readPresence(r *request, m member) *failure {
	return readSetting(m, &r.sampler.Presence, "a number from -2 to 2", decode.ParsePenalty)
}

func readFrequency(r *request, m member) *failure {
	return readSetting(m, &r.sampler.Frequency, "a number from -2 to 2", decode.ParsePenalty)
}

func readRepetition(r *request, m member) *failure {
	return readSetting(m, &r.sampler.Repetition, "a number above 0 and at most 16", decode.ParseRepetition)
}

// readBias reads an object of token ids and what is added to their logits.
func readBias(r *request, m member) *failure {
	all, f := members(m.value, m.name)
	if f != nil {
		f.Param = &m.name
		return f
	}
	pairs := make([][2]string, len(all))
	for i, b := range all {
		pairs[i] = [2]string{b.name, string(b.value)}
	}
	bias, err := decode.ParseBias(pairs)
	if err != nil {
		return badParam(m.name, fmt.Sprintf("logit_bias must map ids of at most %d tokens to numbers from -100 to 100: %s", decode.MaxBias, err))
	}
	r.sampler.Bias = bias
	return nil
}

// checkBias says whether the model has the tokens that the request biases.
func checkBias(r *request, m *Model) *failure {
	if n := len(r.sampler.Bias); n > 0 && int(r.sampler.Bias[n-1].ID) >= m.Vocab {
		return badParam("logit_bias", fmt.Sprintf("logit_bias names token %d, the model has %d", r.sampler.Bias[n-1].ID, m.Vocab))
	}
	return nil
}
