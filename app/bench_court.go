package app

import (
	"fmt"
	"math/big"
	"strings"

	"elenchus/contracts"
	"elenchus/network/chain"
	"elenchus/network/devchain"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	evmstate "github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// court is a deployment on a chain without clock, peers or disk: every transaction is a block, and
// its gas is what a receipt would say. Base fee 1 gwei, gas price 2 gwei.
type court struct {
	fork   devchain.Fork
	config params.ChainConfig
	state  *evmstate.StateDB
	number uint64
	time   uint64
	abis   map[string]abi.ABI
	at     map[string]common.Address
}

const (
	courtStart = 1_800_000_000
	courtGas   = 16_000_000 // below the cap of a transaction; Amsterdam: of its execution
	stateGas   = 60_000_000 // Amsterdam: limit of a creation, the rest is for state
)

// newCourt deploys everything with the parameters of a development chain.
func newCourt(fork devchain.Fork) (*court, error) {
	c, err := emptyCourt(fork)
	if err != nil {
		return nil, err
	}
	return c, c.deployAll()
}

func emptyCourt(fork devchain.Fork) (*court, error) {
	db, err := evmstate.New(types.EmptyRootHash, evmstate.NewDatabaseForTesting())
	if err != nil {
		return nil, err
	}
	c := &court{fork: fork, config: *params.MergedTestChainConfig, state: db, time: courtStart, number: 1,
		abis: map[string]abi.ABI{}, at: map[string]common.Address{}}
	c.config.ChainID = big.NewInt(devchain.DefaultChainID)
	if fork == devchain.Amsterdam {
		c.config.AmsterdamTime = new(uint64)
	}
	return c, nil
}

// copy is the same chain, to be continued on its own.
func (c *court) copy() *court {
	d := *c
	d.state = c.state.Copy()
	return &d
}

func courtAccount(name string) common.Address {
	return common.BytesToAddress(crypto.Keccak256([]byte(name))[12:])
}

func (c *court) deployAll() error {
	p := chain.DevnetParams()
	var ops []uint8
	var evaluators []common.Address
	for _, e := range contracts.Evaluators() {
		if err := c.create(e.Name); err != nil {
			return err
		}
		for _, op := range e.Ops {
			ops, evaluators = append(ops, op), append(evaluators, c.at[e.Name])
		}
	}
	at := func(name string) common.Address { return c.at[name] }
	for _, step := range []struct {
		name string
		args func() []any
	}{
		{"TestToken", nil}, {"NodeRegistry", nil}, {"OpenRules", nil}, {"Poseidon", nil},
		{"GameRules", func() []any { return []any{at("Poseidon")} }},
		{"ProofVerifier", func() []any { return []any{courtAccount("prover")} }},
		{"PlonkVerifier", func() []any { return []any{courtAccount("prover")} }},
		{"StepVerifier", func() []any {
			return []any{common.Address{}, ops, evaluators, []common.Address{at("ProofVerifier"), at("PlonkVerifier")}}
		}},
		{"ProofRules", func() []any { return []any{at("StepVerifier"), at("Poseidon")} }},
		{"ClusterRules", func() []any { return []any{at("StepVerifier")} }},
		{"AnswerRules", func() []any { return []any{at("StepVerifier"), at("ProofRules"), at("ClusterRules")} }},
		{"DisputeArena", func() []any {
			return chain.ArenaArguments(at("TestToken"), p, at("NodeRegistry"), at("OpenRules"), at("GameRules"), at("AnswerRules"))
		}},
	} {
		var args []any
		if step.args != nil {
			args = step.args()
		}
		if err := c.create(step.name, args...); err != nil {
			return err
		}
	}
	return nil
}

func (c *court) create(name string, args ...any) error {
	text, code, err := contracts.Artifact(name)
	if err != nil {
		return err
	}
	if c.abis[name], err = abi.JSON(strings.NewReader(text)); err != nil {
		return fmt.Errorf("read the interface of %s: %w", name, err)
	}
	tail, err := c.abis[name].Pack("", args...)
	if err != nil {
		return fmt.Errorf("encode the constructor of %s: %w", name, err)
	}
	from := courtAccount("deployer")
	c.at[name] = crypto.CreateAddress(from, c.state.GetNonce(from))
	if _, _, err := c.send(from, nil, append(code, tail...)); err != nil {
		return fmt.Errorf("deploy %s: %w", name, err)
	}
	return nil
}

// call sends a call and returns its logs and gas.
func (c *court) call(from common.Address, contract, method string, args ...any) ([]*types.Log, uint64, error) {
	data, err := c.abis[contract].Pack(method, args...)
	if err != nil {
		return nil, 0, fmt.Errorf("encode %s.%s: %w", contract, method, err)
	}
	to := c.at[contract]
	logs, gas, err := c.send(from, &to, data)
	if err != nil {
		return nil, gas, fmt.Errorf("%s.%s: %w", contract, method, err)
	}
	return logs, gas, nil
}

// send is one block with one transaction; a revert is an error that names the reason.
func (c *court) send(from common.Address, to *common.Address, data []byte) ([]*types.Log, uint64, error) {
	c.number, c.time = c.number+1, c.time+1
	limit := uint64(courtGas)
	if c.fork == devchain.Amsterdam {
		limit = stateGas
	}
	c.state.SetBalance(from, uint256.MustFromDecimal("1000000000000000000000"), 0)
	random := common.Hash{1}
	evm := vm.NewEVM(vm.BlockContext{
		CanTransfer: core.CanTransfer, Transfer: core.Transfer, GetHash: func(uint64) common.Hash { return common.Hash{} },
		BlockNumber: new(big.Int).SetUint64(c.number), Time: c.time, Difficulty: new(big.Int), GasLimit: devchain.GasLimit,
		BaseFee: big.NewInt(params.GWei), BlobBaseFee: big.NewInt(1), Random: &random, CostPerStateByte: params.CostPerStateByte,
	}, c.state, &c.config, vm.Config{})
	tx := crypto.Keccak256Hash(new(big.Int).SetUint64(c.number).Bytes())
	c.state.SetTxContext(tx, 0, 0)
	price := uint256.NewInt(2 * params.GWei)
	res, err := core.ApplyMessage(evm, &core.Message{From: from, To: to, Nonce: c.state.GetNonce(from), Value: new(uint256.Int),
		GasLimit: limit, GasPrice: price, GasFeeCap: price, GasTipCap: uint256.NewInt(params.GWei), Data: data,
		BlobGasFeeCap: new(uint256.Int)}, core.NewGasPool(devchain.GasLimit))
	if err != nil {
		return nil, 0, err
	}
	c.state.Finalise(c.config.Rules(new(big.Int).SetUint64(c.number), true, c.time))
	if res.Failed() {
		return nil, res.UsedGas, fmt.Errorf("%w: %s", res.Err, c.reason(res.Revert()))
	}
	return c.state.GetLogs(tx, c.number, common.Hash{}, c.time), res.UsedGas, nil
}

// reason is the custom error that a revert carries.
func (c *court) reason(data []byte) string {
	for _, a := range c.abis {
		for _, e := range a.Errors {
			if len(data) >= 4 && [4]byte(data) == [4]byte(e.ID[:4]) {
				values, _ := e.Inputs.Unpack(data[4:])
				return fmt.Sprint(e.Name, values)
			}
		}
	}
	return fmt.Sprintf("%x", data)
}

// event finds the event called name of the arena in logs and returns its fields that are not
// indexed.
func (c *court) event(logs []*types.Log, name string) ([]any, error) {
	a := c.abis["DisputeArena"]
	for _, l := range logs {
		if l.Address == c.at["DisputeArena"] && l.Topics[0] == a.Events[name].ID {
			return a.Events[name].Inputs.NonIndexed().Unpack(l.Data)
		}
	}
	return nil, fmt.Errorf("transaction has no event %s", name)
}
