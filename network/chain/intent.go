package chain

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

const (
	maxKey  = 256       // bytes of an intent's key
	maxData = 128 << 10 // bytes of calldata; pools take no larger transaction
)

// Intent is one transaction that shall be mined once.
type Intent struct {
	// Key names the intent, 1 to 256 bytes, such as "game/7/move/3". Two
	// submissions with one key are one intent.
	Key string
	// To is the receiver; nil deploys Data.
	To *common.Address
	// Data is the calldata, at most 128 KiB.
	Data []byte
	// Value is wei to send along; nil means none.
	Value *big.Int
	// Gas is the gas limit; 0 means the estimate with Margin. With a limit of
	// its own an intent is sent without a trial run.
	Gas uint64
}

func (i Intent) check() error {
	switch {
	case len(i.Key) == 0 || len(i.Key) > maxKey:
		return fmt.Errorf("intent key of %d bytes is out of range: use 1 to %d", len(i.Key), maxKey)
	case len(i.Data) > maxData:
		return fmt.Errorf("intent %q has %d bytes of calldata: use at most %d", i.Key, len(i.Data), maxData)
	case i.Value != nil && (i.Value.Sign() < 0 || i.Value.BitLen() > 256):
		return fmt.Errorf("intent %q sends %v wei: use 0 to 2^256-1", i.Key, i.Value)
	}
	return nil
}

// same tells whether two intents with one key ask for the same transaction.
func (i Intent) same(j Intent) bool {
	to := i.To == nil && j.To == nil || i.To != nil && j.To != nil && *i.To == *j.To
	return to && bytes.Equal(i.Data, j.Data) && i.value().Cmp(j.value()) == 0
}

func (i Intent) value() *big.Int {
	if i.Value == nil {
		return new(big.Int)
	}
	return i.Value
}

// Receipt is a mined intent.
type Receipt struct {
	*types.Receipt
	// Revert says why the transaction failed; nil if it did not. The reason is
	// found by running the call again at that block and may be empty.
	Revert *RevertError
	// Final is true once Options.Depth blocks lie on top.
	Final bool
}

// Errors that callers of the outbox can match.
var (
	// ErrKeyReused: the key names another transaction already.
	ErrKeyReused = errors.New("intent key is used for another transaction")
	// ErrUnknownKey: no intent has this key.
	ErrUnknownKey = errors.New("no intent has this key")
	// ErrOtherAccount: the outbox file belongs to another chain or account.
	ErrOtherAccount = errors.New("outbox belongs to another chain or account")
	// ErrRefused: the node takes no such transaction; it was never sent on.
	ErrRefused = errors.New("node refuses the transaction")
	// ErrFeeLimit: the chain's base fee is above Options.MaxFee.
	ErrFeeLimit = errors.New("base fee is above the limit")
	// ErrNonceGap: the chain lost transactions of this account that the outbox
	// does not have, so that later ones cannot be mined.
	ErrNonceGap = errors.New("chain lacks earlier transactions of this account")
)

// InsufficientFundsError says that an account cannot pay for an intent. The
// intent waits and goes on when the account is funded.
type InsufficientFundsError struct {
	Account common.Address
	Need    *big.Int // wei: value and gas at the fee cap
	Have    *big.Int // wei: balance less what transactions on their way may cost
	Missing *big.Int // wei: Need - Have
}

// Error names the account and the missing amount.
func (e *InsufficientFundsError) Error() string {
	return fmt.Sprintf("account %v lacks %v wei (needs %v, has %v): send it that much", e.Account, e.Missing, e.Need, e.Have)
}
