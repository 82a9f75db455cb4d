package conformance_test

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/opset"
	"elenchus/conformance/opsample"
	"elenchus/proving/circuit"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/constraint"
	bn254 "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
	"github.com/consensys/gnark/frontend/cs/scs"
)

// briefVectors of each operation are compiled and solved in a short run, briefSize is the most
// constraints whose every wire is changed; ELENCHUS_SOAK=1 takes all vectors and five times the size.
const briefVectors, briefSize = 5, 800

var soak = os.Getenv("ELENCHUS_SOAK") == "1"

// prepared are the instances of the vectors of an operation, those with fewest cells first.
func prepared(t *testing.T, op opset.Code) []*circuit.Instance {
	t.Helper()
	file, err := opsample.Load(filepath.Join(opVectors, op.String()+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*circuit.Instance
	for _, v := range file {
		c, err := v.Case()
		if err != nil {
			t.Fatal(err)
		}
		k := 0
		x, err := circuit.Prepare(&c.Descriptor, &c.Context, c.Index, func(r opset.Read) ([]byte, error) {
			k++
			return r.Trim(c.Leaves[k-1])
		})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	slices.SortStableFunc(out, func(a, b *circuit.Instance) int { return cellsOf(a) - cellsOf(b) })
	return out
}

func cellsOf(x *circuit.Instance) (n int) {
	for _, c := range x.Cells {
		n += len(c)
	}
	return n
}

func compiled(t *testing.T, x *circuit.Instance, builder frontend.NewBuilder) constraint.ConstraintSystem {
	t.Helper()
	s, err := circuit.Compile(x.Unit.Circuit(), builder)
	if err != nil {
		t.Fatalf("%s[%d]: %v", x.Descriptor.Op, x.Index, err)
	}
	return s
}

func solve(t *testing.T, s constraint.ConstraintSystem, x *circuit.Instance, opts ...solver.Option) (any, error) {
	t.Helper()
	w, err := frontend.NewWitness(x.Assignment(), circuit.Curve.ScalarField())
	if err != nil {
		t.Fatal(err)
	}
	return s.Solve(w, append([]solver.Option{solver.WithHints(circuit.Hints()...)}, opts...)...)
}

// onlyValue fails unless the system admits the instance's value and neither neighbour of it.
func onlyValue(t *testing.T, s constraint.ConstraintSystem, x *circuit.Instance) {
	t.Helper()
	if _, err := solve(t, s, x); err != nil {
		t.Fatalf("%s[%d] refuses its value %d: %v", x.Descriptor.Op, x.Index, x.Value, err)
	}
	for _, by := range []int64{-1, 1} {
		false := *x
		false.Value += by
		if _, err := solve(t, s, &false); err == nil {
			t.Fatalf("%s[%d] admits %d in the place of %d", x.Descriptor.Op, x.Index, false.Value, x.Value)
		}
	}
}

// Every circuit admits the values of the vectors and no neighbours of them, for both systems.
// DESIGN law 2.
func TestCircuitsPassTheVectors(t *testing.T) {
	t.Parallel()
	for _, op := range opset.Codes() {
		if !circuit.Has(op) {
			continue
		}
		t.Run(op.String(), func(t *testing.T) {
			list := prepared(t, op)
			for i, x := range list {
				if !soak && i >= briefVectors && i != len(list)/2 {
					continue
				}
				onlyValue(t, compiled(t, x, r1cs.NewBuilder), x)
				if soak || i < 2 {
					onlyValue(t, compiled(t, x, scs.NewBuilder), x)
				}
			}
		})
	}
}

// Numbers of constraints are golden files, and a circuit that is built twice is the same system.
// ELENCHUS_UPDATE=1 rewrites the files. STYLE 34.
func TestCircuitSizesAreTheRecordedOnes(t *testing.T) {
	t.Parallel()
	for _, op := range opset.Codes() {
		if !circuit.Has(op) {
			continue
		}
		t.Run(op.String(), func(t *testing.T) {
			d, c := shape1B(op)
			s := opsample.NewSupply(rand.New(rand.NewPCG(7, uint64(op))), &d, opsample.Bytes)
			x, err := circuit.Prepare(&d, &c, d.Count(&c)/2, s.Fetch)
			if err != nil {
				t.Fatal(err)
			}
			small := prepared(t, op)[0]
			for _, builder := range []frontend.NewBuilder{r1cs.NewBuilder[constraint.U64], scs.NewBuilder[constraint.U64]} {
				if !bytes.Equal(written(t, compiled(t, small, builder)), written(t, compiled(t, small, builder))) {
					t.Error("two builds differ")
				}
			}
			got := fmt.Sprintf("cells %d\nr1cs %d\nscs %d\n", cellsOf(x),
				compiled(t, x, r1cs.NewBuilder).GetNbConstraints(), compiled(t, x, scs.NewBuilder).GetNbConstraints())
			path := filepath.Join("testdata", "circuit", op.String()+".txt")
			if os.Getenv("ELENCHUS_UPDATE") == "1" {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := read(t, path); got != want {
				t.Errorf("constraints changed; if they should, run with ELENCHUS_UPDATE=1 and say why\ngot\n%swant\n%s", got, want)
			}
		})
	}
}

func written(t *testing.T, s constraint.ConstraintSystem) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := s.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Every wire of a solved system, changed by one, breaks a constraint: none is free. ZK section 5.4.
func TestEveryWireOfCircuitsIsBound(t *testing.T) {
	for _, op := range opset.Codes() {
		if !circuit.Has(op) {
			continue
		}
		t.Run(op.String(), func(t *testing.T) {
			most := briefSize
			if soak {
				most *= 5
			}
			list := prepared(t, op)
			for i, x := range list {
				s := compiled(t, x, r1cs.NewBuilder).(*bn254.R1CS)
				if i > 0 && (s.GetNbConstraints() > most || !soak && i >= 3) {
					break
				}
				solution, err := solve(t, s, x)
				if err != nil {
					t.Fatal(err)
				}
				freeWires(t, s, solution.(*bn254.R1CSSolution).W)
			}
		})
	}
}

// freeWires reports wires that may be one more or one less while all others stay.
func freeWires(t *testing.T, s *bn254.R1CS, w fr.Vector) {
	t.Helper()
	rows := s.GetR1Cs()
	uses := make([][]int, len(w))
	for i, r := range rows {
		for _, l := range []constraint.LinearExpression{r.L, r.R, r.O} {
			for _, term := range l {
				uses[term.VID] = append(uses[term.VID], i)
			}
		}
	}
	one := fr.One()
	for i := 1; i < len(w); i++ { // wire 0 is the constant
		was := w[i]
		for _, change := range []func(*fr.Element){func(e *fr.Element) { e.Add(e, &one) }, func(e *fr.Element) { e.Sub(e, &one) }} {
			change(&w[i])
			if !slices.ContainsFunc(uses[i], func(r int) bool { return !holds(s, &rows[r], w) }) {
				t.Errorf("wire %d of %d is free: %d constraints hold", i, len(w), len(uses[i]))
			}
			w[i] = was
		}
	}
}

func holds(s *bn254.R1CS, r *constraint.R1C, w fr.Vector) bool {
	eval := func(l constraint.LinearExpression) (sum fr.Element) {
		for _, term := range l {
			c := s.GetCoefficient(int(term.CID))
			var p fr.Element
			copy(p[:], c[:])
			p.Mul(&p, &w[term.VID])
			sum.Add(&sum, &p)
		}
		return sum
	}
	a, b, c := eval(r.L), eval(r.R), eval(r.O)
	return a.Mul(&a, &b).Equal(&c)
}

// A prover whose hints lie, by one or by the size of the field's half, has no witness. ZK section 5.6.
func TestHintsAreNotBelieved(t *testing.T) {
	half := new(big.Int).Rsh(circuit.Curve.ScalarField(), 1)
	lies := []*big.Int{big.NewInt(1), big.NewInt(-1), half}
	asked := 0
	for _, op := range []opset.Code{opset.DivOp, opset.NormInv, opset.SiLUMul, opset.Temper, opset.Share, opset.HeadNorm, opset.RowInv, opset.StopOp, opset.Hist, opset.SumSquares} {
		for _, x := range prepared(t, op)[:4] {
			s := compiled(t, x, r1cs.NewBuilder)
			for _, lie := range lies {
				for _, h := range circuit.Hints() {
					called := false
					_, err := solve(t, s, x, solver.OverrideHint(solver.GetHintID(h), func(f *big.Int, in, out []*big.Int) error {
						called = true
						err := h(f, in, out)
						last := out[len(out)-1] // the only one, or the highest digit
						last.Mod(last.Add(last, lie), f)
						return err
					}))
					if called && err == nil {
						t.Errorf("%s[%d] believes a hint that is %v off", op, x.Index, lie)
					}
					if called {
						asked++
					}
				}
			}
		}
	}
	if asked < 50 {
		t.Errorf("only %d hints were asked", asked)
	}
}

// The package says which operations have circuits, and the list of pending faces the same.
func TestCircuitsExistOrPend(t *testing.T) {
	list := read(t, "pending.txt")
	for _, op := range opset.Codes() {
		if pends := strings.Contains("\n"+list, "\n"+op.String()+" circuit "); pends == circuit.Has(op) {
			t.Errorf("%s: circuit %v, pending %v", op, circuit.Has(op), pends)
		}
	}
}
