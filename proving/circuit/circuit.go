// Package circuit turns operations of the op set into arithmetic circuits: the fourth face.
//
// It stands at the bottom of the proving floor, above compute: opset says what one element means,
// this package makes the constraints that admit that value and no other, and proving/step proves
// them. Invariants: every cell of the witness is ranged, so that numbers of the field are integers;
// bounds of all numbers are known when the circuit is built, and one that the field cannot hold is
// refused (ErrWide); quotients and remainders are ranged; nothing that a hint says is believed;
// building a circuit twice gives the same system. It uses no commitment and no lookup argument, so
// that Groth16 and PLONK prove the same circuit and verifiers on chain stay cheap. SPEC 02, 10.
//
//	x, err := circuit.Prepare(&d, &ctx, index, fetch)
//	system, err := circuit.Compile(x.Unit.Circuit(), scs.NewBuilder)
//	assignment := x.Assignment()
package circuit

import (
	"errors"
	"fmt"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark/constraint"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/logger"
)

// gnark logs to standard output unless it is told not to; proofs are no reason to write there.
func init() { logger.Disable() }

// ErrUnit marks an element that has no circuit: an operation without one, or reads that are not
// those of the definition.
var ErrUnit = errors.New("invalid unit")

// Curve is the curve whose scalar field circuits are over: BN254, the one that the EVM knows.
const Curve = ecc.BN254

// maxPlaces is the most places that a unit has.
const maxPlaces = 2

// Unit is one element of one operation with the places that it reads: what a circuit depends on.
// Values do not enter it. The zero value is illegal; Prepare makes units.
type Unit struct {
	Descriptor opset.Descriptor
	Context    opset.Context
	Index      uint64
	Reads      []opset.Read
	Places     []uint64 // what the first reads name: a row, an expert, a chunk; 0 where a later one does
}

// Check says whether a unit from outside has reads that circuits can be built of: as many as the
// operation may have, inside their sources, short, in leaves that exist. It returns ErrUnit. Whether
// they are those of the definition is found when the circuit is built.
func (u *Unit) Check() error {
	d := &u.Descriptor
	types := readTypes(d)
	if !Has(d.Op) || u.Index >= d.Count(&u.Context) || len(u.Reads) > len(types) || len(u.Places) > maxPlaces {
		return fmt.Errorf("%w: element %d of %s with %d reads and %d places", ErrUnit, u.Index, d.Op, len(u.Reads), len(u.Places))
	}
	for k, r := range u.Reads {
		switch {
		case !types[k].Valid(), r.Leaf < 64, r.Leaf > maxLeaf, r.Leaf%64 != 0, r.Lo >= r.Hi, r.Hi > r.Total, r.Hi-r.Lo > maxRead,
			(r.Lo|r.Hi)%uint64(types[k].Size()) != 0:
			return fmt.Errorf("%w: read %d is %+v of %s", ErrUnit, k, r, types[k])
		}
	}
	return nil
}

// Instance is a unit with its values.
type Instance struct {
	Unit
	Cells [][]int64 // the elements of each read
	Value int64     // of the element
}

// Prepare evaluates element i of d by definition and keeps what it reads. Errors are those of
// opset.Element.
func Prepare(d *opset.Descriptor, c *opset.Context, i uint64, fetch opset.Fetch) (*Instance, error) {
	x := &Instance{Unit: Unit{Descriptor: *d, Context: *c, Index: i}}
	types := readTypes(d)
	v, err := opset.Element(d, c, i, func(r opset.Read) ([]byte, error) {
		b, err := fetch(r)
		if err != nil {
			return nil, err
		}
		k := len(x.Reads)
		if k >= len(types) || !types[k].Valid() || uint64(len(b)) != r.Hi-r.Lo {
			return nil, fmt.Errorf("%w: read %d of %s is of %d bytes", ErrUnit, k, d.Op, len(b))
		}
		cells := make([]int64, len(b)/types[k].Size())
		for j := range cells {
			cells[j] = tensor.Element(types[k], b, j)
		}
		x.Reads, x.Cells = append(x.Reads, r), append(x.Cells, cells)
		x.Places = appendPlace(x.Places, d, c, k, cells)
		return b, nil
	})
	if err != nil {
		return nil, err
	}
	x.Value = v
	return x, nil
}

// appendPlace adds the place that read k names, where the operation follows it or one behind it: what is
// written as the first bytes of the read leads to the reads that the operation makes. SPEC 10 §1.3.
func appendPlace(to []uint64, d *opset.Descriptor, c *opset.Context, k int, x []int64) []uint64 {
	held := func(limit int64) []uint64 { return append(to, uint64(max(0, min(x[0], max(limit, 1)-1)))) }
	known := func(limit int64) []uint64 {
		if x[0] < 0 || x[0] >= max(limit, 1) {
			return append(to, 0)
		}
		return append(to, uint64(x[0]))
	}
	n, f := max(d.P[0], 1), max(d.P[1], 1)
	switch {
	case d.Op == opset.Mask && k == 0 && c.Grammared:
		return append(to, 0)
	case k == 0 && (d.Op == opset.GrammarState || d.Op == opset.StopState):
		return known(n)
	case k == 1 && (d.Op == opset.Mask || d.Op == opset.GrammarState):
		return held(1 << 31)
	case k == 1 && d.Op == opset.StopState:
		lo := max(0, min(x[0], f-1))
		return append(to, uint64(lo)|uint64(max(0, min(x[1], opset.TokenBytes, f-lo)))<<32)
	case k != 0:
		return to
	case d.Op == opset.Select && d.P[3] == 1:
		return append(to, 0)
	case d.Op == opset.Select:
		return held((n-1)/f + 1)
	case d.Op == opset.Gather:
		return held(n)
	case d.Op == opset.EmbedRows:
		return known(n)
	case (d.Op == opset.RowMatMul || d.Op == opset.RowResult) && d.Src[2].Kind != opset.None:
		return held(d.P[2])
	}
	return to
}

// statement is the plain circuit of a unit: the cells that it reads, and its value in public.
type statement struct {
	Value frontend.Variable `gnark:",public"`
	Cells []frontend.Variable
	unit  *Unit
}

// Circuit is the circuit of the unit: one public input, the value, and the cells of its reads.
func (u *Unit) Circuit() frontend.Circuit {
	return &statement{Cells: make([]frontend.Variable, u.Cells()), unit: u}
}

// Assignment is the witness of the instance, for its unit's circuit.
func (x *Instance) Assignment() frontend.Circuit {
	s := &statement{Value: x.Value}
	for _, cells := range x.Cells {
		for _, v := range cells {
			s.Cells = append(s.Cells, v)
		}
	}
	return s
}

// Define makes the constraints; gnark calls it.
func (s *statement) Define(api frontend.API) error {
	b := &build{api: api}
	from := &recorded{unit: s.unit, cells: s.Cells}
	v := element(b, &s.unit.Descriptor, &s.unit.Context, s.unit.Index, from)
	if b.err == nil {
		b.err = from.done()
	}
	api.AssertIsEqual(s.Value, v.v)
	return b.err
}

// recorded supplies the reads of a unit in their order.
type recorded struct {
	unit     *Unit
	cells    []frontend.Variable
	k, named int
}

func (s *recorded) read(b *build, r opset.Read, t tensor.DType) []Num {
	n := int(r.Hi-r.Lo) / t.Size()
	if s.k >= len(s.unit.Reads) || s.unit.Reads[s.k] != r || n > len(s.cells) {
		b.fail(fmt.Errorf("%w: read %d is %+v", ErrUnit, s.k, r))
		return nil
	}
	s.k++
	out := ranged(b, s.cells[:n], t)
	s.cells = s.cells[n:]
	return out
}

// ranged makes numbers of a type out of free variables.
func ranged(b *build, cells []frontend.Variable, t tensor.DType) []Num {
	lo, hi := tensor.Range(t)
	out := make([]Num, len(cells))
	for i, v := range cells {
		out[i] = b.cell(v, big64(lo), big64(hi))
	}
	return out
}

func (s *recorded) place(b *build) uint64 {
	if s.named >= len(s.unit.Places) {
		b.fail(fmt.Errorf("%w: %s names more places than %d", ErrUnit, s.unit.Descriptor.Op, s.named))
		return 0
	}
	s.named++
	return s.unit.Places[s.named-1]
}

func (s *recorded) done() error {
	if s.k != len(s.unit.Reads) || len(s.cells) != 0 {
		return fmt.Errorf("%w: %d reads, the circuit makes %d", ErrUnit, len(s.unit.Reads), s.k)
	}
	return nil
}

// Compile makes the constraint system of a circuit: r1cs.NewBuilder for Groth16, scs.NewBuilder for
// PLONK.
func Compile(c frontend.Circuit, builder frontend.NewBuilder) (constraint.ConstraintSystem, error) {
	return frontend.Compile(Curve.ScalarField(), builder, c)
}

// readTypes are the element types of the reads of an element, in order.
func readTypes(d *opset.Descriptor) []tensor.DType {
	const i8, i16, i32, i64 = tensor.I8, tensor.I16, tensor.I32, tensor.I64
	named := func(types ...tensor.DType) []tensor.DType {
		if d.Src[2].Kind != opset.None {
			return append([]tensor.DType{i32}, types...)
		}
		return types
	}
	switch d.Op {
	case opset.Embed, opset.Position, opset.EmbedBlock:
		return []tensor.DType{i8, i32}
	case opset.MaxAbs, opset.Max, opset.Sum, opset.ArgKey, opset.SumSquares:
		return []tensor.DType{tensor.DType(d.P[3]), i64}
	case opset.Select:
		return []tensor.DType{i64, tensor.DType(d.P[2])}
	case opset.Share:
		return []tensor.DType{tensor.DType(d.P[4]), i64}
	case opset.RowMatMul:
		return named(i16, i8)
	case opset.RowResult:
		return named(i64, i32, i64)
	case opset.NormInv, opset.RowInv, opset.DivOp, opset.Digit, opset.Token:
		return []tensor.DType{i64, i64, i64}
	case opset.NormApply:
		return []tensor.DType{i32, i64, i32}
	case opset.RowNorm:
		return []tensor.DType{i32, i64, i32, i32}
	case opset.MatMul, opset.MatMulBlock, opset.MatMulG4:
		return []tensor.DType{i16, i8}
	case opset.Row:
		return []tensor.DType{i64, i32, i64}
	case opset.StopOp:
		return []tensor.DType{i32, i32, i32, i32}
	case opset.Quant, opset.Exp2Op, opset.Center, opset.RowCenter, opset.RowQuant, opset.RowSquares, opset.Hist, opset.Keep:
		return []tensor.DType{i32, i64}
	case opset.Score:
		return []tensor.DType{i16, i16}
	case opset.RowScore:
		return []tensor.DType{i16, i16, i32}
	case opset.Transpose:
		return []tensor.DType{i16}
	case opset.Mix, opset.RowMix:
		return []tensor.DType{i32, i16}
	case opset.EmbedRows:
		return []tensor.DType{i32, i8, i32}
	case opset.StopState:
		return []tensor.DType{i32, i32, i8, i8}
	case opset.Scale, opset.RowScale, opset.Draw, opset.Rank:
		return []tensor.DType{i64}
	}
	return []tensor.DType{i32, i32, i32} // of elements, pairs and indices
}
