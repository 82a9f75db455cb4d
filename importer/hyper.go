package importer

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// hyper are the numbers of a decoder.
type hyper struct {
	vocab, ctx, dim, layers, heads, kv, hd, rd, ff int

	eps                float64
	base, local        float64 // rotary bases; local 0: one for all layers
	scale              float64 // of scores, in log2 units
	window, pattern    int     // window 0: none
	scoreCap, logitCap float64 // 0: none
	act                string
	tied               bool
	moe                *mixture // nil: none
}

// faults collects what is unsupported, each with its number, so that all of it is told at once.
type faults map[string]int

func (f faults) add(format string, args ...any) { f[fmt.Sprintf(format, args...)]++ }

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	var list []string
	for what, n := range f {
		if n > 1 {
			what += fmt.Sprintf(" x%d", n)
		}
		list = append(list, what)
	}
	slices.Sort(list)
	return fmt.Errorf("%w: %s", ErrUnsupported, strings.Join(list, "; "))
}

// hyper reads the numbers; what is missing or beyond the limits is a fault.
func (r *reader) hyper() {
	p := &r.p
	vocab, dim, ok := r.f.Shape("token_embd.weight")
	if !ok {
		r.faults.add("there is no tensor token_embd.weight")
		return
	}
	p.vocab, p.dim = vocab, dim
	p.ctx = r.uint("context_length", -1, 1<<20)
	p.layers = r.uint("block_count", -1, 1<<10)
	p.heads = r.uint("attention.head_count", -1, 1<<10)
	p.kv = r.uint("attention.head_count_kv", p.heads, 1<<10)
	p.ff = r.uint("feed_forward_length", -1, 1<<16)
	p.hd = r.uint("attention.key_length", max(1, p.dim/max(1, p.heads)), 256)
	p.rd = r.uint("rope.dimension_count", p.hd, 256)
	if v := r.uint("attention.value_length", p.hd, 256); v != p.hd {
		r.faults.add("heads of %d in k and %d in v", p.hd, v)
	}
	if n := r.uint("embedding_length", p.dim, 1<<16); n != p.dim || p.hd*p.heads != p.dim && !r.f.Has(r.key("attention.key_length")) {
		r.faults.add("width %d with %d heads, embedding rows of %d", n, p.heads, p.dim)
	}
	if p.heads%p.kv != 0 {
		r.faults.add("%d heads over %d KV heads", p.heads, p.kv)
	}
	if p.rd%2 != 0 || p.rd > p.hd {
		r.faults.add("rotary width %d of heads of %d", p.rd, p.hd)
	}
	_, _, untied := r.f.Shape("output.weight")
	p.tied = !untied
	r.floats()
	r.windows()
	r.activation()
	p.moe = r.mixture()
	r.m.experts = p.moe != nil
}

func (r *reader) key(s string) string { return r.m.arch + "." + s }

// uint reads an integer key within 1..top; def below 0 makes the key required.
func (r *reader) uint(key string, def, top int) int {
	key = r.key(key)
	if !r.f.Has(key) && def >= 0 {
		return def
	}
	v, err := r.f.Uint(key)
	switch {
	case err != nil:
		r.faults.add("%v", err)
	case v < 1 || v > uint64(top):
		r.faults.add("%s is %d, want 1..%d", key, v, top)
	default:
		return int(v)
	}
	return 1
}

// float reads a number within lo..hi, def where there is none.
func (r *reader) float(key string, def, lo, hi float64) float64 {
	key = r.key(key)
	if !r.f.Has(key) {
		return def
	}
	v, err := r.f.Float(key)
	switch {
	case err != nil:
		r.faults.add("%v", err)
	case !(v >= lo && v <= hi):
		r.faults.add("%s is %g, want %g..%g", key, v, lo, hi)
	default:
		return v
	}
	return def
}

func (r *reader) floats() {
	p, eps := &r.p, "attention.layer_norm_rms_epsilon"
	if r.m.layerNorm {
		eps = "attention.layer_norm_epsilon"
	}
	p.eps = r.float(eps, 1e-5, 0, 0.999)
	p.base = r.float("rope.freq_base", 10000, 1, 1e12)
	p.local = r.float("rope.freq_base_swa", r.m.localBase, 1, 1e12)
	p.scoreCap = r.cap("attn_logit_softcapping")
	p.logitCap = r.cap("final_logit_softcapping")
	p.scale = math.Log2E / math.Sqrt(float64(p.hd))
	if s := r.float("attention.scale", 0, 0, 16); s > 0 {
		p.scale = math.Log2E * s
	}
	if causal, err := r.f.Bool(r.key("attention.causal")); r.f.Has(r.key("attention.causal")) && (err != nil || !causal) {
		r.faults.add("%s: attention is not causal", r.key("attention.causal"))
	}
}

// cap reads where tanh bends values: none is 0.
func (r *reader) cap(key string) float64 { return r.float(key, 0, 1.0/64, 16384) }

func (r *reader) windows() {
	p := &r.p
	if !r.f.Has(r.key("attention.sliding_window")) {
		return
	}
	p.window = r.uint("attention.sliding_window", 0, math.MaxInt32)
	p.pattern = r.m.pattern
	if r.f.Has(r.key("attention.sliding_window_pattern")) {
		p.pattern = r.uint("attention.sliding_window_pattern", 0, 1<<10)
	}
}

// windowed is the window of a layer, 0 if it attends to all positions.
func (r *reader) windowed(layer int) int {
	p := &r.p
	if p.window == 0 || p.pattern > 0 && (layer+1)%p.pattern == 0 {
		return 0
	}
	return p.window
}

func (r *reader) activation() {
	r.p.act = r.m.act
	if key := r.key("activation"); r.f.Has(key) {
		act, err := r.f.String(key)
		if _, ok := curves()[act]; !ok || err != nil {
			r.faults.add("activation %q", act)
			return
		}
		r.p.act = act
	}
}

// strangers finds tensors and keys that have no meaning here.
func (r *reader) strangers() {
	stems, outer, keys := r.m.stems(), r.m.outer(), r.m.keys()
	for _, name := range r.f.Names() {
		rest, inLayer := strings.CutPrefix(name, "blk.")
		number, rest, _ := strings.Cut(rest, ".")
		known := outer
		if inLayer {
			if n, err := strconv.Atoi(number); err != nil || n < 0 || n >= r.p.layers {
				r.faults.add("tensor of layer %q of %d", number, r.p.layers)
				continue
			}
			known = stems
		} else {
			rest = name
		}
		stem, end := rest, ""
		if i := strings.LastIndexByte(rest, '.'); i >= 0 {
			stem, end = rest[:i], rest[i:]
		}
		if !slices.Contains(known, stem) || end != ".weight" && (end != ".bias" || !r.biased(stem)) {
			if inLayer {
				rest = "blk.N." + rest
			}
			r.faults.add("tensor %s", rest)
		}
	}
	for _, key := range r.f.Keys() {
		if name, ok := strings.CutPrefix(key, r.m.arch+"."); ok && !slices.Contains(keys, name) {
			r.faults.add("key %s", key)
		}
	}
}

// biased says whether a tensor may have a bias: matrices of layers may, norms where they are layer
// norms.
func (r *reader) biased(stem string) bool {
	if strings.HasSuffix(stem, "_norm") {
		return r.m.layerNorm
	}
	return !expertTensor(stem) && (stem == "output" || strings.HasPrefix(stem, "attn_") || strings.HasPrefix(stem, "ffn_"))
}

// context is the number of positions of the import.
func (r *reader) context() int {
	switch {
	case r.o.Context != 0:
		return r.o.Context
	case r.m.positions:
		return r.p.ctx
	}
	return max(r.p.ctx, MinContext)
}

// choose settles the options that the file decides.
func (r *reader) choose() error {
	r.o.Context = r.context()
	if r.o.Context < 2 || r.o.Context > 1<<20 {
		return fmt.Errorf("%w: context of %d positions, want 2..%d", ErrUnsupported, r.o.Context, 1<<20)
	}
	if r.o.Class != "" && !slices.Contains(Classes(), r.o.Class) {
		return fmt.Errorf("%w: class %q, want one of %v", ErrUnsupported, r.o.Class, Classes())
	}
	r.o.Bits = bitsFor(r.o.bits(), int64(r.weights()))
	if r.o.Bits != 8 && r.o.Bits != 16 {
		return fmt.Errorf("%w: weights of %d bits, want 8 or 16", ErrUnsupported, r.o.Bits)
	}
	return nil
}

// weights is the number of matrix elements.
func (r *reader) weights() int {
	p := &r.p
	n, blocks := p.vocab*p.dim, 3
	if !p.tied {
		n *= 2
	}
	if r.m.plain {
		blocks = 2
	}
	if p.moe != nil {
		n, blocks = n+p.layers*p.moe.weights(p.dim), 0
	}
	return n + p.layers*p.dim*(2*p.heads*p.hd+2*p.kv*p.hd+blocks*p.ff)
}

// open reads and judges everything but the weights.
func (r *reader) open() error {
	r.hyper()
	if r.p.dim > 0 {
		r.strangers()
		r.frequencies()
	}
	return r.faults.err()
}

func unsupported(f Source) error {
	if err := f.Unsupported(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return nil
}
