package step_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
)

// sums are tensor 4 = tensor 3 + tensor 2 with tensor 3 = tensor 1 + tensor 2, 16 elements in a leaf each.
func sums(t testing.TB) *circuit.Whole {
	t.Helper()
	add := func(target, a uint8) opset.Operator {
		d := opset.Descriptor{Op: opset.Add, Type: tensor.I32, Leaf: opset.LeafBytes, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 16}}}
		d.Src[0], d.Src[1] = opset.Source{Kind: opset.Tensor, Index: a}, opset.Source{Kind: opset.Tensor, Index: 2}
		d.P[0] = 16
		return opset.Operator{Tensor: target, Descriptor: d}
	}
	x, err := opset.NewCluster([]opset.Operator{add(3, 1), add(4, 3)}, &opset.Context{M: 1})
	if err != nil {
		t.Fatal(err)
	}
	one, two := make([]byte, 64), make([]byte, 64)
	one[0], two[0], two[4] = 5, 7, 9
	w, err := circuit.PrepareWhole(x, [][]byte{one, two})
	if err != nil || w.Target[0] != 19 || w.Target[4] != 18 {
		t.Fatal(w, err)
	}
	return w
}

// wholeFile is a file about the sums, with its key.
func wholeFile(t testing.TB) (*step.WholeFile, *step.Key) {
	t.Helper()
	w := sums(t)
	c, err := circuit.WholeCircuit(w.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	k, err := step.NewKey(step.Groth16, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := step.Binding{Game: [32]byte{1}, Chain: 5}.OfWhole(w.Cluster)
	a, _, err := w.Assignment(b.Hash())
	if err != nil {
		t.Fatal(err)
	}
	proof, err := k.Prove(a)
	if err != nil {
		t.Fatal(err)
	}
	f, err := step.NewWholeFile(step.Groth16, w, b, k.Origin, proof)
	if err != nil {
		t.Fatal(err)
	}
	return f, k
}

// A file about a whole tensor is read as it was written and holds; each change of the statement makes it false, and
// each change of the form is refused. SPEC 10 §4.7.
func TestWholeFiles(t *testing.T) {
	f, k := wholeFile(t)
	b, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := step.DecodeWhole(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Check(k); err != nil || !step.IsFile(b) || !step.IsWholeFile(b) {
		t.Fatal(err)
	}
	for n, change := range []func(f *step.WholeFile){
		func(f *step.WholeFile) { f.Binding.Game[0]++ }, func(f *step.WholeFile) { f.Binding.Chain++ },
		func(f *step.WholeFile) { f.Binding.Verifier[3]++ }, func(f *step.WholeFile) { f.Binding.Prover[3]++ },
		func(f *step.WholeFile) { f.Binding.Element++ }, func(f *step.WholeFile) { f.Binding.Op-- },
		func(f *step.WholeFile) { f.Leaves[0], f.Leaves[1] = f.Leaves[1], f.Leaves[0] }, func(f *step.WholeFile) { f.Leaves = f.Leaves[1:] },
		func(f *step.WholeFile) { f.Leaves = append(f.Leaves, circuit.Input{}) },
		func(f *step.WholeFile) { f.Proof[40] ^= 1 }, func(f *step.WholeFile) { f.System = step.PLONK },
	} {
		other, err := step.DecodeWhole(b)
		if err != nil {
			t.Fatal(err)
		}
		change(other)
		if err := other.Check(k); !errors.Is(err, step.ErrProof) {
			t.Errorf("change %d: %v", n, err)
		}
	}
	text := string(b)
	for old, bad := range map[string]string{
		`"format":"elenchus/proof/whole/1"`: `"format":"elenchus/proof/whole/2"`, `"origin":"development"`: `"origin":"ceremony"`,
		`"tensor":4`: `"tensor":3`, `"chain":5`: `"chain":05`, "\n": "", `"proof":"`: `"more":1,"proof":"`, `"leaves":["`: `"leaves":["00","`,
		`"system":"groth16"`: `"system":"none"`, `"operators":[`: `"operators":[],"none":[`,
	} {
		if !strings.Contains(text, old) {
			t.Fatalf("the file has no %s", old)
		}
		if _, err := step.DecodeWhole([]byte(strings.Replace(text, old, bad, 1))); !errors.Is(err, step.ErrFile) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := step.Decode(b); !errors.Is(err, step.ErrFile) {
		t.Errorf("read as a proof of an element: %v", err)
	}
}

// Elements that read the same cells are work each: few leaves do not make a small circuit.
func TestCircuitsOfClustersAreBounded(t *testing.T) {
	norm := func(head, heads uint32) error {
		d := opset.Descriptor{Op: opset.HeadNorm, Type: tensor.I32, Leaf: opset.LeafBytes, Dims: [3]opset.Dim{{C: 1}, {C: heads}, {C: head}}}
		d.Src[0], d.Src[1] = opset.Source{Kind: opset.Tensor, Index: 1}, opset.Source{Kind: opset.RootB}
		d.P[0], d.P[1] = int64(head*heads), int64(head)
		x, err := opset.NewCluster([]opset.Operator{{Tensor: 2, Descriptor: d}}, &opset.Context{M: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, err = circuit.WholeCircuit(x)
		return err
	}
	if err := norm(16, 16); err != nil {
		t.Error(err)
	}
	if err := norm(1472, 2); !errors.Is(err, circuit.ErrLarge) {
		t.Errorf("elements that read 17 MB are a circuit: %v", err)
	}
}

// No bytes make the decoder panic, nor the circuit of what it accepts be looked for; what it accepts has one encoding.
func FuzzDecodeWhole(f *testing.F) {
	w := sums(f)
	file, err := step.NewWholeFile(step.Groth16, w, step.Binding{}, step.DevelopmentOrigin, []byte{1, 2})
	if err != nil {
		f.Fatal(err)
	}
	b, err := file.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := step.DecodeWhole(b)
		if err != nil {
			return
		}
		again, err := file.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("another encoding: %v", err)
		}
		if _, err := circuit.WholeCircuit(file.Cluster); err != nil && !errors.Is(err, circuit.ErrUnit) && !errors.Is(err, circuit.ErrLarge) {
			t.Fatal(err)
		}
	})
}
