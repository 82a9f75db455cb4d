package machine

import (
	"elenchus/compute/kernel"
	"elenchus/compute/opset"
)

// penalise counts in its target the tokens that have occurred, then walks the logits between the
// biased ones.
func penalise(r *call) {
	dst, x, c := r.out.I32, r.src(0).I32, r.c
	p := kernel.Penalties{Repetition: int64(min(c.Repetition, opset.MaxRepetition)), Presence: int64(c.Presence), Frequency: int64(c.Frequency)}
	clear(dst)
	if c.Counted() {
		for _, id := range c.Prompt {
			dst[id] = int32(opset.Counted(uint32(dst[id]), true))
		}
		for _, id := range c.Drawn {
			dst[id] = int32(opset.Counted(uint32(dst[id]), false))
		}
	}
	at := 0
	for _, b := range c.Biases {
		kernel.Penalise(dst[at:b.ID], x[at:b.ID], p, 0)
		at = int(b.ID) + 1
		kernel.Penalise(dst[b.ID:at], x[b.ID:at], p, int64(b.Value))
	}
	kernel.Penalise(dst[at:], x[at:], p, 0)
}
