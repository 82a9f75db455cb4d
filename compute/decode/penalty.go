package decode

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"elenchus/compute/opset"
)

// Ranges of what requests say, which are those of their dialects; settings may be wider.
const (
	mostRepetition = 16
	mostPenalty    = 2
	mostBias       = 100
)

// ParseRepetition reads a repetition penalty, above 0 and at most 16, from its decimal text into Q16,
// half up, but not to 0; 1 is off. The error matches ErrDecimal or ErrSampler.
func ParseRepetition(text string) (uint32, error) {
	d, err := ParseDecimal(text)
	if err != nil {
		return 0, err
	}
	if d.Compare(0) <= 0 || d.Compare(mostRepetition) > 0 {
		return 0, fmt.Errorf("%w: a repetition penalty is above 0 and at most %d", ErrSampler, mostRepetition)
	}
	v := uint32(signed16(d))
	if v == 1<<16 {
		v = 0
	}
	return v, nil
}

// ParsePenalty reads a presence or frequency penalty, -2 to 2, from its decimal text into Q16, half up,
// but what is not 0 not to 0. The error matches ErrDecimal or ErrSampler.
func ParsePenalty(text string) (int32, error) { return parseSigned(text, mostPenalty) }

// ParseBias reads biases of tokens from pairs of decimal texts, id and bias: -100 to 100, as penalties
// are read. A bias of 0 is none. The error matches ErrDecimal or ErrSampler.
func ParseBias(pairs [][2]string) ([]opset.TokenBias, error) {
	if len(pairs) > MaxBias {
		return nil, fmt.Errorf("%w: %d biased tokens, at most %d", ErrSampler, len(pairs), MaxBias)
	}
	var out []opset.TokenBias
	for _, p := range pairs {
		id, err := strconv.ParseUint(p[0], 10, 31)
		if err != nil || strconv.FormatUint(id, 10) != p[0] || id >= opset.DenseCount {
			return nil, fmt.Errorf("%w: a bias of token %.20q; name an id from 0 to %d", ErrSampler, p[0], opset.DenseCount-1)
		}
		v, err := parseSigned(p[1], mostBias)
		if err != nil {
			return nil, err
		}
		if v != 0 {
			out = append(out, opset.TokenBias{ID: int32(id), Value: v})
		}
	}
	slices.SortFunc(out, func(a, b opset.TokenBias) int { return cmp.Compare(a.ID, b.ID) })
	for i := 1; i < len(out); i++ {
		if out[i].ID == out[i-1].ID {
			return nil, fmt.Errorf("%w: token %d has two biases", ErrSampler, out[i].ID)
		}
	}
	return out, nil
}

func parseSigned(text string, most int64) (int32, error) {
	d, err := ParseDecimal(text)
	if err != nil {
		return 0, err
	}
	if d.Compare(-most) < 0 || d.Compare(most) > 0 {
		return 0, fmt.Errorf("%w: %s is not from -%d to %d", ErrSampler, text, most, most)
	}
	return signed16(d), nil
}

// signed16 is a number in Q16, half up, but what is not 0 not 0.
func signed16(d Decimal) int32 {
	if v := int32(d.Q16()); v != 0 {
		return v
	}
	return int32(d.Compare(0))
}
