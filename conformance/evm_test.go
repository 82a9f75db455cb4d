package conformance_test

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/holiman/uint256"
)

// jumps are where the code of contracts may jump to: found once for each, however often it is called.
type jumps map[common.Hash]vm.BitVec

// Load is for the EVM.
func (j jumps) Load(code common.Hash) (vm.BitVec, bool) {
	v, ok := j[code]
	return v, ok
}

// Store is for the EVM.
func (j jumps) Store(code common.Hash, v vm.BitVec) { j[code] = v }

// call is runtime.Call of a contract, but for the jumps, which calls share.
func (j *judge) call(to common.Address, input []byte) (out []byte, left uint64, err error) {
	evm := runtime.NewEnv(j.cfg)
	evm.SetJumpDestCache(j.jumps)
	rules := j.cfg.ChainConfig.Rules(j.cfg.BlockNumber, true, j.cfg.Time)
	j.cfg.State.Prepare(rules, j.cfg.Origin, j.cfg.Coinbase, &to, vm.ActivePrecompiles(rules), nil)
	out, gas, err := evm.Call(j.cfg.Origin, to, input, vm.NewGasBudget(j.cfg.GasLimit, 0), new(uint256.Int))
	return out, gas.ExecutionGas, err
}
