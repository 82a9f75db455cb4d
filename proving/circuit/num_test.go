package circuit

import (
	"math/big"
	"testing"

	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
)

// narrowed says that V is 0 or more and below 2^n.
type narrowed struct {
	V frontend.Variable `gnark:",public"`
	n int
}

func (c *narrowed) Define(api frontend.API) error {
	b := &build{api: api}
	b.narrow(c.n, c.V)
	return b.err
}

// Digits of base 4 admit the numbers of so many bits and no others, and of each number its own digits alone, whatever
// hints say. SPEC 10 §2.9.
func TestDigitsAdmitOneFormOfEachNumber(t *testing.T) {
	for n := 1; n <= 5; n++ {
		s, err := Compile(&narrowed{n: n}, r1cs.NewBuilder)
		if err != nil {
			t.Fatal(err)
		}
		forms := 1 << (2 * ((n+1)/2 - 1)) // of the digits that hints give
		for v := -3; v < 1<<n+3; v++ {
			w, err := frontend.NewWitness(&narrowed{V: v}, Curve.ScalarField())
			if err != nil {
				t.Fatal(err)
			}
			admitted := 0
			for form := range forms {
				lie := solver.OverrideHint(solver.GetHintID(hintDigits), func(_ *big.Int, _, out []*big.Int) error {
					for i := range out {
						out[i].SetInt64(int64(form >> (2 * i) & 3))
					}
					return nil
				})
				if s.IsSolved(w, solver.WithHints(Hints()...), lie) == nil {
					admitted++
				}
			}
			if want := v >= 0 && v < 1<<n; admitted > 1 || (admitted == 1) != want {
				t.Errorf("%d in %d bits has %d forms", v, n, admitted)
			}
		}
	}
}
