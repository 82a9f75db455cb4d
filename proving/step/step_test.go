package step_test

import (
	"bytes"
	"errors"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
)

// sum is an element of x + a with x = -4 and a = 26: a circuit of 138 constraints.
func sum(t testing.TB) *circuit.Instance {
	t.Helper()
	d := opset.Descriptor{Op: opset.Add, Type: tensor.I32, Leaf: opset.LeafBytes, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 40}}}
	d.Src[0], d.Src[1] = opset.Source{Kind: opset.Tensor, Index: 1}, opset.Source{Kind: opset.Tensor, Index: 2}
	d.P[0] = 40
	x, err := circuit.Prepare(&d, &opset.Context{M: 1}, 5, func(r opset.Read) ([]byte, error) {
		if r.Index == 1 {
			return []byte{0xfc, 0xff, 0xff, 0xff}, nil
		}
		return []byte{26, 0, 0, 0}, nil
	})
	if err != nil || x.Value != 22 {
		t.Fatal(x, err)
	}
	return x
}

// entropy is a stream of a seed.
func entropy(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func newKey(t testing.TB, s step.System, x *circuit.Instance, seed byte) *step.Key {
	t.Helper()
	ref, err := step.Development(entropy(seed), 1000)
	if err != nil {
		t.Fatal(err)
	}
	k, err := step.NewKey(s, x.Unit.Circuit(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var systems = []step.System{step.Groth16, step.PLONK}

func values(v ...int64) []circuit.Input {
	out := make([]circuit.Input, len(v))
	for i := range v {
		out[i] = circuit.InputOf(v[i])
	}
	return out
}

// A proof holds for its statement and its key, and for no other: not for another value, number of
// inputs, key or system, and not with one bit changed, a byte more or a byte less. ZK section 5.
func TestProofsHoldForTheirStatementAlone(t *testing.T) {
	x := sum(t)
	for _, s := range systems {
		k, other := newKey(t, s, x, 1), newKey(t, s, x, 2)
		proof, err := k.Prove(x.Assignment())
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Verify(proof, values(22)); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		refused := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, step.ErrProof) {
				t.Errorf("%s, %s: %v", s, what, err)
			}
		}
		refused("another value", k.Verify(proof, values(23)))
		refused("negative value", k.Verify(proof, values(-22)))
		refused("a value beyond the field", k.Verify(proof, []circuit.Input{beyond(22)}))
		refused("no inputs", k.Verify(proof, nil))
		refused("two inputs", k.Verify(proof, values(22, 0)))
		refused("another key", other.Verify(proof, values(22)))
		refused("shorter", k.Verify(proof[:len(proof)-1], values(22)))
		refused("longer", k.Verify(append(bytes.Clone(proof), 0), values(22)))
		refused("empty", k.Verify(nil, values(22)))
		refused("zero", k.Verify(make([]byte, len(proof)), values(22)))
		for at := 0; at < len(proof); at += 31 {
			bad := bytes.Clone(proof)
			bad[at] ^= 1 << (at % 8)
			refused("a changed bit", k.Verify(bad, values(22)))
		}
	}
}

// What is false has no proof.
func TestFalseStatementsHaveNoProof(t *testing.T) {
	x := sum(t)
	x.Value++
	for _, s := range systems {
		if _, err := newKey(t, s, x, 1).Prove(x.Assignment()); !errors.Is(err, step.ErrWitness) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

// Keys are read as they were written, for their own circuit only.
func TestKeysAreReadAsWritten(t *testing.T) {
	x := sum(t)
	other := *x
	other.Index = 6
	other.Reads = []opset.Read{x.Reads[0], x.Reads[1]}
	for i := range other.Reads {
		other.Reads[i].Lo, other.Reads[i].Hi = 24, 28
	}
	for _, s := range systems {
		k := newKey(t, s, x, 1)
		var b bytes.Buffer
		if _, err := k.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		again, err := step.ReadKey(s, x.Unit.Circuit(), bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		proof, err := again.Prove(x.Assignment())
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Verify(proof, values(22)); err != nil {
			t.Error(err)
		}
		if _, err := step.ReadKey(s, x.Unit.Circuit(), bytes.NewReader(b.Bytes()[:100])); !errors.Is(err, step.ErrKey) {
			t.Errorf("%s, cut short: %v", s, err)
		}
		if _, err := step.ReadKey(3-s, x.Unit.Circuit(), bytes.NewReader(b.Bytes())); !errors.Is(err, step.ErrKey) {
			t.Errorf("%s, other system: %v", s, err)
		}
	}
}

// The same entropy gives the same reference string, and so the same verifying key.
func TestReferenceStringsComeFromEntropy(t *testing.T) {
	x := sum(t)
	for _, other := range []byte{1, 2} {
		var a, b bytes.Buffer
		_, err1 := newKey(t, step.PLONK, x, 1).WriteTo(&a)
		_, err2 := newKey(t, step.PLONK, x, other).WriteTo(&b)
		if same := bytes.Equal(a.Bytes(), b.Bytes()); err1 != nil || err2 != nil || same != (other == 1) {
			t.Errorf("entropy %d gives the same key: %v", other, same)
		}
	}
	if _, err := step.Development(bytes.NewReader([]byte("short")), 10); err == nil {
		t.Error("made from 5 bytes of entropy")
	}
	ref, err := step.Development(entropy(1), 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := step.NewKey(step.PLONK, x.Unit.Circuit(), ref); !errors.Is(err, step.ErrKey) {
		t.Errorf("a reference string that is too short: %v", err)
	}
}

// No bytes make a verifier panic, and none but the proof itself hold.
func FuzzVerify(f *testing.F) {
	x := sum(f)
	var keys []*step.Key
	var proofs [][]byte
	for _, s := range systems {
		k := newKey(f, s, x, 1)
		proof, err := k.Prove(x.Assignment())
		if err != nil {
			f.Fatal(err)
		}
		keys, proofs = append(keys, k), append(proofs, proof)
		f.Add(byte(s), proof)
		f.Add(byte(s), proof[:100])
	}
	f.Fuzz(func(t *testing.T, s byte, proof []byte) {
		i := int(s) % 2
		err := keys[i].Verify(proof, values(23))
		if !errors.Is(err, step.ErrProof) {
			t.Errorf("verified a false statement: %v", err)
		}
		if keys[i].Verify(proof, values(22)) == nil && bytes.Equal(proof, proofs[i]) != true {
			t.Log("another proof of the same statement") // proofs are no ids
		}
	})
}

// A binding's hash depends on each of its fields.
func TestBindingsDependOnEveryField(t *testing.T) {
	base := step.Binding{}
	seen := map[[32]byte]bool{base.Hash(): true}
	for _, b := range []step.Binding{{Game: [32]byte{1}}, {Op: 1}, {Element: 1}, {Chain: 1}, {Verifier: [20]byte{1}}, {Prover: [20]byte{1}}} {
		if seen[b.Hash()] {
			t.Errorf("%+v has the hash of another", b)
		}
		seen[b.Hash()] = true
	}
}

// beyond is v plus the order of the field: another encoding of the same element.
func beyond(v int64) (out circuit.Input) {
	new(big.Int).Add(circuit.Curve.ScalarField(), big.NewInt(v)).FillBytes(out[:])
	return out
}

// proofFile is the answer about the sum in whole leaves, and its key.
func proofFile(t testing.TB) (*step.File, *step.Key) {
	t.Helper()
	x := sum(t)
	leaf := func(v byte, more byte) []byte {
		b := make([]byte, 64)
		copy(b[20:], []byte{v, more, more, more})
		return b
	}
	a, err := circuit.PrepareAnswer(&x.Descriptor, &x.Context, x.Index, leaf(22, 0), func(r opset.Read) ([]byte, error) {
		if r.Index == 1 {
			return leaf(0xfc, 0xff), nil
		}
		return leaf(26, 0), nil
	})
	if err != nil || !a.Equal {
		t.Fatal(a, err)
	}
	k, err := step.NewKey(step.Groth16, a.AnswerCircuit(), nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := k.Answer(a, step.Binding{Game: [32]byte{1}, Chain: 5})
	if err != nil {
		t.Fatal(err)
	}
	return f, k
}

// A file is read as it was written and holds; each change of the statement makes it false, and each
// change of the form is refused.
func TestProofFiles(t *testing.T) {
	f, k := proofFile(t)
	b, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := step.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Check(k); err != nil || !step.IsFile(b) {
		t.Fatal(err)
	}
	for _, change := range []func(f *step.File){
		func(f *step.File) { f.Equal = false }, func(f *step.File) { f.Binding.Game[0]++ }, func(f *step.File) { f.Binding.Chain++ },
		func(f *step.File) { f.Binding.Verifier[3]++ }, func(f *step.File) { f.Binding.Prover[3]++ }, func(f *step.File) { f.Binding.Element++ },
		func(f *step.File) { f.Leaves[1], f.Leaves[2] = f.Leaves[2], f.Leaves[1] }, func(f *step.File) { f.Leaves = f.Leaves[1:] },
		func(f *step.File) { f.Proof[40] ^= 1 }, func(f *step.File) { f.System = step.PLONK },
	} {
		other, err := step.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		change(other)
		if err := other.Check(k); !errors.Is(err, step.ErrProof) {
			t.Errorf("%+v: %v", other.Binding, err)
		}
	}
	text := string(b)
	for old, bad := range map[string]string{
		`"format":"elenchus/proof/1"`: `"format":"elenchus/proof/2"`, `"origin":"development"`: `"origin":"ceremony"`, `"leaf":64`: `"leaf":0`,
		`"op":"add"`: `"op":"mul"`, `"lo":20`: `"lo":24`, `"chain":5`: `"chain":05`, `"element":5`: `"element":4000`, "\n": "", `"equal":true`: `"equal":true,"more":1`,
		`"total":160`: `"total":21`, `"system":"groth16"`: `"system":"none"`,
	} {
		if !strings.Contains(text, old) {
			t.Fatalf("the file has no %s", old)
		}
		if _, err := step.Decode([]byte(strings.Replace(text, old, bad, 1))); !errors.Is(err, step.ErrFile) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	f.Of = [32]byte{0xab, 1} // where to look: no part of the statement
	if b, err = f.Encode(); err != nil {
		t.Fatal(err)
	}
	if again, err = step.Decode(b); err != nil || again.Of != f.Of || again.Check(k) != nil {
		t.Errorf("of game %x: %v", f.Of, err)
	}
	for _, bad := range []string{`"of":"`, `"of":"0`, `"of":"AB`} {
		if _, err := step.Decode(bytes.Replace(b, []byte(`"of":"ab`), []byte(bad), 1)); !errors.Is(err, step.ErrFile) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// No bytes make the decoder panic, nor the circuit of what it accepts; what it accepts has one
// encoding.
func FuzzDecode(f *testing.F) {
	file, _ := proofFile(f)
	b, err := file.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := step.Decode(b)
		if err != nil {
			return
		}
		again, err := file.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("another encoding: %v", err)
		}
		if _, err := step.CircuitDigest(file.System, file.Unit.AnswerCircuit()); err != nil && !errors.Is(err, circuit.ErrUnit) && !errors.Is(err, circuit.ErrWide) {
			t.Fatal(err)
		}
	})
}

// The estimate of memory is above what was measured for a product of 512 with its leaves, and below three times it.
func TestMemoryIsEstimatedFromAbove(t *testing.T) {
	for _, c := range []struct {
		system      step.System
		constraints int
		measured    int64 // bytes, elenchus circuit --op matmul
	}{{step.Groth16, 19_980, 56 << 20}, {step.PLONK, 55_764, 319 << 20}} {
		if got := step.Memory(c.system, c.constraints); got < c.measured || got > 3*c.measured {
			t.Errorf("%s of %d constraints: %d MiB, measured %d", c.system, c.constraints, got>>20, c.measured>>20)
		}
	}
}
