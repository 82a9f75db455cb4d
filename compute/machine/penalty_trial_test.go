package machine

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// penaliseTrial draws logits, ids of a prompt and of an output that repeat, a bias on some ids, and
// penalties up to the ends of their types.
func penaliseTrial(r *rand.Rand, z *trial) {
	n := span(r, 1, 300)
	z.d.Dims, z.d.P[0], z.src[0] = vec(int(n)), n, drawn(r, tensor.I32, int(n), 31)
	z.d.Src[1], z.d.Src[2] = opset.Source{Kind: opset.Counts}, opset.Source{Kind: opset.Bias}
	ids := func(most int64) (out []int32) {
		for range span(r, 0, most) {
			out = append(out, int32(span(r, 0, n-1)))
		}
		return out
	}
	z.c.Prompt, z.c.Drawn = ids(200), ids(400)
	if z.c.Biased = r.IntN(2) == 0; z.c.Biased {
		for id := range int32(n) {
			if r.IntN(3) == 0 {
				z.c.Biases = append(z.c.Biases, opset.TokenBias{ID: id, Value: int32(span(r, math.MinInt32, math.MaxInt32))})
			}
		}
	}
	if r.IntN(4) > 0 {
		z.c.Repetition = uint32(span(r, 0, 16<<16))
		z.c.Presence, z.c.Frequency = int32(span(r, math.MinInt32, math.MaxInt32)), int32(span(r, -1<<17, 1<<17))
	}
	if r.IntN(4) == 0 {
		z.c.Repetition, z.c.Frequency = math.MaxUint32, math.MinInt32
	}
}

// fetchDense serves the count or the bias tree of the trial's context.
func (z *trial) fetchDense(r opset.Read) ([]byte, error) {
	b := make([]byte, r.Hi-r.Lo)
	at := int32(r.Lo / 4)
	if r.Kind == opset.Bias {
		for _, e := range z.c.Biases {
			if e.ID == at {
				binary.LittleEndian.PutUint32(b, uint32(e.Value))
			}
		}
		return b, nil
	}
	count := uint32(0)
	for _, id := range z.c.Prompt {
		if id == at {
			count = 1
		}
	}
	for _, id := range z.c.Drawn {
		if id == at {
			count += 2
		}
	}
	binary.LittleEndian.PutUint32(b, count)
	return b, nil
}
