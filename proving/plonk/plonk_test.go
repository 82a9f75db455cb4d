package plonk_test

import (
	"errors"
	"math/big"
	"sync"
	"testing"

	"elenchus/proving/plonk"

	"github.com/consensys/gnark-crypto/ecc"
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"
	"github.com/consensys/gnark-crypto/ecc/bn254/kzg"
	gnark "github.com/consensys/gnark/backend/plonk/bn254"
	"github.com/consensys/gnark/backend/witness"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/scs"
)

// powers says that Last is X to 2^Steps, and that the rows of Same are equal.
type powers struct {
	X     frontend.Variable
	Same  []frontend.Variable
	Last  frontend.Variable   `gnark:",public"`
	More  []frontend.Variable `gnark:",public"`
	steps int
	wires bool // commits to wires
}

func (c *powers) Define(api frontend.API) error {
	x := c.X
	for range c.steps {
		x = api.Mul(x, x)
	}
	api.AssertIsEqual(x, c.Last)
	for i := range c.Same {
		api.AssertIsEqual(api.Add(c.Same[i], api.Mul(c.X, i), 7), api.Add(c.X, c.More[i], 7))
	}
	if c.wires {
		_, err := api.(frontend.Committer).Commit(c.X)
		return err
	}
	return nil
}

func blank(steps, more int) *powers {
	return &powers{steps: steps, Same: make([]frontend.Variable, more), More: make([]frontend.Variable, more)}
}

// assigned is the witness of 3, whose public inputs come first.
func assigned(t *testing.T, steps, more int, last *big.Int) witness.Witness {
	t.Helper()
	c := blank(steps, more)
	c.X, c.Last = 3, last
	for i := range c.Same {
		c.Same[i], c.More[i] = 5*i, 8*i-3
	}
	w, err := frontend.NewWitness(c, ecc.BN254.ScalarField())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func last(steps int) *big.Int {
	return new(big.Int).Exp(big.NewInt(3), new(big.Int).Lsh(big.NewInt(1), uint(steps)), fr.Modulus())
}

// keys compiles a circuit and makes keys by a known secret.
func keys(t *testing.T, c frontend.Circuit) (*cs.SparseR1CS, *gnark.ProvingKey, *gnark.VerifyingKey) {
	t.Helper()
	compiled, err := frontend.Compile(ecc.BN254.ScalarField(), scs.NewBuilder, c)
	if err != nil {
		t.Fatal(err)
	}
	system := compiled.(*cs.SparseR1CS)
	n := fft.NewDomain(uint64(system.GetNbConstraints() + system.GetNbPublicVariables())).Cardinality
	srs, err := kzg.NewSRS(n+3, big.NewInt(1234567))
	if err != nil {
		t.Fatal(err)
	}
	lagrange := kzg.SRS{Vk: srs.Vk}
	if lagrange.Pk.G1, err = kzg.ToLagrangeG1(srs.Pk.G1[:n]); err != nil {
		t.Fatal(err)
	}
	pk, vk, err := gnark.Setup(system, *srs, lagrange)
	if err != nil {
		t.Fatal(err)
	}
	return system, pk, vk
}

// Proofs hold by gnark's verifier, of every size of a domain, with few rows of padding and with many, and with any
// number of public inputs, and for no other inputs. SPEC 10 §5.7.
func TestProofsHoldByGnarksVerifier(t *testing.T) {
	for _, c := range []struct{ steps, more int }{{5, 0}, {6, 0}, {7, 0}, {8, 0}, {20, 1}, {30, 3}, {57, 2}, {10, 40}, {126, 0}} {
		system, pk, vk := keys(t, blank(c.steps, c.more))
		p, err := plonk.New(system, pk)
		if err != nil {
			t.Fatal(c, err)
		}
		w := assigned(t, c.steps, c.more, last(c.steps))
		proof, err := p.Prove(w)
		if err != nil {
			t.Fatal(c, err)
		}
		public := append(fr.Vector(nil), w.Vector().(fr.Vector)[:1+c.more]...)
		if err := gnark.Verify(proof, vk, public); err != nil {
			t.Fatalf("%v, %d constraints: %v", c, system.GetNbConstraints(), err)
		}
		for i := range public {
			public[i].Add(&public[i], new(fr.Element).SetOne())
			if err := gnark.Verify(proof, vk, public); err == nil {
				t.Errorf("%v: it holds with another input %d", c, i)
			}
			public[i].Sub(&public[i], new(fr.Element).SetOne())
		}
	}
}

// Two proofs of one witness share no commitment and no opening but those of the key: every secret polynomial is
// blinded, the parts of the quotient too. Several goroutines share a prover.
func TestProofsOfOneWitnessHaveNothingInCommon(t *testing.T) {
	system, pk, vk := keys(t, blank(20, 1))
	p, err := plonk.New(system, pk)
	if err != nil {
		t.Fatal(err)
	}
	w := assigned(t, 20, 1, last(20))
	var proofs [2]*gnark.Proof
	var errs [2]error
	var wg sync.WaitGroup
	for i := range proofs {
		wg.Go(func() { proofs[i], errs[i] = p.Prove(w) })
	}
	wg.Wait()
	seen := map[string]bool{}
	for i, x := range proofs {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if err := gnark.Verify(x, vk, w.Vector().(fr.Vector)[:2]); err != nil {
			t.Fatal(err)
		}
		for _, point := range []curve.G1Affine{x.LRO[0], x.LRO[1], x.LRO[2], x.Z, x.H[0], x.H[1], x.H[2], x.BatchedProof.H, x.ZShiftedOpening.H} {
			seen[string(point.Marshal())] = true
		}
		for _, value := range append(x.BatchedProof.ClaimedValues, x.ZShiftedOpening.ClaimedValue) {
			seen[string(value.Marshal())] = true
		}
	}
	if len(seen) != 2*(9+7) {
		t.Errorf("two proofs have %d values in all, want %d", len(seen), 2*(9+7))
	}
}

// What is false has no proof.
func TestFalseWitnessesHaveNoProof(t *testing.T) {
	system, pk, _ := keys(t, blank(20, 1))
	p, err := plonk.New(system, pk)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Prove(assigned(t, 20, 1, new(big.Int).Add(last(20), big.NewInt(1)))); err == nil {
		t.Error("a false witness was proven")
	}
}

// A circuit that is too short for the quotient, one that commits to wires, and a key of another circuit are refused.
func TestOtherSystemsAreRefused(t *testing.T) {
	small, smallKey, _ := keys(t, blank(2, 0))
	system, pk, _ := keys(t, blank(20, 1))
	wired := blank(20, 1)
	wired.wires = true
	committed, committedKey, _ := keys(t, wired)
	for i, c := range []struct {
		system *cs.SparseR1CS
		key    *gnark.ProvingKey
	}{{small, smallKey}, {committed, committedKey}, {system, smallKey}, {small, pk}} {
		if _, err := plonk.New(c.system, c.key); !errors.Is(err, plonk.ErrSystem) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
