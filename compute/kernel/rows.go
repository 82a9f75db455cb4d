package kernel

import "elenchus/compute/tensor"

// Order writes for each element how many stand before it: greater ones, and equal ones of a lower
// index. At most 256 elements. SPEC 02 §4 op 80.
func Order(dst, x []int32) {
	for j, v := range x {
		n := int32(0)
		for _, u := range x[:j] {
			if u >= v {
				n++
			}
		}
		for _, u := range x[j+1:] {
			if u > v {
				n++
			}
		}
		dst[j] = n
	}
}

// Slot writes the least index that holds i, 0 if none does. SPEC 02 §4 op 81.
func Slot(dst, x []int32) {
	clear(dst)
	for j := len(x) - 1; j >= 0; j-- {
		if i := x[j]; i >= 0 && int(i) < len(dst) {
			dst[i] = int32(j)
		}
	}
}

// Clamp holds an index inside [0, n), n >= 1.
func Clamp(i int32, n int) int { return min(max(int(i), 0), n-1) }

// Gather writes x at the places a, held inside x. SPEC 02 §4 op 82.
func Gather(dst, x, a []int32) {
	for i := range dst {
		dst[i] = x[Clamp(a[i], len(x))]
	}
}

// Share writes div(x * m, a[j / group]) held inside 2^top; |x * m| and |a| are below 2^61.
// SPEC 02 §4 op 83.
func Share[T int32 | int64](dst []int32, x []T, a []int64, m int64, group int, top int64) {
	limit := int64(1) << top
	for j, v := range x {
		q := tensor.Div64(int64(v)*m, a[j/group])
		dst[j] = int32(tensor.Sat64(max(-limit, min(limit, q)), tensor.I32))
	}
}

// RowResult is Row for rows of width n, each with the scales of its block and a shift of its own; one
// shift is for all.
// Elements [lo, hi) of dst are written: element r*n + c if inner is false, else c*rows + r.
// SPEC 02 §4 op 85.
func RowResult(dst *tensor.Tensor, part []int64, scale []int32, z Blocks, shift []int64, lo, hi int) {
	rows := dst.Len() / z.Width
	for j := lo; j < hi; j++ {
		r, c := j/z.Width, j%z.Width
		if z.Inner {
			r, c = j%rows, j/rows
		}
		sum, s := int64(0), int64(0)
		for _, v := range part[(r*z.Width+c)*z.Chunks:][:z.Chunks] {
			sum += v
		}
		switch {
		case len(shift) == 1:
			s = shift[0]
		case shift != nil:
			s = shift[r]
		}
		at := 2 * (z.Of(r)*z.Width + c)
		dst.Set(j, tensor.Sat64(Shift(sum*int64(scale[at]), int64(scale[at+1])-s), dst.Type))
	}
}

// Blocks is the layout of rows that belong to blocks of a matrix.
type Blocks struct {
	Width, Chunks int     // elements of a row, partial sums of an element
	Inner         bool    // rows are the inner axis of the result
	Names         []int32 // block of each row, nil: 0
	Count         int     // blocks
}

// Of is the block of row r.
func (z *Blocks) Of(r int) int {
	if z.Names == nil {
		return 0
	}
	return Clamp(z.Names[r], z.Count)
}

// RowScale writes the scale of each element. SPEC 02 §4 op 86.
func RowScale(dst, x []int64) {
	for j, v := range x {
		dst[j] = Scale(v)
	}
}

// RowQuant writes rs(x, a[j / group]), saturated. SPEC 02 §4 op 87.
func RowQuant(dst []int16, x []int32, a []int64, group int) {
	for r, s := range a {
		lo := r * group
		hi := min(lo+group, len(x))
		Quant(dst[lo:hi], x[lo:hi], s)
	}
}

// Combine writes rs(sum of x[j][i] * w[i], s), saturated; the validated sum stays inside 62 bits.
// SPEC 02 §4 op 88.
func Combine(dst, x, w []int32, s int64) {
	k := len(w)
	for j := range dst {
		sum := int64(0)
		for i, v := range x[j*k:][:k] {
			sum += int64(v) * int64(w[i])
		}
		dst[j] = int32(tensor.Sat64(Shift(sum, s), tensor.I32))
	}
}

// sigmoid30 is 1 / (1 + e^-g) in Q30 for g of q fraction bits.
func sigmoid30(g int32, q int64) int64 {
	ex := tensor.Exp2(-Shift(int64(tensor.Abs(int64(g)))*94548, q), 30)
	num := int64(1 << 30)
	if g < 0 {
		num = ex
	}
	return tensor.Div64(num<<30, 1<<30+ex)
}
