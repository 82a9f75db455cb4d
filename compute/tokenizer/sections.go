package tokenizer

import (
	"encoding/binary"
	"fmt"
)

// appendSections writes what algorithms but Scored have after the pieces:
//
//	options     1  bits of Options
//	normal      1  number of normalising steps, then each:
//	               code 1, length of A 4, A, length of B 4, B
//	cuts        1  number of cutting steps, then each likewise
//	attributes  4  number, then each: piece 4, flags 1
//	RankedBPE:     number of merges 4, then each: left 4, right 4
//	Unigram:       score of the unknown piece 8, of each piece 8
//	WordPiece:     characters of a word at most 4
func appendSections(out []byte, c *Config) []byte {
	big := binary.BigEndian
	out = append(out, byte(c.Options))
	for _, steps := range [...][]Step{c.Normal, c.Cuts} {
		out = append(out, byte(len(steps))) // <= MaxSteps
		for _, s := range steps {
			out = append(out, byte(s.Code))
			for _, text := range [...]string{s.A, s.B} {
				out = big.AppendUint32(out, uint32(len(text))) // <= MaxStepText
				out = append(out, text...)
			}
		}
	}
	out = big.AppendUint32(out, uint32(len(c.Attributes)))
	for _, a := range c.Attributes {
		out = append(big.AppendUint32(out, uint32(a.ID)), byte(a.Flags))
	}
	switch c.Algorithm {
	case RankedBPE:
		out = big.AppendUint32(out, uint32(len(c.Merges)))
		for _, m := range c.Merges {
			out = big.AppendUint32(big.AppendUint32(out, uint32(m.Left)), uint32(m.Right))
		}
	case Unigram:
		out = big.AppendUint64(out, c.UnknownScore)
		for _, s := range c.Scores {
			out = big.AppendUint64(out, s)
		}
	case WordPiece:
		out = big.AppendUint32(out, uint32(c.MaxWord))
	}
	return out
}

// sections reads what appendSections writes; err sticks.
type sections struct {
	b   []byte
	err error
}

func (s *sections) take(n int) []byte {
	if s.err != nil || n > len(s.b) {
		if s.err == nil {
			s.err = fmt.Errorf("%d bytes left, want %d", len(s.b), n)
		}
		return make([]byte, min(n, 8))
	}
	out := s.b[:n]
	s.b = s.b[n:]
	return out
}

func (s *sections) u8() uint8   { return s.take(1)[0] }
func (s *sections) u32() uint32 { return binary.BigEndian.Uint32(s.take(4)) }
func (s *sections) u64() uint64 { return binary.BigEndian.Uint64(s.take(8)) }

// count reads a number of elements of a size, bounded by most and by the bytes that are left.
func (s *sections) count(size, most int) int {
	n := s.u32()
	if s.err == nil && (uint64(n) > uint64(most) || int(n) > len(s.b)/size) {
		s.err = fmt.Errorf("%d elements of %d bytes in %d bytes, at most %d", n, size, len(s.b), most)
	}
	if s.err != nil {
		return 0
	}
	return int(n)
}

func (s *sections) text() string { return string(s.take(s.count(1, MaxStepText))) }

func (s *sections) steps() []Step {
	n := int(s.u8())
	if n > MaxSteps && s.err == nil {
		s.err = fmt.Errorf("%d steps, at most %d", n, MaxSteps)
	}
	var out []Step
	for i := 0; i < n && s.err == nil; i++ {
		out = append(out, Step{StepCode(s.u8()), s.text(), s.text()})
	}
	return out
}

// parseSections fills in a configuration that has its algorithm and pieces, and returns the rest.
func parseSections(b []byte, c *Config) (rest []byte, err error) {
	s := &sections{b: b}
	c.Options = Options(s.u8())
	c.Normal, c.Cuts = s.steps(), s.steps()
	for range s.count(5, len(c.Pieces)) {
		c.Attributes = append(c.Attributes, Attribute{int32(s.u32()), AttributeFlags(s.u8())})
	}
	switch c.Algorithm {
	case RankedBPE:
		for range s.count(8, MaxMerges) {
			c.Merges = append(c.Merges, Merge{int32(s.u32()), int32(s.u32())})
		}
	case Unigram:
		c.UnknownScore = s.u64()
		if s.err == nil && len(s.b)/8 < len(c.Pieces) {
			s.err = fmt.Errorf("%d bytes left for the scores of %d pieces", len(s.b), len(c.Pieces))
		}
		for i := 0; i < len(c.Pieces) && s.err == nil; i++ {
			c.Scores = append(c.Scores, s.u64())
		}
	case WordPiece:
		c.MaxWord = int(s.u32())
	}
	return s.b, s.err
}
