package machine

import (
	"math/rand/v2"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Trials of operations of encoders.

func cube(a, b, c int) [3]opset.Dim {
	return [3]opset.Dim{{C: uint32(a)}, {C: uint32(b)}, {C: uint32(c)}}
}

func embedRowsTrial(r *rand.Rand, z *trial) {
	k, v, n := int(span(r, 1, 600)), int(span(r, 1, 5)), int(span(r, 1, 6))
	w, chunk, chunks := weights(r, v, k)
	first := int(span(r, 0, 4))
	size := first + n + int(span(r, 0, 3))
	z.d.Dims, z.src[0], z.src[1], z.src[2] = cube(1, n, k), drawn(r, tensor.I32, size, 3), w, scales(r, v)
	z.d.P = [11]int64{int64(v), int64(chunk * chunks), int64(chunk), int64(first), int64(size)}
}

func liveTrial(r *rand.Rand, z *trial) {
	n := int(span(r, 1, 40))
	size := n + int(span(r, 0, 40))
	z.d.Dims, z.d.Src[0], z.d.P = vec(n), opset.Source{Kind: opset.Prompt}, [11]int64{int64(size), span(r, 0, int64(n))}
	z.c.Prompt = drawn(r, tensor.I32, size, 3).I32
}

// textTrial draws queries, heads, head width and keys.
func textTrial(r *rand.Rand) (rows, heads, hd, keys int) {
	return int(span(r, 1, 4)), int(span(r, 1, 3)), int(span(r, 1, 256)), int(span(r, 1, 40))
}

func rowScoreTrial(r *rand.Rand, z *trial) {
	rows, heads, hd, keys := textTrial(r)
	z.d.Dims, z.d.P = cube(rows, heads, keys), [11]int64{int64(hd), 0, span(r, -1<<24, 1<<24), span(r, 0, 62)}
	z.src[0], z.src[1] = drawn(r, tensor.I16, rows*heads*hd, 15), drawn(r, tensor.I16, keys*heads*hd, 15)
	z.src[2] = drawn(r, tensor.I32, keys, 1)
}

func rowMixTrial(r *rand.Rand, z *trial) {
	rows, heads, hd, _ := textTrial(r)
	keys := int(span(r, 1, 300))
	z.d.Dims, z.d.P = cube(rows, heads*hd, (keys+127)/128), [11]int64{int64(hd), int64(keys)}
	z.src[0], z.src[1] = drawn(r, tensor.I32, rows*heads*keys, 31), drawn(r, tensor.I16, heads*hd*keys, 15)
}

func turnTrial(r *rand.Rand, z *trial) {
	d, n := int(span(r, 1, 40)), int(span(r, 1, 40))
	z.d.Dims, z.src[0], z.src[1] = cube(1, d, n), drawn(r, tensor.I32, d*n, 31), drawn(r, tensor.I32, n, 1)
}

func rowCenterTrial(r *rand.Rand, z *trial) {
	d, n := int(span(r, 1, 60)), int(span(r, 1, 6))
	z.d.Dims, z.d.P = vec(d*n), [11]int64{int64(d * n), int64(d)}
	z.src[0], z.src[1] = drawn(r, tensor.I32, d*n, 31), drawn(r, tensor.I64, n, 60)
}

func rowSquaresTrial(r *rand.Rand, z *trial) {
	d, n, f := int(span(r, 1, 600)), int(span(r, 1, 5)), int(span(r, 1, 256))
	z.d.Dims, z.d.P = cube(1, n, (d+f-1)/f), [11]int64{int64(d), int64(f)}
	z.src[0], z.src[1] = drawn(r, tensor.I32, d*n, 31), tensor.New(tensor.I64, 1, 1, n)
	for i, x := range z.src[0].I32 {
		z.src[1].I64[i/d] = max(z.src[1].I64[i/d], int64(tensor.Abs(int64(x))))
	}
}

func rowInvTrial(r *rand.Rand, z *trial) {
	n := int(span(r, 1, 9))
	z.d.Dims, z.d.P[0], z.d.P[1] = cube(1, n, 2), span(r, 1, 1<<62), span(r, 0, 1<<61)
	z.src[0], z.src[1] = drawn(r, tensor.I64, n, 61), drawn(r, tensor.I64, n, 31)
	for i := range n {
		z.src[0].I64[i], z.src[1].I64[i] = max(z.src[0].I64[i], -z.src[0].I64[i]), max(z.src[1].I64[i], -z.src[1].I64[i])
	}
}

func rowNormTrial(r *rand.Rand, z *trial) {
	d, n := int(span(r, 1, 60)), int(span(r, 1, 6))
	z.d.Dims, z.d.P = vec(d*n), [11]int64{span(r, 31, 62), span(r, 0, 62), int64(d)} // z times gamma stays below 2^62
	z.src[0], z.src[1] = drawn(r, tensor.I32, d*n, 31), drawn(r, tensor.I64, 2*n, 31)
	for i := range n {
		z.src[1].I64[2*i], z.src[1].I64[2*i+1] = max(z.src[1].I64[2*i], -z.src[1].I64[2*i]), span(r, 0, 8)
	}
	z.src[2], z.src[3] = drawn(r, tensor.I32, d, 30), drawn(r, tensor.I32, d, 31)
}

func rowAddTrial(r *rand.Rand, z *trial) {
	d, n := int(span(r, 1, 60)), int(span(r, 1, 6))
	z.d.Dims, z.d.P = vec(d*n), [11]int64{int64(d * n), int64(d)}
	z.src[0], z.src[1] = drawn(r, tensor.I32, d*n, 31), drawn(r, tensor.I32, d, 31)
}
