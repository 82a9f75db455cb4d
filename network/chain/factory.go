package chain

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// Factory is the contract through which deployments go: the deterministic deployment proxy that most chains
// have at this address, since its creation is a transaction whose signature was made up instead of made,
// so that nobody has its key. It creates what follows 32 bytes of salt with CREATE2 (EIP-1014), for anybody.
var Factory = common.HexToAddress("0x4e59b44847b379578588920cA78FbF26c0B4956C")

// FactoryCode is the code of the factory; a chain's genesis may hold it.
func FactoryCode() []byte {
	b, _ := hex.DecodeString(factoryCode) // checked by a test
	return b
}

const (
	factoryCode = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
	// factoryCreation is the transaction that creates the factory: nonce 0, 100 gwei, 100,000 gas, no chain id.
	factoryCreation = "f8a58085174876e800830186a08080b853604580600e600039806000f350fe" + factoryCode +
		"1ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
)

// ErrFactory: the chain lacks the factory and does not take its creation.
var ErrFactory = errors.New("the chain has no deterministic deployment proxy")

// factoryTx is the creation of the factory, and the account that its signature recovers.
func factoryTx() (*types.Transaction, common.Address, error) {
	raw, err := hex.DecodeString(factoryCreation)
	if err != nil {
		return nil, common.Address{}, err
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return nil, common.Address{}, err
	}
	from, err := types.Sender(types.HomesteadSigner{}, tx)
	return tx, from, err
}

// needFactory makes sure that the factory is there: it pays for the creation and sends it.
func (d *deployer) needFactory(ctx context.Context) {
	code, err := d.c.Code(ctx, Factory)
	if err != nil || bytes.Equal(code, FactoryCode()) {
		d.err = err
		return
	}
	if len(code) != 0 {
		d.err = fmt.Errorf("%w: %v has other code", ErrFactory, Factory)
		return
	}
	tx, from, err := factoryTx()
	if err != nil {
		d.err = err
		return
	}
	held, err := d.c.Balance(ctx, from)
	if err != nil {
		d.err = err
		return
	}
	if lack := new(big.Int).Sub(tx.Cost(), held); lack.Sign() > 0 {
		d.pay(ctx, from, lack)
		d.wait(ctx)
	}
	if d.err == nil {
		d.err = d.c.eth.SendTransaction(ctx, tx)
		d.sent = append(d.sent, sentTx{name: "create the deployment proxy", hash: tx.Hash(), at: Factory})
	}
	d.wait(ctx)
	if d.err != nil {
		d.err = fmt.Errorf("%w: its creation (transaction %v, without a chain id) was refused: %w: ask the chain's operator for it", ErrFactory, tx.Hash(), d.err)
	}
}

// creation2 is the address of what the factory creates of a creation code.
func creation2(salt [32]byte, code []byte) common.Address {
	return crypto.CreateAddress2(Factory, salt, crypto.Keccak256(code))
}
