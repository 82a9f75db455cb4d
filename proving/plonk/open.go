package plonk

import (
	"crypto/sha256"
	"math/big"
	"runtime"
	"slices"
	"sync"

	"github.com/consensys/gnark-crypto/ecc"
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/kzg"
	"github.com/consensys/gnark-crypto/parallel"
)

// open opens the grand product at the point after zeta, and the linearised polynomial, wires and permutation at
// zeta, folded by one challenge.
func (x *proof) open() error {
	z := x.wires[product].coefficients()
	wires := [][]fr.Element{x.wires[left].coefficients(), x.wires[right].coefficients(), x.wires[output].coefficients(), x.fixed[s1], x.fixed[s2]}
	var next fr.Element
	next.Mul(&x.zeta, &x.domain.Generator)
	values := make([]fr.Element, 1+len(wires))
	shifted := &x.out.ZShiftedOpening
	tasks(1+len(wires), func(i int) {
		if i == 0 {
			shifted.ClaimedValue = evaluate(z, &next)
			return
		}
		values[i] = evaluate(wires[i-1], &x.zeta)
	})
	by := x.linear(values, &shifted.ClaimedValue)
	linear := x.linearise(z, by)
	values[0] = evaluate(linear, &x.zeta)
	digest, err := x.digest(by)
	if err != nil {
		return err
	}
	v := x.folding(&digest, values)
	power := v
	for i := range wires {
		addScaled(linear, wires[i], power)
		power.Mul(&power, &v)
	}
	x.out.BatchedProof.ClaimedValues = values
	return each(2, func(i int) (err error) {
		if i == 0 {
			shifted.H, err = x.commit(divided(z, &next))
			return err
		}
		x.out.BatchedProof.H, err = x.commit(divided(linear, &x.zeta))
		return err
	})
}

// linear are the factors of the linearised polynomial, SPEC 10 §5.9: of Ql, Qr, Qm, Qo, Qk, S3, Z, H0, H1 and H2.
func (x *proof) linear(values []fr.Element, next *fr.Element) [10]fr.Element {
	var by [10]fr.Element
	l, r, o := &values[1], &values[2], &values[3]
	by[0], by[1], by[3] = *l, *r, *o
	by[2].Mul(l, r)
	by[4].SetOne()
	term := func(value, at *fr.Element) (t fr.Element) {
		t.Mul(&x.beta, at).Add(&t, value).Add(&t, &x.gamma)
		return t
	}
	a, b := term(l, &values[4]), term(r, &values[5])
	by[5].Mul(&x.alpha, &a).Mul(&by[5], &b).Mul(&by[5], next).Mul(&by[5], &x.beta)
	var height, below, c fr.Element
	one := fr.One()
	height.Exp(x.zeta, big.NewInt(int64(x.size())))
	power := height
	height.Sub(&height, &one)
	below.Sub(&x.zeta, &one).Inverse(&below)
	by[6].Square(&x.alpha).Mul(&by[6], &height).Mul(&by[6], &below).Mul(&by[6], &x.domain.CardinalityInv)
	at := x.zeta
	c = x.alpha
	for _, v := range []*fr.Element{l, r, o} {
		a = term(v, &at)
		c.Mul(&c, &a)
		at.Mul(&at, &x.domain.FrMultiplicativeGen)
	}
	by[6].Sub(&by[6], &c)
	by[7].Neg(&height)
	power.Mul(&power, &x.zeta).Mul(&power, &x.zeta)
	by[8].Mul(&by[7], &power)
	by[9].Mul(&by[8], &power)
	return by
}

// linearise computes the linearised polynomial.
func (x *proof) linearise(z []fr.Element, by [10]fr.Element) []fr.Element {
	out := make([]fr.Element, x.size()+3)
	for i, p := range [][]fr.Element{x.fixed[ql], x.fixed[qr], x.fixed[qm], x.fixed[qo], x.fixed[qk], x.fixed[s3], z,
		x.quotient[0], x.quotient[1], x.quotient[2]} {
		addScaled(out, p, by[i])
	}
	return out
}

// digest is the commitment to the linearised polynomial, of the commitments that it is made of.
func (x *proof) digest(by [10]fr.Element) (c curve.G1Affine, err error) {
	k := x.key.Vk
	points := []curve.G1Affine{k.Ql, k.Qr, k.Qm, k.Qo, k.Qk, k.S[2], x.out.Z, x.out.H[0], x.out.H[1], x.out.H[2]}
	_, err = c.MultiExp(points, by[:], multi)
	return c, err
}

// drawGamma draws gamma and beta out of the key, the public inputs and the wires.
func (x *proof) drawGamma() {
	k := x.key.Vk
	var bound [][]byte
	for _, c := range []*kzg.Digest{&k.S[0], &k.S[1], &k.S[2], &k.Ql, &k.Qr, &k.Qm, &k.Qo, &k.Qk} {
		bound = append(bound, raw(c))
	}
	for i := range x.public {
		bound = append(bound, x.public[i].Marshal())
	}
	for i := range x.out.LRO {
		bound = append(bound, raw(&x.out.LRO[i]))
	}
	x.gamma = x.draw("gamma", bound...)
	x.beta = x.draw("beta")
}

// folding draws the challenge of the openings at zeta. SPEC 10 §5.10.
func (x *proof) folding(digest *curve.G1Affine, values []fr.Element) fr.Element {
	x.drawn = nil
	bound := [][]byte{x.zeta.Marshal(), raw(digest)}
	for _, c := range []*kzg.Digest{&x.out.LRO[0], &x.out.LRO[1], &x.out.LRO[2], &x.key.Vk.S[0], &x.key.Vk.S[1]} {
		bound = append(bound, raw(c))
	}
	for i := range values {
		bound = append(bound, values[i].Marshal())
	}
	return x.draw("gamma", append(bound, x.out.ZShiftedOpening.ClaimedValue.Marshal())...)
}

// draw is a challenge: the hash of its name, the challenge before it, and what is newly bound.
func (x *proof) draw(name string, bound ...[]byte) (c fr.Element) {
	x.drawn = hash(append([][]byte{[]byte(name), x.drawn}, bound...))
	c.SetBytes(x.drawn)
	return c
}

func hash(parts [][]byte) []byte {
	h := sha256.Sum256(slices.Concat(parts...))
	return h[:]
}

func raw(p *curve.G1Affine) []byte {
	b := p.RawBytes()
	return b[:]
}

// evaluate is the value of a polynomial.
func evaluate(p []fr.Element, at *fr.Element) (v fr.Element) {
	for i := len(p) - 1; i >= 0; i-- {
		v.Mul(&v, at).Add(&v, &p[i])
	}
	return v
}

// divided is (p - p(at)) / (X - at); p is lost.
func divided(p []fr.Element, at *fr.Element) []fr.Element {
	var t fr.Element
	for i := len(p) - 2; i >= 0; i-- {
		p[i].Add(&p[i], t.Mul(&p[i+1], at))
	}
	return p[1:]
}

// addScaled adds a multiple of p, which is not longer.
func addScaled(to, p []fr.Element, by fr.Element) {
	chunks(len(p), func(from, end int) {
		var t fr.Element
		for i := from; i < end; i++ {
			to[i].Add(&to[i], t.Mul(&p[i], &by))
		}
	})
}

// multi leaves the number of threads to the library.
var multi = ecc.MultiExpConfig{}

// chunks divides a range among the processors.
func chunks(n int, f func(from, to int)) { parallel.Execute(n, f) }

// tasks does n things, as many at a time as there are processors.
func tasks(n int, f func(i int)) {
	var wg sync.WaitGroup
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range n {
		room <- struct{}{}
		wg.Go(func() {
			f(i)
			<-room
		})
	}
	wg.Wait()
}

// each does n things at once and gives the first error.
func each(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// both does two things at once.
func both(f, g func() error) error {
	return each(2, func(i int) error {
		if i == 0 {
			return f()
		}
		return g()
	})
}
