// Package claim defines what a user asks and what a node asserts: requests, claims, their digests,
// signatures and batches.
//
// It stands above merkle on the commitment floor; receipts, the money of the settlement floor and
// the dispute game read it. Invariants: a request or claim has one encoding and one digest; a claim
// holds nothing that its request determines; a claim's identity does not depend on its three times;
// signatures have one form (v 27 or 28, low s). SPEC 07.
//
//	d := claim.Domain{ChainID: 31337, Arena: arena}
//	c := claim.Claim{Version: 1, Node: node, RequestDigest: r.Digest(d), Count: 57, ...}
//	sig, err := claim.Sign(c.Digest(d), key)
//	who, err := claim.Recover(c.Digest(d), sig)
package claim

import (
	"errors"
	"fmt"

	"elenchus/commitment/merkle"
)

// Hash is a 32-byte digest, keccak-256 or SHA-256 as its field says.
type Hash = merkle.Hash

// Address is an account of the chain.
type Address [20]byte

// Version is the claim version that this package understands.
const Version = 1

// MaxStops is the most end ids that a request may name.
const MaxStops = 64

// Data classes of a request, SPEC 07 §2.
const (
	Public  uint8 = 0
	Parties uint8 = 1
	Sealed  uint8 = 2
)

// Finish codes, SPEC 06 §4.
const (
	FinishRun       uint8 = 0
	FinishEnd       uint8 = 1
	FinishStop      uint8 = 2
	FinishLength    uint8 = 3
	FinishContext   uint8 = 4
	FinishCancelled uint8 = 5
	FinishGrammar   uint8 = 6
)

// Errors that callers match.
var (
	ErrRequest   = errors.New("request is not valid")
	ErrClaim     = errors.New("claim is not valid")
	ErrEncoding  = errors.New("not the canonical encoding")
	ErrSignature = errors.New("signature is not valid")
	ErrInclusion = errors.New("claim is not in the batch")
	ErrAmount    = errors.New("amount outside 0..2^128-1")
)

// Request is what a user asks of a node. For a graph model PromptRoot is the root of the input
// tensor and PromptCount, MaxNew, Temperature, Seed and the stop list are zero. SPEC 07 §2.
type Request struct {
	Model       Hash
	PromptRoot  Hash
	PromptCount uint32
	MaxNew      uint32
	Temperature uint32 // Q16
	Seed        uint64
	StopRoot    Hash
	StopCount   uint8
	Extras      Hash // 0, or Sampler.Extras
	DataClass   uint8
	User        Address
	Nonce       uint64
	Price       Amount // token units
}

// Claim is what a node asserts about a request. Times are unix seconds of the chain. For a graph
// model Count and Finish are 0 and StateRoot is the root over its boundaries. SPEC 07 §3.
type Claim struct {
	Version        uint16
	Node           Address
	RequestDigest  Hash
	Count          uint32
	Finish         uint8
	StateRoot      Hash
	OutputRoot     Hash
	Value          Amount // token units
	Issued         uint64
	BatchBy        uint64
	ChallengeUntil uint64
}

// Graph says whether r asks a graph model: no tokens, one graph, input and output roots.
func (r Request) Graph() bool { return r.PromptCount == 0 }

// Salted says whether each id of the prompt has a leaf of its own, with a salt. SPEC 06 §3.8.
func (r Request) Salted() bool { return r.DataClass != Public && !r.Graph() }

// Check reports the first field of r that SPEC 07 §2 forbids, as ErrRequest.
func (r Request) Check() error {
	switch {
	case r.Graph() && r.Extras != Hash{}:
		return fmt.Errorf("%w: extras %x of a request without prompt ids must be zero", ErrRequest, r.Extras[:8])
	case r.DataClass > Sealed:
		return fmt.Errorf("%w: data class %d is none of 0..2", ErrRequest, r.DataClass)
	case r.StopCount > MaxStops:
		return fmt.Errorf("%w: %d stop ids, at most %d", ErrRequest, r.StopCount, MaxStops)
	case r.Graph() && (r.MaxNew != 0 || r.Temperature != 0 || r.Seed != 0 || r.StopCount != 0 || r.StopRoot != Hash{}):
		return fmt.Errorf("%w: a request without prompt ids must leave the sampler fields zero", ErrRequest)
	case !r.Graph() && r.MaxNew == 0:
		return fmt.Errorf("%w: maxNew 0, ask for at least 1 token", ErrRequest)
	}
	return nil
}

// Check reports the first field of c that SPEC 07 §3 forbids, as ErrClaim. It needs the request
// that c answers, and does not compare RequestDigest (that needs the domain).
func (c Claim) Check(r Request) error {
	switch {
	case c.Version != Version:
		return fmt.Errorf("%w: version %d, want %d", ErrClaim, c.Version, Version)
	case r.Graph() && (c.Count != 0 || c.Finish != 0):
		return fmt.Errorf("%w: a graph claim has no count and no finish", ErrClaim)
	case !r.Graph() && (c.Count == 0 || c.Count > r.MaxNew):
		return fmt.Errorf("%w: count %d outside 1..%d", ErrClaim, c.Count, r.MaxNew)
	case !r.Graph() && (c.Finish == FinishRun || c.Finish > FinishGrammar):
		return fmt.Errorf("%w: finish %d is none of 1..6", ErrClaim, c.Finish)
	}
	return nil
}
