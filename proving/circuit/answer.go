package circuit

import (
	"fmt"
	"slices"

	"elenchus/commitment/poseidon"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/proving/check"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/frontend"
)

// Answer is a unit with the leaves that its reads and its element lie in: what a party proves when
// it will not show them. SPEC 10 §4.
type Answer struct {
	Unit
	Target []byte   // the leaf of the claimed tensor that holds the element
	Leaves [][]byte // of each read: those that cover it
	Value  int64    // what the definition gives
	Equal  bool     // the claimed element is the value, and its leaf is zero behind the tensor
}

// PrepareAnswer evaluates element i of d by definition from what open supplies: for each read, the
// leaves that cover it. Target is the claimed leaf that holds the element.
func PrepareAnswer(d *opset.Descriptor, c *opset.Context, i uint64, target []byte, open func(opset.Read) ([]byte, error)) (*Answer, error) {
	a := &Answer{Target: target}
	x, err := Prepare(d, c, i, func(r opset.Read) ([]byte, error) {
		leaves, err := open(r)
		if err != nil {
			return nil, err
		}
		if r.Leaf > maxLeaf || r.Leaf%64 != 0 {
			return nil, fmt.Errorf("%w: leaves of %d bytes", ErrUnit, r.Leaf)
		}
		a.Leaves = append(a.Leaves, leaves)
		return r.Trim(leaves)
	})
	if err != nil {
		return nil, err
	}
	if len(target) != int(d.Leaf) {
		return nil, fmt.Errorf("%w: target leaf of %d bytes, want %d", ErrUnit, len(target), d.Leaf)
	}
	a.Unit, a.Value = x.Unit, x.Value
	a.Equal = tensor.Element(d.Type, target, a.within()) == x.Value
	for _, v := range target[a.used()*d.Type.Size():] {
		a.Equal = a.Equal && v == 0
	}
	return a, nil
}

// InOrder opens the leaves of reads that lie at hand, in the order in which an operation reads them.
func InOrder(leaves [][]byte) func(opset.Read) ([]byte, error) {
	k := 0
	return func(opset.Read) ([]byte, error) {
		if k >= len(leaves) {
			return nil, fmt.Errorf("%w: the answer has the leaves of %d reads", ErrUnit, k)
		}
		k++
		return leaves[k-1], nil
	}
}

// within is the element's place in its leaf.
func (u *Unit) within() int {
	return int(u.Index % uint64(int(u.Descriptor.Leaf)/u.Descriptor.Type.Size()))
}

// used is how many elements of the tensor lie in the element's leaf: the rest of it is padding.
func (u *Unit) used() int {
	perLeaf := uint64(u.Descriptor.Leaf) / uint64(u.Descriptor.Type.Size())
	return int(min(perLeaf, u.Descriptor.Count(&u.Context)-u.Index/perLeaf*perLeaf))
}

// Cells is the number of elements that the unit reads.
func (u *Unit) Cells() (n int) {
	types := readTypes(&u.Descriptor)
	for k, r := range u.Reads {
		n += int(r.Hi-r.Lo) / types[k].Size()
	}
	return n
}

// leafCount is the number of leaves that each read covers.
func (u *Unit) leafCount() (each []int) {
	for _, r := range u.Reads {
		a, b := r.Leaves()
		each = append(each, int(b-a))
	}
	return each
}

// answerStatement is the circuit of an answer. The hashes of its leaves, the target's first, and
// whether the claimed element is the value of the definition and its leaf is zero behind the tensor, are
// no public inputs of their own, each of which would take a product on the curve to verify: Digest commits
// to the hashes, and Sum is the polynomial of all at Challenge, which the verifier draws when both its own
// hashes and the digest are known. SPEC 10 §4.2, §4.6.
type answerStatement struct {
	Challenge frontend.Variable `gnark:",public"`
	Digest    frontend.Variable `gnark:",public"`
	Sum       frontend.Variable `gnark:",public"`
	Target    []frontend.Variable
	Cells     []frontend.Variable
	unit      *Unit
}

// AnswerCircuit is the circuit of answers of the unit.
func (u *Unit) AnswerCircuit() frontend.Circuit {
	types, n := readTypes(&u.Descriptor), 0
	for k, each := range u.leafCount() {
		n += each * u.Reads[k].Leaf / types[k].Size()
	}
	target := int(u.Descriptor.Leaf) / u.Descriptor.Type.Size()
	return &answerStatement{Target: make([]frontend.Variable, target), Cells: make([]frontend.Variable, n), unit: u}
}

// Input is a public input: a field element, big-endian, below the order.
type Input = [32]byte

// InputOf is an integer as a public input.
func InputOf(v int64) Input {
	var e fr.Element
	return e.SetInt64(v).Bytes()
}

// Hashes are those of the answer's leaves, the target's first: what is shown of them.
func (a *Answer) Hashes() (out []Input, err error) {
	add := func(leaf []byte) error {
		h, err := LeafHash(leaf)
		out = append(out, h)
		return err
	}
	if err := add(a.Target); err != nil {
		return nil, err
	}
	for k, r := range a.Reads {
		for at := 0; at < len(a.Leaves[k]); at += r.Leaf {
			if err := add(a.Leaves[k][at : at+r.Leaf]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// Digest is the commitment to the hashes of leaves that goes with a proof. It returns ErrUnit for a hash
// that is not below the order of the field.
func Digest(hashes []Input) (d Input, err error) {
	words := make([]fr.Element, len(hashes))
	for i := range hashes {
		if err := words[i].SetBytesCanonical(hashes[i][:]); err != nil {
			return d, fmt.Errorf("%w: the hash of leaf %d is not below the order of the field", ErrUnit, i)
		}
	}
	e := poseidon.List(words)
	return e.Bytes(), nil
}

// Digest is that of the answer's hashes.
func (a *Answer) Digest() (d Input, err error) {
	hashes, err := a.Hashes()
	if err != nil {
		return d, err
	}
	return Digest(hashes)
}

// Public are the public inputs of an answer under a binding, in the order of its circuit: what says
// whether the claimed element is the value, and the hashes of its leaves. It returns ErrUnit for a hash that is
// not below the order of the field.
func Public(bind [32]byte, equal bool, hashes []Input) ([]Input, error) {
	d, err := Digest(hashes)
	if err != nil {
		return nil, err
	}
	x, err := check.Inputs(bind, equal, hashes, d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnit, err)
	}
	return []Input{x[0].Bytes(), x[1].Bytes(), x[2].Bytes()}, nil
}

// Public are the public inputs of the answer, in the order of its circuit.
func (a *Answer) Public(bind [32]byte) ([]Input, error) {
	hashes, err := a.Hashes()
	if err != nil {
		return nil, err
	}
	return Public(bind, a.Equal, hashes)
}

// Assignment is the witness of the answer under a binding, for its unit's AnswerCircuit.
func (a *Answer) Assignment(bind [32]byte) (frontend.Circuit, error) {
	public, err := a.Public(bind)
	if err != nil {
		return nil, err
	}
	s := &answerStatement{Challenge: public[0][:], Digest: public[1][:], Sum: public[2][:]}
	s.Target = cellsOf(s.Target, a.Target, a.Descriptor.Type)
	types := readTypes(&a.Descriptor)
	for k := range a.Reads {
		s.Cells = cellsOf(s.Cells, a.Leaves[k], types[k])
	}
	return s, nil
}

func cellsOf(to []frontend.Variable, leaves []byte, t tensor.DType) []frontend.Variable {
	for i := range len(leaves) / t.Size() {
		to = append(to, tensor.Element(t, leaves, i))
	}
	return to
}

// Define makes the constraints; gnark calls it.
func (s *answerStatement) Define(api frontend.API) error {
	b := &build{api: api}
	d := &s.unit.Descriptor
	target := ranged(b, s.Target, d.Type)
	from := &openedLeaves{unit: s.unit, hashes: []frontend.Variable{b.leafHash(target, d.Type, int(d.Leaf))}, cells: s.Cells}
	v := element(b, d, &s.unit.Context, s.unit.Index, from)
	if b.err != nil {
		return b.err
	}
	equal := b.equal(v, target[s.unit.within()])
	for _, x := range target[s.unit.used():] {
		equal = b.and(equal, b.equal(x, b.lit(0)))
	}
	if from.k != len(s.unit.Reads) || len(from.cells) != 0 {
		return fmt.Errorf("%w: %d reads, the circuit makes %d", ErrUnit, len(s.unit.Reads), from.k)
	}
	s.bind(b, equal, from.hashes)
	return b.err
}

// bind ties the public inputs to what was computed. Each is squared: one that only a linear constraint names
// could be exchanged for another of the same proof.
func (s *answerStatement) bind(b *build, equal frontend.Variable, hashes []frontend.Variable) {
	b.bind([3]frontend.Variable{s.Challenge, s.Digest, s.Sum}, equal, hashes)
}

// bind ties challenge, digest and sum to the hashes of leaves.
func (b *build) bind(public [3]frontend.Variable, equal frontend.Variable, hashes []frontend.Variable) {
	for _, v := range public {
		b.api.Mul(v, v)
	}
	b.api.AssertIsEqual(public[1], b.listHash(hashes))
	var sum frontend.Variable = 0
	for _, h := range slices.Backward(hashes) {
		sum = b.api.Add(b.api.Mul(sum, public[0]), h)
	}
	sum = b.api.Add(b.api.Mul(sum, public[0]), 2*len(hashes), equal)
	b.api.AssertIsEqual(public[2], sum)
}

// openedLeaves supplies reads out of whole leaves, and notes their hashes.
type openedLeaves struct {
	unit   *Unit
	hashes []frontend.Variable
	cells  []frontend.Variable
	k      int
	named  int
}

func (s *openedLeaves) read(b *build, r opset.Read, t tensor.DType) []Num {
	if s.k >= len(s.unit.Reads) || s.unit.Reads[s.k] != r {
		b.fail(fmt.Errorf("%w: read %d is %+v", ErrUnit, s.k, r))
		return nil
	}
	s.k++
	from, to := r.Leaves()
	per := r.Leaf / t.Size()
	var all []Num
	for range to - from {
		if len(s.cells) < per {
			b.fail(fmt.Errorf("%w: too few leaves for %+v", ErrUnit, r))
			return nil
		}
		leaf := ranged(b, s.cells[:per], t)
		s.hashes = append(s.hashes, b.leafHash(leaf, t, r.Leaf))
		s.cells, all = s.cells[per:], append(all, leaf...)
	}
	lo := int(r.Lo-from*uint64(r.Leaf)) / t.Size()
	return all[lo : lo+int(r.Hi-r.Lo)/t.Size()]
}

func (s *openedLeaves) place(b *build) uint64 {
	s.named++
	if s.named > len(s.unit.Places) {
		b.fail(fmt.Errorf("%w: more places than %d", ErrUnit, len(s.unit.Places)))
		return 0
	}
	return s.unit.Places[s.named-1]
}
