package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Limits of a schema. SPEC 16 §3.8.
const (
	MaxSchema = 1 << 16 // bytes
	maxNested = 64      // levels of its text
)

// value is a value of JSON, members in their order.
type value struct {
	kind byte // of its first character: { [ " t f n, or 0 for a number
	text string
	keys []string
	of   []*value
}

// parse reads a schema.
func parse(text []byte) (*value, error) {
	if len(text) > MaxSchema {
		return nil, fmt.Errorf("%w: a schema of %d bytes, at most %d", ErrGrammar, len(text), MaxSchema)
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: a schema that is not UTF-8", ErrGrammar)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows it")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the schema: %w", ErrGrammar, err)
	}
	return v, nil
}

func parseValue(d *json.Decoder, depth int) (*value, error) {
	if depth > maxNested {
		return nil, fmt.Errorf("it lies deeper than %d levels", maxNested)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		return parseInside(d, &value{kind: byte(t)}, depth)
	case string:
		return &value{kind: '"', text: t}, nil
	case json.Number:
		return &value{text: string(t)}, nil
	case bool:
		if t {
			return &value{kind: 't', text: "true"}, nil
		}
		return &value{kind: 'f', text: "false"}, nil
	}
	return &value{kind: 'n', text: "null"}, nil
}

// parseInside reads what an object or a list holds.
func parseInside(d *json.Decoder, v *value, depth int) (*value, error) {
	for d.More() {
		if v.kind == '{' {
			t, err := d.Token()
			if err != nil {
				return nil, err
			}
			key, _ := t.(string) // of an object it is one
			if v.get(key) != nil {
				return nil, fmt.Errorf("it has %s twice", quote(key))
			}
			v.keys = append(v.keys, key)
		}
		x, err := parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		v.of = append(v.of, x)
	}
	_, err := d.Token()
	return v, err
}

// get is a member of an object, nil without it.
func (v *value) get(name string) *value {
	for i, k := range v.keys {
		if k == name && i < len(v.of) {
			return v.of[i]
		}
	}
	return nil
}
