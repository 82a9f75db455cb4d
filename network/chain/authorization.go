package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"

	"elenchus/commitment/claim"
)

// Authorization is a transfer of tokens that its owner has signed (EIP-3009). Numbers are from 0 to 2^256-1.
type Authorization struct {
	From, To    common.Address
	Value       *big.Int // units of the token
	ValidAfter  *big.Int // unix seconds; the transfer is mined after this
	ValidBefore *big.Int // and before this
	Nonce       [32]byte // of the owner's choice, once
	Signature   claim.Signature
}

// ErrNotAuthorizable: a token takes no transfers by signature, or signs them otherwise than EIP-3009 says.
var ErrNotAuthorizable = errors.New("token takes no signed transfers")

// SignedToken is a token that takes transfers by signature. Its methods may be called from any goroutine.
type SignedToken struct {
	Name, Version string // of its EIP-712 domain
	Decimals      uint8
	at            common.Address
	separator     [32]byte
	k             *Contracts
}

// SignedToken looks at a token of the chain, which need not be the deployment's. The error matches ErrNotAuthorizable
// if the separator of its domain is not that of its name and version, or if it lacks the functions.
func (k *Contracts) SignedToken(ctx context.Context, at common.Address) (*SignedToken, error) {
	t := &SignedToken{at: at, k: k}
	var errs [5]error
	t.Name, errs[0] = read[string](ctx, k, tokenName, at, "name")
	t.Version, errs[1] = read[string](ctx, k, tokenName, at, "version")
	t.Decimals, errs[2] = read[uint8](ctx, k, tokenName, at, "decimals")
	t.separator, errs[3] = read[[32]byte](ctx, k, tokenName, at, "DOMAIN_SEPARATOR")
	_, errs[4] = t.Used(ctx, common.Address{}, [32]byte{})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("%w: %v: %w", ErrNotAuthorizable, at, err)
	}
	if want := t.domain(); want != t.separator {
		return nil, fmt.Errorf("%w: %v has the separator %x, its name %q and version %q give %x", ErrNotAuthorizable, at, t.separator, t.Name, t.Version, want)
	}
	return t, nil
}

// domain is the separator of the token's name and version.
func (t *SignedToken) domain() [32]byte {
	kind := claim.Keccak([]byte("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"))
	name, version := claim.Keccak([]byte(t.Name)), claim.Keccak([]byte(t.Version))
	return claim.Keccak(kind[:], name[:], version[:], word(t.k.c.id), word(new(big.Int).SetBytes(t.at[:])))
}

// word is v as 32 bytes; it must fit.
func word(v *big.Int) []byte { return v.FillBytes(make([]byte, 32)) }

// Digest is what the owner signs.
func (t *SignedToken) Digest(a Authorization) claim.Hash {
	kind := claim.Keccak([]byte(
		"TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"))
	message := claim.Keccak(kind[:], common.LeftPadBytes(a.From[:], 32), common.LeftPadBytes(a.To[:], 32),
		word(a.Value), word(a.ValidAfter), word(a.ValidBefore), a.Nonce[:])
	return claim.Keccak([]byte{0x19, 0x01}, t.separator[:], message[:])
}

// Used says whether an authorisation was used or cancelled.
func (t *SignedToken) Used(ctx context.Context, owner common.Address, nonce [32]byte) (bool, error) {
	return read[bool](ctx, t.k, tokenName, t.at, "authorizationState", owner, nonce)
}

// Balance returns what an account has, in units.
func (t *SignedToken) Balance(ctx context.Context, owner common.Address) (*big.Int, error) {
	return read[*big.Int](ctx, t.k, tokenName, t.at, "balanceOf", owner)
}

// Try runs a transfer on the state that the next block would have, for the sender; an error that is a *RevertError says
// why the token refuses it.
func (t *SignedToken) Try(ctx context.Context, sender common.Address, a Authorization) error {
	i, err := t.Transfer("try", a)
	if err != nil {
		return err
	}
	_, err = t.k.c.eth.PendingCallContract(ctx, ethereum.CallMsg{From: sender, To: i.To, Data: i.Data})
	if err != nil {
		return asRevert(err)
	}
	return nil
}

// Transfer is the transaction of an authorisation, which anyone may send. It is sent after a trial run: what the token
// refuses costs nothing.
func (t *SignedToken) Transfer(key string, a Authorization) (Intent, error) {
	s := a.Signature
	i, err := t.k.intent(key, plainGas, tokenName, t.at, "transferWithAuthorization", a.From, a.To, a.Value, a.ValidAfter, a.ValidBefore,
		a.Nonce, s[64], [32]byte(s[:32]), [32]byte(s[32:64]))
	i.Gas = 0
	return i, err
}
