package hf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"unicode/utf8"
)

// Files of a folder.
const (
	configName     = "config.json"
	generationName = "generation_config.json"
	tokenizerName  = "tokenizer.json"
	textName       = "tokenizer_config.json"
	templateName   = "chat_template.jinja"
	oldTemplate    = "chat_template.json"
)

// Bounds of the small JSON files of a folder.
const (
	maxJSON  = 1 << 24
	maxDepth = 16
)

// object is a JSON object: values are object, []any, string, json.Number, bool or nil.
type object map[string]any

// readFile reads a file of the folder of at most maxJSON bytes.
func readFile(dir, name string) ([]byte, error) {
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", filepath.Join(dir, name))
	}
	b, err := io.ReadAll(io.LimitReader(file, maxJSON+1))
	if err == nil && len(b) > maxJSON {
		err = fmt.Errorf("%s has more than %d bytes", filepath.Join(dir, name), maxJSON)
	}
	if err == nil && !utf8.Valid(b) {
		err = fmt.Errorf("%s is no UTF-8", filepath.Join(dir, name))
	}
	return b, err
}

func readObject(dir, name string) (object, error) {
	b, err := readFile(dir, name)
	if err != nil {
		return nil, err
	}
	o, err := parseObject(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
	}
	return o, nil
}

// parseObject reads one JSON object, in which every object has each key once and nothing nests
// deeper than maxDepth.
func parseObject(b []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if err != nil {
		return nil, fmt.Errorf("at offset %d: %w", d.InputOffset(), err)
	}
	o, ok := v.(object)
	if _, err := d.Token(); !ok || !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("at offset %d: want one object and nothing after it", d.InputOffset())
	}
	return o, nil
}

func parseValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	open, nested := t.(json.Delim)
	if err != nil || !nested {
		return t, err
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("values nest deeper than %d", maxDepth)
	}
	if open == '[' {
		list := []any{}
		for d.More() {
			v, err := parseValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	return parseMembers(d, depth)
}

// parseMembers reads the rest of an object that was opened.
func parseMembers(d *json.Decoder, depth int) (any, error) {
	o := object{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, ok := t.(string)
		if _, dup := o[key]; !ok || dup {
			return nil, fmt.Errorf("key %q appears twice", key)
		}
		if o[key], err = parseValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return o, err
}

// integer reads an integer in 0..2^53 in any form that JSON has for it.
func integer(v any) (uint64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	if i, err := strconv.ParseUint(string(n), 10, 64); err == nil {
		return i, i <= 1<<53
	}
	x, err := n.Float64()
	return uint64(max(0, x)), err == nil && x >= 0 && x <= 1<<53 && x == math.Trunc(x)
}

// number reads a float, rounded to float32 as GGUF files keep them.
func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	x, err := strconv.ParseFloat(string(n), 32)
	return x, err == nil
}
