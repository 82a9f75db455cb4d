package conformance_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"os"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/proving/check"
	"elenchus/proving/circuit"
	"elenchus/proving/step"

	"github.com/consensys/gnark-crypto/ecc/bn254/kzg"
)

// keyVector are PLONK keys that follow from a circuit and a reference string: who makes another cannot prove by the keys
// that chains have.
const keyVector = "../testvectors/proofs/key_plonk.json"

type keyFile struct {
	Of      string `json:"of"`     // "unit": its circuit without leaves; "answer"
	Op      string `json:"op"`     // i32 [8] in leaves of 64 bytes, of tensor 1; element 3
	Secret  int64  `json:"secret"` // of the reference string
	Powers  int    `json:"powers"`
	SRS     string `json:"srs"`     // SHA-256 of the string as gnark-crypto writes it
	Shape   string `json:"shape"`   // of the unit, SPEC 10 §5.1
	Circuit string `json:"circuit"` // SHA-256 of the circuit as gnark writes it
	Key     string `json:"key"`     // words, SPEC 10 §5.7
	Digest  string `json:"digest"`  // keccak of the words, as verifiers have it
}

// smallAnswer is a true answer about relu of a small tensor.
func smallAnswer(t *testing.T) *circuit.Answer {
	t.Helper()
	d := opset.Descriptor{Op: opset.ReLU, Type: tensor.I32, Leaf: opset.LeafBytes, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 8}}}
	d.Src[0] = opset.Source{Kind: opset.Tensor, Index: 1}
	d.P[0] = 8
	leaf := make([]byte, opset.LeafBytes)
	leaf[12] = 5
	a, err := circuit.PrepareAnswer(&d, &opset.Context{M: 1}, 3, leaf, circuit.InOrder([][]byte{leaf}))
	if err != nil || !a.Equal {
		t.Fatalf("%v, %+v", err, a)
	}
	return a
}

// followed is the key of a circuit of the answer under a reference string of the secret.
func followed(t *testing.T, a *circuit.Answer, of string, secret int64, powers int) (k *step.Key, f keyFile) {
	t.Helper()
	system := a.AnswerCircuit()
	if of == "unit" {
		system = a.Unit.Circuit()
	}
	srs, err := kzg.NewSRS(uint64(powers), big.NewInt(secret))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := srs.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(b.Bytes())
	ref, err := step.ReadReference(&b, digest, powers, rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	if k, err = step.NewKey(step.PLONK, system, ref); err != nil {
		t.Fatal(err)
	}
	words, err := k.Words()
	if err != nil {
		t.Fatal(err)
	}
	shape, named := a.Shape(), claim.Keccak(words)
	return k, keyFile{of, a.Descriptor.Op.String(), secret, powers, hex.EncodeToString(digest[:]), hex.EncodeToString(shape[:]),
		hex.EncodeToString(k.Digest[:]), hex.EncodeToString(words), hex.EncodeToString(named[:])}
}

// The circuits of a unit and their keys under a reference string are what they were, byte by byte, and what is proven by
// that of an answer holds on chain: that one takes seconds. SPEC 10 §1.4, §5.7, §5.11.
func TestPinnedKeysFollow(t *testing.T) {
	a := smallAnswer(t)
	if *update {
		writeKeys(t, a)
	}
	var list []keyFile
	if err := json.Unmarshal([]byte(read(t, keyVector)), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Of != "unit" || list[1].Of != "answer" {
		t.Fatalf("%d keys", len(list))
	}
	if !soak {
		list = list[:1]
	}
	for _, want := range list {
		key, got := followed(t, a, want.Of, want.Secret, want.Powers)
		if got != want {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
		if want.Of == "answer" {
			provenByPinned(t, key, a, unhex(t, want.Key))
		}
	}
}

// provenByPinned proves the answer by its key, and has contract and twin check it.
func provenByPinned(t *testing.T, key *step.Key, a *circuit.Answer, words []byte) {
	t.Helper()
	proven, err := key.Answer(a, step.Binding{Game: [32]byte{1}, Chain: 1, Prover: [20]byte{6}})
	if err != nil {
		t.Fatal(err)
	}
	proof, err := proven.Posted()
	if err != nil {
		t.Fatal(err)
	}
	x := proven.Binding
	b := newBench(t, "PlonkVerifier", 1, [20]byte{})
	if name := b.call(t, "register", numerics, [32]byte{7}, words); name != "" {
		t.Fatal(name)
	}
	about := &check.Statement{Game: x.Game, Op: x.Op, Element: x.Element, Chain: 1, Prover: x.Prover, Equal: true}
	if contract, twin := b.verdicts(t, words, about, proven.Leaves, proof); contract != "" || twin != "" {
		t.Errorf("contract %q, twin %q", contract, twin)
	}
}

// writeKeys makes the vectors anew: as many powers as each circuit has rows, and three that blind.
func writeKeys(t *testing.T, a *circuit.Answer) {
	t.Helper()
	_, unit := followed(t, a, "unit", 987654321, 1<<8+3)
	_, answer := followed(t, a, "answer", 987654321, 1<<13+3)
	out, err := json.MarshalIndent([]keyFile{unit, answer}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyVector, append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
