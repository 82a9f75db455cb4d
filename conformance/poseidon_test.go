package conformance_test

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"elenchus/commitment/poseidon"
	"elenchus/contracts"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/poseidon2"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
)

const poseidonSource = "../contracts/src/Poseidon.sol"

// poseidonContract is the source of the contract: every round with its constants.
func poseidonContract(t *testing.T) string {
	t.Helper()
	width, partial := poseidon.Sponge(64)
	p := poseidon2.NewParameters(width, poseidon.FullRounds, partial)
	head, err := os.ReadFile("testdata/poseidon/head.txt")
	if err != nil {
		t.Fatal(err)
	}
	hex := func(e *fr.Element) string {
		b := e.Bytes()
		return fmt.Sprintf("0x%x", b)
	}
	var out strings.Builder
	text := string(head)
	for i := range p.DiagM1 {
		text = strings.Replace(text, fmt.Sprintf("DIAGONAL%d", i), hex(&p.DiagM1[i]), 1)
	}
	out.WriteString(text)
	for round, keys := range p.RoundKeys {
		if inner := round - poseidon.FullRounds/2; inner >= 0 && inner < partial {
			fmt.Fprintf(&out, "            a, b, c, d := part(add(a, %s), b, c, d)\n", hex(&keys[0]))
			continue
		}
		fmt.Fprintf(&out, "            a, b, c, d :=\n                full(\n")
		for i := range keys {
			comma := ","
			if i == len(keys)-1 {
				comma = ""
			}
			fmt.Fprintf(&out, "                    add(%c, %s)%s\n", 'a'+i, hex(&keys[i]), comma)
		}
		fmt.Fprintf(&out, "                )\n")
	}
	out.WriteString("            hash := b\n        }\n    }\n}\n")
	return out.String()
}

// The contract is written from the parameters of the permutation. SPEC 10 §4.1.
func TestPoseidonContractIsWhatParametersGive(t *testing.T) {
	want := poseidonContract(t)
	if os.Getenv("ELENCHUS_UPDATE") != "" {
		if err := os.WriteFile(poseidonSource, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(poseidonSource)
	if err != nil || string(got) != want {
		t.Fatalf("contracts/src/Poseidon.sol is not what its parameters give (%v): ELENCHUS_UPDATE=1 writes it", err)
	}
}

// mostPoseidonGas bounds a hash on chain, call included.
const mostPoseidonGas = 30_000

// The contract and the Go hash agree on leaves of 64 bytes. SPEC 10 §4.1.
func TestPoseidonOnChain(t *testing.T) {
	j := newJudge(t)
	face, at := j.deploy(t, "Poseidon")
	g := rand.New(rand.NewPCG(4, 64))
	for i := range 40 {
		leaf := bytes.Repeat([]byte{byte(-(i & 1))}, 64)
		for k := range leaf {
			if i > 1 {
				leaf[k] = byte(g.Uint32())
			}
		}
		got, gas := askPoseidon(t, j, face, at, leaf)
		if want := poseidon.Leaf(leaf); got != want {
			t.Fatalf("leaf %x: %x on chain, want %x", leaf, got, want)
		}
		if gas > mostPoseidonGas {
			t.Fatalf("a hash takes %d gas, at most %d", gas, mostPoseidonGas)
		}
	}
}

func askPoseidon(t *testing.T, j *judge, face abi.ABI, at [20]byte, leaf []byte) ([32]byte, uint64) {
	t.Helper()
	input, err := face.Pack("leaf", [32]byte(leaf[:32]), [32]byte(leaf[32:]))
	if err != nil {
		t.Fatal(err)
	}
	before := j.cfg.GasLimit
	out, left, err := runtime.Call(at, input, j.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return [32]byte(out), before - left
}

// The code of the contract fits and no round constant is zero: a table that was not read would be.
func TestPoseidonConstantsAreThere(t *testing.T) {
	code, err := contracts.Runtime("Poseidon")
	if err != nil {
		t.Fatal(err)
	}
	width, partial := poseidon.Sponge(64)
	p := poseidon2.NewParameters(width, poseidon.FullRounds, partial)
	for r, keys := range p.RoundKeys {
		for i := range keys {
			b := keys[i].BigInt(new(big.Int)).FillBytes(make([]byte, 32))
			inner := r - poseidon.FullRounds/2
			if i > 0 && inner >= 0 && inner < partial {
				if !keys[i].IsZero() {
					t.Fatalf("constant %d of the partial round %d is not zero", i, r)
				}
				continue
			}
			if keys[i].IsZero() || !bytes.Contains(code, bytes.TrimLeft(b, "\x00")) {
				t.Fatalf("constant %d of round %d, %x, is not in the code", i, r, b)
			}
		}
	}
}

const secondPoseidon = "../clients/typescript/src/poseidon-constants.ts"

// secondConstants is a module with the constants of both widths, in the order in which rounds use them.
func secondConstants() string {
	var out strings.Builder
	out.WriteString("// Constants of Poseidon2 over BN254 as its authors publish them: docs/spec/10-circuits.md §4.1.\n" +
		"// Written by `ELENCHUS_UPDATE=1 go test ./conformance -run SecondPoseidonConstants`; do not edit.\n" +
		"export interface Constants {\n  width: number;\n  full: number;\n  partial: number;\n  keys: string; // 64 hex digits each\n  diagonal: string; // of the inner matrix, less 1\n}\n\n" +
		"export const constants: Constants[] = [\n")
	text := func(name string, es []fr.Element) {
		fmt.Fprintf(&out, "    %s:", name)
		for i := range es {
			b := es[i].Bytes()
			switch {
			case i == 0:
				fmt.Fprintf(&out, "\n      \"%x", b)
			case i%2 == 0:
				fmt.Fprintf(&out, "\" +\n      \"%x", b)
			default:
				fmt.Fprintf(&out, "%x", b)
			}
		}
		out.WriteString("\",\n")
	}
	for _, bytes := range []int{64, 512} {
		width, partial := poseidon.Sponge(bytes)
		p := poseidon2.NewParameters(width, poseidon.FullRounds, partial)
		var keys []fr.Element
		for round, k := range p.RoundKeys {
			if inner := round - poseidon.FullRounds/2; inner >= 0 && inner < partial {
				k = k[:1]
			}
			keys = append(keys, k...)
		}
		fmt.Fprintf(&out, "  {\n    width: %d, full: %d, partial: %d,\n", width, poseidon.FullRounds, partial)
		text("keys", keys)
		text("diagonal", p.DiagM1)
		out.WriteString("  },\n")
	}
	out.WriteString("];\n")
	return out.String()
}

// The second implementation has the constants that the first one hashes with. SPEC 10 §4.1.
func TestSecondPoseidonConstantsAreThoseOfTheFirst(t *testing.T) {
	want := secondConstants()
	if os.Getenv("ELENCHUS_UPDATE") != "" {
		if err := os.WriteFile(secondPoseidon, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(secondPoseidon)
	if err != nil || string(got) != want {
		t.Fatalf("%s is not what the parameters give (%v): ELENCHUS_UPDATE=1 writes it", secondPoseidon, err)
	}
}
