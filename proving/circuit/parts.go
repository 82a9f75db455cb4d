package circuit

import (
	"elenchus/compute/opset"
	"elenchus/compute/tensor"

	"github.com/consensys/gnark/constraint"
	"github.com/consensys/gnark/frontend"
)

// Part is a piece of the circuit of a cluster that stands there several times: its size tells that of the whole circuit
// without compiling that.
type Part struct {
	Times   int
	circuit *partial
}

// Compile compiles the part alone.
func (p *Part) Compile(builder frontend.NewBuilder) (constraint.ConstraintSystem, error) {
	return frontend.Compile(Curve.ScalarField(), builder, p.circuit, frontend.IgnoreUnconstrainedInputs())
}

// partial is a piece of a circuit on free cells.
type partial struct {
	Public [3]frontend.Variable `gnark:",public"`
	Cells  []frontend.Variable
	define func(b *build, s *partial)
}

// Define makes the constraints; gnark calls it.
func (s *partial) Define(api frontend.API) error {
	b := &build{api: api}
	s.define(b, s)
	return b.err
}

// Parts are the pieces of the circuit of a cluster: the leaves of the target and of each input, for each operator its
// dearest of first, middle and last element as often as it has elements, and what binds the hashes of the leaves. It
// returns the errors of WholeCircuit. SPEC 10 §4.7.
func Parts(x *opset.Cluster) (each [][]Part, err error) {
	types, err := wholeTypes(x)
	if err != nil {
		return nil, err
	}
	if _, err := WholeCircuit(x); err != nil {
		return nil, err
	}
	d := &x.Target().Descriptor
	each = append(each, []Part{leafPart(int(d.Leaf), d.Type, int(x.TargetLeaves()))})
	for n := range x.Inputs {
		in := &x.Inputs[n]
		each = append(each, []Part{leafPart(in.Leaf, types[n], int(in.To-in.From))})
	}
	for k := range x.Operators {
		d := &x.Operators[k].Descriptor
		n := d.Count(&x.Context)
		var dearest []Part
		for _, i := range []uint64{0, n / 2, n - 1} {
			dearest = append(dearest, Part{int(n), &partial{Cells: make([]frontend.Variable, elementCells(d, &x.Context, i)), define: func(b *build, s *partial) {
				element(b, d, &x.Context, i, &freeCells{cells: s.Cells})
			}}})
		}
		each = append(each, dearest)
	}
	return append(each, []Part{{1, &partial{Cells: make([]frontend.Variable, x.Leaves()), define: func(b *build, s *partial) {
		b.bind(s.Public, 1, s.Cells)
	}}}}), nil
}

// leafPart is a leaf that is ranged, compared with what it holds, and hashed.
func leafPart(leaf int, t tensor.DType, times int) Part {
	n := leaf / t.Size()
	return Part{times, &partial{Cells: make([]frontend.Variable, 2*n), define: func(b *build, s *partial) {
		for i := range n {
			b.api.AssertIsEqual(s.Cells[i], s.Cells[n+i])
		}
		b.leafHash(ranged(b, s.Cells[:n], t), t, leaf)
	}}}
}

// elementCells is how many elements the reads of an element have.
func elementCells(d *opset.Descriptor, c *opset.Context, i uint64) (n uint64) {
	types, k := readTypes(d), 0
	_, _ = opset.Element(d, c, i, func(r opset.Read) ([]byte, error) { // an error comes again where it is compiled
		if k < len(types) && types[k].Valid() {
			n += (r.Hi - r.Lo) / uint64(types[k].Size())
		}
		k++
		return make([]byte, r.Hi-r.Lo), nil
	})
	return n
}

// freeCells supplies cells that are taken to be inside their type.
type freeCells struct{ cells []frontend.Variable }

func (s *freeCells) read(b *build, r opset.Read, t tensor.DType) []Num {
	n := int(r.Hi-r.Lo) / t.Size()
	if n > len(s.cells) {
		b.fail(ErrUnit)
		return nil
	}
	lo, hi := tensor.Range(t)
	out := make([]Num, n)
	for i := range out {
		out[i] = b.num(s.cells[i], big64(lo), big64(hi))
	}
	s.cells = s.cells[n:]
	return out
}

func (s *freeCells) place(b *build) uint64 {
	b.fail(ErrUnit)
	return 0
}
