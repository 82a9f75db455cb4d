package machine

import (
	"math/rand/v2"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Trials of operations on rows and on experts.

func orderTrial(r *rand.Rand, z *trial) {
	n := int(span(r, 1, 256))
	z.d.Dims, z.d.P[0], z.src[0] = vec(n), int64(n), drawn(r, tensor.I32, n, int(span(r, 1, 31)))
}

func slotTrial(r *rand.Rand, z *trial) {
	n := int(span(r, 1, 256))
	z.d.Dims, z.d.P[0], z.src[0] = vec(int(span(r, 1, int64(n)))), int64(n), drawn(r, tensor.I32, n, int(span(r, 1, 9)))
}

func gatherTrial(r *rand.Rand, z *trial) {
	n, k := int(span(r, 1, 300)), int(span(r, 1, 20))
	z.d.Dims, z.d.P[0] = vec(k), int64(n)
	z.src[0], z.src[1] = drawn(r, tensor.I32, n, 31), drawn(r, tensor.I32, k, int(span(r, 1, 9)))
}

func shareTrial(r *rand.Rand, z *trial) {
	n, g, t := int(span(r, 1, 300)), int(span(r, 1, 64)), []tensor.DType{tensor.I32, tensor.I64}[r.IntN(2)]
	z.d.Dims = vec(n)
	z.d.P = [11]int64{int64(n), span(r, -1<<30, 1<<30), int64(g), span(r, 0, 31), int64(t)}
	z.src[0], z.src[1] = drawn(r, t, n, 31), drawn(r, tensor.I64, (n+g-1)/g, int(span(r, 1, 61)))
}

// expertTrial draws rows and, in half of the cases, names of blocks.
func expertTrial(r *rand.Rand, z *trial) (rows, blocks int) {
	rows, blocks = int(span(r, 1, 5)), 1
	if r.IntN(2) == 0 {
		blocks = int(span(r, 1, 6))
		z.src[2] = drawn(r, tensor.I32, rows, 3)
	}
	z.d.P[2], z.d.P[3] = int64(blocks), span(r, 0, 1)
	return rows, blocks
}

func rowMatMulTrial(r *rand.Rand, z *trial) {
	rows, blocks := expertTrial(r, z)
	k, n, xs := int(span(r, 1, 1300)), int(span(r, 1, 6)), 1
	w, chunk, chunks := weights(r, n*blocks, k)
	z.d.Dims = [3]opset.Dim{{C: uint32(rows)}, {C: uint32(n)}, {C: uint32(chunks)}}
	z.d.P[0], z.d.P[1] = int64(k), int64(chunk)
	if z.d.P[3] == 1 {
		xs = rows
	}
	z.src[0], z.src[1] = drawn(r, tensor.I16, xs*k, 15), w
}

func rowResultTrial(r *rand.Rand, z *trial) {
	rows, blocks := expertTrial(r, z)
	n, c := int(span(r, 1, 20)), int(span(r, 1, 128))
	z.d.Dims, z.d.P[0], z.d.P[1] = vec(rows*n), int64(c), int64(n)
	z.src[0], z.src[1] = drawn(r, tensor.I64, rows*n*c, 31), scales(r, n*blocks)
	if r.IntN(2) == 0 {
		if z.d.P[4] = span(r, 0, 1); z.d.P[4] == 1 {
			rows = 1
		}
		z.src[3] = drawn(r, tensor.I64, rows, 32)
	}
}

func rowScaleTrial(r *rand.Rand, z *trial) {
	n := int(span(r, 1, 40))
	z.d.Dims, z.d.P[0], z.src[0] = vec(n), int64(n), drawn(r, tensor.I64, n, 63)
}

func rowQuantTrial(r *rand.Rand, z *trial) {
	n, g := int(span(r, 1, 300)), int(span(r, 1, 64))
	z.d.Dims, z.d.P[0], z.d.P[1] = vec(n), int64(n), int64(g)
	z.src[0], z.src[1] = drawn(r, tensor.I32, n, 31), drawn(r, tensor.I64, (n+g-1)/g, int(span(r, 1, 62)))
}

func combineTrial(r *rand.Rand, z *trial) {
	n, k := int(span(r, 1, 100)), int(span(r, 1, 16))
	z.d.Dims, z.d.P[0], z.d.P[1], z.d.P[2] = vec(n), int64(n), int64(k), span(r, 0, 62)
	z.src[0], z.src[1] = drawn(r, tensor.I32, n*k, 31), drawn(r, tensor.I32, k, 27) // 2^31 * 2^27 * 2^4 = 2^62
}
