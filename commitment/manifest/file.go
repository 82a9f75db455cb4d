package manifest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// The model file is "elenchus/modelfile/1", the name, the header, tokenizer, template, end ids, the
// model tensors and the stages as descriptors with the numbers of their tensors. Integers are
// big-endian, tensors little-endian as in trees. SPEC 04 §5.
const fileTag = "elenchus/modelfile/1"

// Bounds of a model file. A reader allocates no more than the file's size plus a constant.
const (
	maxName    = 256
	maxText    = 1 << 28 // tokenizer
	maxEndIDs  = 64
	maxTensors = 1 << 16
)

// Encode writes the model file under a name for people, which is not part of the id.
func (m *Manifest) Encode(out io.Writer, name string) error {
	if len(name) > maxName {
		return fmt.Errorf("model name of %d bytes, at most %d", len(name), maxName)
	}
	w := &writer{w: bufio.NewWriterSize(out, 1<<20)}
	w.bytes([]byte(fileTag))
	w.blob([]byte(name))
	h := m.Header.Encode()
	w.bytes(h[:])
	w.blob(m.Model.Tokenizer)
	w.blob(m.Model.Template)
	w.u32(uint32(len(m.Model.EndIDs)))
	for _, id := range m.Model.EndIDs {
		w.u32(uint32(id))
	}
	w.stages(m.Model)
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}

type writer struct {
	w   *bufio.Writer
	buf []byte // of tensor
	err error
}

func (w *writer) bytes(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
}

func (w *writer) u32(v uint32) { w.bytes(binary.BigEndian.AppendUint32(nil, v)) }

func (w *writer) blob(b []byte) {
	w.u32(uint32(len(b)))
	w.bytes(b)
}

// stages writes each model tensor once, in order of first use, then the descriptors.
func (w *writer) stages(m *model.Model) {
	number, all := operands(m)
	w.u32(uint32(len(all)))
	for _, t := range all {
		w.tensor(t)
	}
	w.u32(uint32(len(m.Stages)))
	for s := range m.Stages {
		w.u32(uint32(len(m.Stages[s].Ops)))
		for i := range m.Stages[s].Ops {
			o := &m.Stages[s].Ops[i]
			d := o.Encode()
			w.bytes(d[:])
			w.u32(number[o.A])
			w.u32(number[o.B])
		}
	}
}

func (w *writer) tensor(t *tensor.Tensor) {
	w.bytes([]byte{byte(t.Type)})
	for _, d := range t.Shape {
		w.u32(uint32(d))
	}
	const step = 1 << 16
	for i := 0; i < t.Len(); i += step {
		w.buf = t.Append(w.buf[:0], i, min(i+step, t.Len()))
		w.bytes(w.buf)
	}
}

// Decode reads a model file of the given size in bytes. What it returns has the id that its header
// says, or there is an error matching ErrModel. A private model is refused: DecodeSecret reads it.
func Decode(in io.Reader, size int64) (m *Manifest, name string, err error) {
	return DecodeSecret(in, size, nil)
}

// DecodeSecret is Decode of a model that may be private, with its secret; other models do not look at it.
// Without it, and with another one, the error matches ErrSecret.
func DecodeSecret(in io.Reader, size int64, secret *Secret) (m *Manifest, name string, err error) {
	return decode(&reader{r: bufio.NewReaderSize(io.LimitReader(in, size), 1<<20), left: size}, secret)
}

// DecodeBytes is DecodeSecret of a file that is at hand as a whole. Tensors of i8, which are nearly all of
// a model, are not copied: view makes their elements of their bytes, and b must stay as it is for as
// long as the model is in use.
func DecodeBytes(b []byte, view func(b []byte) []int8, secret *Secret) (m *Manifest, name string, err error) {
	in := bytes.NewReader(b)
	return decode(&reader{r: in, left: in.Size(), skip: in, whole: b, view: view}, secret)
}

func decode(r *reader, secret *Secret) (m *Manifest, name string, err error) {
	if tag := r.bytes(uint64(len(fileTag)), 64); string(tag) != fileTag {
		return nil, "", r.fail("it does not begin with %q", fileTag)
	}
	name = string(r.blob("name", maxName))
	want, err := DecodeHeader(r.bytes(HeaderSize, HeaderSize))
	if err != nil {
		return nil, "", r.wrap(err)
	}
	if want.Class == Private && secret == nil {
		return nil, "", fmt.Errorf("%w: model %s", ErrSecret, want.ID())
	}
	mod := &model.Model{Kind: int(want.Kind), Vocab: int(want.Vocab), TMax: int(want.TMax), Layers: int(want.Layers)}
	mod.Tokenizer = r.blob("tokenizer", maxText)
	mod.Template = r.blob("template", 1<<16)
	for range r.u32("number of end ids", maxEndIDs) {
		mod.EndIDs = append(mod.EndIDs, int32(r.u32("end id", math.MaxInt32)))
	}
	r.stages(mod, want.Stages())
	if r.err == nil && r.left != 0 {
		return nil, "", r.fail("%d bytes follow the last stage", r.left)
	}
	if r.err != nil {
		return nil, "", r.err
	}
	if mod.DKV, err = rowWidth(mod); err != nil {
		return nil, "", err
	}
	read := descriptors(mod)
	if want.Class != Private {
		secret = nil
	}
	got, err := bind(mod, want.Class, secret)
	if err != nil {
		return nil, "", err
	}
	if want.Class == Private && got.Header != want {
		return nil, "", fmt.Errorf("%w: model %s, or its file is damaged", ErrSecret, want.ID())
	}
	if got.Header != want || !slices.Equal(read, descriptors(mod)) {
		return nil, "", fmt.Errorf("%w: the contents have id %s, the header says %s: the file is damaged", ErrModel, got.ID(), want.ID())
	}
	return got, name, nil
}

func descriptors(m *model.Model) (out []opset.Descriptor) {
	for s := range m.Stages {
		for i := range m.Stages[s].Ops {
			out = append(out, m.Stages[s].Ops[i].Descriptor)
		}
	}
	return out
}

// rowWidth is the number of elements of a K row: that of the K tensor which layer 1 declares.
func rowWidth(m *model.Model) (int, error) {
	if m.Kind != model.KindToken {
		return 0, nil
	}
	ops := m.Stages[1].Ops
	if len(ops) == 0 || ops[0].P[1] <= 0 || ops[0].P[1] >= int64(len(ops)) {
		return 0, fmt.Errorf("%w: layer 1 declares no K row", ErrModel)
	}
	k := &ops[ops[0].P[1]]
	n := uint64(1)
	for _, d := range k.Dims {
		if d.K != 0 || d.C == 0 || n*uint64(d.C) > 1<<20 {
			return 0, fmt.Errorf("%w: K row of dims %v", ErrModel, k.Dims)
		}
		n *= uint64(d.C)
	}
	return int(n), nil
}

// reader reads big-endian fields and stops at the first error.
type reader struct {
	r    io.Reader
	left int64
	buf  []byte // of fill
	err  error

	// Of DecodeBytes.
	skip  *bytes.Reader
	whole []byte
	view  func(b []byte) []int8
}

func (r *reader) fail(format string, args ...any) error {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrModel}, args...)...)
	}
	return r.err
}

func (r *reader) wrap(err error) error {
	if r.err == nil {
		r.err = err
	}
	return r.err
}

// bytes reads n bytes, which must be left in the file and at most top.
func (r *reader) bytes(n, top uint64) []byte {
	if r.err == nil && (n > top || n > uint64(r.left)) {
		_ = r.fail("a field of %d bytes, %d are allowed and %d left", n, top, r.left)
	}
	if r.err != nil {
		return nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r.r, b); err != nil {
		_ = r.wrap(err)
		return nil
	}
	r.left -= int64(n)
	return b
}

func (r *reader) u32(what string, top uint32) uint32 {
	b := r.bytes(4, 4)
	if r.err != nil {
		return 0
	}
	v := binary.BigEndian.Uint32(b)
	if v > top {
		_ = r.fail("%s is %d, at most %d", what, v, top)
		return 0
	}
	return v
}

func (r *reader) blob(what string, top uint32) []byte {
	return r.bytes(uint64(r.u32("length of "+what, top)), uint64(top))
}

func (r *reader) stages(m *model.Model, want int) {
	all := []*tensor.Tensor{nil}
	for range r.u32("number of tensors", maxTensors) {
		if t := r.tensor(); t != nil {
			all = append(all, t)
		}
		if r.err != nil {
			return
		}
	}
	if n := r.u32("number of stages", 1<<11); r.err == nil && int(n) != want {
		_ = r.fail("%d stages, the header says %d", n, want)
	}
	for s := 0; s < want && r.err == nil; s++ {
		st := machine.Stage{Layer: -1}
		if m.Kind == model.KindToken && s > 0 && s <= m.Layers {
			st.Layer = s - 1
		}
		for range r.u32("number of tensors of a stage", model.MaxTensors) {
			st.Ops = append(st.Ops, r.op(all))
		}
		m.Stages = append(m.Stages, st)
	}
}

func (r *reader) op(all []*tensor.Tensor) machine.Op {
	b := r.bytes(opset.DescriptorSize, opset.DescriptorSize)
	if r.err != nil {
		return machine.Op{}
	}
	d, err := opset.Decode(b)
	if err != nil {
		_ = r.wrap(err)
	}
	top := uint32(len(all) - 1)
	return machine.Op{Descriptor: d, A: all[r.u32("tensor number", top)], B: all[r.u32("tensor number", top)]}
}

func (r *reader) tensor() *tensor.Tensor {
	b := r.bytes(1, 1)
	if r.err != nil {
		return nil
	}
	t := tensor.DType(b[0])
	dims := [3]int{}
	n := uint64(1)
	for i := range dims {
		v := r.u32("tensor dimension", 1<<31-1)
		if v == 0 {
			_ = r.fail("a tensor dimension is 0")
			return nil
		}
		dims[i] = int(v)
		n *= uint64(v)
		if n > uint64(r.left) {
			_ = r.fail("a tensor of %v is longer than the file", dims)
			return nil
		}
	}
	if !t.Valid() {
		_ = r.fail("tensor element type %d", t)
		return nil
	}
	if n*uint64(t.Size()) > uint64(r.left) { // n <= left, a file is below 2^60
		_ = r.fail("a tensor of %v is longer than the file", dims)
		return nil
	}
	if t == tensor.I8 && r.view != nil {
		return &tensor.Tensor{Type: t, Shape: dims, I8: r.look(n)}
	}
	x := tensor.New(t, dims[:]...)
	r.fill(x)
	return x
}

// look is the next n bytes, which are left, where they lie.
func (r *reader) look(n uint64) []int8 {
	at := int64(len(r.whole)) - r.left
	if _, err := r.skip.Seek(int64(n), io.SeekCurrent); err != nil {
		_ = r.wrap(err)
		return nil
	}
	r.left -= int64(n)
	return r.view(r.whole[at:][:n:n])
}

// fill reads the elements of a tensor in pieces, so that a model is in memory once.
func (r *reader) fill(x *tensor.Tensor) {
	const step = 1 << 16
	for i := 0; i < x.Len() && r.err == nil; i += step {
		n := min(step, x.Len()-i) * x.Type.Size()
		if r.buf == nil {
			r.buf = make([]byte, step*8)
		}
		if _, err := io.ReadFull(r.r, r.buf[:n]); err != nil {
			_ = r.wrap(err)
			return
		}
		x.Fill(i, r.buf[:n])
		r.left -= int64(n)
	}
}
