package receipt

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
)

// Missing are lists of a request (bias, stop strings, grammar) that a receipt does not hold: what its settings have of
// them, and so what a demand for them needs. The zero value: nothing is missing. SPEC 07 §8.
type Missing struct {
	StopLengths uint32
	Lists       claim.Lists
}

// missingMark stands where a count of biased tokens would, missingSize are the bytes of settings with named lists.
const (
	missingMark = 0xffff
	missingSize = decode.NumbersSize + 2 + 4 + claim.ListsSize
)

// noLists is why what depends on lists cannot be checked.
const noLists = "the receipt names the request's lists (bias, stop strings, grammar) and does not hold them"

// Settings are those of the sampler as the request commits to them, whether the receipt holds its lists or names them.
func (r *Receipt) Settings() claim.Sampler {
	s := trace.Settings(&r.Sampler)
	if r.Missing != (Missing{}) {
		s.StopLengths, s.Lists = r.Missing.StopLengths, r.Missing.Lists.Hash()
	}
	return s
}

// Lists are what the settings of the request have of its lists.
func (r *Receipt) Lists() claim.Lists {
	if r.Missing != (Missing{}) {
		return r.Missing.Lists
	}
	return trace.Lists(&r.Sampler)
}

// Bare is the receipt without ids and lists: what is left names them.
func (r *Receipt) Bare() *Receipt {
	out := *r
	out.Prompt, out.Stop, out.Output, out.Salt = nil, nil, nil, [32]byte{}
	if lists := r.Lists(); lists != (claim.Lists{}) {
		out.Missing = Missing{StopLengths: r.Settings().StopLengths, Lists: lists}
		out.Sampler.Bias, out.Sampler.Stops, out.Sampler.Grammar = nil, nil, nil
	}
	return &out
}

// appendSettings appends the settings, if any is on.
func (r *Receipt) appendSettings(b []byte) ([]byte, error) {
	switch {
	case r.Missing == (Missing{}) && r.Sampler.None():
		return b, nil
	case r.Missing == (Missing{}):
		return append(b, r.Sampler.Encode()...), nil
	case r.Missing.Lists == (claim.Lists{}) || r.Sampler.Lists() != nil:
		return nil, fmt.Errorf("%w: lists are named that are there, or are none", ErrReceipt)
	}
	b = append(b, r.Sampler.Encode()[:decode.NumbersSize]...)
	b = binary.BigEndian.AppendUint16(b, missingMark)
	b = binary.BigEndian.AppendUint32(b, r.Missing.StopLengths)
	return append(b, r.Missing.Lists.Encode()...), nil
}

// readSettings reads what appendSettings appends of settings that are not all off.
func (r *Receipt) readSettings(b []byte) (err error) {
	const mark = decode.NumbersSize
	if len(b) < mark+2 || binary.BigEndian.Uint16(b[mark:]) != missingMark {
		r.Sampler, err = decode.DecodeSampler(b)
		return err
	}
	if len(b) != missingSize {
		return fmt.Errorf("%d bytes name lists, want %d", len(b), missingSize)
	}
	if r.Sampler, err = decode.DecodeNumbers([decode.NumbersSize]byte(b)); err != nil {
		return err
	}
	r.Missing.StopLengths = binary.BigEndian.Uint32(b[mark+2:])
	r.Missing.Lists = claim.DecodeLists([claim.ListsSize]byte(b[mark+6:]))
	switch l := r.Missing.Lists; {
	case l == (claim.Lists{}):
		return fmt.Errorf("it names no lists")
	case l.Bytes > claim.MaxListBytes:
		return fmt.Errorf("it names lists of %d bytes, at most %d can be", l.Bytes, claim.MaxListBytes)
	}
	return nil
}
