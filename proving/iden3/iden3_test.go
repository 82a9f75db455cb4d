package iden3_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/big"
	"testing"

	"elenchus/proving/circuit"
	"elenchus/proving/iden3"

	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
)

// cubic is x^3 - 4x + 7 = y, with x secret.
type cubic struct {
	Y frontend.Variable `gnark:",public"`
	X frontend.Variable
}

func (c *cubic) Define(api frontend.API) error {
	api.AssertIsEqual(c.Y, api.Add(api.Mul(c.X, c.X, c.X), api.Mul(-4, c.X), 7))
	return nil
}

type committing struct {
	cubic
}

func (c *committing) Define(api frontend.API) error {
	v, err := api.(frontend.Committer).Commit(c.X)
	if err != nil {
		return err
	}
	api.AssertIsDifferent(v, 0)
	return c.cubic.Define(api)
}

// file reads what the package writes: little-endian numbers of any width.
type file struct {
	t *testing.T
	b []byte
}

func (f *file) take(n int) []byte {
	f.t.Helper()
	if len(f.b) < n {
		f.t.Fatalf("%d bytes are left, want %d", len(f.b), n)
	}
	out := f.b[:n]
	f.b = f.b[n:]
	return out
}

func (f *file) u32() int { return int(binary.LittleEndian.Uint32(f.take(4))) }

func (f *file) num() *big.Int {
	b := bytes.Clone(f.take(32))
	for i := range 16 {
		b[i], b[31-i] = b[31-i], b[i]
	}
	return new(big.Int).SetBytes(b)
}

// section gives the next section, which has that number.
func (f *file) section(id int) *file {
	f.t.Helper()
	if got := f.u32(); got != id {
		f.t.Fatalf("section %d, want %d", got, id)
	}
	return &file{f.t, f.take(int(binary.LittleEndian.Uint64(f.take(8))))}
}

func begin(t *testing.T, b []byte, magic string, version, sections int) *file {
	f := &file{t, b}
	if got := string(f.take(4)); got != magic || f.u32() != version || f.u32() != sections {
		t.Fatalf("%q is no %s of version %d with %d sections", got, magic, version, sections)
	}
	return f
}

// The values that are written satisfy the constraints that are written, and no longer when one is changed.
func TestWrittenWitnessesSatisfyWrittenSystems(t *testing.T) {
	s, err := circuit.Compile(&cubic{}, r1cs.NewBuilder)
	if err != nil {
		t.Fatal(err)
	}
	w, err := frontend.NewWitness(&cubic{X: -3, Y: -8}, circuit.Curve.ScalarField())
	if err != nil {
		t.Fatal(err)
	}
	solution, err := s.Solve(w)
	if err != nil {
		t.Fatal(err)
	}
	var system, witness bytes.Buffer
	if err := errors.Join(iden3.WriteSystem(&system, s.(*cs.R1CS)), iden3.WriteWitness(&witness, solution.(*cs.R1CSSolution).W)); err != nil {
		t.Fatal(err)
	}
	values := readWitness(t, witness.Bytes())
	p := circuit.Curve.ScalarField()
	if y := new(big.Int).Sub(p, big.NewInt(8)); values[0].Cmp(big.NewInt(1)) != 0 || values[1].Cmp(y) != 0 {
		t.Errorf("the first wires are %v and %v, want 1 and %v", values[0], values[1], y)
	}
	if !satisfied(t, system.Bytes(), values) {
		t.Error("the witness does not satisfy the system")
	}
	for i := range values {
		values[i].Add(values[i], big.NewInt(1))
		if satisfied(t, system.Bytes(), values) {
			t.Errorf("wire %d can be changed", i)
		}
		values[i].Sub(values[i], big.NewInt(1))
	}
}

func readWitness(t *testing.T, b []byte) (values []*big.Int) {
	t.Helper()
	f := begin(t, b, "wtns", 2, 2)
	head, body := f.section(1), f.section(2)
	if len(f.b) != 0 || head.u32() != 32 || head.num().Cmp(circuit.Curve.ScalarField()) != 0 {
		t.Fatal("not of the field")
	}
	for range head.u32() {
		values = append(values, body.num())
	}
	if len(head.b)+len(body.b) != 0 {
		t.Fatal("more bytes than are counted")
	}
	return values
}

func satisfied(t *testing.T, b []byte, values []*big.Int) bool {
	t.Helper()
	f := begin(t, b, "r1cs", 1, 3)
	head, body, labels := f.section(1), f.section(2), f.section(3)
	p := circuit.Curve.ScalarField()
	if len(f.b) != 0 || head.u32() != 32 || head.num().Cmp(p) != 0 {
		t.Fatal("not of the field")
	}
	if wires, outputs, public, secret := head.u32(), head.u32(), head.u32(), head.u32(); wires != len(values) || outputs != 0 || public != 1 || secret != 1 {
		t.Fatalf("%d wires, %d outputs, %d public, %d secret", wires, outputs, public, secret)
	}
	if n := head.take(8); binary.LittleEndian.Uint64(n) != uint64(len(values)) || len(labels.b) != 8*len(values) {
		t.Fatalf("%x labels, %d bytes", n, len(labels.b))
	}
	holds := true
	for range head.u32() {
		var x [3]*big.Int
		for k := range x {
			x[k] = new(big.Int)
			for last, i := -1, body.u32(); i > 0; i-- {
				wire := body.u32()
				if wire <= last {
					t.Fatalf("wire %d behind %d", wire, last)
				}
				last = wire
				x[k].Add(x[k], new(big.Int).Mul(body.num(), values[wire]))
			}
		}
		x[0].Mul(x[0], x[1]).Sub(x[0], x[2]).Mod(x[0], p)
		holds = holds && x[0].Sign() == 0
	}
	if len(body.b) != 0 {
		t.Fatal("more bytes than constraints")
	}
	return holds
}

// What the format cannot say is refused.
func TestSystemsThatCommitAreRefused(t *testing.T) {
	s, err := circuit.Compile(&committing{}, r1cs.NewBuilder)
	if err != nil {
		t.Fatal(err)
	}
	if err := iden3.WriteSystem(&bytes.Buffer{}, s.(*cs.R1CS)); !errors.Is(err, iden3.ErrCommits) {
		t.Error(err)
	}
}
