package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"elenchus/compute/grammar"
	"elenchus/compute/opset"
)

// Sampler are the settings of the draw beyond the temperature. The zero value turns all of them
// off. A setting that is on and changes nothing has no encoding: top-p 1 is 0. SPEC 05 §4.
type Sampler struct {
	TopK       uint32            // tokens to keep, 0 all
	TopP       uint32            // fraction of the weight to keep, Q30 below 1, 0 all
	MinP       uint32            // least weight to keep, as a fraction of the greatest, Q30 at most 1, 0 all
	Repetition uint32            // divides logits above 0 of tokens that have occurred and multiplies others, Q16, not 1, 0 off
	Presence   int32             // taken from logits of tokens that were drawn before, Q16
	Frequency  int32             // taken from them for each time, Q16
	Bias       []opset.TokenBias // added to logits, by ascending id, at most MaxBias
	Stops      []string          // texts that end the answer, at most MaxStops
	Grammar    *grammar.Grammar  // what the answer keeps to, nil none
}

// ErrSampler marks settings that are out of range or not canonical.
var ErrSampler = errors.New("invalid sampler settings")

// Bounds of the settings. SPEC 05 §4.8.
const (
	MaxBias       = 1024     // entries
	MaxBiasValue  = 1 << 24  // 256 in Q16, in magnitude
	MaxPenalty    = 16 << 16 // repetition; presence and frequency in magnitude
	MaxStops      = opset.StopStrings
	MaxStopString = opset.StopBytes
)

// samplerFixed is the length of the part of encoded settings that all have, in bytes.
const samplerFixed = NumbersSize + 2 + 1 + 32

// NumbersSize is the length of the numbers before the lists of encoded settings, in bytes.
const NumbersSize = 24

// None says whether every setting is off.
func (s *Sampler) None() bool { return s.Equal(&Sampler{}) }

// Equal says whether two settings are the same.
func (s *Sampler) Equal(o *Sampler) bool {
	return s.numbers() == o.numbers() && s.sameGrammar(o) && slices.Equal(s.Bias, o.Bias) && slices.Equal(s.Stops, o.Stops)
}

func (s *Sampler) sameGrammar(o *Sampler) bool {
	a, b := s.Grammar, o.Grammar
	return a == b || a != nil && b != nil && a.Root == b.Root && bytes.Equal(a.Source, b.Source)
}

// numbers are the settings without lists, in the order of their encoding.
func (s *Sampler) numbers() [6]uint32 {
	return [6]uint32{s.TopK, s.TopP, s.MinP, s.Repetition, uint32(s.Presence), uint32(s.Frequency)}
}

// Counts says whether the draw depends on how often tokens have occurred.
func (s *Sampler) Counts() bool { return s.Repetition != 0 || s.Presence != 0 || s.Frequency != 0 }

// Check says whether the settings are in range; the error is ErrSampler.
func (s *Sampler) Check() error {
	switch {
	case s.TopP >= opset.FullWeight:
		return fmt.Errorf("%w: top-p %d/2^30 is not below 1; leave it 0", ErrSampler, s.TopP)
	case s.MinP > opset.FullWeight:
		return fmt.Errorf("%w: min-p %d/2^30 is above 1", ErrSampler, s.MinP)
	case s.Repetition == 1<<16:
		return fmt.Errorf("%w: a repetition penalty of 1 changes nothing; leave it 0", ErrSampler)
	case s.Repetition > MaxPenalty:
		return fmt.Errorf("%w: repetition penalty %d/2^16 is above %d", ErrSampler, s.Repetition, MaxPenalty>>16)
	case max(s.Presence, -s.Presence) > MaxPenalty || s.Presence == -1<<31:
		return fmt.Errorf("%w: presence penalty %d/2^16 is beyond %d", ErrSampler, s.Presence, MaxPenalty>>16)
	case max(s.Frequency, -s.Frequency) > MaxPenalty || s.Frequency == -1<<31:
		return fmt.Errorf("%w: frequency penalty %d/2^16 is beyond %d", ErrSampler, s.Frequency, MaxPenalty>>16)
	case s.Grammar != nil && s.Grammar.Root == [32]byte{}:
		return fmt.Errorf("%w: a grammar without the root of its table", ErrSampler)
	}
	if err := s.checkStops(); err != nil {
		return err
	}
	return s.checkBias()
}

func (s *Sampler) checkStops() error {
	if len(s.Stops) > MaxStops {
		return fmt.Errorf("%w: %d stop strings, at most %d", ErrSampler, len(s.Stops), MaxStops)
	}
	for i, text := range s.Stops {
		if len(text) < 1 || len(text) > MaxStopString {
			return fmt.Errorf("%w: stop string %d has %d bytes, want 1..%d", ErrSampler, i, len(text), MaxStopString)
		}
		if slices.Contains(s.Stops[:i], text) {
			return fmt.Errorf("%w: stop string %d is one of those before it", ErrSampler, i)
		}
	}
	return nil
}

// StopLengths are the lengths of the stop strings in bytes, the first in the lowest byte.
func (s *Sampler) StopLengths() (lens uint32) {
	for i, text := range s.Stops {
		lens |= uint32(len(text)) << (8 * i)
	}
	return lens
}

// StopTable is the list behind source kind 9, nil without stop strings. SPEC 02 §4.10.
func (s *Sampler) StopTable() []byte {
	if len(s.Stops) == 0 {
		return nil
	}
	table := make([]byte, opset.StopTableSize)
	for i, text := range s.Stops {
		copy(table[i*opset.StopBytes:], text)
	}
	return table
}

func (s *Sampler) checkBias() error {
	if len(s.Bias) > MaxBias {
		return fmt.Errorf("%w: %d biased tokens, at most %d", ErrSampler, len(s.Bias), MaxBias)
	}
	for i, b := range s.Bias {
		if b.ID < 0 || b.ID >= opset.DenseCount || i > 0 && b.ID <= s.Bias[i-1].ID {
			return fmt.Errorf("%w: bias %d is of id %d; ids ascend from 0 to %d", ErrSampler, i, b.ID, opset.DenseCount-1)
		}
		if b.Value == 0 || max(b.Value, -b.Value) > MaxBiasValue || b.Value == -1<<31 {
			return fmt.Errorf("%w: the bias of id %d is %d/2^16; it is not 0 and at most %d in magnitude", ErrSampler, b.ID, b.Value, MaxBiasValue>>16)
		}
	}
	return nil
}

// Lists are the bytes that say what bias, stop strings and grammar are: the end of Encode, or nil if all three are off.
// SPEC 07 §2.1.
func (s *Sampler) Lists() []byte {
	if len(s.Bias) == 0 && len(s.Stops) == 0 && s.Grammar == nil {
		return nil
	}
	return s.Encode()[NumbersSize:]
}

// WithLists are the settings with the lists that Lists gave in place of their own. The error is ErrSampler.
func (s *Sampler) WithLists(lists []byte) (Sampler, error) {
	return DecodeSampler(append(s.Encode()[:NumbersSize:NumbersSize], lists...))
}

// Encode is the canonical form of SPEC 07 §8.
func (s *Sampler) Encode() []byte {
	b := make([]byte, 0, samplerFixed+8*len(s.Bias))
	for _, v := range s.numbers() {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.Bias)))
	for _, e := range s.Bias {
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, uint32(e.ID)), uint32(e.Value))
	}
	b = append(b, uint8(len(s.Stops)))
	for _, e := range s.Stops {
		b = append(append(b, uint8(len(e))), e...)
	}
	if s.Grammar == nil {
		return append(b, make([]byte, 32)...)
	}
	b = append(b, s.Grammar.Root[:]...)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s.Grammar.Source))), s.Grammar.Source...)
}

// DecodeSampler reads exactly what Encode writes of settings that are valid and not all off. The
// error is ErrSampler.
func DecodeSampler(b []byte) (Sampler, error) {
	r := settingsReader{b: b}
	s := r.numbers()
	if n := int(r.uint(2)); n > 0 && n <= MaxBias && len(r.b) >= 8*n {
		s.Bias = make([]opset.TokenBias, n)
		for i := range s.Bias {
			s.Bias[i] = opset.TokenBias{ID: int32(r.u32()), Value: int32(r.u32())}
		}
	} else if n > 0 {
		r.bad = true
	}
	n := r.uint(1)
	if n > MaxStops {
		return Sampler{}, fmt.Errorf("%w: %d stop strings, at most %d", ErrSampler, n, MaxStops)
	}
	for range n {
		s.Stops = append(s.Stops, string(r.take(int(r.uint(1)))))
	}
	if err := r.grammar(&s); err != nil {
		return Sampler{}, err
	}
	if r.bad || len(r.b) != 0 {
		return Sampler{}, fmt.Errorf("%w: %d bytes are not settings", ErrSampler, len(b))
	}
	if s.None() {
		return s, fmt.Errorf("%w: all are off", ErrSampler)
	}
	return s, s.Check()
}

// DecodeNumbers reads settings without lists: the first bytes of what Encode writes, which may all be off. The error is
// ErrSampler.
func DecodeNumbers(b [NumbersSize]byte) (Sampler, error) {
	r := settingsReader{b: b[:]}
	s := r.numbers()
	return s, s.Check()
}

// grammar reads the root of a grammar's table and, unless it is 0, the automaton.
func (r *settingsReader) grammar(s *Sampler) error {
	var g grammar.Grammar
	if copy(g.Root[:], r.take(len(g.Root))); r.bad || g.Root == [32]byte{} {
		return nil
	}
	if g.Source = r.take(int(r.u32())); r.bad {
		return nil
	}
	if _, err := grammar.Decode(g.Source); err != nil {
		return fmt.Errorf("%w: %w", ErrSampler, err)
	}
	s.Grammar = &g
	return nil
}

func (r *settingsReader) numbers() Sampler {
	return Sampler{TopK: r.u32(), TopP: r.u32(), MinP: r.u32(), Repetition: r.u32(), Presence: int32(r.u32()), Frequency: int32(r.u32())}
}

// settingsReader takes bytes from the front; after one that is not there it reads zeros and bad stands.
type settingsReader struct {
	b   []byte
	bad bool
}

func (r *settingsReader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *settingsReader) uint(n int) (v uint32) {
	for _, c := range r.take(n) {
		v = v<<8 | uint32(c)
	}
	return v
}

func (r *settingsReader) u32() uint32 { return r.uint(4) }

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
