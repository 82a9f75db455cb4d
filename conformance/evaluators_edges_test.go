package conformance_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/conformance/opsample"
)

// bounded are the parameters that a contract holds to a bound that Element has not: what is read with more does not fit
// into an answer, and no valid model has it. SPEC 03 §4.
var bounded = map[opset.Code]struct {
	param int
	most  int64
}{
	opset.MaxAbs: {2, 256}, opset.Max: {2, 256}, opset.Sum: {2, 256}, opset.ArgKey: {2, 256}, opset.SumSquares: {2, 256},
	opset.MatMul: {1, 512}, opset.RowMatMul: {1, 512}, opset.Score: {0, 512}, opset.HeadNorm: {1, 256}, opset.RowScore: {0, 256},
	opset.Select: {1, 256}, opset.Hist: {1, 256}, opset.Slot: {0, 256}, opset.Combine: {1, 256}, opset.RowSquares: {1, 256},
}

// brink is one evaluation at or beyond what an operation takes, by definition and by contract.
type brink struct {
	testing.TB
	j    *judge
	name string
	d    opset.Descriptor
	c    opset.Context
	i    uint64
	// What the data look like, and which of them.
	style opsample.Style
	seed  uint64
}

// supply makes the data of the element; the same ones for the same shapes.
func (b *brink) supply() *opsample.Supply {
	return opsample.NewSupply(rand.New(rand.NewPCG(uint64(b.d.Op), 9+b.seed)), &b.d, b.style)
}

// with is the brink with something changed.
func (b *brink) with(name string, change func(x *brink)) *brink {
	x := *b
	x.name = b.name + ", " + name
	change(&x)
	return &x
}

// ask gives what the contract says: a reason, or "" and whether value and reads are those given.
func (b *brink) ask(descriptor, context, data []byte, want int64, reads []evmRead) string {
	v, got, _, err := b.j.evaluate(b.d.Op, descriptor, context, b.i, data)
	switch {
	case err != nil:
		return err.Error()[strings.LastIndex(err.Error(), " ")+1:]
	case !v.IsInt64() || v.Int64() != want || fmt.Sprint(got) != fmt.Sprint(reads):
		return fmt.Sprintf("value %v of %v, want %d of %v", v, got, want, reads)
	}
	return ""
}

// tooLong says whether Element refused a read that is longer than answers can be.
func tooLong(err error) bool {
	text := err.Error()
	at := strings.Index(text, "reads [")
	if at < 0 {
		return false
	}
	var lo, hi, total uint64
	_, scan := fmt.Sscanf(text[at:], "reads [%d,%d) of %d", &lo, &hi, &total)
	return scan == nil && hi > lo && hi <= total && hi-lo > 1<<14
}

// narrower says whether the contract alone refuses what the definition read: a source that is missing, a parameter above
// its bound, a row of the KV tree that is wider than its leaves or of a layer that the tree has not. No valid model asks
// for any of them.
func (b *brink) narrower(reads []opset.Read) bool {
	for _, r := range reads {
		if r.Kind == opset.None {
			return true
		}
	}
	limit, limited := bounded[b.d.Op]
	if limited && b.d.P[limit.param] > limit.most || b.d.Op == opset.Order && b.d.Count(&b.c) > 256 {
		return true
	}
	p := func(i int) uint64 { return uint64(max(b.d.P[i], 0)) }
	span := b.d.Span(&b.c)
	last := b.i/span + 1 // of the row's elements
	switch {
	case b.d.Op == opset.Score:
		last = (b.i/span/max(p(1), 1) + 1) * max(p(0), 1)
	case b.d.Op != opset.Transpose:
		return false
	}
	return b.i%span+1 != span && (p(4)>>(p(7)>>8&63) != 0 || 2*last > opset.KVLeafBytes<<(p(7)&63))
}

// agrees holds the contract to the definition: the same value and reads, or BadDescriptor where there is none.
func (b *brink) agrees() {
	b.Helper()
	s := b.supply()
	value, err := opset.Element(&b.d, &b.c, b.i, s.Fetch)
	want := "BadDescriptor"
	switch {
	case err != nil && (!errors.Is(err, opset.ErrDescriptor) || tooLong(err)):
		return // no data for so long a read
	case err == nil && !b.narrower(s.Reads):
		want = ""
	}
	descriptor, context := b.d.Encode(), b.c.Encode()
	reads, data := recorded(s)
	if got := b.ask(descriptor[:], context[:], data, value, reads); got != want {
		b.Errorf("%s: contract %q, want %q; definition %d, %v (%+v, %+v)", b.name, got, want, value, err, b.d, b.c)
	}
}

// frame tries what all operations have in common: lengths, geometry, index, data. SPEC 02 §1, §3.
func (b *brink) frame() {
	b.Helper()
	s := b.supply()
	value, err := opset.Element(&b.d, &b.c, b.i, s.Fetch)
	if err != nil {
		b.Fatalf("%s: %v", b.name, err)
	}
	d, c := b.d.Encode(), b.c.Encode()
	reads, data := recorded(s)
	says := func(what, want string, descriptor, context, data []byte) {
		b.Helper()
		if got := b.ask(descriptor, context, data, value, reads); got != want {
			b.Errorf("%s, %s: contract %q, want %q", b.name, what, got, want)
		}
	}
	says("as it is", "", d[:], c[:], data)
	says("a short descriptor", "WrongLength", d[:191], c[:], data)
	says("a long descriptor", "WrongLength", append(bytes.Clone(d[:]), 0), c[:], data)
	says("a short context", "WrongLength", d[:], c[:79], data)
	says("a long context", "WrongLength", d[:], append(bytes.Clone(c[:]), 0), data)
	says("more data", "DataLength", d[:], c[:], append(bytes.Clone(data), 0))
	if len(data) > 0 {
		says("less data", "DataLength", d[:], c[:], data[:len(data)-1])
	}
	refused := func(what, want string, change func(x *brink)) {
		b.Helper()
		x := b.with(what, change)
		d, c := x.d.Encode(), x.c.Encode()
		if got := x.ask(d[:], c[:], data, value, reads); got != want {
			b.Errorf("%s: contract %q, want %q", x.name, got, want)
		}
	}
	for _, bad := range []tensor.DType{0, tensor.I64 + 1, 255} {
		refused(fmt.Sprint("type ", bad), "BadTarget", func(x *brink) { x.d.Type = bad })
	}
	for i := range b.d.Dims {
		refused(fmt.Sprint("no dim ", i), "BadTarget", func(x *brink) { x.d.Dims[i].C = 0 })
	}
	const side = 1 << 20
	refused("2^60 elements", "BadTarget", func(x *brink) { x.d.Dims = [3]opset.Dim{{C: side}, {C: side}, {C: side}} })
	refused("an index behind the last", "IndexOutOfRange", func(x *brink) { x.i = x.d.Count(&x.c) })
	refused("an index far behind it", "IndexOutOfRange", func(x *brink) { x.i = math.MaxUint64 })
	own := map[opset.Code]bool{}
	for code, at := range b.j.of {
		own[code] = at == b.j.of[b.d.Op]
	}
	for _, code := range []uint8{0, uint8(b.d.Op) - 1, uint8(b.d.Op) + 1, 1, 7, 10, 17, 255} {
		if !own[opset.Code(code)] {
			x := d
			x[0] = code
			says(fmt.Sprint("op ", code), "UnknownOp", x[:], c[:], data)
		}
	}
}

// ends are values of a parameter that is p: its neighbours, and those at which counts and shifts end.
func ends(p int64) []int64 {
	return []int64{math.MinInt64, -1, 0, 1, p - 1, p + 1, 31, 62, 63, math.MaxUint32, math.MaxInt64}
}

// overflowing are the parameters at whose greatest value a source has 2^64 bytes or more, which the definition does not ask.
var overflowing = map[opset.Code][]int{
	opset.Embed: {0, 1}, opset.Position: {0}, opset.Hist: {0}, opset.Live: {0}, opset.Mix: {2, 5}, opset.RoPE: {5},
	opset.RowAdd: {1}, opset.RowMix: {1}, opset.RowSquares: {0}, opset.Score: {6}, opset.Select: {0}, opset.StopState: {0}, opset.EmbedRows: {1, 4},
	opset.RowMatMul: {2}, opset.RowResult: {2}, opset.RowNorm: {2},
}

// refused: the contract has no value, whatever the definition says.
func (b *brink) refused() {
	b.Helper()
	descriptor, context := b.d.Encode(), b.c.Encode()
	if got := b.ask(descriptor[:], context[:], nil, 0, nil); got != "BadDescriptor" {
		b.Errorf("%s: contract %q, want BadDescriptor (%+v)", b.name, got, b.d)
	}
}

// fields: each source missing, and every parameter at its ends. Dims of more than 32 bits are left out: the contract
// takes those by their lowest ones, and no valid model has them.
func (b *brink) fields() {
	b.Helper()
	for k := range b.d.Src {
		b.with(fmt.Sprint("no source ", k), func(x *brink) { x.d.Src[k] = opset.Source{} }).agrees()
	}
	for i := range 8 {
		if i > 4 && b.d.P[i] == 0 {
			continue // no operation has a parameter there
		}
		for _, v := range ends(b.d.P[i]) {
			x := b.with(fmt.Sprintf("p%d = %d", i, v), func(x *brink) { x.d.P[i] = v })
			if v < math.MaxInt64 {
				x.agrees()
			} else if slices.Contains(overflowing[b.d.Op], i) && (b.d.Op != opset.Mix || b.c.T > 0) && b.d.Op != opset.RoPE {
				if i > 0 {
					x.d.P[0] = max(x.d.P[0], 3)
				}
				x.c.StopLens, x.c.StopState = opset.MostStopLens, 0
				x.refused()
			}
		}
	}
	limit, limited := bounded[b.d.Op]
	for more := range int64(2) {
		if limited {
			b.with(fmt.Sprint("p at its bound and ", more), func(x *brink) {
				if x.d.P[limit.param] = limit.most + more; x.d.Op == opset.Score { // so wide a row is the stage's own
					x.c.T, x.i, x.d.P[5] = 0, 0, 1<<20
				}
			}).agrees()
		}
		if b.d.Op == opset.Order {
			b.with(fmt.Sprint("256 elements and ", more), func(x *brink) { x.d.Dims[2].C = 256 + uint32(more) }).agrees()
		}
	}
}

// geometry: dims that grow with the step, and windows about it.
func (b *brink) geometry() {
	b.Helper()
	for _, k := range []uint32{0, 1, 128} {
		for _, w := range []uint32{0, 1, b.c.T, b.c.T + 1, b.c.T + 2} {
			b.with(fmt.Sprintf("k %d, window %d", k, w), func(x *brink) {
				x.d.Dims[0], x.d.Window = opset.Dim{C: 1, K: k}, w
				x.i = x.d.Count(&x.c) - 1
			}).agrees()
		}
	}
}

// values: all styles of data, with divisors and dividends of both signs.
func (b *brink) values() {
	b.Helper()
	for style := range opsample.Styles {
		for seed := range uint64(3) {
			x := b.with(fmt.Sprintf("style %d, %d", style, seed), func(x *brink) { x.style, x.seed = style, seed })
			x.agrees()
			switch b.d.Op {
			case opset.NormInv, opset.RowInv, opset.HeadNorm:
				x.with("exactly", func(x *brink) { x.d.P[0], x.d.P[1], x.d.P[2], x.d.P[3], x.i = -4, 0, -4, 0, 0 }).agrees()
			case opset.DivOp, opset.Center, opset.RowCenter, opset.Share, opset.Temper:
				x.with("exactly", func(x *brink) { x.d.P[0], x.d.P[1], x.c.Temperature = 2, 1, 2 }).agrees()
			}
		}
	}
}

// edgesOfOp tries an operation at its edges, from some shapes of it.
func edgesOfOp(t testing.TB, j *judge, code opset.Code, shapes uint64) {
	t.Helper()
	for seed := range shapes {
		d, c, i := opsample.Sample(rand.New(rand.NewPCG(seed, uint64(code))), code)
		b := &brink{TB: t, j: j, name: fmt.Sprintf("%s %d", code, seed), d: d, c: c, i: i}
		b.frame()
		b.fields()
		for _, kind := range []tensor.DType{tensor.I8, tensor.I16, tensor.I32, tensor.I64} {
			b.with(fmt.Sprint("type ", kind), func(x *brink) { x.d.Type = kind }).agrees()
		}
		b.geometry()
		b.values()
		for _, change := range corners[code] {
			x := b.with("", func(*brink) {})
			change(x, func(what string) { x.Helper(); x.name = fmt.Sprintf("%s %d, %s", code, seed, what); x.agrees() })
		}
	}
}

// Each operation of the contracts takes and refuses what its definition does: lengths, types, dims, indices, sources and
// parameters at their ends, each refusal by its own reason. SPEC 02 §1 to §4.
func TestEvaluatorsAtTheirEdges(t *testing.T) {
	t.Parallel()
	shapes := uint64(1)
	if os.Getenv("ELENCHUS_SOAK") != "" {
		shapes = 12
	}
	j := newJudge(t)
	for _, code := range opset.Codes() {
		t.Run(code.String(), func(t *testing.T) { edgesOfOp(t, j, code, shapes) })
	}
}
