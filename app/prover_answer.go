package app

import (
	"errors"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/compute/opset"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
	"elenchus/proving/worker"
	"elenchus/settlement/dispute"
)

// contested is what an answer in a state has to prove, and what answer and file become with its proof.
type contested struct {
	provable
	whole   *opset.Cluster // nil: one element
	report  ProveReport    // what is proven
	witness func(b step.Binding) *worker.Witness
	posted  func(system step.System, account claim.Address, proof []byte) (dispute.Move, error)
	file    func(system step.System, b step.Binding, of [32]byte, origin string, proof []byte) ([]byte, error)
}

// contestedBy is what an answer about one element or a whole tensor has to prove in a state.
func contestedBy(s *dispute.State, m dispute.Move) (*contested, error) {
	switch m := m.(type) {
	case dispute.ProofMove:
		return contestedElement(s, m)
	case dispute.ClusterMove:
		return contestedTensor(s, m)
	}
	return nil, fmt.Errorf("%w: %T is no answer by proof", ErrCannot, m)
}

func contestedElement(s *dispute.State, m dispute.ProofMove) (*contested, error) {
	a, err := answerOfMove(s, &m)
	if err != nil {
		return nil, err
	}
	op := a.Descriptor.Op.String()
	return &contested{
		provable: provable{a.Unit.Shape(), op, fmt.Sprintf("%s, element %d: proven %s", op, a.Index, trueOrFalse(a.Equal)), &worker.Task{Unit: &a.Unit}, false},
		report:   ProveReport{Op: op, Element: a.Index, Value: a.Value, Equal: a.Equal},
		witness:  func(b step.Binding) *worker.Witness { return worker.WitnessOf(a, b) },
		posted: func(system step.System, account claim.Address, proof []byte) (dispute.Move, error) {
			digest, err := a.Digest()
			if err != nil {
				return nil, err
			}
			m.Equal = a.Equal
			return m.With(uint8(system), account, a.Reads, a.Places, system.Posted(proof, digest)), nil
		},
		file: func(system step.System, b step.Binding, of [32]byte, origin string, proof []byte) ([]byte, error) {
			f, err := step.NewFile(system, a, b, origin, proof)
			if err != nil {
				return nil, err
			}
			f.Of = of
			return f.Encode()
		},
	}, nil
}

func contestedTensor(s *dispute.State, m dispute.ClusterMove) (*contested, error) {
	x, err := m.Cluster(s)
	if err != nil {
		return nil, err
	}
	w, err := circuit.PrepareWhole(x, m.Secret)
	if err != nil {
		return nil, err
	}
	if _, err := circuit.WholeCircuit(x); err != nil {
		return nil, err
	}
	op := x.Target().Descriptor.Op.String()
	name := "all of " + op
	return &contested{
		provable: provable{circuit.WholeShape(x), name, fmt.Sprintf("tensor %d, %s of %d leaves: proven whole", x.Target().Tensor, name, x.Leaves()), &worker.Task{Cluster: x}, false},
		whole:    x,
		report:   ProveReport{Op: op, Equal: true, Whole: wholeOf(x)},
		witness:  func(b step.Binding) *worker.Witness { return worker.WitnessOfWhole(w, b.OfWhole(x)) },
		posted: func(system step.System, account claim.Address, proof []byte) (dispute.Move, error) {
			hashes, err := w.Hashes()
			if err != nil {
				return nil, err
			}
			digest, err := circuit.Digest(hashes)
			return m.With(uint8(system), account, system.Posted(proof, digest)), err
		},
		file: func(system step.System, b step.Binding, of [32]byte, origin string, proof []byte) ([]byte, error) {
			f, err := step.NewWholeFile(system, w, b, origin, proof)
			if err != nil {
				return nil, err
			}
			f.Of = of
			return f.Encode()
		},
	}, nil
}

// answerOfMove is the unit of a move with its leaves.
func answerOfMove(s *dispute.State, m *dispute.ProofMove) (*circuit.Answer, error) {
	d, c, i, err := m.Unit(s)
	if err != nil || m.Secret == nil {
		return nil, errors.Join(err, errors.New("an answer without leaves cannot be proven"))
	}
	return circuit.PrepareAnswer(&d, &c, i, m.Secret.Target, circuit.InOrder(m.Secret.Leaves))
}
