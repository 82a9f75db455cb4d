package decode

import (
	"encoding/binary"
	"errors"
	"fmt"

	"elenchus/compute/opset"
)

// Sampler are the settings of the draw beyond the temperature. The zero value turns all of them
// off. A setting that is on and changes nothing has no encoding: top-p 1 is 0. SPEC 05 §4.
type Sampler struct {
	TopK uint32 // tokens to keep, 0 all
	TopP uint32 // fraction of the weight to keep, Q30 below 1, 0 all
	MinP uint32 // least weight to keep, as a fraction of the greatest, Q30 at most 1, 0 all
}

// ErrSampler marks settings that are out of range or not canonical.
var ErrSampler = errors.New("invalid sampler settings")

// SamplerSize is the length of encoded settings in bytes.
const SamplerSize = 12

// None says whether every setting is off.
func (s *Sampler) None() bool { return *s == Sampler{} }

// Check says whether the settings are in range; the error is ErrSampler.
func (s *Sampler) Check() error {
	switch {
	case s.TopP >= opset.FullWeight:
		return fmt.Errorf("%w: top-p %d/2^30 is not below 1; leave it 0", ErrSampler, s.TopP)
	case s.MinP > opset.FullWeight:
		return fmt.Errorf("%w: min-p %d/2^30 is above 1", ErrSampler, s.MinP)
	}
	return nil
}

// Encode is the canonical form of SPEC 07 §8.
func (s *Sampler) Encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, s.TopK)
	b = binary.BigEndian.AppendUint32(b, s.TopP)
	return binary.BigEndian.AppendUint32(b, s.MinP)
}

// DecodeSampler reads exactly what Encode writes of settings that are valid and not all off. The
// error is ErrSampler.
func DecodeSampler(b []byte) (Sampler, error) {
	if len(b) != SamplerSize {
		return Sampler{}, fmt.Errorf("%w: %d bytes, want %d", ErrSampler, len(b), SamplerSize)
	}
	s := Sampler{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])}
	if s.None() {
		return s, fmt.Errorf("%w: all are off", ErrSampler)
	}
	return s, s.Check()
}

// ParseFraction reads a fraction from 0 to 1 from its decimal text into Q30, half up, but what is
// above 0 not to 0. The error matches ErrDecimal or ErrSampler.
func ParseFraction(text string) (uint32, error) {
	d, err := ParseDecimal(text)
	if err != nil {
		return 0, err
	}
	if d.Compare(0) < 0 || d.Compare(1) > 0 {
		return 0, fmt.Errorf("%w: %s is not from 0 to 1", ErrSampler, text)
	}
	if v := uint32(d.Fixed(30)); v > 0 || d.Compare(0) == 0 {
		return v, nil
	}
	return 1, nil
}

// ParseTopP reads top-p: more than 0 and at most 1, which is off.
func ParseTopP(text string) (uint32, error) {
	v, err := ParseFraction(text)
	if err == nil && v == 0 {
		err = fmt.Errorf("%w: top-p must be above 0", ErrSampler)
	}
	if v == opset.FullWeight {
		v = 0
	}
	return v, err
}
