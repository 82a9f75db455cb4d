package conformance_test

import (
	"os"
	"path/filepath"
	"testing"

	"elenchus/compute/kernel"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/conformance/opsample"
	"elenchus/engine"
)

// leastKernelVectors of an operation lie in the range that validation admits, which is what kernels
// are for; most vectors of row are beyond it. compute/kernel has tests that draw in the range.
const leastKernelVectors = 1

// kernelFace runs the kernel of an operation on the reads of a vector: every number that it returns
// must be the vector's. It returns nothing for a vector that the kernel is not for. Kernels work on
// vectors of several elements, so an element is put in all their lanes.
type kernelFace struct {
	sets  string         // which have a kernel of their own
	types []tensor.DType // of the reads
	run   func(s *kernel.Set, d *opset.Descriptor, x [][]int64) []int64
}

var i16, i32, i64 = tensor.I16, tensor.I32, tensor.I64

// Sets that have a kernel of their own: all, all but AVX2, or the widest alone.
const (
	both   = "avx2 avx512 neon sdot"
	simple = "avx512 neon sdot"
	one    = "avx512"
)

var kernelFaces = map[opset.Code]kernelFace{
	opset.MaxAbs:      {both, nil, reduceFace((*kernel.Set).MaxAbs)},
	opset.Max:         {both, nil, reduceFace((*kernel.Set).Max)},
	opset.Sum:         {both, nil, reduceFace((*kernel.Set).Sum)},
	opset.SumSquares:  {both, []tensor.DType{i32, i64}, squaresFace},
	opset.NormApply:   {simple, []tensor.DType{i32, i64, i32}, normFace},
	opset.MatMul:      {both, []tensor.DType{i16, tensor.I8}, matMulFace},
	opset.RowMatMul:   {both, []tensor.DType{i16, tensor.I8}, matMulFace},
	opset.RowResult:   {simple, []tensor.DType{i64, i32, i64}, rowFace},
	opset.MatMulBlock: {both, []tensor.DType{i16, tensor.I8}, blockFace},
	opset.MatMulG4:    {both, []tensor.DType{i16, tensor.I8}, blockFace},
	opset.Row:         {simple, []tensor.DType{i64, i32, i64}, rowFace},
	opset.Add:         {simple, []tensor.DType{i32, i32}, addFace},
	opset.SiLUMul:     {simple, []tensor.DType{i32, i32}, siluFace},
	opset.Quant:       {simple, []tensor.DType{i32, i64}, quantFace},
	opset.RoPE:        {simple, []tensor.DType{i32, i32, i32}, ropeFace},
	opset.Score:       {both, []tensor.DType{i16, i16}, scoreFace},
	opset.Exp2Op:      {both, []tensor.DType{i32, i64}, exp2Face},
	opset.Mix:         {both, []tensor.DType{i32, i16}, mixFace},
	opset.DivOp:       {one, []tensor.DType{i64, i64}, divFace},
}

const lanes = 16

func fill32(v int64) []int32 {
	x := make([]int32, lanes)
	for i := range x {
		x[i] = int32(v)
	}
	return x
}

func wide[T int16 | int32](x []T) []int64 {
	out := make([]int64, len(x))
	for i, v := range x {
		out[i] = int64(v)
	}
	return out
}

func narrow[T int8 | int16 | int32](x []int64) []T {
	out := make([]T, len(x))
	for i, v := range x {
		out[i] = T(v)
	}
	return out
}

func reduceFace(f func(s *kernel.Set, dst []int64, x []int32, n, f, lo, hi int)) func(*kernel.Set, *opset.Descriptor, [][]int64) []int64 {
	return func(s *kernel.Set, d *opset.Descriptor, x [][]int64) []int64 {
		if tensor.DType(d.P[3]) != tensor.I32 {
			return nil // sums of sums are few: they have no kernel of their own
		}
		dst := make([]int64, 1)
		f(s, dst, narrow[int32](x[0]), len(x[0]), len(x[0]), 0, 1)
		return dst
	}
}

func squaresFace(s *kernel.Set, _ *opset.Descriptor, x [][]int64) []int64 {
	dst := make([]int64, 1)
	s.SumSquares(dst, narrow[int32](x[0]), x[1][0], len(x[0]))
	return dst
}

func normFace(s *kernel.Set, d *opset.Descriptor, x [][]int64) []int64 {
	var gamma []int32
	if len(x) == 3 {
		gamma = fill32(x[2][0])
	}
	dst := tensor.New(d.Type, 1, 1, lanes)
	s.NormApply(dst, fill32(x[0][0]), [2]int64{x[1][0], x[1][1]}, d.P[0], gamma, d.P[1])
	out := make([]int64, lanes)
	for i := range out {
		out[i] = dst.At(i)
	}
	return out
}

// linearFace is one row times one token, in 8 rows of two tokens.
func linearFace(s *kernel.Set, t tensor.DType, x []int16, w []int8, mant, exp int32, shift int64) []int64 {
	if s.Plain() {
		parts, out := make([]int64, (len(x)+511)/512), tensor.New(t, 1, 1, 1)
		for c := range parts {
			kernel.MatMul(parts[c:c+1], x[c*512:min(len(x), c*512+512)], w[c*512:], min(512, len(x)-c*512), 512, 0, 1)
		}
		kernel.Row(out, parts, []int32{mant, exp}, len(parts), shift, 0, 1)
		return []int64{out.At(0)}
	}
	var scale []int32
	for range faceRows {
		scale = append(scale, mant, exp)
	}
	return packedFace(s, kernel.NewPacked(faceRows, len(x), scale, nil), t, x, w, shift)
}

const faceRows = 9

// packedFace is faceRows times the row w, times two tokens.
func packedFace(s *kernel.Set, p *kernel.Packed, t tensor.DType, x []int16, w []int8, shift int64) []int64 {
	var all []int8
	for range faceRows {
		all = append(all, w...)
	}
	p.Fill(all, len(w), 0, p.Blocks())
	stride := p.Stride()
	room, dst := make([]int16, 2*stride), []*tensor.Tensor{tensor.New(t, 1, 1, faceRows), tensor.New(t, 1, 1, faceRows)}
	s.Widen(p, room[:stride], x)
	s.Widen(p, room[stride:], x)
	s.Linear(dst, p, room, stride, []int64{shift, shift}, 0, p.Blocks())
	var out []int64
	for i := range faceRows {
		out = append(out, dst[0].At(i), dst[1].At(i))
	}
	return out
}

// blockFace gives the partial sum of a leaf. It has up to 56 bits and a row 32, so that rows of every
// shift are compared with those of the plain sum: one that differs is returned in its place.
func blockFace(s *kernel.Set, d *opset.Descriptor, reads [][]int64) []int64 {
	b, ok := d.Layout()
	x, w := narrow[int16](reads[0]), narrow[int8](reads[1])
	if !ok || len(reads) != 2 || len(w) != b.Leaf() {
		return nil
	}
	sum := make([]int64, 1)
	if b.Bits == 4 {
		kernel.MatMulG4(sum, x, w, len(x), b, 0, 1)
	} else {
		kernel.MatMulBlock(sum, x, w, len(x), b, 0, 1)
	}
	for shift := int64(0); shift < 31 && !s.Plain(); shift += 2 {
		want := tensor.Sat64(kernel.Shift(sum[0], shift), tensor.I32)
		var scale []int32
		for range faceRows {
			scale = append(scale, 1, int32(shift))
		}
		for _, v := range packedFace(s, kernel.NewPackedBlocks(faceRows, len(x), b, scale, nil), tensor.I32, x, w, 0) {
			if v != want {
				return []int64{v}
			}
		}
	}
	return sum
}

// matMulFace gives the partial sum as a row of scale 1, which is an int32: all but 2^31 itself.
func matMulFace(s *kernel.Set, _ *opset.Descriptor, x [][]int64) []int64 {
	return linearFace(s, tensor.I32, narrow[int16](x[0]), narrow[int8](x[1]), 1, 0, 0)
}

// rowFace gives the sum as a product: terms of 2^22, and the rest.
func rowFace(s *kernel.Set, d *opset.Descriptor, x [][]int64) []int64 {
	sum, shift := int64(0), int64(0)
	for _, v := range x[0] {
		if v > 1<<32 || v < -1<<32 || len(x[0]) > 128 {
			return nil
		}
		sum += v
	}
	if len(x) == 3 {
		shift = x[2][0]
	}
	const term = 128 * 32768
	if sum > term*60000 || sum < -term*60000 || x[1][0] >= 1<<24 || x[1][0] <= -1<<24 {
		return nil
	}
	var a []int16
	var w []int8
	sign := int8(1)
	if sum < 0 {
		sum, sign = -sum, -1
	}
	for ; sum >= term; sum -= term - 32768 { // 127 * 32768
		a, w = append(a, -32768), append(w, -127*sign)
	}
	a, w = append(a, int16(sum/128), int16(sum%128)), append(w, 127*sign, sign)
	a, w = append(a, int16(sum/128)), append(w, sign)
	return linearFace(s, d.Type, a, w, int32(x[1][0]), int32(x[1][1]), shift)
}

func addFace(s *kernel.Set, _ *opset.Descriptor, x [][]int64) []int64 {
	dst := make([]int32, lanes)
	s.Add(dst, fill32(x[0][0]), fill32(x[1][0]))
	return wide(dst)
}

func siluFace(s *kernel.Set, d *opset.Descriptor, x [][]int64) []int64 {
	dst := make([]int32, lanes)
	s.SiLUMul(dst, fill32(x[0][0]), fill32(x[1][0]), d.P[1], d.P[2])
	return wide(dst)
}

func quantFace(s *kernel.Set, d *opset.Descriptor, x [][]int64) []int64 {
	shift := d.P[1]
	if len(x) == 2 {
		shift = x[1][0]
	}
	dst := make([]int16, lanes)
	s.Quant(dst, fill32(x[0][0]), shift)
	return wide(dst)
}

// ropeFace turns 8 pairs in both layouts; which element of the pair the vector is for, its value
// tells.
func ropeFace(s *kernel.Set, d *opset.Descriptor, x [][]int64) []int64 {
	if len(x) < 2 { // beyond the rotated dims: a shift, which rows of whole heads do not have
		return nil
	}
	pair, angle := x[0], x[len(x)-1]
	if len(x) == 3 {
		pair = []int64{x[0][0], x[1][0]}
	}
	if len(pair) != 2 || len(angle) != 2 {
		return nil
	}
	row, turn, dst := make([]int32, lanes), make([]int32, lanes), make([]int16, lanes)
	for i := range lanes / 2 {
		row[2*i], row[2*i+1] = int32(pair[0]), int32(pair[1])
		if d.P[4] == 1 {
			row[2*i], row[2*i+1] = int32(pair[2*i/(lanes/2)]), int32(pair[2*i/(lanes/2)])
		}
		turn[2*i], turn[2*i+1] = int32(angle[0]), int32(angle[1])
	}
	s.RoPE(dst, row, turn, lanes, lanes, int(d.P[4]), d.P[3])
	return wide(dst)
}

func scoreFace(s *kernel.Set, d *opset.Descriptor, x [][]int64) []int64 {
	const positions = 9
	hd := (len(x[0]) + 15) / 16 * 16
	q, k, dst := make([]int16, hd), make([]int16, hd*positions), make([]int32, positions)
	copy(q, narrow[int16](x[0]))
	for j := range positions {
		copy(k[j*hd:], narrow[int16](x[1]))
	}
	s.Score(dst, q, k, hd, 1, hd, 0, positions, d.P[2], d.P[3], 0, 1)
	return wide(dst)
}

func exp2Face(s *kernel.Set, d *opset.Descriptor, x [][]int64) []int64 {
	dst := make([]int32, lanes)
	s.Exp2(dst, fill32(x[0][0]), x[1], lanes, int(d.P[2]), 0, 1)
	return wide(dst)
}

func mixFace(s *kernel.Set, _ *opset.Descriptor, x [][]int64) []int64 {
	v, dst := make([]int16, lanes*len(x[1])), make([]int64, lanes)
	for i := range v {
		v[i] = int16(x[1][i/lanes])
	}
	s.Mix(dst, narrow[int32](x[0]), v, lanes, 1, lanes, 0, len(x[0]), 0, 1)
	return dst
}

func divFace(s *kernel.Set, _ *opset.Descriptor, x [][]int64) []int64 {
	const far = 1 << 61
	if x[0][0] >= far || x[0][0] <= -far || x[1][0] >= far {
		return nil
	}
	row, dst := make([]int64, lanes), make([]int16, lanes)
	for i := range row {
		row[i] = x[0][0]
	}
	s.Div(dst, row, x[1], lanes)
	return wide(dst)
}

// reads are the numbers of a vector's reads.
func reads(t *testing.T, c *opsample.Case, types []tensor.DType) [][]int64 {
	t.Helper()
	if c.Descriptor.Op == opset.SumSquares && tensor.DType(c.Descriptor.P[3]) != i32 {
		return nil
	}
	named := 0 // the name of a block is read first; it does not enter the product
	if op := c.Descriptor.Op; (op == opset.RowMatMul || op == opset.RowResult) && c.Descriptor.Src[2].Kind == opset.Tensor {
		named = 1
	}
	var out [][]int64
	for i, r := range c.Reads[min(named, len(c.Reads)):] {
		d := tensor.DType(c.Descriptor.P[3]) // of reductions
		if types != nil {
			d = types[min(i, len(types)-1)]
		}
		if c.Descriptor.Op == opset.RoPE && i == len(c.Reads)-1 {
			d = i32
		}
		b, err := r.Trim(c.Leaves[i+named])
		if err != nil || !d.Valid() || len(b) < d.Size() {
			return nil
		}
		var x []int64
		for k := range len(b) / d.Size() {
			x = append(x, tensor.Element(d, b, k))
		}
		out = append(out, x)
	}
	return out
}

// allAre says whether the numbers are all the vector's; of a rotated pair one half is.
func allAre(op opset.Code, got []int64, value int64) bool {
	same := 0
	for _, v := range got {
		if v == value {
			same++
		}
	}
	if op == opset.RoPE {
		return same >= len(got)/2
	}
	return same == len(got)
}

// Every kernel of every set that this processor has passes the vectors of its operation. The plain
// kernels decide which vectors lie in the range of validated models: there they give the value of
// the definition. testdata/kernel says which sets have a kernel. DESIGN law 2, STYLE 20.
func TestKernelsPassTheVectors(t *testing.T) {
	for op, face := range kernelFaces {
		t.Run(op.String(), func(t *testing.T) {
			file, err := opsample.Load(filepath.Join(opVectors, op.String()+".json"))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, v := range file {
				c, err := v.Case()
				if err != nil {
					t.Fatal(err)
				}
				x := reads(t, c, face.types)
				plain := []int64(nil)
				if x != nil {
					plain = face.run(&kernel.Set{}, &c.Descriptor, x)
				}
				if len(plain) == 0 || !allAre(op, plain, c.Value) {
					continue
				}
				n++
				for _, s := range engine.Kernels() {
					if got := face.run(&s, &c.Descriptor, x); !allAre(op, got, c.Value) {
						t.Errorf("vector %s: %s gives %v, want %d", v.Name, s.Name(), got, c.Value)
					}
				}
			}
			if n < leastKernelVectors {
				t.Errorf("only %d of %d vectors lie in the range of the kernel", n, len(file))
			}
			checkKernelSets(t, op, face.sets)
		})
	}
}

// checkKernelSets compares the sets that have a kernel of their own with the file that says so.
func checkKernelSets(t *testing.T, op opset.Code, sets string) {
	t.Helper()
	path := filepath.Join("testdata", "kernel", op.String()+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(sets+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, path); got != sets+"\n" {
		t.Errorf("%s says %q, not %q: go test ./conformance -run KernelsPass -update", path, got, sets)
	}
}
