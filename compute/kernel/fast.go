package kernel

import "elenchus/compute/tensor"

// parts are the kernels of a set below whole rows; nil ones are plain. Lengths are multiples of 8
// unless said otherwise.
type parts struct {
	// score gives q . k[j] + offset for len(dst) positions, a multiple of 4, stride elements apart;
	// len(q) is a multiple of 16.
	score func(dst []int64, q, k []int16, stride int) (offset int64)
	// scale is sat32(rs((x - offset) * mult, s)), s of 0..62.
	scale func(dst []int32, x []int64, offset, mult, s int64)
	// digits splits 128 weights below 2^27 in three digits; mix sums weight * v for 16 elements over
	// 2 * pairs positions, 1 to 64 pairs.
	digits func(dst *[3 * 64]int64, p *[mixChunk]int32)
	mix    func(dst *[16]int64, digits *[3 * 64]int64, v []int16, stride, pairs int)
	// exp2 clamps x to low..top, top - low <= 2^23; s is 30 - q.
	exp2 func(dst, x []int32, low, top int32, s int)

	maxAbs  func(x []int32) uint32
	max     func(x []int32) int32
	sum     func(x []int32) int64
	squares func(x []int32, s uint) int64

	add   func(dst, x, a []int32)
	quant func(dst []int16, x []int32, s int64)                                   // s of 0..62
	norm  func(dst []int16, x []int32, inv, shift int64, gamma []int32, gs int64) // both shifts of 0..62
	rope  func(dst []int16, x, angle []int32, halves bool, shift int64)           // one head; len(x)/2 is a multiple of 8
	div   func(dst []int16, x []int64, b int64)                                   // b > 0
	silu  func(dst, gate, u []int32, q, s int64)                                  // both shifts of 0..62

	attend attend
}

// mixChunk is the number of positions of a partial sum of mix.
const mixChunk = 128

// within says whether a shift is one that kernels take.
func within(s int64) bool { return s >= 0 && s <= tensor.MaxShift }

// Score is Score.
func (s *Set) Score(dst []int32, q, k []int16, hd, group, dkv, first, span int, mult, shift int64, lo, hi int) {
	if s.score == nil || hd%16 != 0 {
		Score(dst, q, k, hd, group, dkv, first, span, mult, shift, lo, hi)
		return
	}
	dots := make([]int64, min(mixChunk, span))
	for h := lo; h < hi; h++ {
		a, at, out := q[h*hd:(h+1)*hd], first*dkv+h/group*hd, dst[h*span:(h+1)*span]
		for j := 0; j < span; j += mixChunk {
			x := dots[:min(mixChunk, span-j)]
			n, offset := len(x)&^3, int64(0)
			if n > 0 {
				rows := k[at+j*dkv : at+(j+n-1)*dkv+hd]
				offset = s.score(x[:n], a, rows, dkv)
			}
			for i := n; i < len(x); i++ {
				x[i] = offset + dot16(a, k[at+(j+i)*dkv:])
			}
			s.scores(out[j:j+len(x)], x, offset, mult, shift)
		}
	}
}

func dot16(a, b []int16) int64 {
	sum := int64(0)
	b = b[:len(a)]
	for i, v := range a {
		sum += int64(int32(v) * int32(b[i]))
	}
	return sum
}

func (s *Set) scores(dst []int32, x []int64, offset, mult, shift int64) {
	n := 0
	if s.parts.scale != nil && within(shift) {
		if n = len(x) &^ 7; n > 0 {
			s.parts.scale(dst[:n], x[:n], offset, mult, shift)
		}
	}
	for i := n; i < len(x); i++ {
		dst[i] = int32(tensor.Sat64(Shift((x[i]-offset)*mult, shift), tensor.I32))
	}
}

// Exp2 is Exp2.
func (s *Set) Exp2(dst, x []int32, m []int64, n, q, lo, hi int) {
	for r := lo; r < hi; r++ {
		done, top := 0, m[r]
		if s.exp2 != nil && q >= 0 && q <= 30 && top >= -1<<31 && top < 1<<31 {
			if done = n &^ 7; done > 0 {
				s.exp2(dst[r*n:r*n+done], x[r*n:r*n+done], int32(max(-1<<31, top-1<<23)), int32(top), 30-q)
			}
		}
		for j := r*n + done; j < (r+1)*n; j++ {
			dst[j] = int32(tensor.Sat64(tensor.Exp2(int64(x[j])-top, q), tensor.I32))
		}
	}
}

// Mix is Mix.
func (s *Set) Mix(dst []int64, p []int32, v []int16, hd, group, dkv, first, span, lo, hi int) {
	if s.mix == nil || hd%16 != 0 {
		Mix(dst, p, v, hd, group, dkv, first, span, lo, hi)
		return
	}
	chunks, room := (span+mixChunk-1)/mixChunk, &mixRoom{}
	for h := lo; h < hi; h++ {
		for c := range chunks {
			w := p[h*span+c*mixChunk : h*span+min(span, (c+1)*mixChunk)]
			rows := v[(first+c*mixChunk)*dkv+h/group*hd:]
			s.mixHead(room, dst[h*hd*chunks+c:], w, rows[:(len(w)-1)*dkv+hd], hd, dkv, chunks)
		}
	}
}

// mixRoom is the scratch memory of mixHead.
type mixRoom struct {
	p      [mixChunk]int32
	digits [3 * 64]int64
	sums   [16]int64
}

// mixHead writes the sums of one chunk, step elements apart.
func (s *Set) mixHead(m *mixRoom, dst []int64, p []int32, v []int16, hd, dkv, step int) {
	bits := int32(0)
	for _, w := range p {
		bits |= w
	}
	pairs := len(p) / 2
	if bits>>27 != 0 { // one is negative or too large
		pairs = 0
	}
	if pairs > 0 {
		clear(m.p[copy(m.p[:], p):])
		s.digits(&m.digits, &m.p)
	}
	for i := 0; i < hd; i += 16 {
		if pairs > 0 {
			s.mix(&m.sums, &m.digits, v[i:], dkv, pairs)
		} else {
			clear(m.sums[:])
		}
		for j := 2 * pairs; j < len(p); j++ {
			for e, x := range v[j*dkv+i:][:16] {
				m.sums[e] += int64(p[j]) * int64(x)
			}
		}
		for e, x := range m.sums {
			dst[(i+e)*step] = x
		}
	}
}

// MaxAbs is MaxAbs.
func (s *Set) MaxAbs(dst []int64, x []int32, n, f, lo, hi int) {
	if s.maxAbs == nil {
		MaxAbs(dst, x, n, f, lo, hi)
		return
	}
	eachChunk(dst, x, n, f, lo, hi, func(x []int32) int64 {
		m, done := uint64(0), len(x)&^7
		if done > 0 {
			m = uint64(s.maxAbs(x[:done]))
		}
		for _, v := range x[done:] {
			m = max(m, tensor.Abs(int64(v)))
		}
		return int64(m)
	})
}

// Max is Max.
func (s *Set) Max(dst []int64, x []int32, n, f, lo, hi int) {
	if s.max == nil {
		Max(dst, x, n, f, lo, hi)
		return
	}
	eachChunk(dst, x, n, f, lo, hi, func(x []int32) int64 {
		m, done := x[0], len(x)&^7
		if done > 0 {
			m = s.max(x[:done])
		}
		for _, v := range x[done:] {
			m = max(m, v)
		}
		return int64(m)
	})
}

// Sum is Sum.
func (s *Set) Sum(dst []int64, x []int32, n, f, lo, hi int) {
	if s.sum == nil {
		Sum(dst, x, n, f, lo, hi)
		return
	}
	eachChunk(dst, x, n, f, lo, hi, func(x []int32) int64 {
		sum, done := int64(0), len(x)&^7
		if done > 0 {
			sum = s.sum(x[:done])
		}
		for _, v := range x[done:] {
			sum += int64(v)
		}
		return sum
	})
}

func eachChunk(dst []int64, x []int32, n, f, lo, hi int, do func(x []int32) int64) {
	chunks := (n + f - 1) / f
	for r := lo; r < hi; r++ {
		for c := range chunks {
			dst[r*chunks+c] = do(x[r*n+c*f : r*n+min(c*f+f, n)])
		}
	}
}

// SumSquares is SumSquares.
func (s *Set) SumSquares(dst []int64, x []int32, m int64, f int) {
	if s.squares == nil {
		SumSquares(dst, x, m, f)
		return
	}
	shift := tensor.NormShift(m)
	eachChunk(dst, x, len(x), f, 0, 1, func(x []int32) int64 {
		sum, done := int64(0), len(x)&^7
		if done > 0 {
			sum = s.squares(x[:done], shift)
		}
		for _, v := range x[done:] {
			q := int64(v >> shift)
			sum += q * q
		}
		return sum
	})
}

// NormApply is NormApply.
func (s *Set) NormApply(dst *tensor.Tensor, x []int32, inv [2]int64, shift int64, gamma []int32, gshift int64) {
	n := 0
	if s.norm != nil && dst.Type == tensor.I16 && within(shift+inv[1]) && within(gshift) {
		if n = len(x) &^ 7; n > 0 {
			s.norm(dst.I16[:n], x[:n], inv[0], shift+inv[1], gamma, gshift)
		}
	}
	normFrom(dst, x, n, inv, shift, gamma, gshift)
}

// Add is Add.
func (s *Set) Add(dst, x, a []int32) {
	n := 0
	if s.add != nil {
		if n = len(dst) &^ 7; n > 0 {
			s.add(dst[:n], x[:n], a[:n])
		}
	}
	Add(dst[n:], x[n:], a[n:])
}

// Quant is Quant.
func (s *Set) Quant(dst []int16, x []int32, shift int64) {
	n := 0
	if s.quant != nil && within(shift) {
		if n = len(x) &^ 7; n > 0 {
			s.quant(dst[:n], x[:n], shift)
		}
	}
	Quant(dst[n:], x[n:], shift)
}

// RoPE is RoPE.
func (s *Set) RoPE(dst []int16, x []int32, angle []int32, hd, rd, style int, shift int64) {
	if s.rope == nil || rd != hd || rd%16 != 0 || !within(30+shift) {
		RoPE(dst, x, angle, hd, rd, style, shift)
		return
	}
	for h := 0; h < len(x); h += hd {
		s.rope(dst[h:h+hd], x[h:h+hd], angle[:hd], style == 1, 30+shift)
	}
}

// Div is Div.
func (s *Set) Div(dst []int16, x, a []int64, group int) {
	if s.div == nil || group%8 != 0 {
		Div(dst, x, a, group)
		return
	}
	for j := 0; j < len(x); j += group {
		end := min(j+group, len(x))
		if b := a[j/group]; b > 0 && b < 1<<61 && (end-j)%8 == 0 {
			s.div(dst[j:end], x[j:end], b)
			continue
		}
		Div(dst[j:end], x[j:end], a[j/group:], group)
	}
}

// SiLUMul is SiLUMul.
func (s *Set) SiLUMul(dst, gate, u []int32, q, shift int64) {
	n := 0
	if s.silu != nil && within(q) && within(shift) {
		if n = len(dst) &^ 7; n > 0 {
			s.silu(dst[:n], gate[:n], u[:n], q, shift)
		}
	}
	SiLUMul(dst[n:], gate[n:], u[n:], q, shift)
}
