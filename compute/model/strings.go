package model

import (
	"fmt"
	"slices"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Text is what each token adds to the text of an answer: the model tensors by which a step matches
// stop strings. The zero value is that of tokens without bytes. SPEC 04 §1.6.
type Text struct {
	Bytes  *tensor.Tensor // i8 [n, 1, 64]: the bytes of all tokens in order of their ids, padded with zeros
	Places *tensor.Tensor // i32 [1, vocabulary, 2]: where the bytes of a token begin and how many it has
}

// NewText makes the tensors of a vocabulary; bytes gives what a token adds, the last
// opset.TokenBytes of it count.
func NewText(vocab int, bytes func(id int32) string) *Text {
	t := &Text{Places: tensor.New(tensor.I32, 1, vocab, 2)}
	var all []int8
	for id := range vocab {
		b := bytes(int32(id))
		b = b[max(0, len(b)-opset.TokenBytes):]
		t.Places.I32[2*id], t.Places.I32[2*id+1] = int32(len(all)), int32(len(b))
		for i := range len(b) {
			all = append(all, int8(b[i]))
		}
	}
	leaves := max(1, (len(all)+opset.LeafBytes-1)/opset.LeafBytes)
	t.Bytes = tensor.New(tensor.I8, leaves, 1, opset.LeafBytes)
	copy(t.Bytes.I8, all)
	return t
}

// Equal says whether two texts have the same bytes for every token.
func (t *Text) Equal(o *Text) bool {
	return slices.Equal(t.Bytes.I8, o.Bytes.I8) && slices.Equal(t.Places.I32, o.Places.I32)
}

// Text are the tensors by which a token model matches stop strings, or an error matching ErrModel.
func (m *Model) Text() (*Text, error) {
	if m.Kind == KindToken && len(m.Stages) > m.Layers+1 {
		for i := range m.Stages[m.Layers+1].Ops {
			if o := &m.Stages[m.Layers+1].Ops[i]; o.Op == opset.StopState && o.A != nil && o.B != nil {
				return &Text{Bytes: o.A, Places: o.B}, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: it does not match stop strings", ErrModel)
}

// text is that of the spec, or of tokens without bytes.
func (s *DecoderSpec) text() *Text {
	if s.Text != nil {
		return s.Text
	}
	return NewText(s.Vocab, func(int32) string { return "" })
}
