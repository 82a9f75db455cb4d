package plonk

import (
	"fmt"
	"math/big"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"
	gnark "github.com/consensys/gnark/backend/plonk/bn254"
	"github.com/consensys/gnark/backend/witness"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/constraint/solver"
)

// The wires of a proof and what is computed of them, in the order of proof.wires.
const (
	left = iota
	right
	output
	product // the grand product over the permutation
	inputs  // public inputs in their rows, zero elsewhere; never blinded
	wireCount
)

// blinds is how many coefficients hide a wire: one more than the points at which it is opened.
var blinds = [wireCount]int{2, 2, 2, 3, 0}

// wire is a polynomial of the proof: its values on the domain until coefficients has been called for, then its
// coefficients in the order of reversed bits, then in their own.
type wire struct {
	x     []fr.Element
	blind []fr.Element
	on    [cosets][]fr.Element
}

// proof is a proof under way.
type proof struct {
	*Prover
	out                      *gnark.Proof
	public                   []fr.Element
	wires                    [wireCount]wire
	quotient                 [3][]fr.Element
	beta, gamma, alpha, zeta fr.Element
	drawn                    []byte // the hash of the challenge before
}

// Prove proves what a full witness says, and returns the solver's error for one that does not satisfy the
// circuit.
func (p *Prover) Prove(w witness.Witness, o ...solver.Option) (*gnark.Proof, error) {
	solved, err := p.system.Solve(w, o...)
	if err != nil {
		return nil, err
	}
	values, ok := solved.(*cs.SparseR1CSSolution)
	all, isVector := w.Vector().(fr.Vector)
	if !ok || !isVector || len(values.L) != p.size() || p.system.GetNbPublicVariables() == 0 {
		return nil, fmt.Errorf("%w: its solution has another form", ErrSystem)
	}
	x := &proof{Prover: p, out: &gnark.Proof{}, public: all[:p.system.GetNbPublicVariables()]}
	for i, v := range []fr.Vector{values.L, values.R, values.O} {
		x.wires[left+i].x = v
	}
	x.wires[inputs].x = make([]fr.Element, p.size())
	copy(x.wires[inputs].x, x.public)
	for i := range x.wires {
		if x.wires[i].blind, err = random(blinds[i]); err != nil {
			return nil, err
		}
	}
	for _, stage := range []func() error{x.commitWires, x.commitProduct, x.commitQuotient, x.open} {
		if err := stage(); err != nil {
			return nil, err
		}
	}
	return x.out, nil
}

func random(n int) ([]fr.Element, error) {
	out := make([]fr.Element, n)
	for i := range out {
		if _, err := out[i].SetRandom(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// commitWires commits to left, right and output, draws gamma and beta, and computes the grand product, which needs
// their values, before these give way to coefficients.
func (x *proof) commitWires() error {
	if err := each(3, func(i int) (err error) {
		w := &x.wires[left+i]
		x.out.LRO[i], err = x.commitRows(w.x[:x.rows], x.public[0], w.blind) // padding holds the first wire
		return err
	}); err != nil {
		return err
	}
	x.drawGamma()
	x.wires[product].x = x.grandProduct()
	return nil
}

// commitProduct commits to the grand product and draws alpha; meanwhile all wires are taken to the cosets.
func (x *proof) commitProduct() error {
	values := append([]fr.Element(nil), x.wires[product].x...)
	err := both(func() (err error) {
		x.out.Z, err = x.commitRows(values, fr.Element{}, x.wires[product].blind)
		return err
	}, func() error {
		tasks(wireCount, x.toCosets)
		return nil
	})
	if err != nil {
		return err
	}
	x.alpha = x.draw("alpha", raw(&x.out.Z))
	return nil
}

// toCosets turns values into coefficients and evaluates them on the cosets. A blinded polynomial is
// w + b (X^n - 1); X^n is constant on a coset.
func (x *proof) toCosets(k int) {
	w := &x.wires[k]
	x.domain.FFTInverse(w.x, fft.DIF, fft.WithNbTasks(1))
	for i := range w.on {
		w.on[i] = append([]fr.Element(nil), w.x...)
		for j := range w.blind {
			var b fr.Element
			b.Mul(&w.blind[j], &x.height[i])
			at := &w.on[i][x.reverse(j)]
			at.Add(at, &b)
		}
		x.toCoset(i, w.on[i])
	}
	straight(w.x)
}

// coefficients are those of a blinded wire.
func (w *wire) coefficients() []fr.Element {
	out := append(append(make([]fr.Element, 0, len(w.x)+len(w.blind)), w.x...), w.blind...)
	for i := range w.blind {
		out[i].Sub(&out[i], &w.blind[i])
	}
	return out
}

// grandProduct is Z on the domain: Z(1) = 1, and Z(w x) / Z(x) is the ratio of what the rows at x hold at
// their own places to what they hold at the places that the permutation sends them to.
func (x *proof) grandProduct() []fr.Element {
	n := x.size()
	above, below := make([]fr.Element, n), make([]fr.Element, n)
	chunks(n, func(from, to int) {
		var t, id fr.Element
		shift := x.domain.FrMultiplicativeGen
		for i := from; i < to; i++ {
			id.Mul(&x.points[i], &x.beta)
			above[i].SetOne()
			below[i].SetOne()
			for k := range 3 {
				v := &x.wires[left+k].x[i]
				t.Add(v, &id).Add(&t, &x.gamma)
				above[i].Mul(&above[i], &t)
				t.Mul(&x.sigma[k][i], &x.beta).Add(&t, v).Add(&t, &x.gamma)
				below[i].Mul(&below[i], &t)
				id.Mul(&id, &shift)
			}
		}
		copy(below[from:to], fr.BatchInvert(below[from:to]))
	})
	z := make([]fr.Element, n)
	z[0].SetOne()
	for i := range n - 1 {
		z[i+1].Mul(&z[i], &above[i]).Mul(&z[i+1], &below[i])
	}
	return z
}

// commitQuotient computes the quotient of all that must vanish by X^n - 1, commits to its three parts and
// draws zeta.
func (x *proof) commitQuotient() error {
	h, err := x.divide()
	if err != nil {
		return err
	}
	part := x.size() + 2
	blind, err := random(len(x.quotient) - 1)
	if err != nil {
		return err
	}
	for i := range x.quotient {
		x.quotient[i] = append(make([]fr.Element, 0, part+1), h[i*part:(i+1)*part]...)
		if i > 0 {
			x.quotient[i][0].Sub(&x.quotient[i][0], &blind[i-1])
		}
		if i < len(blind) { // X^part of this part is 1 of the next
			x.quotient[i] = append(x.quotient[i], blind[i])
		}
	}
	if err := each(len(x.quotient), func(i int) (err error) {
		x.out.H[i], err = x.commit(x.quotient[i])
		return err
	}); err != nil {
		return err
	}
	x.zeta = x.draw("zeta", raw(&x.out.H[0]), raw(&x.out.H[1]), raw(&x.out.H[2]))
	return nil
}

// divide gives the 4n coefficients of the quotient. On coset i, where X^n is c t^i with t of order four, the
// interpolation of the quotient is its remainder: the sum of parts h_k of n coefficients times (c t^i)^k.
func (x *proof) divide() ([]fr.Element, error) {
	var on [cosets][]fr.Element
	for i := range on {
		on[i] = make([]fr.Element, x.size())
		var inverse fr.Element
		inverse.Inverse(&x.height[i])
		chunks(x.size(), func(from, to int) { x.vanishing(i, on[i], &inverse, from, to) })
		for k := range x.wires {
			x.wires[k].on[i] = nil
		}
	}
	tasks(cosets, func(i int) { x.fromCoset(i, on[i]) })
	n, h := x.size(), make([]fr.Element, cosets*x.size())
	by := x.unmix()
	chunks(n, func(from, to int) {
		var t fr.Element
		for j := from; j < to; j++ {
			at := x.reverse(j)
			for k := range cosets {
				sum := &h[k*n+at]
				for i := range cosets {
					sum.Add(sum, t.Mul(&on[i][j], &by[k][i]))
				}
			}
		}
	})
	for i := 3 * (n + 2); i < len(h); i++ {
		if !h[i].IsZero() {
			return nil, fmt.Errorf("%w: what must vanish does not", ErrSystem)
		}
	}
	return h, nil
}

// unmix is the inverse of the matrix of (c t^i)^k.
func (x *proof) unmix() (by [cosets][cosets]fr.Element) {
	var c, t, quarter fr.Element
	one := fr.One()
	c.Add(&x.height[0], &one).Inverse(&c)
	t.Add(&x.height[1], &one).Mul(&t, &c).Inverse(&t)
	quarter.SetUint64(cosets).Inverse(&quarter)
	for k := range by {
		for i := range by[k] {
			var a, b fr.Element
			a.Exp(c, big.NewInt(int64(k)))
			b.Exp(t, big.NewInt(int64(i*k)))
			by[k][i].Mul(&a, &b).Mul(&by[k][i], &quarter)
		}
	}
	return by
}

// vanishing computes, on rows from to to of a coset, what is zero on the domain: gates, permutation and the start
// of the grand product, folded by alpha, times scale.
func (x *proof) vanishing(coset int, to []fr.Element, scale *fr.Element, from, end int) {
	f, n := &x.on[coset], x.size()
	var w [wireCount][]fr.Element
	for k := range w {
		w[k] = x.wires[k].on[coset]
	}
	shift, one := x.domain.FrMultiplicativeGen, fr.One()
	var start fr.Element
	start.Mul(&x.beta, &x.shift[coset])
	for j := from; j < end; j++ {
		var gate, t, id, above, below fr.Element
		gate.Mul(&f[qm][j], &w[right][j]).Add(&gate, &f[ql][j]).Mul(&gate, &w[left][j])
		gate.Add(&gate, t.Mul(&f[qr][j], &w[right][j]))
		gate.Add(&gate, t.Mul(&f[qo][j], &w[output][j]))
		gate.Add(&gate, &f[qk][j]).Add(&gate, &w[inputs][j])
		id.Mul(&x.points[j], &start)
		above, below = w[product][j], w[product][(j+1)%n]
		for k := range 3 {
			v := &w[left+k][j]
			t.Add(v, &id).Add(&t, &x.gamma)
			above.Mul(&above, &t)
			t.Mul(&f[s1+k][j], &x.beta).Add(&t, v).Add(&t, &x.gamma)
			below.Mul(&below, &t)
			id.Mul(&id, &shift)
		}
		t.Sub(&w[product][j], &one).Mul(&t, &f[first][j]).Mul(&t, &x.alpha)
		t.Add(&t, &below).Sub(&t, &above).Mul(&t, &x.alpha).Add(&t, &gate)
		to[j].Mul(&t, scale)
	}
}
