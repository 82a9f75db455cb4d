package hf

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"elenchus/importer/safetensors"
)

// kind says how the rows of a view come from those of its parts.
type kind uint8

const (
	plain    kind = iota // as they are, part after part
	permuted             // halves of heads become interleaved pairs
	shifted              // 1 is added
	turned               // rows and columns change places
	constant             // of data
)

// view is a tensor under its GGUF name.
type view struct {
	kind         kind
	rows, rowLen int
	parts        []safetensors.Tensor // of one shape
	heads        int                  // of permuted rows
	data         []float32
}

// maxExperts bounds the number of an expert before anything is allocated for it.
const maxExperts = 1 << 10

func (f *Folder) add(name string, v view) {
	if _, dup := f.views[name]; dup {
		f.problem("two tensors are %s", name)
		return
	}
	f.names = append(f.names, name)
	f.views[name] = v
}

// tensors gives every tensor of the folder its place.
func (f *Folder) tensors() {
	tied := f.family.tied
	if v, ok := f.config["tie_word_embeddings"].(bool); ok {
		tied = v
	}
	stacks := map[string][]safetensors.Tensor{}
	var unknown []string
	for _, t := range f.set.Tensors() {
		name, expert, ok := f.family.place(t.Name)
		switch {
		case !ok:
			unknown = append(unknown, t.Name)
		case name == "" || name == "output.weight" && tied:
		case expert >= 0:
			stacks[name] = append(stacks[name], t)
		default:
			f.add(name, f.view(name, t))
		}
	}
	for _, name := range sortedKeys(stacks) {
		f.stack(name, stacks[name])
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		f.problem("%d tensors have no place in the architecture %s: %s", len(unknown), f.family.class, strings.Join(unknown[:min(8, len(unknown))], ", "))
	}
	if _, ok := f.views["output.weight"]; !ok && !tied && f.family.outer["lm_head"] != "" {
		f.problem("there is no tensor lm_head.weight, and %s does not say tie_word_embeddings", configName)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// place is the GGUF name of a tensor, "" if it has no effect, and its expert, -1 if it is of none.
func (m *family) place(name string) (string, int, bool) {
	for _, end := range m.skip {
		if strings.HasSuffix(name, end) {
			return "", -1, true
		}
	}
	name = strings.TrimPrefix(name, m.prefix)
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || name[dot:] != ".weight" && name[dot:] != ".bias" {
		return "", -1, false
	}
	stem, end := name[:dot], name[dot:]
	rest, inLayer := strings.CutPrefix(stem, m.layers)
	if !inLayer {
		to, ok := m.outer[stem]
		return to + end, -1, ok
	}
	number, rest, _ := strings.Cut(rest, ".")
	if !decimal(number) {
		return "", -1, false
	}
	prefix := "blk." + number + "."
	if in, ok := strings.CutPrefix(rest, m.experts); ok && m.experts != "" {
		number, in, _ := strings.Cut(in, ".")
		e, err := strconv.Atoi(number)
		to, ok := m.expert[in]
		return prefix + to + end, e, ok && err == nil && decimal(number) && e < maxExperts
	}
	to, ok := m.block[rest]
	return prefix + to + end, -1, ok
}

// decimal says whether s is a number as a program writes it.
func decimal(s string) bool {
	n, err := strconv.ParseUint(s, 10, 31)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// view is how a tensor that is no expert's is read.
func (f *Folder) view(name string, t safetensors.Tensor) view {
	v := view{rows: t.Rows(), rowLen: t.RowLen(), parts: []safetensors.Tensor{t}}
	stem := name[strings.LastIndexByte(name[:strings.LastIndexByte(name, '.')], '.')+1:]
	switch {
	case f.family.permuted && (strings.HasPrefix(stem, "attn_q.") || strings.HasPrefix(stem, "attn_k.")):
		f.permute(&v, name, strings.HasPrefix(stem, "attn_k."))
	case f.family.shifted && strings.HasSuffix(name, "norm.weight"):
		v.kind = shifted
	case f.family.conv && len(t.Shape) == 2 && strings.HasPrefix(name, "blk."):
		v.kind, v.rows, v.rowLen = turned, v.rowLen, v.rows
	}
	return v
}

// permute makes a view one of rows of heads in interleaved order.
func (f *Folder) permute(v *view, name string, keys bool) {
	heads, _ := f.Uint(f.key("attention.head_count"))
	if n, err := f.Uint(f.key("attention.head_count_kv")); err == nil && keys {
		heads = n
	}
	n := v.rows
	if n == 1 { // a bias: its elements are what the rows of the matrix are
		n = v.rowLen
	}
	if heads == 0 || heads > math.MaxInt32 || n%(2*int(heads)) != 0 {
		f.problem("tensor %s: %d rows are no even number for each of %d heads", name, n, heads)
		return
	}
	v.kind, v.heads = permuted, int(heads)
}

// stack makes one tensor of those of all experts.
func (f *Folder) stack(name string, parts []safetensors.Tensor) {
	count, _ := f.Uint(f.key("expert_count"))
	ordered := make([]safetensors.Tensor, len(parts))
	for _, t := range parts {
		_, e, _ := f.family.place(t.Name)
		if uint64(len(parts)) != count || e >= len(parts) || ordered[e].Name != "" || !slices.Equal(t.Shape, parts[0].Shape) {
			f.problem("tensor %s: %d experts, %s of shape %v; want %d of one shape", name, len(parts), t.Name, t.Shape, count)
			return
		}
		ordered[e] = t
	}
	// At most maxExperts tensors that lie in files.
	f.add(name, view{rows: len(parts) * parts[0].Rows(), rowLen: parts[0].RowLen(), parts: ordered})
}

// used are the tensors behind the views.
func (f *Folder) used() []safetensors.Tensor {
	var out []safetensors.Tensor
	for _, name := range f.names {
		out = append(out, f.views[name].parts...)
	}
	return out
}

// Names are the tensors, in the order of the files.
func (f *Folder) Names() []string { return slices.Clone(f.names) }

// Shape is rows and row length of a tensor; a vector has one row.
func (f *Folder) Shape(name string) (rows, rowLen int, ok bool) {
	v, ok := f.views[name]
	return v.rows, v.rowLen, ok
}

// Rows reads whole rows from row first on until dst is full.
func (f *Folder) Rows(name string, first int, dst []float32) error {
	v, ok := f.views[name]
	if !ok {
		return fmt.Errorf("hf: there is no tensor %q", name)
	}
	if n := len(dst) / v.rowLen; len(dst)%v.rowLen != 0 || first < 0 || first > v.rows || n > v.rows-first {
		return fmt.Errorf("hf: tensor %q: %d elements from row %d, want whole rows of %d, %d rows in all", name, len(dst), first, v.rowLen, v.rows)
	}
	switch v.kind {
	case permuted:
		return f.permutedRows(&v, first, dst)
	case turned:
		return f.turnedRows(name, &v, first, dst)
	case constant:
		copy(dst, v.data[first*v.rowLen:])
		return nil
	}
	return f.plainRows(&v, first, dst)
}

func (f *Folder) plainRows(v *view, first int, dst []float32) error {
	each := v.rows / len(v.parts)
	for at := dst; len(at) > 0; {
		part, row := first/each, first%each
		n := min(len(at)/v.rowLen, each-row)
		if err := f.set.ReadRows(v.parts[part], row, at[:n*v.rowLen]); err != nil {
			return err
		}
		at, first = at[n*v.rowLen:], first+n
	}
	if v.kind == shifted {
		for i := range dst {
			dst[i]++
		}
	}
	return nil
}

// interleaved is the row of the file that becomes row i: within a head of 2h rows, row 2j is j and
// row 2j + 1 is h + j.
func interleaved(i, rows, heads int) int {
	width := rows / heads
	in := i % width
	return i - in + in%2*(width/2) + in/2
}

func (f *Folder) permutedRows(v *view, first int, dst []float32) error {
	if v.rows == 1 {
		bias := make([]float32, v.rowLen)
		err := f.set.ReadRows(v.parts[0], 0, bias)
		for i := range dst {
			dst[i] = bias[interleaved(i, len(bias), v.heads)]
		}
		return err
	}
	for ; len(dst) > 0; first++ {
		if err := f.set.ReadRows(v.parts[0], interleaved(first, v.rows, v.heads), dst[:v.rowLen]); err != nil {
			return err
		}
		dst = dst[v.rowLen:]
	}
	return nil
}

// maxTurned is how many transposed tensors stay in memory.
const maxTurned = 4

// turnedTensor is a tensor as its view has it.
type turnedTensor struct {
	name string
	data []float32
}

// turnedRows reads rows of a matrix that lies column after column: all of it, since each row is
// spread over the whole.
func (f *Folder) turnedRows(name string, v *view, first int, dst []float32) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.turned, func(t turnedTensor) bool { return t.name == name })
	if i < 0 {
		data, err := f.turn(v)
		if err != nil {
			return err
		}
		if len(f.turned) == maxTurned {
			f.turned = slices.Delete(f.turned, 0, 1)
		}
		f.turned = append(f.turned, turnedTensor{name, data})
		i = len(f.turned) - 1
	}
	copy(dst, f.turned[i].data[first*v.rowLen:])
	return nil
}

func (f *Folder) turn(v *view) ([]float32, error) {
	data, column := make([]float32, v.rows*v.rowLen), make([]float32, v.rows)
	for j := range v.rowLen {
		if err := f.set.ReadRows(v.parts[0], j, column); err != nil {
			return nil, err
		}
		for i, x := range column {
			data[i*v.rowLen+j] = x
		}
	}
	return data, nil
}
