package kernel

import (
	"math"

	"elenchus/compute/tensor"
)

// Operations on the rows of a text. SPEC 02 §4 ops 89 to 98.

// EmbedRows writes rows [lo, hi) of width d: those that ids name, row 0 for what is no id.
func EmbedRows(dst, ids []int32, w []int8, scale []int32, d, padded, lo, hi int) {
	for r := lo; r < hi; r++ {
		y := int(ids[r])
		if y < 0 || 2*y >= len(scale) {
			y = 0
		}
		Embed(dst[r*d:(r+1)*d], w, scale, y, padded)
	}
}

// Live writes 1 for rows below most that have an id, else 0.
func Live(dst, ids []int32, most int) {
	for j := range dst {
		dst[j] = 0
		if ids[j] >= 0 && j < most {
			dst[j] = 1
		}
	}
}

// Heads is the layout of attention between rows.
type Heads struct {
	Width, Count, Keys int // elements of a head, heads, rows attended
}

// RowScore writes the scores of query rows [lo, hi); |dot| <= 2^38 and |mult| <= 2^24.
func RowScore(dst []int32, q, k []int16, live []int32, z Heads, mult, shift int64, lo, hi int) {
	d := z.Width * z.Count
	for r := lo; r < hi; r++ {
		for h := range z.Count {
			a := q[r*d+h*z.Width:][:z.Width]
			out := dst[(r*z.Count+h)*z.Keys:][:z.Keys]
			for j := range out {
				if live[j] == 0 {
					out[j] = math.MinInt32
					continue
				}
				dot := int64(0)
				for i, v := range k[j*d+h*z.Width:][:z.Width] {
					dot += int64(int32(a[i]) * int32(v))
				}
				out[j] = int32(tensor.Sat64(Shift(dot*mult, shift), tensor.I32))
			}
		}
	}
}

// RowMix writes for query rows [lo, hi) and columns the sums over chunks of 128 rows of weight times
// value; v is by columns.
func RowMix(dst []int64, p []int32, v []int16, z Heads, lo, hi int) {
	chunks, d := (z.Keys+127)/128, z.Width*z.Count
	for r := lo; r < hi; r++ {
		for col := range d {
			a, b := p[(r*z.Count+col/z.Width)*z.Keys:][:z.Keys], v[col*z.Keys:][:z.Keys]
			for c := range chunks {
				sum := int64(0)
				for j := c * 128; j < min(c*128+128, z.Keys); j++ {
					sum += int64(a[j]) * int64(b[j])
				}
				dst[(r*d+col)*chunks+c] = sum
			}
		}
	}
}

// Turn writes the transposed copy of rows of x, zero for those that do not live.
func Turn(dst, x, live []int32) {
	n := len(live)
	d := len(dst) / n
	for i, l := range live {
		for j := range d {
			v := int32(0)
			if l != 0 {
				v = x[i*d+j]
			}
			dst[j*n+i] = v
		}
	}
}

// RowCenter takes the mean away from each row of d.
func RowCenter(dst, x []int32, sum []int64, d int) {
	for r, s := range sum {
		Center(dst[r*d:(r+1)*d], x[r*d:(r+1)*d], s, int64(d))
	}
}

// RowInv writes norm_inv of each row.
func RowInv(dst, sum, m []int64, k, e int64) {
	for r := range sum {
		NormInv(dst[2*r:2*r+2], sum[r], m[r], k, e)
	}
}

// RowNorm writes the normalised rows of len(gamma) elements, times gamma and plus beta.
func RowNorm(dst, x []int32, inv []int64, gamma, beta []int32, shift, gshift int64) {
	d := len(gamma)
	for j, v := range x {
		r, c := j/d, j%d
		z := Shift(Shift(int64(v)*inv[2*r], shift+inv[2*r+1])*int64(gamma[c]), gshift)
		dst[j] = int32(tensor.Sat64(z+int64(beta[c]), tensor.I32))
	}
}

// RowAdd writes x plus one row.
func RowAdd(dst, x, a []int32) {
	for at := 0; at < len(x); at += len(a) {
		Add(dst[at:at+len(a)], x[at:at+len(a)], a)
	}
}
