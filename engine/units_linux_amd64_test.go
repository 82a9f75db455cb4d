package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/cpu"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/compute/kernel"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/tensor"
	"elenchus/engine"
)

// emulated tells a process that matrix units are there because its parent does their work.
const emulated = "ELENCHUS_EMULATED"

// unitSet is the set of kernels with matrix units, whoever does their work.
func unitSet(t testing.TB) kernel.Set {
	t.Helper()
	sets := kernel.Sets()
	i := slices.IndexFunc(sets, func(s kernel.Set) bool { return s.Name() == "amx" })
	if i < 0 {
		t.Fatal("this build has no kernels for matrix units")
	}
	return sets[i]
}

// TestMatrixUnitsGiveTheSameNumbers runs products by matrix units against the plain ones. Where the
// processor has none, the test runs once more as a process whose matrix units are emulated, instruction
// by instruction. ELENCHUS_REQUIRE=amx demands a processor that has them. STYLE 18, 20.
func TestMatrixUnitsGiveTheSameNumbers(t *testing.T) {
	required := slices.Contains(strings.Split(os.Getenv("ELENCHUS_REQUIRE"), ","), "amx")
	_, lack := engine.Kernel("amx")
	switch {
	case lack == nil || os.Getenv(emulated) == "amx":
	case required:
		t.Fatal(lack)
	case !cpu.X86.HasAVX512VNNI || !cpu.X86.HasAVX512DQ || !cpu.X86.HasAVX512BW || !cpu.X86.HasAVX512VL:
		t.Skip("products by matrix units need AVX-512 beside, which this processor lacks")
	default:
		emulateUnits(t)
		return
	}
	t.Run("products", func(t *testing.T) { unitProducts(t, lack == nil) })
	t.Run("longest", longestUnitProducts)
	t.Run("blocks", func(t *testing.T) { unitBlocks(t, lack == nil) })
	t.Run("greatest", greatestUnitBlocks)
	t.Run("digest", unitDigest)
	set := unitSet(t)
	if !set.Agrees() {
		t.Error("the set does not find itself right")
	}
}

// unitProducts compares every tail of columns and tokens, and the ends of weights and activations.
func unitProducts(t *testing.T, all bool) {
	r := rand.New(rand.NewPCG(5, 9))
	counts := []int{4, 16, 21}
	if all {
		counts = []int{1, 3, 4, 5, 6, 15, 16, 17, 31, 32, 33, 64}
	}
	for i, k := range []int{1, 15, 16, 17, 33, 48, 63, 64, 65, 80, 100, 127, 128, 200, 512, 600} {
		for j, m := range counts {
			compareUnits(t, drawUnits(r, 1+(7*i+13*j)%70, k, m))
		}
	}
}

// longestUnitProducts takes the longest row there is: all of it -128, or 127, and all activations at one
// end, which is where sums of 32 bits reach 255 * 128 * 2^16.
func longestUnitProducts(t *testing.T) {
	p := drawUnits(rand.New(rand.NewPCG(1, 1)), 2, 1<<16, 4)
	for i := range p.w {
		p.w[i] = int8(127 - 255*(i/p.padded))
	}
	for i := range p.x {
		for j := range p.x[i] {
			p.x[i][j] = int16(1<<15 - 1 - i%2)
			if i == 3 {
				p.x[i][j] = -1 << 15
			}
		}
	}
	for i := range p.n {
		p.scale[2*i+1] = 30
	}
	compareUnits(t, p)
}

// unitDigest compares what whole models compute, prompts and steps: one of class R, and one of block-scaled
// weights of 4 and 8 bits.
func unitDigest(t *testing.T) {
	for seed, c := range []modeltest.Config{modeltest.Tiny(), modeltest.Blocks()} {
		man, err := manifest.Bind(modeltest.Llama(uint64(seed), c))
		if err != nil {
			t.Fatal(err)
		}
		var job decode.Job = long(37, 3)
		want, err := engine.Digest(context.Background(), man, job, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		pool := engine.NewPool(2)
		got, err := engine.Digest(context.Background(), engine.Prepare(man, unitSet(t), nil), job, pool.Split, 16)
		pool.Close()
		if err != nil || got != want {
			t.Errorf("digest %x, %v, want %x", got, err, want)
		}
	}
}

// units is a product: n rows of k columns, activations of tokens.
type units struct {
	n, k, padded int
	w            []int8
	scale        []int32
	x            [][]int16
}

func drawUnits(r *rand.Rand, n, k, m int) *units {
	p := &units{n: n, k: k, padded: (k + 511) / 512 * 512}
	p.w, p.scale = make([]int8, n*p.padded), make([]int32, 2*n)
	for i := range n {
		style := r.IntN(4)
		for j := range k {
			p.w[i*p.padded+j] = []int8{-128, 127, int8(r.IntN(256)), int8(r.IntN(256))}[style]
		}
		p.scale[2*i], p.scale[2*i+1] = int32(1<<22+r.IntN(1<<23)), int32(22+r.IntN(3))
	}
	for i := range m {
		x, style := make([]int16, k), (r.IntN(3)+i)%5
		for j := range x {
			x[j] = []int16{-1 << 15, 1<<15 - 1, []int16{-1, 0, 255, 256, -256, -257}[r.IntN(6)], int16(r.IntN(1 << 16)), int16(r.IntN(1 << 16))}[style]
		}
		p.x = append(p.x, x)
	}
	return p
}

func compareUnits(t *testing.T, p *units) {
	t.Helper()
	set := unitSet(t)
	packed := kernel.NewPacked(p.n, p.k, p.scale, nil)
	packed.Fill(p.w, p.padded, 0, packed.Blocks())
	stride, m := packed.Stride(), len(p.x)
	part, wide, got := set.For(packed, m), make([]int16, stride*m), make([]*tensor.Tensor, m)
	for i := range p.x {
		part.Widen(packed, wide[i*stride:][:stride], p.x[i])
		got[i] = tensor.New(tensor.I32, 1, 1, p.n)
	}
	part.Linear(got, packed, wide, stride, make([]int64, m), 0, packed.Blocks())
	cols := p.padded / 512
	sums, want := make([]int64, p.n*cols), tensor.New(tensor.I32, 1, 1, p.n)
	for i := range p.x {
		kernel.MatMul(sums, p.x[i], p.w, p.k, 512, 0, p.n)
		kernel.Row(want, sums, p.scale, cols, 0, 0, p.n)
		if !slices.Equal(got[i].I32, want.I32) {
			t.Fatalf("%d rows of %d columns, token %d of %d: %s", p.n, p.k, i, m, fmt.Sprint(got[i].I32, " by matrix units, plain ", want.I32))
		}
	}
}
