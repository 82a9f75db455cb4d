package machine

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sys/cpu"

	"elenchus/compute/kernel"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// halves splits work in three uneven parts, last part first.
func halves(n int, work func(lo, hi int)) {
	a, b := n/3, n/3+n/2
	work(b, n)
	work(0, a)
	work(a, b)
}

// Every kernel gives what the definition gives, at the bounds that validation admits and anywhere
// inside, and on every split of its rows. SPEC 02 §4, STYLE 18, 20.
func TestKernelsEqualTheDefinition(t *testing.T) {
	for _, code := range opset.Codes() {
		t.Run(code.String(), func(t *testing.T) {
			for seed := range uint64(150) {
				compare(t, code, seed)
			}
		})
	}
}

// sets are those that this processor can run.
func sets() []kernel.Set {
	x := &cpu.X86
	return slices.DeleteFunc(kernel.Sets(), func(s kernel.Set) bool {
		return s.Name() == "avx2" && !x.HasAVX2 ||
			s.Name() == "avx512" && !(x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512VNNI)
	})
}

func compare(t *testing.T, code opset.Code, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(code)))
	z := &trial{}
	z.d.Op, z.d.Leaf = code, opset.LeafBytes
	z.d.Type = code.Targets()[r.IntN(len(code.Targets()))]
	z.c = opset.Context{M: 1, MaxNew: 1, TMax: 1 << 20, Seed: r.Uint64()}
	trials[code](r, z)
	op, f := z.finish()
	if n := len(z.c.StopIDs); code == opset.StopOp && n == 0 {
		z.c.StopIDs = nil
	}
	out := f.room(4, op, &z.c, true)
	handlers[code](&call{f: f, op: op, c: &z.c, out: out, kv: z.kv, layer: z.layer, set: &kernel.Set{}})
	for _, set := range sets() {
		other := (&frame{t: append(append([]*tensor.Tensor(nil), f.t[:4]...), nil)}).room(4, op, &z.c, true)
		handlers[code](&call{f: f, op: op, c: &z.c, out: other, kv: z.kv, layer: z.layer, set: &set})
		if !bytes.Equal(other.Bytes(0, out.Len()), out.Bytes(0, out.Len())) {
			t.Fatalf("seed %d: %s gives %v, plain %v (%+v)", seed, set.Name(), other, out, z.d)
		}
	}
	again := &frame{t: append(append([]*tensor.Tensor(nil), f.t[:4]...), nil)}
	split := again.room(4, op, &z.c, true)
	handlers[code](&call{f: again, op: op, c: &z.c, out: split, kv: z.kv, layer: z.layer, rows: halves, set: &kernel.Set{}})
	for k := range 40 {
		i := uint64(k)
		if n := uint64(out.Len()); i >= n || n > 40 && k > 8 {
			i = r.Uint64N(n)
		}
		want, err := opset.Element(&z.d, &z.c, i, z.fetch(op, f))
		if err != nil {
			t.Fatalf("seed %d, element %d: %v", seed, i, err)
		}
		if got := out.At(int(i)); got != want || split.At(int(i)) != want {
			t.Fatalf("seed %d: element %d of %d is %d, split %d, want %d (%+v)", seed, i, out.Len(), got, split.At(int(i)), want, z.d)
		}
	}
}

// FuzzKernels draws more trials.
func FuzzKernels(f *testing.F) {
	for _, c := range opset.Codes() {
		f.Add(uint8(c), uint64(1<<20))
	}
	f.Fuzz(func(t *testing.T, op uint8, seed uint64) {
		codes := opset.Codes()
		compare(t, codes[int(op)%len(codes)], seed)
	})
}

// Mix reads the cache where nobody looks at the transposed tensor, and that tensor where somebody
// does: the same numbers. SPEC 02 §4 ops 20, 21.
func TestMixWithAndWithoutTranspose(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 21))
		z := &trial{}
		z.d.Op, z.d.Leaf, z.d.Type = opset.Mix, opset.LeafBytes, tensor.I64
		trials[opset.Mix](r, z)
		op, f := z.finish()
		whole := f.room(4, op, &z.c, true)
		handlers[opset.Mix](&call{f: f, op: op, c: &z.c, out: whole, kv: z.kv, layer: z.layer, set: &kernel.Set{}})
		f.t[1], f.t[4] = tensor.New(tensor.I16, 0, 0, 0), nil
		for _, s := range []Split{nil, Serial, halves} {
			f.t[4] = nil
			out := f.room(4, op, &z.c, true)
			handlers[opset.Mix](&call{f: f, op: op, c: &z.c, out: out, kv: z.kv, layer: z.layer, rows: s, set: &kernel.Set{}})
			same := func(name string) {
				t.Helper()
				for i := range out.I64 {
					if out.I64[i] != whole.I64[i] {
						t.Fatalf("seed %d, %s: element %d is %d, materialised %d", seed, name, i, out.I64[i], whole.I64[i])
					}
				}
			}
			same("plain")
			for _, set := range sets() {
				clear(out.I64)
				handlers[opset.Mix](&call{f: f, op: op, c: &z.c, out: out, kv: z.kv, layer: z.layer, rows: s, set: &set})
				same(set.Name())
			}
		}
	}
}
