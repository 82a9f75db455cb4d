package opsample

import (
	"elenchus/compute/opset"
)

// heads draws the shape of grouped attention and the KV geometry that goes with it. SPEC 02 §4.2.
func (s *sampler) heads(d *opset.Descriptor) (hd, kv, group uint32) {
	hd, kv, group = 2*s.n(1, 32), s.n(1, 4), s.n(1, 4)
	if s.IntN(8) == 0 {
		hd = 256
	}
	dkv := kv * hd
	rows := 0
	for 512<<rows < 2*dkv {
		rows++
	}
	d.P[0], d.P[1], d.P[5] = int64(hd), int64(group), int64(dkv)
	d.P[4], d.P[7] = int64(s.IntN(8)), int64(10<<16|3<<8|rows)
	return hd, kv, group
}

func (s *sampler) rope(d *opset.Descriptor) {
	hd, kv, _ := s.heads(d)
	n := hd * kv
	d.Dims, d.Src[1] = vec(n), of(opset.RootA)
	d.P = [11]int64{int64(n), int64(hd), int64(2 * s.n(1, hd/2)), s.shift(), int64(s.IntN(2)), int64(s.n(1, 1000))}
}

func (s *sampler) score(d *opset.Descriptor) {
	_, kv, group := s.heads(d)
	s.second(d)
	d.Dims, d.Src[2] = mat(kv*group, dim(1, 1)), of(opset.KV)
	d.P[2], d.P[3], d.P[6] = wide(s.Rand, 40), s.shift(), int64(kv*group)
	s.window(d)
}

func (s *sampler) exp2(d *opset.Descriptor) {
	s.second(d)
	d.P[2] = int64(s.IntN(31))
	if s.flag() {
		n := s.n(1, 1500)
		d.Dims, d.P[0] = vec(n), int64(n)
		return
	}
	d.Dims = mat(s.n(1, 8), dim(1, 1))
	d.P[0], d.P[1] = 1, 1
	s.window(d)
}

func (s *sampler) transpose(d *opset.Descriptor) {
	hd, kv, _ := s.heads(d)
	d.P[0], d.P[1] = 0, 0
	s.second(d)
	d.Dims, d.Src[0] = mat(kv*hd, dim(1, 1)), of(opset.KV)
	s.window(d)
}

func (s *sampler) mix(d *opset.Descriptor) {
	hd, kv, group := s.heads(d)
	s.second(d)
	d.P[4], d.P[7] = 0, 0
	d.Dims = [3]opset.Dim{dim(kv*group, 0), dim(hd, 0), dim(1, 128)}
	d.P[2] = int64(kv * group)
	s.window(d)
}

func (s *sampler) div(d *opset.Descriptor) {
	s.single(d)
	s.second(d)
	d.P[1] = int64(s.n(1, 64))
}
