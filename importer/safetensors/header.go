package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// metadataKey is the one key of a header that names no tensor: texts for people.
const metadataKey = "__metadata__"

// scanner walks the tokens of a JSON text whose form is known in advance, so that nothing nests
// deeper than that form and every value is bounded before it is kept.
type scanner struct {
	d    *json.Decoder
	base int64 // offset of the text in its file
}

func newScanner(text []byte, base int64) *scanner {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return &scanner{d, base}
}

func (s *scanner) fail(field, format string, args ...any) error {
	return fmt.Errorf("%s at offset %d: "+format, append([]any{field, s.base + s.d.InputOffset()}, args...)...)
}

func (s *scanner) token(field string) (json.Token, error) {
	t, err := s.d.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, s.fail(field, "%w", err)
	}
	return t, nil
}

// delim wants an opening or closing bracket.
func (s *scanner) delim(field string, want json.Delim) error {
	t, err := s.token(field)
	if err != nil {
		return err
	}
	if t != want {
		return s.fail(field, "%v, want %v", clip(t), want)
	}
	return nil
}

func (s *scanner) text(field string, limit int) (string, error) {
	t, err := s.token(field)
	if err != nil {
		return "", err
	}
	x, ok := t.(string)
	if !ok || len(x) > limit {
		return "", s.fail(field, "%v, want a text of at most %d bytes", clip(t), limit)
	}
	return x, nil
}

// number wants an integer without sign, fraction or exponent, at most limit.
func (s *scanner) number(field string, limit uint64) (uint64, error) {
	t, err := s.token(field)
	if err != nil {
		return 0, err
	}
	x, ok := t.(json.Number)
	n, perr := strconv.ParseUint(string(x), 10, 64)
	if !ok || perr != nil || n > limit {
		return 0, s.fail(field, "%v, want an integer of at most %d", clip(t), limit)
	}
	return n, nil
}

// members calls each for every key of an object, which has each key once.
func (s *scanner) members(field string, limit int, each func(key string) error) error {
	if err := s.delim(field, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for s.d.More() {
		key, err := s.text("key of "+field, MaxNameBytes)
		if err != nil {
			return err
		}
		if seen[key] {
			return s.fail(field, "%q appears twice", key)
		}
		if seen[key] = true; len(seen) > limit {
			return s.fail(field, "more than %d keys", limit)
		}
		if err := each(key); err != nil {
			return err
		}
	}
	return s.delim(field, '}')
}

// numbers reads an array of at most most integers.
func (s *scanner) numbers(field string, most int, limit uint64) ([]uint64, error) {
	if err := s.delim(field, '['); err != nil {
		return nil, err
	}
	var out []uint64
	for s.d.More() {
		if len(out) == most {
			return nil, s.fail(field, "more than %d numbers", most)
		}
		n, err := s.number(field, limit)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, s.delim(field, ']')
}

// end wants that nothing but blanks follows.
func (s *scanner) end(field string) error {
	if _, err := s.d.Token(); !errors.Is(err, io.EOF) {
		return s.fail(field, "something follows its end")
	}
	return nil
}

// clip shortens a token for a message.
func clip(t json.Token) string {
	x := fmt.Sprint(t)
	if len(x) > 40 {
		return x[:40] + "..."
	}
	return x
}

// parseHeader reads the descriptions of a header. Offsets are relative to the tensor data.
func parseHeader(b []byte) ([]Tensor, error) {
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("header at offset %d: it is no UTF-8", lengthBytes)
	}
	if len(b) == 0 || b[0] != '{' {
		return nil, fmt.Errorf("header at offset %d: it does not begin with {: not a safetensors file", lengthBytes)
	}
	s := newScanner(b, lengthBytes)
	var out []Tensor
	err := s.members("header", MaxTensors+1, func(key string) error {
		if key == metadataKey {
			return s.members(metadataKey, 1<<10, func(string) error {
				_, err := s.text(metadataKey, MaxHeaderBytes)
				return err
			})
		}
		t, err := s.tensor(key)
		out = append(out, t)
		return err
	})
	if err == nil {
		err = s.end("header")
	}
	return out, err
}

// tensor reads the description of a tensor.
func (s *scanner) tensor(name string) (Tensor, error) {
	if name == "" {
		return Tensor{}, s.fail("header", "a tensor without name")
	}
	t, field := Tensor{Name: name}, fmt.Sprintf("tensor %q", name)
	var span []uint64
	have := 0
	err := s.members(field, 3, func(key string) (err error) {
		have++
		switch key {
		case "dtype":
			var x string
			x, err = s.text("dtype of "+field, 16)
			t.Type = Type(x)
		case "shape":
			t.Shape, err = s.shape(field)
		case "data_offsets":
			span, err = s.numbers("data_offsets of "+field, 2, 1<<62)
		default:
			err = s.fail(field, "unknown key %q", clip(key))
		}
		return err
	})
	if err != nil {
		return t, err
	}
	if have != 3 || len(span) != 2 || span[1] < span[0] {
		return t, s.fail(field, "want dtype, shape and data_offsets [begin, end], begin <= end")
	}
	t.Offset, t.Bytes = int64(span[0]), int64(span[1]-span[0])
	return t, s.size(&t, field)
}

// shape reads dimensions whose product stays within MaxElements.
func (s *scanner) shape(field string) ([]int, error) {
	dims, err := s.numbers("shape of "+field, MaxDims, MaxElements)
	if err != nil {
		return nil, err
	}
	out, elements := make([]int, len(dims)), uint64(1)
	for i, d := range dims {
		if d < 1 || d > MaxElements/elements {
			return nil, s.fail("shape of "+field, "dimension %d is %d, want 1..%d", i, d, MaxElements/elements)
		}
		elements *= d
		out[i] = int(d)
	}
	if len(out) > 0 && out[len(out)-1] > MaxRowLen {
		return nil, s.fail("shape of "+field, "rows of %d elements, at most %d", out[len(out)-1], MaxRowLen)
	}
	return out, nil
}

// size holds the bytes of a tensor against its shape.
func (s *scanner) size(t *Tensor, field string) error {
	l, ok := layouts[t.Type]
	if !ok {
		return s.fail(field, "element type %q is not known", t.Type)
	}
	// Rows * RowLen <= MaxElements = 2^40, of at most 8 bytes.
	if want := int64(t.Rows()) * int64(t.RowLen()) * int64(l.bytes); want != t.Bytes {
		return s.fail(field, "%d bytes of data, shape %v of %s needs %d", t.Bytes, t.Shape, t.Type, want)
	}
	return nil
}
