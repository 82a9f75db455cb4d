package chain

import (
	"crypto/ecdsa"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// Signer signs transactions of one account. Where its key comes from and how it
// is kept is the caller's matter. It prints as its address only.
type Signer struct {
	key  *ecdsa.PrivateKey
	addr common.Address
}

// NewSigner returns the signer of a secp256k1 key.
func NewSigner(key *ecdsa.PrivateKey) (*Signer, error) {
	if key == nil || key.D == nil || key.Curve != crypto.S256() {
		return nil, errors.New("signing key is not a secp256k1 key")
	}
	return &Signer{key: key, addr: crypto.PubkeyToAddress(key.PublicKey)}, nil
}

// Address returns the account.
func (s *Signer) Address() common.Address { return s.addr }

// String returns the address.
func (s *Signer) String() string { return s.addr.Hex() }

// Format keeps the key out of every verb.
func (s *Signer) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.addr.Hex()) }

// sign returns tx signed for the chain of c.
func (s *Signer) sign(c *Client, tx types.TxData) (*types.Transaction, error) {
	signed, err := types.SignNewTx(s.key, types.LatestSignerForChainID(c.id), tx)
	if err != nil {
		return nil, fmt.Errorf("sign transaction of %v: %w", s.addr, err)
	}
	return signed, nil
}
