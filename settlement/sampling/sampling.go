// Package sampling draws which claims of a batch are audited by whom, and says what an audit pays.
//
// It stands on the settlement floor beside quorum and above ledger: the Go twin of the contract
// Audits, without its money. A beacon's seed and a batch fix claims, seats and opened leaves; a
// receipt is bound to its auditor and to having computed every row. Invariant: nothing here judges a
// claim; an attestation is a claim, and the arena judges it. SPEC 11.
//
//	index, seat := sampling.Draw(seed, batch, draw, place, count, seats)
//	hash := sampling.Commit(auditor, audit, sampling.True, root, nonce)
package sampling

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/settlement/ledger"
)

// Hash is a keccak or SHA-256 digest.
type Hash = claim.Hash

// Places is how many seats audit a drawn claim. SPEC 11 §1.3.
const Places = 2

// Verdicts of an auditor. SPEC 11 §4.1.
const (
	True    uint8 = 1
	False   uint8 = 2
	Abstain uint8 = 3
)

// ErrParams marks terms that no deployment can have; ErrProof a proof that does not open what it must.
var (
	ErrParams = errors.New("terms of audits are out of range")
	ErrProof  = errors.New("proof of an audit does not hold")
)

// Params are the terms of a deployment: seconds, and token units. SPEC 11 §7.
type Params struct {
	Delay, CommitTime, RevealTime, GameTime, Unbonding uint64
	Every                                              uint64 // claims for each draw
	Fee, Reward, Deposit, Forfeit                      claim.Amount
}

// Check says what is out of range for an arena with that window and length of a turn (D0 and grace
// together) and a beacon with that period; the constructor refuses the same.
func (p *Params) Check(window, turn, period uint64) error {
	switch {
	case p.Delay == 0 || p.CommitTime == 0 || p.RevealTime == 0 || p.Every == 0 || p.Fee.IsZero():
		return fmt.Errorf("%w: delay %d, commitTime %d, revealTime %d, every %d, fee %s: use at least 1", ErrParams,
			p.Delay, p.CommitTime, p.RevealTime, p.Every, p.Fee)
	case p.Deposit.IsZero() || p.Deposit.Cmp(p.Forfeit) < 0:
		return fmt.Errorf("%w: deposit %s, forfeit %s: use a deposit that covers it", ErrParams, p.Deposit, p.Forfeit)
	case p.GameTime < 41*turn:
		return fmt.Errorf("%w: gameTime %d: use at least %d", ErrParams, p.GameTime, 41*turn)
	}
	if least := p.Delay + p.CommitTime + p.RevealTime + 2*period + 2*window + p.GameTime; p.Unbonding < least {
		return fmt.Errorf("%w: unbonding %d: use at least %d", ErrParams, p.Unbonding, least)
	}
	return nil
}

// Draws is how many claims of a batch are drawn if the fees pay all of them. SPEC 11 §1.3.
func (p *Params) Draws(count uint64) uint64 { return (count + p.Every - 1) / p.Every }

// Rounds says when rounds of a beacon are due. SPEC 11 §2.1.
type Rounds interface {
	Round(at uint64) uint64
	Time(round uint64) uint64
}

// Times are the rounds of a batch and the last times to commit and reveal. SPEC 11 §3.1.
type Times struct{ Drawing, CommitBy, Opening, RevealBy uint64 }

// TimesOf are those of a batch that was posted at a time.
func (p *Params) TimesOf(r Rounds, posted uint64) (t Times) {
	t.Drawing = r.Round(posted + p.Delay)
	t.CommitBy = r.Time(t.Drawing) + p.CommitTime
	t.Opening = r.Round(t.CommitBy + 1)
	t.RevealBy = r.Time(t.Opening) + p.RevealTime
	return t
}

// BatchKey is keccak(node | root).
func BatchKey(node claim.Address, root Hash) Hash { return claim.Keccak(node[:], root[:]) }

// ID is the audit id of a place. SPEC 11 §3.4.
func ID(batch Hash, draw uint16, place uint8) Hash {
	return claim.Keccak(batch[:], []byte{byte(draw >> 8), byte(draw), place})
}

// Draw is the drawn claim's place in its batch of count claims, and the seat of a place over that many
// seats; ok is false where the place has no seat. SPEC 11 §3.2.
func Draw(seed, batch Hash, draw uint16, place uint8, count, seats uint64) (index, seat uint64, ok bool) {
	s := claim.Keccak(seed[:], batch[:], []byte{byte(draw >> 8), byte(draw)})
	index = modulo(s, count)
	if seats <= uint64(place) || place >= Places {
		return index, 0, false
	}
	seat = modulo(claim.Keccak(s[:], []byte{0}), seats)
	if place == 1 {
		seat = (seat + 1 + modulo(claim.Keccak(s[:], []byte{1}), seats-1)) % seats
	}
	return index, seat, true
}

// PlaceID is the id of the audit at a place. SPEC 11 §3.4.
func PlaceID(p ledger.AuditPlace) Hash { return ID(BatchKey(p.Node, p.Root), p.Draw, p.Place) }

// modulo is a hash, as an integer, modulo n > 0.
func modulo(h Hash, n uint64) uint64 {
	x := new(big.Int).SetBytes(h[:])
	return x.Mod(x, new(big.Int).SetUint64(n)).Uint64()
}

// Leaf is the index in the KV tree of the leaf that an audit opens, of a claim with that many states.
// SPEC 11 §4.2.
func Leaf(seed, audit Hash, h *manifest.Header, states uint64) uint64 {
	e := claim.Keccak(seed[:], audit[:])
	part := func(i int) uint64 { return binary.BigEndian.Uint64(e[8*i:]) }
	index := part(0)%states<<h.DLayer | part(1)%uint64(h.Layers)
	index = index<<1 | part(2)&1
	return index<<h.DRow | part(3)&(1<<h.DRow-1)
}

// Commit is what an auditor commits to; the chain keeps all but its last byte. SPEC 11 §4.1.
func Commit(auditor claim.Address, audit Hash, verdict uint8, root, nonce Hash) Hash {
	return claim.Keccak(auditor[:], audit[:], []byte{verdict}, root[:], nonce[:])
}

// Attestation is the claim that an auditor signs who says that a claim is true. SPEC 11 §4.3.
func Attestation(c claim.Claim, auditor claim.Address, posted, revealBy, window uint64) claim.Claim {
	c.Node, c.Value = auditor, claim.Amount{}
	c.Issued, c.BatchBy, c.ChallengeUntil = posted, ^uint64(0), revealBy+window
	return c
}

// Case is what the pay of a verdict depends on: the attestation with its signature, or the audited
// claim in its batch. SPEC 11 §6.
func Case(id, batch Hash) Hash { return claim.Keccak(id[:], batch[:]) }

// Veil hides a plant. SPEC 11 §5.2.
func Veil(node claim.Address, id, salt Hash) Hash { return claim.Keccak(node[:], id[:], salt[:]) }
