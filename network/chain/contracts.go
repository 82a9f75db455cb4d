package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"elenchus/commitment/claim"
	"elenchus/contracts"
)

// Addresses are the contracts of one deployment. The zero value names none and is illegal.
type Addresses struct {
	Version  int            `json:"version"` // of this record: 5
	ChainID  uint64         `json:"chainId"`
	Block    uint64         `json:"block"` // the first block that can hold their logs
	Token    common.Address `json:"token"`
	Registry common.Address `json:"registry"`
	Arena    common.Address `json:"arena"`
	Steps    common.Address `json:"steps"`
	Open     common.Address `json:"openRules"`
	Game     common.Address `json:"gameRules"`
	Answer   common.Address `json:"answerRules"`
	Proofs   common.Address `json:"proofRules"`
	Clusters common.Address `json:"clusterRules"`
	Verifier common.Address `json:"proofVerifier"` // of Groth16
	Plonk    common.Address `json:"plonkVerifier"`
	Poseidon common.Address `json:"poseidon"`

	Directory common.Address `json:"directory,omitzero"` // zero: nobody announces arenas
	Beacon    common.Address `json:"beacon,omitzero"`    // zero: no audits
	Audits    common.Address `json:"audits,omitzero"`
}

// Proof systems by the numbers of the registry. SPEC 10 §5.2.
const (
	GrothSystem uint8 = 1
	PlonkSystem uint8 = 2
)

// ProofVerifier is the contract of a proof system, zero if there is none.
func (a Addresses) ProofVerifier(system uint8) common.Address {
	switch system {
	case GrothSystem:
		return a.Verifier
	case PlonkSystem:
		return a.Plonk
	}
	return common.Address{}
}

const (
	addressesVersion = 5
	maxAddresses     = 4 << 10 // bytes of the record
)

// Encode is the record as JSON.
func (a Addresses) Encode() ([]byte, error) {
	a.Version = addressesVersion
	b, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode addresses: %w", err)
	}
	return append(b, '\n'), nil
}

// DecodeAddresses reads what Encode writes. Every address must be there.
func DecodeAddresses(b []byte) (Addresses, error) {
	var a Addresses
	if len(b) > maxAddresses {
		return a, fmt.Errorf("addresses of %d bytes: use at most %d", len(b), maxAddresses)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return Addresses{}, fmt.Errorf("read addresses: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Addresses{}, errors.New("read addresses: text after the record")
	}
	if a.Version != addressesVersion {
		return Addresses{}, fmt.Errorf("addresses have version %d: this program reads %d", a.Version, addressesVersion)
	}
	for name, at := range a.named() {
		if at == (common.Address{}) {
			return Addresses{}, fmt.Errorf("addresses lack %s", name)
		}
	}
	return a, nil
}

// named are the addresses under the names of their artifacts.
func (a Addresses) named() map[string]common.Address {
	out := map[string]common.Address{
		tokenName: a.Token, registryName: a.Registry, arenaName: a.Arena,
		stepsName: a.Steps, openName: a.Open, gameName: a.Game, answerName: a.Answer,
		proofsName: a.Proofs, clustersName: a.Clusters, verifierName: a.Verifier, plonkName: a.Plonk, poseidonName: a.Poseidon,
	}
	if a.Audits != (common.Address{}) || a.Beacon != (common.Address{}) {
		out[beaconName], out[auditsName] = a.Beacon, a.Audits
	}
	return out
}

// Contracts is one deployment on one chain: it reads it, names its errors, watches its logs and
// turns orders into intents. Its methods may be called from any goroutine.
type Contracts struct {
	c      *Client
	at     Addresses
	bind   *bindings
	params DeployParams
}

// ErrWiring: contracts of a deployment name other modules than each other.
var ErrWiring = errors.New("contracts are not wired to each other")

// Load takes a deployment into use: it checks chain id, code, wiring, evaluators, precompiles and
// the domain of signatures, and reads the parameters. Errors match ErrChainID, ErrOtherCode,
// ErrWiring.
func Load(ctx context.Context, c *Client, at Addresses) (*Contracts, error) {
	if c.id.Cmp(new(big.Int).SetUint64(at.ChainID)) != 0 {
		return nil, fmt.Errorf("%w: contracts are on chain %d, rpc serves %v", ErrChainID, at.ChainID, c.id)
	}
	bind, err := newBindings()
	if err != nil {
		return nil, err
	}
	k := &Contracts{c: c, at: at, bind: bind}
	if err := k.checkCode(ctx); err != nil {
		return nil, err
	}
	if err := k.checkWiring(ctx); err != nil {
		return nil, err
	}
	if err := k.checkEvaluators(ctx); err != nil {
		return nil, err
	}
	if err := checkPrecompiles(ctx, c); err != nil {
		return nil, err
	}
	if k.params, err = k.readParams(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// Addresses returns where the contracts are.
func (k *Contracts) Addresses() Addresses { return k.at }

// Params returns the parameters of the deployment, which never change.
func (k *Contracts) Params() DeployParams { return k.params }

// Client returns the connection.
func (k *Contracts) Client() *Client { return k.c }

// Domain separates the signatures of this deployment. SPEC 07 §1.
func (k *Contracts) Domain() claim.Domain {
	return claim.Domain{ChainID: k.at.ChainID, Arena: claim.Address(k.at.Arena)}
}

func (k *Contracts) checkCode(ctx context.Context) error {
	for name, at := range k.at.named() {
		code, err := k.c.Code(ctx, at)
		if err != nil {
			return err
		}
		if name == tokenName { // a deployment may bring its own token
			if len(code) == 0 {
				return fmt.Errorf("%w: no token at %v", ErrOtherCode, at)
			}
			continue
		}
		if err := sameCode(name, code); err != nil {
			return fmt.Errorf("%s at %v: %w", name, at, err)
		}
	}
	if k.at.Directory == (common.Address{}) {
		return nil
	}
	code, err := k.c.Code(ctx, k.at.Directory)
	if err == nil {
		err = sameCode(directoryName, code)
	}
	if err != nil {
		return fmt.Errorf("%s at %v: %w", directoryName, k.at.Directory, err)
	}
	return nil
}

// checkWiring compares who names whom, and the domain of signatures.
func (k *Contracts) checkWiring(ctx context.Context) error {
	type wire struct {
		contract string
		at       common.Address
		method   string
		want     common.Address
	}
	wires := []wire{
		{answerName, k.at.Answer, "STEPS", k.at.Steps},
		{answerName, k.at.Answer, "PROOFS", k.at.Proofs},
		{answerName, k.at.Answer, "CLUSTERS", k.at.Clusters},
		{clustersName, k.at.Clusters, "STEPS", k.at.Steps},
		{proofsName, k.at.Proofs, "STEPS", k.at.Steps},
		{proofsName, k.at.Proofs, "POSEIDON", k.at.Poseidon},
		{gameName, k.at.Game, "POSEIDON", k.at.Poseidon},
		{arenaName, k.at.Arena, "TOKEN", k.at.Token},
		{arenaName, k.at.Arena, "REGISTRY", k.at.Registry},
		{arenaName, k.at.Arena, "OPEN_RULES", k.at.Open},
		{arenaName, k.at.Arena, "GAME_RULES", k.at.Game},
		{arenaName, k.at.Arena, "ANSWER_RULES", k.at.Answer},
	}
	if k.HasAudits() {
		wires = append(wires, wire{auditsName, k.at.Audits, "ARENA", k.at.Arena}, wire{auditsName, k.at.Audits, "BEACON", k.at.Beacon})
	}
	for _, w := range wires {
		got, err := read[common.Address](ctx, k, w.contract, w.at, w.method)
		if err != nil {
			return err
		}
		if got != w.want {
			return fmt.Errorf("%w: %s.%s is %v, want %v", ErrWiring, w.contract, w.method, got, w.want)
		}
	}
	for system := GrothSystem; system <= PlonkSystem; system++ {
		got, err := read[common.Address](ctx, k, stepsName, k.at.Steps, "proofsAt", proofVersion, system)
		if err != nil {
			return fmt.Errorf("verifier of proof system %d: %w", system, err)
		}
		if want := k.at.ProofVerifier(system); got != want {
			return fmt.Errorf("%w: the verifier of proof system %d is %v, want %v", ErrWiring, system, got, want)
		}
	}
	separator, err := read[[32]byte](ctx, k, arenaName, k.at.Arena, "domainSeparator")
	if err != nil {
		return err
	}
	if want := k.Domain().Separator(); separator != want {
		return fmt.Errorf("%w: domain separator is %x, want %x", ErrWiring, separator, want)
	}
	return nil
}

// checkEvaluators wants the evaluator of this version behind every operation.
func (k *Contracts) checkEvaluators(ctx context.Context) error {
	for _, e := range contracts.Evaluators() {
		var first common.Address
		for i, op := range e.Ops {
			at, err := read[common.Address](ctx, k, stepsName, k.at.Steps, "verifierOf", op)
			if err != nil {
				return fmt.Errorf("evaluator of op %d: %w", op, err)
			}
			if i == 0 {
				first = at
			} else if at == first {
				continue
			}
			code, err := k.c.Code(ctx, at)
			if err != nil {
				return err
			}
			if err := sameCode(e.Name, code); err != nil {
				return fmt.Errorf("evaluator of op %d at %v: %w", op, at, err)
			}
		}
	}
	return nil
}
