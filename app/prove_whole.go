package app

import (
	"context"
	"fmt"
	"time"

	"elenchus/compute/opset"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
	"elenchus/proving/worker"
)

// Whole is the tensor that a proof is about as a whole.
type Whole struct {
	Tensor    uint8    `json:"tensor"`
	Operators []string `json:"operators"` // of the tensors before it that are computed along, and its own
	Leaves    uint64   `json:"leaves"`    // of the tensor; those that it is made from stand behind them
	Inputs    uint64   `json:"inputs"`    // leaves that it is made from
}

func wholeOf(x *opset.Cluster) *Whole {
	w := &Whole{Tensor: x.Target().Tensor, Leaves: x.TargetLeaves(), Inputs: x.Leaves() - x.TargetLeaves()}
	for i := range x.Operators {
		w.Operators = append(w.Operators, x.Operators[i].Descriptor.Op.String())
	}
	return w
}

// proveWhole proves what Prove does, about a whole tensor.
func (s Store) proveWhole(ctx context.Context, model string, o *ProveOptions, system step.System, b step.Binding) (*ProveReport, error) {
	w, err := unlessEnded(ctx, func() (*circuit.Whole, error) { return s.whole(model, o) })
	if err != nil {
		return nil, err
	}
	op := w.Cluster.Target().Descriptor.Op.String()
	x, err := startProver(ctx, &worker.Task{System: system, Cluster: w.Cluster, Keys: s.proofKeys(true)}, "all of "+op, stagesOf(o.Progress))
	if err != nil {
		return nil, err
	}
	defer x.Close()
	start := time.Now()
	proof, err := x.Prove(ctx, worker.WitnessOfWhole(w, b.OfWhole(w.Cluster)))
	if err != nil {
		return nil, err
	}
	r := &ProveReport{Op: op, Equal: true, System: o.System, Origin: x.key.Origin, Circuit: fmt.Sprintf("%x", x.size.Digest), Prove: millis(start),
		Whole: wholeOf(w.Cluster)}
	f, err := step.NewWholeFile(system, w, b, x.key.Origin, proof)
	if err != nil {
		return nil, err
	}
	r.Proof, err = f.Encode()
	return r, err
}

// whole replays the step and computes the tensor from the leaves that its operators read. It returns ErrCannot for
// tensors that the stage has not and for what has no cluster.
func (s Store) whole(model string, o *ProveOptions) (*circuit.Whole, error) {
	if o.Element != 0 || o.Change != 0 {
		return nil, fmt.Errorf("%w: a proof of a whole tensor names no element and no other claim: it gives all leaves that the operations make", ErrCannot)
	}
	man, at, st, err := s.provenStage(model, o)
	if err != nil {
		return nil, err
	}
	var operators []opset.Operator
	for _, n := range o.Cluster {
		if n < 1 || n >= len(st.Tensors) {
			return nil, fmt.Errorf("%w: tensor %d: stage %d has tensors 1 to %d", ErrCannot, n, o.Stage, len(st.Tensors)-1)
		}
		d, _, err := man.Descriptor(o.Stage, n)
		if err != nil {
			return nil, err
		}
		operators = append(operators, opset.Operator{Tensor: uint8(n), Descriptor: d})
	}
	x, err := opset.NewCluster(operators, &at.Ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	var inputs [][]byte
	for i := range x.Inputs {
		in := &x.Inputs[i]
		by := x.Target()
		if in.Operator >= 0 {
			by = &x.Operators[in.Operator]
		}
		open, err := st.Open(&by.Descriptor, int(by.Tensor), in.Read())
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, open.Leaves)
	}
	w, err := circuit.PrepareWhole(x, inputs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	if _, err := circuit.WholeCircuit(x); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	return w, nil
}

// verifyWhole decides on a proof file about a whole tensor.
func verifyWhole(keys worker.Folder, b []byte) (*ProofReport, error) {
	f, err := step.DecodeWhole(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	c, err := circuit.WholeCircuit(f.Cluster)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	if err := checkWholeRoom(f.System, f.Cluster, "all of "+f.Cluster.Target().Descriptor.Op.String()); err != nil {
		return nil, err // its key takes as much to read
	}
	r := &ProofReport{Op: f.Cluster.Target().Descriptor.Op.String(), Equal: true, Whole: wholeOf(f.Cluster)}
	r.state(f.System, &f.Binding, f.Of, f.Leaves)
	compiled, err := step.NewCompiled(f.System, c)
	return r, decide(keys, r, compiled, err, f.Check)
}
