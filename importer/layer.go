package importer

import (
	"errors"
	"fmt"
	"math"

	"elenchus/compute/model"
	"elenchus/importer/quantize"
)

// layer reads layer i.
func (r *reader) layer(s *model.DecoderSpec, i int) error {
	l, p := &s.Layers[i], &r.p
	if w := r.windowed(i); w > 0 {
		if w < s.TMax {
			l.Window = w
		}
		l.Local = s.RopeLocal != nil
	}
	l.ScoreCap = bend(p.scoreCap * math.Log2E)
	prefix := fmt.Sprintf("blk.%d.", i)
	return errors.Join(r.attention(l, prefix), r.feedForward(l, prefix))
}

// root is the root mean square norm that inputs behind a norm have for the bounds of formats.
func (r *reader) root() float64 { return min(math.Sqrt(float64(r.p.dim)), headroom) }

// attention sets the first block. The bias of v passes through attention, whose probabilities add up
// to 1, and is part of the output's.
func (r *reader) attention(l *model.DecoderLayer, prefix string) error {
	p := &r.p
	in, err := r.gain(prefix+"attn_norm", p.dim)
	if err != nil {
		return err
	}
	qp, kp, vp := r.heads(prefix)
	in, norm, xq := r.behind(in, qp.name, kp.name, vp.name)
	l.AttnNorm, qp.in, kp.in, vp.in = norm, in, in, in
	q, err1 := r.matrix(qp)
	k, err2 := r.matrix(kp)
	v, err3 := r.matrix(vp)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	out := part{name: prefix + "attn_output", rows: p.dim, k: p.heads * p.hd}
	if v.bias != nil {
		out.in.beta = make([]float64, out.k)
		for j := range out.in.beta {
			out.in.beta[j] = v.bias[j/p.hd/(p.heads/p.kv)*p.hd+j%p.hd]
		}
		v.bias = nil
	}
	o, err := r.matrix(out)
	if err != nil {
		return err
	}
	qb, kb, err := r.turned(l, prefix, q, k)
	if err != nil {
		return err
	}
	qq, kq, vq := quantize.FracBits(qb), quantize.FracBits(kb), quantize.FracBits(v.bound(r.root()))
	l.Q, l.K, l.V = q.finish(xq, residualBits), k.finish(xq, residualBits), v.FinishNarrow(vq-xq, residualBits-xq)
	l.QShift, l.KShift = int64(residualBits-qq), int64(residualBits-kq)
	mult, shift := quantize.Mantissa(p.scale, 16-qq-kq)
	l.ScoreMult, l.ScoreShift = int64(mult), int64(shift)
	return r.attentionOut(l, prefix, o, vq)
}

// attentionOut sets the output matrix behind rows of vq fraction bits.
func (r *reader) attentionOut(l *model.DecoderLayer, prefix string, o *matrix, vq int) error {
	bits := r.frac
	if r.m.postNorm {
		var err error // rows of int16 hold at most 2^15
		if bits, err = wideBitsOf(o.bound(math.Ldexp(math.Sqrt(float64(o.K)), 15-vq)), outBits); err != nil {
			return err
		}
		if l.AttnPost, err = r.post(prefix+"post_attention_norm", bits); err != nil {
			return err
		}
	}
	l.O = o.finish(vq, bits)
	return nil
}

// heads are q, k and v: tensors of their own or rows of one.
func (r *reader) heads(prefix string) (q, k, v part) {
	p := &r.p
	nq, nk := p.heads*p.hd, p.kv*p.hd
	q = part{name: prefix + "attn_q", rows: nq, k: p.dim}
	k = part{name: prefix + "attn_k", rows: nk, k: p.dim}
	v = part{name: prefix + "attn_v", rows: nk, k: p.dim}
	if r.m.fusedQKV {
		q.name, k.name, v.name = prefix+"attn_qkv", prefix+"attn_qkv", prefix+"attn_qkv"
		k.first, v.first = nq, nq+nk
		q.of, k.of, v.of = nq+2*nk, nq+2*nk, nq+2*nk
	}
	if r.stretch != 1 && !r.m.headNorm {
		q.turn, k.turn = r.stretched, r.stretched
	}
	return q, k, v
}

// stretched is the factor of a row of q or k: rotation keeps it.
func (r *reader) stretched(row int) float64 {
	if row%r.p.hd < r.p.rd {
		return r.stretch
	}
	return 1
}

// turned is how far elements of q and k reach behind rotation, which may bring both parts of a pair
// together. Norms of heads bound heads, and so pairs.
func (r *reader) turned(l *model.DecoderLayer, prefix string, q, k *matrix) (qb, kb float64, err error) {
	if !r.m.headNorm {
		turn := math.Sqrt2
		if r.m.positions {
			turn = 1
		}
		return q.bound(r.root()) * turn, k.bound(r.root()) * turn, nil
	}
	bound := func(name string) (*model.Norm, float64, error) {
		g, err := r.vector(prefix+name+".weight", r.p.hd)
		if err != nil {
			return nil, 0, err
		}
		gamma := wide(g)
		for j := range gamma {
			gamma[j] *= r.stretched(j)
		}
		return r.gained(gamma, residualBits, residualBits), math.Sqrt(float64(r.p.hd)) * largest(gamma), nil
	}
	if l.QNorm, qb, err = bound("attn_q_norm"); err != nil {
		return 0, 0, err
	}
	l.KNorm, kb, err = bound("attn_k_norm")
	return qb, kb, err
}

// feedForward sets the second block.
func (r *reader) feedForward(l *model.DecoderLayer, prefix string) error {
	p := &r.p
	in, err := r.gain(prefix+"ffn_norm", p.dim)
	if err != nil {
		return err
	}
	if p.moe != nil {
		in, norm, xq := r.behind(in)
		l.FFNNorm = norm
		return r.experts(l, prefix, in.gamma, xq)
	}
	up := part{name: prefix + "ffn_up", rows: p.ff, k: p.dim}
	gate := part{name: prefix + "ffn_gate", rows: p.ff, k: p.dim}
	if r.m.fusedUp {
		gate.name, gate.of, up.of, up.first = up.name, 2*p.ff, 2*p.ff, p.ff
	}
	in, norm, xq := r.behind(in, up.name, gate.name)
	l.FFNNorm, up.in, gate.in = norm, in, in
	reach := 1.0 // of the product's first factor
	if !r.m.plain {
		m, err := r.matrix(gate)
		if err != nil {
			return err
		}
		l.Gate, reach = m.finish(xq, residualBits), m.bound(r.root())
	}
	u, err1 := r.matrix(up)
	down, err2 := r.matrix(part{name: prefix + "ffn_down", rows: p.dim, k: p.ff})
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	l.Up = u.finish(xq, residualBits)
	return r.feedForwardOut(l, prefix, down, reach*u.bound(r.root()))
}

// feedForwardOut sets curve, product and the down matrix; hidden values reach as far as reach.
func (r *reader) feedForwardOut(l *model.DecoderLayer, prefix string, down *matrix, reach float64) error {
	bits, hidden := r.frac, residualBits
	if r.p.act != "silu" || r.m.plain {
		l.Act = &model.Curve{Kind: curves()[r.p.act], Mult: 1 << (24 - residualBits), OutShift: 30}
		l.MulShift = residualBits
	}
	if r.m.postNorm {
		var err error
		if hidden, err = wideBitsOf(reach, residualBits); err != nil {
			return err
		}
		if l.Act != nil {
			l.MulShift = int64(2*residualBits - hidden)
		} else {
			hidden = residualBits
		}
		norm := min(reach, math.Ldexp(1, 31-hidden)) * math.Sqrt(float64(r.p.ff))
		if bits, err = wideBitsOf(down.bound(norm), outBits); err != nil {
			return err
		}
		if l.FFNPost, err = r.post(prefix+"post_ffw_norm", bits); err != nil {
			return err
		}
	}
	l.Down = down.finish(hidden, bits)
	return nil
}
