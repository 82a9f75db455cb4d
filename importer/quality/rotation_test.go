package quality_test

import (
	"math"
	"strings"
	"testing"

	"elenchus/importer/quantize"
	"elenchus/models"
)

// hadamard turns segments of n = 2^k numbers by the normalised Hadamard matrix.
func hadamard(v []float32, n int) {
	for at := 0; at+n <= len(v); at += n {
		s := v[at : at+n]
		for h := 1; h < n; h *= 2 {
			for i := 0; i < n; i += 2 * h {
				for j := i; j < i+h; j++ {
					s[j], s[j+h] = s[j]+s[j+h], s[j]-s[j+h]
				}
			}
		}
		for i := range s {
			s[i] /= float32(math.Sqrt(float64(n)))
		}
	}
}

// fourBits is the sum of squared errors of a row in blocks of 4-bit codes.
func fourBits(t *testing.T, row []float32) (sum float64) {
	t.Helper()
	code, scale := make([]int8, len(row)), make([]float64, (len(row)+31)/32)
	c := quantize.Fit(len(row), 4, func(_ int, dst []float32) error { copy(dst, row); return nil }, nil)
	if err := c.Read(0, code, scale, nil); err != nil {
		t.Fatal(err)
	}
	for j, w := range row {
		sum += math.Pow(scale[j/32]*float64(code[j])-float64(w), 2)
	}
	return sum
}

// Rotating the residual stream before weights become 4-bit codes gains nothing on the default model:
// blocks of 32 already follow what is uneven in a row. docs/quality.md.
func TestRotationGainsNothingInBlocks(t *testing.T) {
	t.Parallel()
	f := open(t, models.Default())
	plain, turned, square := 0.0, 0.0, 0.0
	for _, x := range f.src.Tensors() {
		if x.RowLen() != f.float.Dim || x.Rows() == 1 || strings.HasPrefix(x.Name, "token_embd") {
			continue
		}
		v := make([]float32, x.RowLen()*x.Rows())
		if err := f.src.ReadRows(x, 0, v); err != nil {
			t.Fatal(err)
		}
		for ; len(v) > 0; v = v[x.RowLen():] {
			row := v[:x.RowLen()]
			for _, w := range row {
				square += float64(w) * float64(w)
			}
			plain += fourBits(t, row)
			hadamard(row, x.RowLen())
			turned += fourBits(t, row)
		}
	}
	t.Logf("relative error %.5f, rotated %.5f", math.Sqrt(plain/square), math.Sqrt(turned/square))
	if plain == 0 || turned < 0.9*plain {
		t.Errorf("rotation brings the squared error of 4-bit blocks from %g to %g: use it", plain, turned)
	}
}
