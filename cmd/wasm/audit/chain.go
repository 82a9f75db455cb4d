package audit

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
)

// ErrReply marks a reply of a chain, or the path of a claim in a batch, that cannot be read.
var ErrReply = errors.New("cannot read what the chain said")

// Place is where a claim is said to stand in a batch. Nobody is believed: the path leads to the root
// or not, and the chain has the root or not.
type Place struct {
	Root  string   `json:"root"`
	Count uint32   `json:"count"`
	Index uint32   `json:"index"`
	Path  []string `json:"path"`
}

// Call is a question to a chain: a method of JSON-RPC with its parameters.
type Call struct {
	Name   string `json:"name"`
	Method string `json:"method"`
	Params []any  `json:"params"`
}

// The questions, by name.
const (
	askChain     = "chain"
	askBlock     = "block"
	askSeparator = "separator"
	askWindow    = "window"
	askSigned    = "signed" // verdict of the case whose evidence is the signature
	askBatched   = "batched"
	askBatch     = "batch"
)

// Questions are what to ask a chain about a receipt; place is nil if no batch is known. The arena
// must say that it is the one that the signature names. The error matches receipt.ErrReceipt or ErrReply.
func Questions(text string, place *Place) ([]Call, error) {
	r, err := Parse(text)
	if err != nil {
		return nil, err
	}
	arena := address(r.Domain.Arena)
	call := func(name, signature string, words ...claim.Hash) Call {
		data := claim.Keccak([]byte(signature))
		text := "0x" + hex.EncodeToString(data[:4])
		for _, w := range words {
			text += hash(w)
		}
		return Call{name, "eth_call", []any{map[string]string{"to": arena, "data": text}, "latest"}}
	}
	id := r.ID()
	out := []Call{
		{askChain, "eth_chainId", []any{}},
		{askBlock, "eth_getBlockByNumber", []any{"latest", false}},
		call(askSeparator, "domainSeparator()"),
		call(askWindow, "WINDOW()"),
		call(askSigned, "verdicts(bytes32)", caseOf(id, claim.Hash{})),
	}
	if place == nil {
		return out, nil
	}
	root, err := hashOf(place.Root)
	if err != nil {
		return nil, err
	}
	key := claim.Keccak(r.Claim.Node[:], root[:])
	return append(out, call(askBatch, "batches(bytes32)", key), call(askBatched, "verdicts(bytes32)", caseOf(id, key))), nil
}

// caseOf is the case of a claim and the key of its evidence. SPEC 09 §4.
func caseOf(id, batch claim.Hash) claim.Hash { return claim.Keccak(id[:], batch[:]) }

// Judge checks a receipt against the replies, raw results by the names of the questions. The checks
// are inclusion, window and verdict; the error matches receipt.ErrReceipt or ErrReply.
func Judge(text string, place *Place, replies map[string]json.RawMessage) ([]Check, error) {
	r, err := Parse(text)
	if err != nil {
		return nil, err
	}
	p := &replying{replies: replies}
	c := p.chain(r)
	if place != nil {
		c.Batch = p.batch(place)
	}
	if c.Batch == nil {
		c.Unread = "no batch with the claim is known here"
	}
	if p.err != nil {
		return nil, p.err
	}
	rep := receipt.Verify(r, receipt.Facts{Chain: c})
	return checksOf(rep)[6:9], nil
}

// replying reads replies; the first error stays.
type replying struct {
	replies map[string]json.RawMessage
	err     error
}

func (p *replying) fail(name, why string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s: %s", ErrReply, name, why)
	}
}

// text is a reply that is a string.
func (p *replying) text(name string) string {
	var s string
	if json.Unmarshal(p.replies[name], &s) != nil {
		p.fail(name, "no text")
	}
	return s
}

// quantity is a number as JSON-RPC writes it.
func (p *replying) quantity(name, s string) (v uint64) {
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok || len(digits) == 0 || len(digits) > 16 {
		p.fail(name, "no number")
		return 0
	}
	b, err := hex.DecodeString(strings.Repeat("0", 16-len(digits)) + digits)
	if err != nil {
		p.fail(name, "no number")
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// words are the n words that a call returned.
func (p *replying) words(name string, n int) []claim.Hash {
	out := make([]claim.Hash, n)
	digits, ok := strings.CutPrefix(p.text(name), "0x")
	if !ok || len(digits) != 64*n {
		p.fail(name, fmt.Sprintf("want %d words: is the arena deployed on this chain?", n))
		return out
	}
	for i := range out {
		h, err := hashOf(digits[64*i : 64*i+64])
		if err != nil {
			p.fail(name, "no hex digits")
			return out
		}
		out[i] = h
	}
	return out
}

// low is a word as a number below 2^64.
func (p *replying) low(name string, w claim.Hash) uint64 {
	if [24]byte(w[:24]) != [24]byte{} {
		p.fail(name, "a number that is too large")
	}
	return binary.BigEndian.Uint64(w[24:])
}

func (p *replying) chain(r *receipt.Receipt) *receipt.Chain {
	c := &receipt.Chain{Domain: r.Domain}
	if id := p.quantity(askChain, p.text(askChain)); id != r.Domain.ChainID {
		p.fail(askChain, fmt.Sprintf("this is chain %d, the receipt is about chain %d", id, r.Domain.ChainID))
	}
	if p.words(askSeparator, 1)[0] != r.Domain.Separator() {
		p.fail(askSeparator, "the contract at the arena's address is not the receipt's arena")
	}
	var block struct{ Timestamp string }
	if json.Unmarshal(p.replies[askBlock], &block) != nil {
		p.fail(askBlock, "no block")
	}
	c.Now = p.quantity(askBlock, block.Timestamp)
	c.Window = p.low(askWindow, p.words(askWindow, 1)[0])
	for _, name := range []string{askSigned, askBatched} {
		if _, asked := p.replies[name]; !asked && name == askBatched {
			continue
		}
		v := p.words(name, 3)
		c.Voided, c.Refuted = c.Voided || v[0] != claim.Hash{}, c.Refuted || v[1] != claim.Hash{}
	}
	return c
}

// batch is the place of the claim if the chain has its batch.
func (p *replying) batch(place *Place) *receipt.Inclusion {
	root, err := hashOf(place.Root)
	if err != nil || len(place.Path) > 64 {
		p.fail(askBatch, "no path")
		return nil
	}
	w := p.words(askBatch, 4) // count, until, posted, cover
	in := &receipt.Inclusion{Root: root, Count: uint32(p.low(askBatch, w[0])), Index: place.Index, Until: p.low(askBatch, w[1]), Posted: p.low(askBatch, w[2])}
	if in.Count == 0 {
		return nil // the chain has no such batch
	}
	for _, s := range place.Path {
		h, err := hashOf(s)
		if err != nil {
			p.fail(askBatch, "no path")
			return nil
		}
		in.Path = append(in.Path, h)
	}
	return in
}

// hashOf reads 64 hex digits.
func hashOf(s string) (h claim.Hash, err error) {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("%w: a hash of %d characters", ErrReply, len(s))
	}
	return claim.Hash(b), nil
}
