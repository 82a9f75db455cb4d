package claim

import (
	"encoding/binary"
	"fmt"
)

// Sizes of the canonical encodings, SPEC 07 §7.
const (
	RequestSize = 16 + 194
	ClaimSize   = 16 + 163
)

const (
	requestTag = "elenchus/reqst/1"
	claimTag   = "elenchus/claim/1"
)

// Encode is the canonical encoding of r, RequestSize bytes. SPEC 07 §7.
func (r Request) Encode() []byte {
	b := make([]byte, 0, RequestSize)
	b = append(b, requestTag...)
	b = append(b, r.Model[:]...)
	b = append(b, r.PromptRoot[:]...)
	b = binary.BigEndian.AppendUint32(b, r.PromptCount)
	b = binary.BigEndian.AppendUint32(b, r.MaxNew)
	b = binary.BigEndian.AppendUint32(b, r.Temperature)
	b = binary.BigEndian.AppendUint64(b, r.Seed)
	b = append(b, r.StopRoot[:]...)
	b = append(b, r.StopCount)
	b = append(b, r.Extras[:]...)
	b = append(b, r.DataClass)
	b = append(b, r.User[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Nonce)
	price := r.Price.Bytes()
	return append(b, price[:]...)
}

// DecodeRequest reads exactly what Encode writes; anything else is ErrEncoding. It does not Check.
func DecodeRequest(b []byte) (Request, error) {
	if err := tagged(b, requestTag, RequestSize); err != nil {
		return Request{}, err
	}
	var r Request
	c := cursor(b[len(requestTag):])
	c.copy(r.Model[:])
	c.copy(r.PromptRoot[:])
	r.PromptCount = c.u32()
	r.MaxNew = c.u32()
	r.Temperature = c.u32()
	r.Seed = c.u64()
	c.copy(r.StopRoot[:])
	r.StopCount = c.u8()
	c.copy(r.Extras[:])
	r.DataClass = c.u8()
	c.copy(r.User[:])
	r.Nonce = c.u64()
	r.Price = c.amount()
	return r, nil
}

// Encode is the canonical encoding of c, ClaimSize bytes. SPEC 07 §7.
func (c Claim) Encode() []byte {
	b := make([]byte, 0, ClaimSize)
	b = append(b, claimTag...)
	b = binary.BigEndian.AppendUint16(b, c.Version)
	b = append(b, c.Node[:]...)
	b = append(b, c.RequestDigest[:]...)
	b = binary.BigEndian.AppendUint32(b, c.Count)
	b = append(b, c.Finish)
	b = append(b, c.StateRoot[:]...)
	b = append(b, c.OutputRoot[:]...)
	value := c.Value.Bytes()
	b = append(b, value[:]...)
	b = binary.BigEndian.AppendUint64(b, c.Issued)
	b = binary.BigEndian.AppendUint64(b, c.BatchBy)
	return binary.BigEndian.AppendUint64(b, c.ChallengeUntil)
}

// DecodeClaim reads exactly what Encode writes; anything else is ErrEncoding. It does not Check.
func DecodeClaim(b []byte) (Claim, error) {
	if err := tagged(b, claimTag, ClaimSize); err != nil {
		return Claim{}, err
	}
	var v Claim
	c := cursor(b[len(claimTag):])
	v.Version = c.u16()
	c.copy(v.Node[:])
	c.copy(v.RequestDigest[:])
	v.Count = c.u32()
	v.Finish = c.u8()
	c.copy(v.StateRoot[:])
	c.copy(v.OutputRoot[:])
	v.Value = c.amount()
	v.Issued = c.u64()
	v.BatchBy = c.u64()
	v.ChallengeUntil = c.u64()
	return v, nil
}

func tagged(b []byte, tag string, size int) error {
	if len(b) != size {
		return fmt.Errorf("%w: %d bytes, %s has %d", ErrEncoding, len(b), tag, size)
	}
	if string(b[:len(tag)]) != tag {
		return fmt.Errorf("%w: begins with %q, want %q", ErrEncoding, b[:len(tag)], tag)
	}
	return nil
}

// cursor reads fixed fields from the front; the caller has checked the total length.
type cursor []byte

func (c *cursor) take(n int) []byte {
	b := (*c)[:n]
	*c = (*c)[n:]
	return b
}

func (c *cursor) copy(dst []byte) { copy(dst, c.take(len(dst))) }
func (c *cursor) u8() uint8       { return c.take(1)[0] }
func (c *cursor) u16() uint16     { return binary.BigEndian.Uint16(c.take(2)) }
func (c *cursor) u32() uint32     { return binary.BigEndian.Uint32(c.take(4)) }
func (c *cursor) u64() uint64     { return binary.BigEndian.Uint64(c.take(8)) }
func (c *cursor) amount() Amount  { return AmountFrom([16]byte(c.take(16))) }
