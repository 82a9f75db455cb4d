package peer

import (
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/crypto/ecies"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"
)

// overhead is by how much an encrypted delivery is longer at most.
const overhead = 256

// As is a client that proves to be a party of claims with the key of their requests' user, and reads what
// nodes encrypt to it. SPEC 07 §10.
func (c *Client) As(key *ecdsa.PrivateKey, d claim.Domain) *Client {
	return &Client{http: c.http, key: key, domain: d}
}

// data fetches the data of a claim: as it is, or, where the node keeps it for parties, encrypted to the
// client's key.
func (c *Client) data(ctx context.Context, url string, id claim.Hash, what string, size int64) ([]byte, error) {
	path := fmt.Sprintf("%s/v1/claims/%x/%s", url, id, what)
	if what == "receipt" {
		path = fmt.Sprintf("%s/v1/claims/%x", url, id)
	}
	b, err := c.get(ctx, path, size)
	var s *StatusError
	if c.key == nil || !errors.As(err, &s) || s.Status != http.StatusUnauthorized {
		return b, err
	}
	return c.sealed(ctx, path, id, what, size)
}

// sealed fetches what a node encrypts to the client's key, which signs Fetch(id).
func (c *Client) sealed(ctx context.Context, path string, id claim.Hash, what string, size int64) ([]byte, error) {
	sig, err := claim.Sign(claim.FetchDigest(c.domain, id), c.key)
	if err != nil {
		return nil, err
	}
	b, err := c.getAs(ctx, path, size+overhead, "Elenchus "+base64.RawURLEncoding.EncodeToString(sig[:]))
	if err != nil {
		return nil, err
	}
	plain, err := ecies.ImportECDSA(c.key).Decrypt(b, nil, claim.DeliveryInfo(id, what))
	if err != nil {
		return nil, fmt.Errorf("%w: %s of %x is not encrypted to this key: %w", ErrReply, what, id, err)
	}
	if int64(len(plain)) > size {
		return nil, fmt.Errorf("%w: %s sends more than %d bytes", ErrReply, path, size)
	}
	return plain, nil
}

// Receipt is the receipt of a claim.
func (c *Client) Receipt(ctx context.Context, url string, id claim.Hash) (*receipt.Receipt, error) {
	b, err := c.data(ctx, url, id, "receipt", maxJSON)
	if err != nil {
		return nil, err
	}
	return oneReceipt(b)
}

func oneReceipt(b []byte) (*receipt.Receipt, error) {
	rs, _, err := decodeReceipts(b)
	if err != nil {
		return nil, err
	}
	if len(rs) != 1 {
		return nil, fmt.Errorf("%w: %d receipts of one claim", ErrReply, len(rs))
	}
	return rs[0], nil
}

// Drawn is the receipt of the claim at a place of an audit that fell to the client's key (As), without its
// signature. SPEC 15 §2.4.
func (c *Client) Drawn(ctx context.Context, url string, p ledger.AuditPlace) (*receipt.Receipt, error) {
	if c.key == nil {
		return nil, errors.New("a drawn claim is fetched with the auditor's key")
	}
	path := fmt.Sprintf("%s/v1/batches/%x/draws/%d/%d", url, p.Root, p.Draw, p.Place)
	b, err := c.sealed(ctx, path, sampling.PlaceID(p), "receipt", maxJSON)
	if err != nil {
		return nil, err
	}
	return oneReceipt(b)
}
