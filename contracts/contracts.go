// Package contracts carries the compiled settlement contracts: it hands out the
// ABI and creation bytecode that `node contracts/build.mjs` wrote to generated/.
//
// It stands beside settlement and network/chain: it imports nothing of the
// module and holds no behaviour, so that a Go-only build needs no compiler.
// Freshness of generated/ is what `node contracts/build.mjs --check` tests.
//
//	abi, creation, err := contracts.Artifact("StepVerifier")
package contracts

import (
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed generated/*.json
var generated embed.FS

// Evaluator names a contract of generated/ and the op codes that it evaluates.
type Evaluator struct {
	Name string
	Ops  []uint8
}

// Evaluators lists the evaluators of op set version 1: every op but input, each once. A deployment
// registers them with StepVerifier in this order. SPEC 02 §4.
func Evaluators() []Evaluator {
	return []Evaluator{
		{"LinearEvaluator", []uint8{1, 9, 10, 53}},
		{"ReduceEvaluator", []uint8{2, 3, 4, 5, 6}},
		{"ElementwiseEvaluator", []uint8{7, 8, 11, 12, 13, 14, 15, 16}},
		{"AttentionEvaluator", []uint8{17, 18, 19, 20, 21, 22}},
		{"SamplerEvaluator", []uint8{23, 24, 25, 26, 27, 28}},
		{"BlockEvaluator", []uint8{70, 71, 72}},
		{"FamilyEvaluator", []uint8{50, 51, 52}},
		{"SelectionEvaluator", []uint8{29, 30, 31, 32, 33}},
		{"StringsEvaluator", []uint8{34}},
		{"GrammarEvaluator", []uint8{35, 36}},
		{"RowsEvaluator", []uint8{80, 81, 82, 83, 84, 85, 86, 87, 88}},
		{"EncoderEvaluator", []uint8{89, 90, 91, 92, 93, 94, 95, 96, 97, 98}},
	}
}

// artifact is one file of generated/.
type artifact struct {
	ABI      json.RawMessage `json:"abi"`
	Creation string          `json:"creation"`
	Runtime  string          `json:"runtime"`
}

// Artifact returns the JSON ABI and the creation bytecode (without constructor
// arguments) of the contract called name. The caller owns creation. It fails
// if no such contract was compiled into this binary.
func Artifact(name string) (abi string, creation []byte, err error) {
	a, err := read(name)
	if err != nil {
		return "", nil, err
	}
	creation, err = decode(name, a.Creation)
	return string(a.ABI), creation, err
}

// Runtime returns the deployed bytecode of the contract called name; immutables
// in it are zero. It fails if no such contract was compiled into this binary.
func Runtime(name string) ([]byte, error) {
	a, err := read(name)
	if err != nil {
		return nil, err
	}
	return decode(name, a.Runtime)
}

func read(name string) (artifact, error) {
	var a artifact
	raw, err := generated.ReadFile("generated/" + name + ".json")
	if err != nil {
		return a, fmt.Errorf("contracts: no artifact %q: build it with node contracts/build.mjs", name)
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, fmt.Errorf("contracts: artifact %q: %w", name, err)
	}
	return a, nil
}

func decode(name, text string) ([]byte, error) {
	code, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		return nil, fmt.Errorf("contracts: artifact %q: bytecode: %w", name, err)
	}
	return code, nil
}
