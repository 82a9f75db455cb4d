// Package forgetest runs the Solidity tests of the contracts in an EVM that a tracer watches.
//
// It stands in conformance and is imported by tests alone. forge compiles contracts/test; what it wrote is
// loaded here and run with the cheat codes that those tests use, so that whoever changes a decision of a
// contract while it runs (conformance/mutants) learns whether they notice. Gas differs a little from forge's:
// tests about gas are left out, and so are those with arguments, which forge chooses.
//
//	all, err := forgetest.Load("contracts/out", creation)
//	err = all[0].Run("testHonestDayPaysBothAuditors", hooks, false)
package forgetest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// Creation gives the creation code of a contract by its name.
type Creation func(name string) ([]byte, error)

// Contract is a contract of tests. It is not for concurrent use.
type Contract struct {
	Name     string
	Tests    []string // functions without arguments, sorted
	setUp    bool     // whether there is such a function
	code     []byte
	creation Creation
	ready    *world // after setUp, nil before the first test
}

// world is a chain with the contract of tests on it.
type world struct {
	db       *state.StateDB
	time     uint64
	number   *big.Int
	baseFee  *big.Int
	gasPrice *uint256.Int
	chain    *big.Int
}

// Where the tests stand and who calls them; as with forge.
var (
	testAt = common.HexToAddress("0x7fa9385be102ac3eac297483dd6233d62b3e1496")
	caller = common.HexToAddress("0x1804c8ab1f12e6bbf3894d4083f33e07309d1f38")
)

// budget is the gas of a test.
const budget = 1 << 40

type artifact struct {
	ABI []struct {
		Type, Name string
		Inputs     []json.RawMessage
	}
	Bytecode struct {
		Object         string
		LinkReferences map[string]json.RawMessage
	}
}

// Load reads the contracts of tests below a folder in which forge left what it compiled. Only contracts with
// tests are among them, in the order of their names. It fails if there is none.
func Load(folder string, creation Creation) (all []*Contract, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.t.sol", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		c, err := parse(strings.TrimSuffix(filepath.Base(f), ".json"), b, creation)
		if err != nil {
			return nil, fmt.Errorf("forgetest: %s: %w", f, err)
		}
		if len(c.Tests) > 0 {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("forgetest: no tests in %s: compile them with `node contracts/forge.mjs build`", folder)
	}
	return all, nil
}

func parse(name string, b []byte, creation Creation) (*Contract, error) {
	var a artifact
	if err := json.Unmarshal(b, &a); err != nil {
		return nil, err
	}
	if len(a.Bytecode.LinkReferences) > 0 {
		return nil, fmt.Errorf("%s has libraries to link", name)
	}
	c := &Contract{Name: name, creation: creation}
	for _, f := range a.ABI {
		c.setUp = c.setUp || f.Type == "function" && f.Name == "setUp"
		if f.Type == "function" && strings.HasPrefix(f.Name, "test") && len(f.Inputs) == 0 && !strings.Contains(f.Name, "Gas") {
			c.Tests = append(c.Tests, f.Name)
		}
	}
	slices.Sort(c.Tests)
	code, err := hex.DecodeString(strings.TrimPrefix(a.Bytecode.Object, "0x"))
	c.code = code
	return c, err
}

// Run runs one test on what setUp left. setUp runs before the first test, or anew and under the same watch
// where fresh says so. The error says what went wrong, nil if nothing did.
func (c *Contract) Run(test string, watch *tracing.Hooks, fresh bool) error {
	w := c.ready
	if w == nil || fresh {
		var err error
		if w, err = c.begin(watch); err != nil {
			return fmt.Errorf("%s.setUp: %w", c.Name, err)
		}
	}
	if c.ready == nil && !fresh {
		c.ready = w
	}
	if err := w.copy().call(test+"()", c.creation, watch); err != nil {
		return fmt.Errorf("%s.%s: %w", c.Name, test, err)
	}
	return nil
}

func (w *world) copy() *world {
	c := *w
	c.db = w.db.Copy()
	return &c
}

// begin runs the constructor, whose code stands where the contract will, and setUp.
func (c *Contract) begin(watch *tracing.Hooks) (*world, error) {
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		return nil, err
	}
	w := &world{db: db, time: 1, number: big.NewInt(1), baseFee: new(big.Int), gasPrice: new(uint256.Int), chain: big.NewInt(31337)}
	db.SetCode(cheatAt, []byte{byte(vm.STOP)}, tracing.CodeChangeUnspecified) // callers ask whether there is code
	db.SetNonce(testAt, 1, tracing.NonceChangeUnspecified)
	db.SetCode(testAt, c.code, tracing.CodeChangeUnspecified)
	code, err := w.enter(nil, c.creation, watch)
	if err != nil {
		return nil, err
	}
	db.SetCode(testAt, code, tracing.CodeChangeUnspecified)
	if !c.setUp {
		return w, nil
	}
	return w, w.call("setUp()", c.creation, watch)
}

func (w *world) call(signature string, creation Creation, watch *tracing.Hooks) error {
	_, err := w.enter(crypto.Keccak256([]byte(signature))[:4], creation, watch)
	return err
}

// enter calls the contract of tests, and keeps what the cheat codes made of the chain.
func (w *world) enter(input []byte, creation Creation, watch *tracing.Hooks) ([]byte, error) {
	config := *params.MergedTestChainConfig
	config.ChainID = new(big.Int).Set(w.chain)
	x := &cheats{creation: creation, watch: watch, code: map[common.Address][]byte{}, times: map[int]uint64{}}
	cfg := &runtime.Config{ChainConfig: &config, State: w.db, GasLimit: budget, BlockNumber: w.number, Time: w.time, BaseFee: w.baseFee,
		GasPrice: w.gasPrice.ToBig(), Origin: caller, Difficulty: new(big.Int), BlobBaseFee: big.NewInt(1), Random: new(common.Hash),
		GetHashFn: func(n uint64) common.Hash { return common.BigToHash(new(big.Int).SetUint64(n)) }}
	cfg.EVMConfig = vm.Config{Tracer: x.hooks()}
	evm := runtime.NewEnv(cfg)
	x.evm, x.db = evm, w.db
	rules := config.Rules(w.number, true, w.time)
	with := vm.ActivePrecompiledContracts(rules)
	with[cheatAt], with[mockAt] = (*cheatCode)(x), (*mocked)(x)
	evm.SetPrecompiles(with)
	w.db.Prepare(rules, caller, common.Address{}, &testAt, vm.ActivePrecompiles(rules), nil)
	out, _, err := evm.Call(caller, testAt, input, vm.NewGasBudget(budget, 0), new(uint256.Int))
	w.time, w.number, w.baseFee, w.gasPrice, w.chain = evm.Context.Time, evm.Context.BlockNumber, evm.Context.BaseFee, evm.TxContext.GasPrice, config.ChainID
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: 0x%x %q", err, out, out)
	case x.failure != nil:
		return nil, x.failure
	case x.expects != nil:
		return nil, fmt.Errorf("a revert was expected, and nothing was called")
	}
	return out, nil
}
