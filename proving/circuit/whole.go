package circuit

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"

	"github.com/consensys/gnark/frontend"
)

// Whole is the whole tensor that a cluster gives, with the leaves that it reads: what a party proves when it settles
// all elements of a tensor at once. The zero value is illegal; PrepareWhole makes them. SPEC 10 §4.7.
type Whole struct {
	Cluster *opset.Cluster
	Inputs  [][]byte // the leaves of each input
	Target  []byte   // of the target, as the operators give them
}

// PrepareWhole computes the tensor by definition from the leaves of each input. It returns ErrUnit where they are not
// of the cluster's lengths, and the errors of opset.Element.
func PrepareWhole(x *opset.Cluster, inputs [][]byte) (*Whole, error) {
	if len(inputs) != len(x.Inputs) {
		return nil, fmt.Errorf("%w: %d inputs, the cluster reads %d", ErrUnit, len(inputs), len(x.Inputs))
	}
	for n := range x.Inputs {
		if in := &x.Inputs[n]; uint64(len(inputs[n])) != (in.To-in.From)*uint64(in.Leaf) {
			return nil, fmt.Errorf("%w: input %d has %d bytes for %d leaves", ErrUnit, n, len(inputs[n]), in.To-in.From)
		}
	}
	made := make([][]byte, len(x.Operators))
	for k := range x.Operators {
		d := &x.Operators[k].Descriptor
		values := make([]int64, d.Count(&x.Context))
		for i := range values {
			v, err := opset.Element(d, &x.Context, uint64(i), func(r opset.Read) ([]byte, error) {
				lo, from, err := located(x, k, r)
				switch {
				case err != nil:
					return nil, err
				case from < 0:
					return inputs[-1-from][lo : lo+r.Hi-r.Lo], nil
				}
				return made[from][lo : lo+r.Hi-r.Lo], nil
			})
			if err != nil {
				return nil, err
			}
			values[i] = v
		}
		made[k] = encode(values, d.Type)
	}
	last := made[len(made)-1]
	leaf := int(x.Target().Descriptor.Leaf)
	return &Whole{Cluster: x, Inputs: inputs, Target: append(last, make([]byte, (leaf-len(last)%leaf)%leaf)...)}, nil
}

// located finds a read of operator k: from is an earlier operator, or -1 less the number of an input; lo is its first
// byte in that operator's tensor, or in the leaves of the input.
func located(x *opset.Cluster, k int, r opset.Read) (lo uint64, from int, err error) {
	if r.Kind == opset.Tensor {
		for j := range k {
			if o := &x.Operators[j]; o.Tensor == r.Index {
				if o.Descriptor.Bytes(&x.Context) != r.Total {
					err = fmt.Errorf("%w: tensor %d is read as %d bytes", ErrUnit, r.Index, r.Total)
				}
				return r.Lo, j, err
			}
		}
	}
	for n := range x.Inputs {
		in := &x.Inputs[n]
		if in.Source != r.Source || r.Kind != opset.Tensor && in.Operator != k {
			continue
		}
		first := in.From * uint64(in.Leaf)
		if in.Total != r.Total || in.Leaf != r.Leaf || r.Lo < first || r.Hi > in.To*uint64(in.Leaf) {
			return 0, 0, fmt.Errorf("%w: read [%d,%d) of %d bytes lies outside of input %d", ErrUnit, r.Lo, r.Hi, r.Total, n)
		}
		return r.Lo - first, -1 - n, nil
	}
	return 0, 0, fmt.Errorf("%w: a read of source (%d, %d) is of no input", ErrUnit, r.Kind, r.Index)
}

// wholeTypes are the element types of the inputs.
func wholeTypes(x *opset.Cluster) ([]tensor.DType, error) {
	out := make([]tensor.DType, len(x.Inputs))
	for k := range x.Operators {
		types := readTypes(&x.Operators[k].Descriptor)
		for at, w := range append(x.First[k][:len(x.First[k]):len(x.First[k])], x.Last[k]...) {
			at %= len(x.First[k])
			if at >= len(types) || !types[at].Valid() {
				return nil, fmt.Errorf("%w: read %d of %s", ErrUnit, at, x.Operators[k].Descriptor.Op)
			}
			if w.Input < 0 {
				continue
			}
			if was := &out[w.Input]; *was != 0 && *was != types[at] {
				return nil, fmt.Errorf("%w: input %d is read as %s and %s", ErrUnit, w.Input, *was, types[at])
			}
			out[w.Input] = types[at]
		}
	}
	return out, nil
}

// wholeShapeTag begins what the shape of a cluster is the hash of.
const wholeShapeTag = "elenchus/cluster/1"

// WholeShape names the circuits of a cluster: clusters of one shape have the same circuits. SPEC 10 §5.13.
func WholeShape(x *opset.Cluster) [32]byte {
	b := append([]byte(wholeShapeTag), byte(len(x.Operators)))
	for k := range x.Operators {
		d := &x.Operators[k].Descriptor
		b = append(b, byte(d.Op), byte(d.Type))
		b = binary.BigEndian.AppendUint16(b, d.Leaf)
		for _, p := range d.P {
			b = binary.BigEndian.AppendUint64(b, uint64(p))
		}
		for _, n := range d.Shape(&x.Context) {
			b = binary.BigEndian.AppendUint32(b, uint32(n))
		}
		b = append(b, byte(len(x.First[k])))
		for _, w := range append(x.First[k][:len(x.First[k]):len(x.First[k])], x.Last[k]...) {
			b = appendWire(b, x, w)
		}
	}
	b = append(b, byte(len(x.Inputs)))
	for n := range x.Inputs {
		b = binary.BigEndian.AppendUint32(b, uint32(x.Inputs[n].To-x.Inputs[n].From))
	}
	return sha256.Sum256(b)
}

// appendWire adds where a read leads: 128 and the number of an operator, or that of an input; the leaf size, the
// source's bytes, the first byte from the first leaf in hand on, and the length.
func appendWire(b []byte, x *opset.Cluster, w opset.Wire) []byte {
	lo, r := w.Read.Lo, &w.Read
	if w.Input >= 0 {
		b = append(b, byte(w.Input))
		lo -= x.Inputs[w.Input].From * uint64(x.Inputs[w.Input].Leaf)
	} else {
		b = append(b, 0x80|byte(w.Operator))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(r.Leaf))
	b = binary.BigEndian.AppendUint64(b, r.Total)
	b = binary.BigEndian.AppendUint32(b, uint32(lo))
	return binary.BigEndian.AppendUint32(b, uint32(r.Hi-r.Lo))
}

// wholeStatement is the circuit of a whole tensor; its public inputs are those of an answer. SPEC 10 §4.7.
type wholeStatement struct {
	Challenge frontend.Variable `gnark:",public"`
	Digest    frontend.Variable `gnark:",public"`
	Sum       frontend.Variable `gnark:",public"`
	Target    []frontend.Variable
	Cells     []frontend.Variable
	cluster   *opset.Cluster
	types     []tensor.DType // of the inputs
}

// MaxElementBytes bounds what the elements of a cluster read together, in bytes. Elements may read the same cells, each
// of which is then work in every one of them, so that the leaves alone would not bound a circuit.
const MaxElementBytes = 1 << 19

// elementBytes is what the elements of a cluster read together, by the widest of the first and the last.
func elementBytes(x *opset.Cluster) (sum uint64) {
	for k := range x.Operators {
		width := func(wires []opset.Wire) (n uint64) {
			for _, w := range wires {
				n += w.Read.Hi - w.Read.Lo
			}
			return n
		}
		sum += x.Operators[k].Descriptor.Count(&x.Context) * max(width(x.First[k]), width(x.Last[k]))
	}
	return sum
}

// WholeCircuit is the circuit of a cluster. It returns ErrUnit for one that has none, ErrLarge for one of too many
// cells, or whose elements read too much.
func WholeCircuit(x *opset.Cluster) (frontend.Circuit, error) {
	types, err := wholeTypes(x)
	if err != nil {
		return nil, err
	}
	n := 0
	for k := range x.Inputs {
		in := &x.Inputs[k]
		if in.Leaf > maxLeaf || in.Leaf%64 != 0 {
			return nil, fmt.Errorf("%w: leaves of %d bytes", ErrUnit, in.Leaf)
		}
		n += int(in.To-in.From) * in.Leaf / types[k].Size()
	}
	d := &x.Target().Descriptor
	target := int(x.TargetLeaves()) * int(d.Leaf) / d.Type.Size()
	if n > MaxCells {
		return nil, fmt.Errorf("%w: %d cells, at most %d can be", ErrLarge, n, MaxCells)
	}
	if read := elementBytes(x); read > MaxElementBytes {
		return nil, fmt.Errorf("%w: its elements read %d bytes, at most %d can be", ErrLarge, read, MaxElementBytes)
	}
	return &wholeStatement{Target: make([]frontend.Variable, target), Cells: make([]frontend.Variable, n), cluster: x, types: types}, nil
}

// Hashes are those of the leaves: of the target, then of each input.
func (a *Whole) Hashes() (out []Input, err error) {
	add := func(leaves []byte, leaf int) {
		for at := 0; at < len(leaves) && err == nil; at += leaf {
			var h Input
			h, err = LeafHash(leaves[at : at+leaf])
			out = append(out, h)
		}
	}
	add(a.Target, int(a.Cluster.Target().Descriptor.Leaf))
	for n := range a.Inputs {
		add(a.Inputs[n], a.Cluster.Inputs[n].Leaf)
	}
	return out, err
}

// Assignment is the witness under a binding, for the cluster's circuit, with the digest that goes with its proof.
func (a *Whole) Assignment(bind [32]byte) (frontend.Circuit, Input, error) {
	types, err := wholeTypes(a.Cluster)
	if err != nil {
		return nil, Input{}, err
	}
	hashes, err := a.Hashes()
	if err != nil {
		return nil, Input{}, err
	}
	public, err := Public(bind, true, hashes)
	if err != nil {
		return nil, Input{}, err
	}
	s := &wholeStatement{Challenge: public[0][:], Digest: public[1][:], Sum: public[2][:]}
	s.Target = cellsOf(nil, a.Target, a.Cluster.Target().Descriptor.Type)
	for n := range a.Inputs {
		s.Cells = cellsOf(s.Cells, a.Inputs[n], types[n])
	}
	return s, public[1], nil
}

// Define makes the constraints; gnark calls it.
func (s *wholeStatement) Define(api frontend.API) error {
	b := &build{api: api}
	x := s.cluster
	from := &wholeTensors{cluster: x, types: s.types}
	var hashes []frontend.Variable
	cells := s.Cells
	for n := range x.Inputs {
		in, per := &x.Inputs[n], x.Inputs[n].Leaf/s.types[n].Size()
		var all []Num
		for range in.To - in.From {
			leaf := ranged(b, cells[:per], s.types[n])
			hashes = append(hashes, b.leafHash(leaf, s.types[n], in.Leaf))
			cells, all = cells[per:], append(all, leaf...)
		}
		from.inputs = append(from.inputs, all)
	}
	for k := range x.Operators {
		d := &x.Operators[k].Descriptor
		from.operator = k
		values := make([]Num, d.Count(&x.Context))
		for i := range values {
			if values[i] = element(b, d, &x.Context, uint64(i), from); b.err != nil {
				return b.err
			}
		}
		from.made = append(from.made, values)
	}
	target := s.given(b, from.made[len(from.made)-1])
	b.bind([3]frontend.Variable{s.Challenge, s.Digest, s.Sum}, 1, append(target, hashes...))
	return b.err
}

// given are the hashes of the target's leaves, which hold the values and zeros behind them.
func (s *wholeStatement) given(b *build, values []Num) (hashes []frontend.Variable) {
	d := &s.cluster.Target().Descriptor
	cells := ranged(b, s.Target, d.Type)
	for i := range cells {
		var want frontend.Variable = 0
		if i < len(values) {
			want = values[i].v
		}
		b.api.AssertIsEqual(cells[i].v, want)
	}
	per := int(d.Leaf) / d.Type.Size()
	for ; len(cells) >= per; cells = cells[per:] {
		hashes = append(hashes, b.leafHash(cells[:per], d.Type, int(d.Leaf)))
	}
	return hashes
}

// wholeTensors supplies reads of the operators of a cluster.
type wholeTensors struct {
	cluster  *opset.Cluster
	types    []tensor.DType
	operator int // that reads
	inputs   [][]Num
	made     [][]Num
}

func (s *wholeTensors) read(b *build, r opset.Read, t tensor.DType) []Num {
	lo, from, err := located(s.cluster, s.operator, r)
	if err != nil {
		b.fail(err)
		return nil
	}
	all, has := []Num(nil), tensor.DType(0)
	if from < 0 {
		all, has = s.inputs[-1-from], s.types[-1-from]
	} else {
		all, has = s.made[from], s.cluster.Operators[from].Descriptor.Type
	}
	if has != t {
		b.fail(fmt.Errorf("%w: operator %d reads %s, there is %s", ErrUnit, s.operator, t, has))
		return nil
	}
	z := uint64(t.Size())
	return slices.Clone(all[lo/z : lo/z+(r.Hi-r.Lo)/z]) // of its own: several operators read the same cells
}

func (s *wholeTensors) place(b *build) uint64 {
	b.fail(fmt.Errorf("%w: operator %d reads at an index that data name", ErrUnit, s.operator))
	return 0
}
