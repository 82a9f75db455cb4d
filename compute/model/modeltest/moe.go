package modeltest

import (
	"math/rand/v2"

	"elenchus/compute/model"
)

// Experts has a mixture of experts in both layers, the second with an expert for every token.
func Experts() Config {
	return Config{Vocab: 300, TMax: 160, Dim: 24, Heads: 4, KVHeads: 2, HeadDim: 6, FF: 40, Layers: 2, Experts: 6, Chosen: 3}
}

// moe draws the experts of layer i, nil where the configuration has none.
func moe(r *rand.Rand, c *Config, i int) *model.MoE {
	if c.Experts == 0 {
		return nil
	}
	m := &model.MoE{
		Experts: c.Experts, Chosen: c.Chosen, FF: c.FF, Renormalise: i == 0, Scale: 1<<24 + int64(i)<<22,
		Router: Matrix(r, c.Experts, c.Dim, 17),
		Gate:   Matrix(r, c.Experts*c.FF, c.Dim, 17), Up: Matrix(r, c.Experts*c.FF, c.Dim, 16), Down: Matrix(r, c.Experts*c.Dim, c.FF, 15),
	}
	if i == 0 {
		return m
	}
	gate := Matrix(r, 1, c.Dim, 16)
	m.Shared = &model.SharedExpert{
		FF: c.FF + 30, Gate: Matrix(r, c.FF+30, c.Dim, 17), Up: Matrix(r, c.FF+30, c.Dim, 16), Down: Matrix(r, c.Dim, c.FF+30, 15), Switch: &gate,
	}
	return m
}
