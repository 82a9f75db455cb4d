package app

import (
	"errors"
	"strings"
	"testing"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
	"elenchus/proving/worker"
)

// A circuit that no machine has the memory for is refused by its estimate, with what it needs and what there is, and is
// never compiled: that would take what is missing. SPEC 10 §4.8.
func TestWideCircuitsAreRefusedByTheirEstimate(t *testing.T) {
	if _, err := memoryFree(); err != nil {
		t.Skip("this system does not tell how much memory is free: ", err)
	}
	d := opset.Descriptor{Op: opset.HeadNorm, Type: tensor.I32, Leaf: opset.LeafBytes, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 1984}}}
	d.Src[0], d.Src[1] = opset.Source{Kind: opset.Tensor, Index: 1}, opset.Source{Kind: opset.RootA}
	d.P = [11]int64{1984, 64, 12, 10, 20, 14}
	x, err := opset.NewCluster([]opset.Operator{{Tensor: 2, Descriptor: d}}, &opset.Context{M: 1})
	if err != nil {
		t.Fatal(err)
	}
	f := &step.WholeFile{System: step.PLONK, Cluster: x, Leaves: make([]circuit.Input, x.Leaves()), Proof: make([]byte, 128)}
	b, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	_, err = VerifyProofWith(t.TempDir(), b)
	for what, err := range map[string]error{"verify": err, "prove": func() error {
		_, err := startProver(t.Context(), &worker.Task{System: step.PLONK, Cluster: x}, "all of head_norm", nil)
		return err
	}()} {
		if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "MiB of memory") || !strings.Contains(err.Error(), "all of head_norm") {
			t.Errorf("%s: %v", what, err)
		}
		t.Log(what, err)
	}
}
