package opsample

import (
	"elenchus/compute/opset"
)

// headNorm draws heads of up to the widest.
func (s *sampler) headNorm(d *opset.Descriptor) {
	hd, heads := s.n(1, 256), s.n(1, 4)
	if s.IntN(3) > 0 {
		hd = s.n(1, 24)
	}
	d.Dims, d.Src[1] = vec(heads*hd), of(opset.RootA)
	d.P = [11]int64{int64(heads * hd), int64(hd), wide(s.Rand, 63), wide(s.Rand, 63), s.shift(), s.shift()}
}

// activate draws any curve, over a vector or over positions; scales that keep the curve in its bend
// are as frequent as others.
func (s *sampler) activate(d *opset.Descriptor) {
	d.P[2], d.P[3], d.P[4] = int64(s.IntN(opset.GELUErf+1)), wide(s.Rand, 40), s.shift()
	if s.flag() {
		d.P[3], d.P[4] = int64(s.n(1, 1<<24)), int64(s.IntN(40))
	}
	if d.P[2] <= opset.Sigmoid {
		d.P[5] = wide(s.Rand, 40)
	}
	d.P[6] = s.shift()
	if s.flag() {
		n := s.n(1, 1500)
		d.Dims, d.P[0] = vec(n), int64(n)
		return
	}
	d.Dims = mat(s.n(1, 8), dim(1, 1))
	d.P[0], d.P[1] = 1, 1
	s.window(d)
}

func (s *sampler) center(d *opset.Descriptor) {
	s.single(d)
	s.second(d)
}
