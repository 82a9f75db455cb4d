package chain

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"elenchus/contracts"
)

// Names of the artifacts that a deployment consists of, beside the evaluators.
const (
	tokenName     = "TestToken"
	registryName  = "NodeRegistry"
	arenaName     = "DisputeArena"
	stepsName     = "StepVerifier"
	openName      = "OpenRules"
	gameName      = "GameRules"
	answerName    = "AnswerRules"
	directoryName = "Directory" // a deployment may lack it
	proofsName    = "ProofRules"
	clustersName  = "ClusterRules"
	verifierName  = "ProofVerifier" // of Groth16
	plonkName     = "PlonkVerifier"
	poseidonName  = "Poseidon"
)

// bindings are the interfaces of the embedded contracts.
type bindings struct {
	of     map[string]abi.ABI
	errors map[[4]byte]abi.Error // of all contracts: the arena passes on what its rules revert with
	events map[common.Hash]abi.Event
}

func newBindings() (*bindings, error) {
	b := &bindings{of: map[string]abi.ABI{}, errors: map[[4]byte]abi.Error{}, events: map[common.Hash]abi.Event{}}
	names := []string{
		tokenName, registryName, arenaName, stepsName, openName, gameName, answerName, proofsName, clustersName, verifierName, plonkName, poseidonName, directoryName, beaconName, auditsName,
	}
	for _, e := range contracts.Evaluators() {
		names = append(names, e.Name)
	}
	for _, name := range names {
		text, _, err := contracts.Artifact(name)
		if err != nil {
			return nil, err
		}
		a, err := abi.JSON(strings.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("read the interface of %s: %w", name, err)
		}
		b.of[name] = a
		for _, e := range a.Errors {
			b.errors[[4]byte(e.ID[:4])] = e
		}
		if name == arenaName || name == registryName || name == beaconName || name == auditsName {
			for _, e := range a.Events {
				b.events[e.ID] = e
			}
		}
	}
	return b, nil
}

// pack is the calldata of a call.
func (b *bindings) pack(contract, method string, args ...any) ([]byte, error) {
	a, ok := b.of[contract]
	if !ok {
		return nil, fmt.Errorf("no contract %s among the artifacts", contract)
	}
	data, err := a.Pack(method, args...)
	if err != nil {
		return nil, fmt.Errorf("encode %s.%s: %w", contract, method, err)
	}
	return data, nil
}

// creation is the deployment data of a contract.
func (b *bindings) creation(contract string, args ...any) ([]byte, error) {
	_, code, err := contracts.Artifact(contract)
	if err != nil {
		return nil, err
	}
	a, ok := b.of[contract]
	if !ok {
		return nil, fmt.Errorf("no contract %s among the artifacts", contract)
	}
	tail, err := a.Pack("", args...)
	if err != nil {
		return nil, fmt.Errorf("encode the constructor of %s: %w", contract, err)
	}
	return append(code, tail...), nil
}

// ErrOtherCode: an address carries other code than the contract that should be there.
var ErrOtherCode = errors.New("address carries other code")

// sameCode compares deployed code with the artifact, in which the words that the constructor
// fills in are zero: operands of PUSH32.
func sameCode(name string, got []byte) error {
	want, err := contracts.Runtime(name)
	if err != nil {
		return err
	}
	if len(got) != len(want) {
		return fmt.Errorf("%w: %d bytes, %s has %d", ErrOtherCode, len(got), name, len(want))
	}
	masked := slices.Clone(got)
	const push32 = 0x7f
	var zero [32]byte
	for i := 0; i+33 <= len(want); i++ {
		if want[i] == push32 && [32]byte(want[i+1:i+33]) == zero {
			copy(masked[i+1:i+33], zero[:])
			i += 32
		}
	}
	if !slices.Equal(masked, want) {
		return fmt.Errorf("%w: it is not %s of this version", ErrOtherCode, name)
	}
	return nil
}
