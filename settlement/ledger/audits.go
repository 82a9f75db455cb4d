package ledger

import (
	"fmt"

	"elenchus/commitment/claim"
)

// BeaconRound is a round of the beacon that was checked.
type BeaconRound struct {
	Round uint64
	Seed  Hash
}

// AuditEntered is a batch of which Drawn claims are audited. SPEC 11 §1.3.
type AuditEntered struct {
	Node  Address
	Root  Hash
	Drawn uint16
}

// AuditRevealed is what an auditor says of the claim that a draw of a batch gave. SPEC 11 §4.4.
type AuditRevealed struct {
	Audit     Hash
	Auditor   Address
	Node      Address
	Root      Hash
	Draw      uint16
	Verdict   uint8
	Case      Hash
	Signature []byte // of the attestation, 65 bytes, where the verdict is true
}

// AuditClosed is the pay of a place, in token units.
type AuditClosed struct {
	Audit   Hash
	Auditor Address
	Paid    claim.Amount
	Burned  claim.Amount
	Winner  Address
	Bounty  claim.Amount
}

// PlantVeiled is a fault that a node hides in one of its claims to come. SPEC 11 §5.2.
type PlantVeiled struct {
	Node Address
	Veil Hash
}

// PlantShown is a claim that its node says it has made false on purpose: its case counts as refuted in
// that arena. SPEC 11 §5.3.
type PlantShown struct {
	Node  Address
	Arena Address
	Case  Hash
	Claim Hash
}

// AuditFeesPaid are fees that were paid in advance for audits of a node.
type AuditFeesPaid struct {
	Node   Address
	Amount claim.Amount
}

// SeatTaken is a seat of auditors with its new holder.
type SeatTaken struct {
	Seat  uint64
	Owner Address
}

func (AuditFeesPaid) event() {}
func (SeatTaken) event()     {}
func (BeaconRound) event()   {}
func (AuditEntered) event()  {}
func (AuditRevealed) event() {}
func (AuditClosed) event()   {}
func (PlantVeiled) event()   {}
func (PlantShown) event()    {}

// PostRound brings a round of the beacon: x and y of its signature.
type PostRound struct {
	Round uint64
	Point []byte
}

// AuditPlace names one audit: a place of a draw of a batch.
type AuditPlace struct {
	Node  Address
	Root  Hash
	Draw  uint16
	Place uint8
}

// EnterAudits has a batch audited.
type EnterAudits struct {
	Node Address
	Root Hash
}

// CommitAudit commits to a verdict.
type CommitAudit struct {
	AuditPlace
	Hash Hash
}

// RevealAudit reveals it.
type RevealAudit struct {
	AuditPlace
	Verdict     uint8
	Salted      Hash
	Nonce       Hash
	Open, Proof []byte
}

// CloseAudit settles a place. Held is what the arena holds for its case.
type CloseAudit struct {
	AuditPlace
	Case Hash
	Held []byte
	Nth  uint8 // 1: a second time, for an attestation that was paid before it was refuted
}

// LayVeils veils faults that the sender will plant. SPEC 11 §5.2.
type LayVeils struct{ Veils []Hash }

// ShowPlant shows a claim in a batch of the sender to be planted.
type ShowPlant struct{ Root, Claim, Salt Hash }

func (p AuditPlace) key() string {
	return fmt.Sprintf("audit/%x/%x/%d/%d", p.Node, p.Root, p.Draw, p.Place)
}

// Key names the round.
func (o PostRound) Key() string { return fmt.Sprintf("round/%d", o.Round) }

// Key names the batch.
func (o EnterAudits) Key() string { return fmt.Sprintf("audit/%x/%x/enter", o.Node, o.Root) }

// Key names the place.
func (o CommitAudit) Key() string { return o.key() + "/commit" }

// Key names the place.
func (o RevealAudit) Key() string { return o.key() + "/reveal" }

// Key names the place, and which of its two ends.
func (o CloseAudit) Key() string { return fmt.Sprintf("%s/close/%d", o.key(), o.Nth) }

// Key names the veils.
func (o LayVeils) Key() string {
	var all []byte
	for _, v := range o.Veils {
		all = append(all, v[:]...)
	}
	return fmt.Sprintf("plant/veil/%x", stateKey(all))
}

// Key names the claim in its batch.
func (o ShowPlant) Key() string { return fmt.Sprintf("plant/show/%x/%x", o.Claim, stateKey(o.Root[:])) }
