package dispute

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
)

// Steps of a commit that names no step. OnItsFace is for a claim that its own request or model
// contradicts. SPEC 08 §4.
const (
	AnyState  uint32 = 1<<32 - 1
	AnyOutput uint32 = 1<<32 - 2
	OnItsFace uint32 = 1<<32 - 3
	// Contradicts is for a claim that another of the node on the same request contradicts, NotIncluded for
	// one that should be in a batch and is not known to be. SPEC 08 §4.9, §4.10.
	Contradicts uint32 = 1<<32 - 4
	NotIncluded uint32 = 1<<32 - 5
)

// Inclusion shows that a batch of the node contains the claim.
type Inclusion struct {
	Root  Hash
	Index uint16
	Path  []Hash
}

// OpenMove opens a game on a claim. Model, request digest, version and extras of claim and request
// are computed, not sent: Sampler is what extras is the hash of. SPEC 08 §7.2.
type OpenMove struct {
	Opener    claim.Address
	T         uint32 // a step, or one of the names above
	Salt      Hash
	MaxBond   claim.Amount
	Claim     claim.Claim
	Request   claim.Request
	Sampler   claim.Sampler
	Header    manifest.Header
	Batch     *Inclusion    // else Signature
	Key       claim.Address // that made Signature in the node's name; zero: the node itself
	Signature claim.Signature
	Cancel    claim.Signature // of a claim that was cancelled: its user's
	Second    *Second         // only with T Contradicts
	To        claim.Point     // only with T Delivered: the opener's public key
	Ends      *Ends           // only with T Published or Delivered about a graph model
	Lists     claim.Lists     // only with T Published or Delivered about a token model, what Sampler.Lists is the hash of
}

// Key is the slot that a commit takes and its game keeps.
func Key(opener claim.Address, claimID Hash, t uint32, salt Hash) Hash {
	return claim.Keccak(opener[:], claimID[:], binary.BigEndian.AppendUint32(nil, t), salt[:])
}

// BatchKey is the arena's key of the batch that is the evidence, 0 for a signature.
func (m *OpenMove) BatchKey() Hash {
	if m.Batch == nil {
		return Hash{}
	}
	return claim.Keccak(m.Claim.Node[:], m.Batch.Root[:])
}

// CaseID names what a claim and its evidence can be convicted of once: batch is the key of the batch,
// or 0 for the node's signature. SPEC 09 §4.
func CaseID(claimID, batch Hash) Hash { return claim.Keccak(claimID[:], batch[:]) }

// Sealed fills in what request and claim do not send: model, extras, version, request digest.
func (m *OpenMove) Sealed(d claim.Domain) (claim.Request, claim.Claim) {
	r, c := m.Request, m.Claim
	r.Model, r.Extras = Hash(m.Header.ID()), m.Sampler.Extras()
	c.Version, c.RequestDigest = claim.Version, c.Named(d, r.Digest(d), m.Cancel)
	return r, c
}

// salted says whether each id of the prompt has a leaf of its own.
func (m *OpenMove) salted() bool { return !m.graph() && m.Request.DataClass != claim.Public }

func (m *OpenMove) graph() bool { return m.Header.Kind == uint16(GraphModel) }

// Face is the first field of the claim that its request or the model contradicts, and its value; ""
// if there is none. Such a claim is refuted by its opening. SPEC 08 §4.8.
func (m *OpenMove) Face(d claim.Domain) (field string, value uint64) {
	c, h := &m.Claim, &m.Header
	switch states := uint64(m.Request.PromptCount) + uint64(c.Count); {
	case m.graph() && c.Count != 0:
		return "count", uint64(c.Count)
	case m.graph() && c.Finish != 0:
		return "finish", uint64(c.Finish)
	case m.graph():
		return "", 0
	case m.Request.PromptCount == 0:
		return "promptCount", 0
	case c.Count == 0 || c.Count > m.Request.MaxNew:
		return "count", uint64(c.Count)
	case states-1 > uint64(h.TMax):
		return "states", states - 1
	case c.Finish == claim.FinishRun || c.Finish > claim.FinishGrammar:
		return "finish", uint64(c.Finish)
	}
	if r, c := m.Sealed(d); c.CheckCancel(d, r, m.Cancel) != nil {
		return "cancelled", uint64(c.Count)
	}
	return "", 0
}

// Encode is the payload of SPEC 08 §7.2.
func (m *OpenMove) Encode() []byte {
	c, r := &m.Claim, &m.Request
	header, value, price, bond := m.Header.Encode(), c.Value.Bytes(), r.Price.Bytes(), m.MaxBond.Bytes()
	w := new(writer).bytes(m.Opener[:]).u32(m.T).hash(m.Salt).bytes(bond[:])
	w.bytes(c.Node[:]).u32(c.Count).u8(c.Finish).hash(c.StateRoot).hash(c.OutputRoot).bytes(value[:])
	w.u64(c.Issued).u64(c.BatchBy).u64(c.ChallengeUntil)
	w.hash(r.PromptRoot).u32(r.PromptCount).u32(r.MaxNew).u32(r.Temperature).u64(r.Seed).hash(r.StopRoot)
	w.u8(r.StopCount).u8(r.DataClass).bytes(r.User[:]).u64(r.Nonce).bytes(price[:])
	w.bytes(m.Sampler.Encode()).bytes(header[:])
	if m.Batch != nil {
		w.u8(1).hash(m.Batch.Root).u16(m.Batch.Index).hashes(m.Batch.Path)
	} else {
		w.signed(m.Key, m.Signature)
	}
	if m.Second != nil {
		m.Second.append(w)
	}
	if m.T == Delivered {
		w.bytes(m.To[:])
	}
	if m.ends() && m.Ends != nil {
		w.ends(m.Ends)
	}
	if m.data() && !m.graph() && m.Sampler.Lists != (Hash{}) {
		w.bytes(m.Lists.Encode())
	}
	w.cancel(c, m.Cancel)
	return w.b
}

// cancel appends the signature of the user who ended the answer, if one did.
func (w *writer) cancel(c *claim.Claim, s claim.Signature) {
	if c.Finish == claim.FinishCancelled {
		w.bytes(s[:])
	}
}

// DecodeOpen reads the payload of open; count is the number of claims of the batch that it names,
// which the chain knows, and is not used with a signature.
func DecodeOpen(payload []byte, count uint32) (OpenMove, error) {
	var m OpenMove
	r := &reader{b: payload}
	m.Opener = r.address()
	m.T, m.Salt, m.MaxBond = r.u32(), r.hash(), r.amount()
	r.claim(&m.Claim)
	r.request(&m.Request)
	m.Sampler = r.settings()
	header := r.take(manifest.HeaderSize)
	if r.bad {
		return m, r.end(KindOpen)
	}
	h, err := manifest.DecodeHeader(header)
	if err != nil {
		return m, fmt.Errorf("%w: %w", ErrHeader, err)
	}
	m.Header = h
	switch kind := r.u8(); kind {
	case 0, 2:
		m.Key, m.Signature = r.signed(kind)
	case 1:
		m.Batch = &Inclusion{Root: r.hash(), Index: r.u16(), Path: r.path(count)}
	default:
		return m, fmt.Errorf("%w: evidence of kind %d", ErrEvidence, kind)
	}
	if m.T == Contradicts {
		m.Second = r.second(&m)
	}
	if m.T == Delivered {
		m.To = r.point()
	}
	if m.ends() {
		m.Ends = r.ends(m.graphDepth())
	} else if m.data() {
		m.Lists = r.lists(&Job{Sampler: m.Sampler})
	}
	m.Cancel = r.cancel(&m.Claim)
	return m, r.end(KindOpen)
}

// cancel reads what the writer's cancel appends.
func (r *reader) cancel(c *claim.Claim) (s claim.Signature) {
	if c.Finish == claim.FinishCancelled {
		copy(s[:], r.take(uint64(len(s))))
	}
	return s
}

// states is m+n-1, 0 for a claim without prompt and outputs.
func (m *OpenMove) states() uint64 {
	return max(uint64(m.Request.PromptCount)+uint64(m.Claim.Count), 1) - 1
}

func (r *reader) amount() claim.Amount {
	b := r.take(16)
	if b == nil {
		return claim.Amount{}
	}
	return claim.AmountFrom([16]byte(b))
}

func (r *reader) claim(c *claim.Claim) {
	c.Node = r.address()
	r.fields(c)
}

// fields are a claim's own: what is not its node, version and request.
func (r *reader) fields(c *claim.Claim) {
	c.Count, c.Finish, c.StateRoot, c.OutputRoot = r.u32(), r.u8(), r.hash(), r.hash()
	c.Value, c.Issued, c.BatchBy, c.ChallengeUntil = r.amount(), r.u64(), r.u64(), r.u64()
}

func (r *reader) request(q *claim.Request) {
	q.PromptRoot, q.PromptCount, q.MaxNew, q.Temperature = r.hash(), r.u32(), r.u32(), r.u32()
	q.Seed, q.StopRoot, q.StopCount, q.DataClass = r.u64(), r.hash(), r.u8(), r.u8()
	q.User = r.address()
	q.Nonce, q.Price = r.u64(), r.amount()
}

// settings are those of the sampler as they stand.
func (r *reader) settings() claim.Sampler {
	b := r.take(claim.SamplerSize)
	if b == nil {
		return claim.Sampler{}
	}
	return claim.DecodeSampler([claim.SamplerSize]byte(b))
}
