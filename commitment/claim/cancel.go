package claim

import "fmt"

// CancelType is the EIP-712 type of what a user signs who ends an answer after count ids. SPEC 07 §3.5.
const CancelType = "Cancel(bytes32 request,uint32 count)"

// CancelDigest is what the user of a request, named by its digest, signs to end its answer after count ids.
func CancelDigest(d Domain, request Hash, count uint32) Hash {
	return d.Digest(newWords(CancelType, 2).hash(request).uint(uint64(count)).sum())
}

// Named is the requestDigest of a claim like c on a request: the digest of the request or, if the claim was
// cancelled, a hash that binds it, the count and the user's signature. SPEC 07 §3.5.
func (c Claim) Named(d Domain, request Hash, cancel Signature) Hash {
	if c.Finish != FinishCancelled {
		return request
	}
	digest := CancelDigest(d, request, c.Count)
	return Keccak(digest[:], cancel[:])
}

// CheckCancel says ErrSignature if c was cancelled and the user of r did not sign its count.
func (c Claim) CheckCancel(d Domain, r Request, cancel Signature) error {
	if c.Finish != FinishCancelled {
		return nil
	}
	if err := VerifySigner(CancelDigest(d, r.Digest(d), c.Count), cancel, r.User); err != nil {
		return fmt.Errorf("cancelled after %d ids: %w", c.Count, err)
	}
	return nil
}
