package machine

import (
	"math/rand/v2"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// stopStateTrial draws strings and tokens over two letters, so that most of them overlap.
func stopStateTrial(r *rand.Rand, z *trial) {
	vocab, bytes := int(span(r, 1, 20)), 64*int(span(r, 1, 5))
	z.d.Dims, z.d.P[0], z.d.P[1] = vec(1), int64(vocab), int64(bytes)
	z.src[0] = drawn(r, tensor.I32, 1, 5)
	z.src[1], z.src[2] = tensor.New(tensor.I32, 1, vocab, 2), tensor.New(tensor.I8, 1, bytes/64, 64)
	for i := range vocab {
		z.src[1].I32[2*i], z.src[1].I32[2*i+1] = int32(span(r, -2, int64(bytes))), int32(span(r, -1, 140))
	}
	for i := range bytes {
		z.src[2].I8[i] = int8(r.IntN(2))
	}
	z.d.Src[3] = opset.Source{Kind: opset.Strings}
	z.c.StopTable = make([]byte, opset.StopTableSize)
	for i := range z.c.StopTable {
		z.c.StopTable[i] = byte(r.IntN(2))
	}
	for s := range opset.StopStrings {
		z.c.StopLens |= uint32(span(r, 0, 80)) >> r.IntN(6) << (8 * s)
		z.c.StopState |= uint32(span(r, 0, 70)) >> r.IntN(6) << (8 * s)
	}
	if r.IntN(10) == 0 {
		z.c.StopState = 1<<32 - 1
	}
	if r.IntN(10) == 0 {
		z.c.StopLens = 0
	}
}
