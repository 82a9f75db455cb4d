package receipt

import "elenchus/commitment/claim"

// Place is a claim in a batch as a node shows it: its receipt, or, where the data class keeps that for the
// parties, the digest of the claim alone. SPEC 07 §10, 15 §2.2.
type Place struct {
	Receipt *Receipt   // nil: kept for the parties
	Leaf    claim.Hash // the digest, if there is no receipt
}

// Digest is the leaf of the batch's tree in a domain.
func (p Place) Digest(d claim.Domain) claim.Hash {
	if p.Receipt == nil {
		return p.Leaf
	}
	return p.Receipt.Claim.Digest(d)
}
