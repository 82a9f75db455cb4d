package chain

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/contracts"
)

// ErrPrecompile: the chain computes a hash or signature otherwise than Ethereum.
var ErrPrecompile = errors.New("precompiled contract gives a wrong result")

// deployer sends the transactions of a deployment, in batches that wait for each other where a
// constructor looks at the code of another contract.
type deployer struct {
	c     *Client
	s     *Signer // nil: nothing is sent, as in a plan
	bind  *bindings
	salt  [32]byte
	fees  Fees
	nonce uint64
	sent  []sentTx
	plan  []Planned
	first uint64 // block of the earliest transaction
	err   error  // the first failure; nothing is sent after it
}

// Planned is one contract of a deployment.
type Planned struct {
	Name    string         `json:"name"`
	Address common.Address `json:"address"`
	There   bool           `json:"there"` // an earlier deployment has put it there
	Size    int            `json:"size"`  // bytes of its creation code
}

type sentTx struct {
	name string
	hash common.Hash
	at   common.Address // of the contract; zero: none
}

// Deploy puts a set of contracts on the chain and checks it as Load does. Their addresses follow from
// what they are (CREATE2): the same release with the same parameters and salt is the same deployment on every
// chain, and what is there already is not sent again, so that a Deploy that broke off goes on where it ended.
// It sends for the account of s, which must not send anything else meanwhile and pays about 20 million gas
// (Amsterdam: 137 million). Keep the addresses (Addresses.Encode).
func Deploy(ctx context.Context, c *Client, s *Signer, p DeployParams) (Addresses, error) {
	d, err := newDeployer(ctx, c, p)
	if err != nil {
		return Addresses{}, err
	}
	d.s = s
	if d.nonce, err = c.eth.PendingNonceAt(ctx, s.addr); err != nil {
		return Addresses{}, fmt.Errorf("read the nonce of %v: %w", s.addr, err)
	}
	d.needFactory(ctx)
	at, err := d.all(ctx, p)
	if err != nil {
		return Addresses{}, err
	}
	if d.there(registryName) { // its logs began with an earlier deployment
		if d.first, err = c.since(ctx, at.Registry); err != nil {
			return Addresses{}, err
		}
	}
	at.Block = d.first
	if _, err := Load(ctx, c, at); err != nil {
		return Addresses{}, fmt.Errorf("check the deployment: %w", err)
	}
	return at, nil
}

// Plan says what Deploy would put where, and sends nothing.
func Plan(ctx context.Context, c *Client, p DeployParams) ([]Planned, error) {
	d, err := newDeployer(ctx, c, p)
	if err != nil {
		return nil, err
	}
	_, err = d.all(ctx, p)
	return d.plan, err
}

func newDeployer(ctx context.Context, c *Client, p DeployParams) (*deployer, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if err := checkPrecompiles(ctx, c); err != nil {
		return nil, err
	}
	if !c.id.IsUint64() {
		return nil, fmt.Errorf("chain id %v is above 2^64-1", c.id)
	}
	bind, err := newBindings()
	if err != nil {
		return nil, err
	}
	return &deployer{c: c, bind: bind, salt: p.Salt}, nil
}

// all deploys in the order in which constructors need each other.
func (d *deployer) all(ctx context.Context, p DeployParams) (Addresses, error) {
	at := Addresses{Version: addressesVersion, ChainID: d.c.id.Uint64(), Token: p.Token}
	if at.Token == (common.Address{}) {
		at.Token = d.create(ctx, tokenName)
	}
	at.Registry, at.Poseidon = d.create(ctx, registryName), d.create(ctx, poseidonName)
	at.Verifier, at.Plonk = d.create(ctx, verifierName, p.Registrar), d.create(ctx, plonkName, p.Registrar)
	at.Game = d.create(ctx, gameName, at.Poseidon)
	var ops []uint8
	var evaluators []common.Address
	for _, e := range contracts.Evaluators() {
		address := d.create(ctx, e.Name)
		for _, op := range e.Ops {
			ops, evaluators = append(ops, op), append(evaluators, address)
		}
	}
	d.wait(ctx)
	at.Open = d.create(ctx, openName)
	at.Steps = d.create(ctx, stepsName, p.Registrar, ops, evaluators, []common.Address{at.Verifier, at.Plonk})
	d.wait(ctx)
	at.Proofs = d.create(ctx, proofsName, at.Steps, at.Poseidon)
	at.Clusters = d.create(ctx, clustersName, at.Steps)
	at.Answer = d.create(ctx, answerName, at.Steps, at.Proofs, at.Clusters)
	d.wait(ctx)
	at.Arena = d.create(ctx, arenaName, ArenaArguments(at.Token, p, at.Registry, at.Open, at.Game, at.Answer)...)
	if p.Governor != (common.Address{}) {
		at.Directory = d.create(ctx, directoryName, p.Governor, new(big.Int).SetUint64(p.Delay))
	}
	d.wait(ctx)
	return at, d.err
}

// ArenaArguments are those of the arena's constructor; abi matches the fields of the structure by
// name.
func ArenaArguments(token common.Address, p DeployParams, registry, open, game, answer common.Address) []any {
	return []any{token, struct {
		Profile                                                                                   uint8
		Unbonding                                                                                 uint64
		Reserve                                                                                   *big.Int
		Window, ReplyTime, Grace, ForcedInclusion, Rate, SpaceRate, RewardDelay, PriceCap, TipCap uint64
		TokenPerEther                                                                             *big.Int
		WorstGas                                                                                  uint64
		WorkFee                                                                                   *big.Int
		RefundFactor                                                                              uint64
		Guardian                                                                                  common.Address
	}{uint8(p.Profile), p.Unbonding, p.Reserve.Big(), p.Window, p.ReplyTime, p.Grace, p.ForcedInclusion, p.Rate, p.SpaceRate,
		p.RewardDelay, p.PriceCap, p.TipCap,
		p.TokenPerEther.Big(), p.WorstGas, p.WorkFee.Big(), p.RefundFactor, p.Guardian},
		[4]common.Address{registry, open, game, answer}}
}

// there says whether an earlier deployment had put a contract there.
func (d *deployer) there(name string) bool {
	return slices.ContainsFunc(d.plan, func(p Planned) bool { return p.Name == name && p.There })
}

// create sends the creation of a contract unless it is there, and returns where it is or will be.
func (d *deployer) create(ctx context.Context, name string, args ...any) common.Address {
	if d.err != nil {
		return common.Address{}
	}
	data, err := d.bind.creation(name, args...)
	if err != nil {
		d.err = err
		return common.Address{}
	}
	at := creation2(d.salt, data)
	code, err := d.c.Code(ctx, at)
	if err != nil {
		d.err = err
		return at
	}
	d.plan = append(d.plan, Planned{name, at, len(code) != 0, len(data)})
	if len(code) == 0 {
		d.send(ctx, sentTx{name: "deploy " + name, at: at}, &Factory, new(big.Int), append(d.salt[:], data...))
	}
	return at
}

// pay sends ether.
func (d *deployer) pay(ctx context.Context, to common.Address, wei *big.Int) {
	d.send(ctx, sentTx{name: "pay for the deployment proxy"}, &to, wei, nil)
}

// send estimates, signs and sends; after an earlier error, and in a plan, it does nothing.
func (d *deployer) send(ctx context.Context, what sentTx, to *common.Address, wei *big.Int, data []byte) {
	if d.err != nil || d.s == nil {
		return
	}
	tx, err := d.sign(ctx, to, wei, data)
	if err == nil {
		err = d.c.eth.SendTransaction(ctx, tx)
	}
	if err != nil {
		d.err = fmt.Errorf("%s: %w", what.name, err)
		return
	}
	d.nonce++
	what.hash = tx.Hash()
	d.sent = append(d.sent, what)
}

func (d *deployer) sign(ctx context.Context, to *common.Address, wei *big.Int, data []byte) (*types.Transaction, error) {
	if len(d.sent) == 0 {
		fees, err := d.c.SuggestFees(ctx)
		if err != nil {
			return nil, err
		}
		d.fees = fees
	}
	gas, err := d.c.EstimateGas(ctx, d.s.addr, to, wei, data)
	if err != nil {
		return nil, err
	}
	return d.s.sign(d.c, txData(d.c, d.nonce, Margin(gas), d.fees, to, wei, data))
}

// receiptPoll is the pause between looks for a receipt.
const receiptPoll = 20 * time.Millisecond

// wait returns when all that was sent is mined.
func (d *deployer) wait(ctx context.Context) {
	for _, tx := range d.sent {
		if d.err != nil {
			return
		}
		d.err = d.mined(ctx, tx)
	}
	d.sent = nil
}

func (d *deployer) mined(ctx context.Context, tx sentTx) error {
	tick := time.NewTicker(receiptPoll)
	defer tick.Stop()
	for {
		r, err := d.c.Receipt(ctx, tx.hash)
		switch {
		case err == nil && r.Status != types.ReceiptStatusSuccessful:
			if code, err := d.c.Code(ctx, tx.at); err == nil && len(code) != 0 {
				return nil // somebody else was faster; the code of an address cannot be another's
			}
			return fmt.Errorf("%s: transaction %v failed after %d gas", tx.name, tx.hash, r.GasUsed)
		case err == nil:
			if n := r.BlockNumber.Uint64(); d.first == 0 || n < d.first {
				d.first = n
			}
			return nil
		case !errors.Is(err, ErrNotMined):
			return fmt.Errorf("%s: %w", tx.name, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: transaction %v: %w", tx.name, tx.hash, ctx.Err())
		case <-tick.C:
		}
	}
}

// checkPrecompiles asks the chain for a SHA-256 hash and a recovered signer and compares.
func checkPrecompiles(ctx context.Context, c *Client) error {
	text := []byte("elenchus")
	want := sha256.Sum256(text)
	got, err := c.Call(ctx, common.Address{}, common.BytesToAddress([]byte{2}), text)
	if err != nil {
		return fmt.Errorf("call the SHA-256 precompile: %w", err)
	}
	if !bytes.Equal(got, want[:]) {
		return fmt.Errorf("%w: SHA-256 is %x, want %x", ErrPrecompile, got, want)
	}
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{1}, 32)) // a throw-away key; signs the hash above only
	if err != nil {
		return err
	}
	sig, err := crypto.Sign(want[:], key)
	if err != nil {
		return err
	}
	input := append(want[:], common.LeftPadBytes([]byte{27 + sig[64]}, 32)...)
	got, err = c.Call(ctx, common.Address{}, common.BytesToAddress([]byte{1}), append(input, sig[:64]...))
	if err != nil {
		return fmt.Errorf("call the signature precompile: %w", err)
	}
	if signer := crypto.PubkeyToAddress(key.PublicKey); common.BytesToAddress(got) != signer {
		return fmt.Errorf("%w: recovered signer is %x, want %v", ErrPrecompile, got, signer)
	}
	return nil
}
