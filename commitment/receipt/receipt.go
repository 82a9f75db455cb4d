// Package receipt is what a user holds of an answer: enough for anyone to check it without us.
//
// It stands above claim on the commitment floor; nodes write receipts, gateways hand them on,
// challengers and users check them. Invariants: a receipt has one encoding; it binds token ids,
// never text; whatever is not committed to by its claim is not in it. SPEC 07 §8.
//
//	r, err := receipt.Parse(text)
//	report := receipt.Verify(r, facts)
package receipt

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"elenchus/commitment/claim"
	"elenchus/compute/decode"
)

// ErrReceipt marks bytes that are no canonical receipt.
var ErrReceipt = errors.New("invalid receipt")

const tag = "elenchus/receipt/1"

// maxIDs bounds each list of ids: a context of 2^20 positions.
const maxIDs = 1 << 20

// Receipt is a signed claim with the request and the ids behind its roots. Of a graph model Prompt and
// Output are its input and output, tensors of int32, and Stop is empty.
type Receipt struct {
	Domain    claim.Domain
	Request   claim.Request
	Claim     claim.Claim
	Signature claim.Signature // of the claim's digest, by the node
	Cancel    claim.Signature // of an answer that was cancelled: of its count, by the user
	Prompt    []int32
	Stop      []int32
	Output    []int32
	Salt      [32]byte       // behind the root of the prompt; zero of a request that has none
	Sampler   decode.Sampler // behind the request's extras
	Missing   Missing        // lists of the request that are not in Sampler
}

// ID is the claim's id.
func (r *Receipt) ID() claim.Hash { return r.Claim.ID(r.Domain) }

// Named is the requestDigest that the claim must have. SPEC 07 §3.5.
func (r *Receipt) Named() claim.Hash {
	return r.Claim.Named(r.Domain, r.Request.Digest(r.Domain), r.Cancel)
}

// Encode is the canonical form: tag, chain id u64, arena, request, claim, signature, that of
// the user if the answer was cancelled, then the prompt, stop and output ids, each with a count u32, then the salt of a request that
// has one, then the sampler settings if any is on.
// Integers are big-endian. SPEC 07 §8.
func (r *Receipt) Encode() ([]byte, error) {
	b := binary.BigEndian.AppendUint64([]byte(tag), r.Domain.ChainID)
	b = append(b, r.Domain.Arena[:]...)
	b = append(b, r.Request.Encode()...)
	b = append(b, r.Claim.Encode()...)
	b = append(b, r.Signature[:]...)
	if r.Claim.Finish == claim.FinishCancelled {
		b = append(b, r.Cancel[:]...)
	}
	graph := r.Request.Graph() // its lists are tensors, whose elements may be negative
	for _, ids := range [][]int32{r.Prompt, r.Stop, r.Output} {
		if len(ids) > maxIDs {
			return nil, fmt.Errorf("%w: a list of %d ids, at most %d", ErrReceipt, len(ids), maxIDs)
		}
		b = binary.BigEndian.AppendUint32(b, uint32(len(ids)))
		for _, id := range ids {
			if id < 0 && !graph {
				return nil, fmt.Errorf("%w: token id %d is negative", ErrReceipt, id)
			}
			b = binary.BigEndian.AppendUint32(b, uint32(id))
		}
	}
	if r.Request.Salted() {
		b = append(b, r.Salt[:]...)
	}
	return r.appendSettings(b)
}

// fixed is the length of everything before the lists of ids.
const fixed = len(tag) + 8 + 20 + claim.RequestSize + claim.ClaimSize + 65

// Decode reads exactly what Encode writes. It checks form alone; Verify checks meaning.
func Decode(b []byte) (*Receipt, error) {
	if len(b) < fixed || string(b[:len(tag)]) != tag {
		return nil, fmt.Errorf("%w: %d bytes without the tag %q", ErrReceipt, len(b), tag)
	}
	r := &Receipt{}
	at := len(tag)
	r.Domain.ChainID = binary.BigEndian.Uint64(b[at:])
	copy(r.Domain.Arena[:], b[at+8:])
	at += 28
	var err error
	if r.Request, err = claim.DecodeRequest(b[at : at+claim.RequestSize]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	at += claim.RequestSize
	if r.Claim, err = claim.DecodeClaim(b[at : at+claim.ClaimSize]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	at += claim.ClaimSize
	copy(r.Signature[:], b[at:])
	rest := b[fixed:]
	if r.Claim.Finish == claim.FinishCancelled {
		if len(rest) < len(r.Cancel) {
			return nil, fmt.Errorf("%w: it ends where the user's signature should be", ErrReceipt)
		}
		rest = rest[copy(r.Cancel[:], rest):]
	}
	for _, list := range []*[]int32{&r.Prompt, &r.Stop, &r.Output} {
		if *list, rest, err = decodeIDs(rest, r.Request.Graph()); err != nil {
			return nil, err
		}
	}
	if r.Request.Salted() {
		if len(rest) < len(r.Salt) {
			return nil, fmt.Errorf("%w: it ends where the salt of the prompt should be", ErrReceipt)
		}
		rest = rest[copy(r.Salt[:], rest):]
	}
	if r.Request.Extras == (claim.Hash{}) && len(rest) != 0 {
		return nil, fmt.Errorf("%w: %d bytes follow the output ids", ErrReceipt, len(rest))
	}
	if len(rest) != 0 {
		if err = r.readSettings(rest); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
		}
	}
	return r, nil
}

func decodeIDs(b []byte, graph bool) (ids []int32, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, fmt.Errorf("%w: it ends where a count of ids should be", ErrReceipt)
	}
	n := binary.BigEndian.Uint32(b)
	b = b[4:]
	if n > maxIDs || uint64(len(b)) < 4*uint64(n) {
		return nil, nil, fmt.Errorf("%w: %d ids, %d bytes are left", ErrReceipt, n, len(b))
	}
	if n > 0 {
		ids = make([]int32, n)
	}
	for i := range ids {
		v := binary.BigEndian.Uint32(b[4*i:])
		if v > math.MaxInt32 && !graph {
			return nil, nil, fmt.Errorf("%w: token id %d", ErrReceipt, v)
		}
		ids[i] = int32(v)
	}
	return ids, b[4*n:], nil
}

// Text is the canonical text: unpadded base64url of Encode.
func (r *Receipt) Text() (string, error) {
	b, err := r.Encode()
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// Parse reads what Text writes; nothing around it is skipped.
func Parse(text string) (*Receipt, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: not canonical base64url: %w", ErrReceipt, err)
	}
	if base64.RawURLEncoding.EncodeToString(b) != text {
		return nil, fmt.Errorf("%w: not canonical base64url: line breaks", ErrReceipt)
	}
	return Decode(b)
}
