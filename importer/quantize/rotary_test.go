package quantize_test

import (
	"math"
	"testing"

	"elenchus/importer/quantize"
)

// Ln is the natural logarithm to the last bits.
func TestLn(t *testing.T) {
	for _, x := range []float64{1, 1.0000001, 1.5, 2, math.E, 4, 16, 31.999, 1 << 20, 1e300} {
		if got, want := quantize.Ln(x), math.Log(x); math.Abs(got-want) > 4e-16*math.Max(1, want) {
			t.Errorf("ln %g is %g, want %g", x, got, want)
		}
	}
}

// Divided angles are those of lower frequencies; without divisors angles are base^(-2i/rd). SPEC 04 §2.9, §2.16.
func TestRotaryDividesAngles(t *testing.T) {
	const positions, rd, base = 40, 6, 500.0
	divide := []float64{1, 2.5, 8}
	plain, divided := quantize.Rotary(positions, rd, base, nil), quantize.Rotary(positions, rd, base, divide)
	for p := range positions {
		for i := range rd / 2 {
			angle := float64(p) * math.Pow(base, -2*float64(i)/rd)
			for k, want := range []float64{math.Cos(angle), math.Sin(angle), math.Cos(angle / divide[i]), math.Sin(angle / divide[i])} {
				x := plain
				if k > 1 {
					x = divided
				}
				if got := float64(x.I32[(p*rd/2+i)*2+k%2]) / (1 << 30); math.Abs(got-want) > 1e-9 {
					t.Fatalf("position %d, pair %d, value %d: %g, want %g", p, i, k, got, want)
				}
			}
		}
	}
}

// The frequencies of the widest heads and the largest bases are right to the last of the bits that
// angles need at the last position.
func TestFrequenciesOfWideHeads(t *testing.T) {
	for _, base := range []float64{1, 10000, 1e6, 1e12, 1e24} {
		for _, rd := range []int{2, 64, 256, 512} {
			all := quantize.Frequencies(rd, base)
			x, _ := all[len(all)-1].Float64()
			if want := math.Pow(base, -2*float64(len(all)-1)/float64(rd)); math.Abs(x/want-1) > 1e-13 {
				t.Errorf("base %g, %d elements: the last frequency is %g, want %g", base, rd, x, want)
			}
		}
	}
}

// Times scales weights, not their integers.
func TestTimesScalesRows(t *testing.T) {
	m, err := quantize.Matrix(2, 3, 16, func(first int, dst []float32) error {
		for i := range dst {
			dst[i] = float32(first*3+i) - 2
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if twice := m.Times(2); twice.Scale[1] != 2*m.Scale[1] || twice.MaxRow != 2*m.MaxRow || twice.W != m.W || m.Scale[0] == twice.Scale[0] {
		t.Errorf("scales %v of %v", twice.Scale, m.Scale)
	}
}
