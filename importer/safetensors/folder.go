package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	singleName = "model.safetensors"
	indexName  = "model.safetensors.index.json"
)

// ErrNone marks a folder without safetensors files.
var ErrNone = errors.New("the folder has no safetensors file")

// OpenFolder opens the weights of a model folder: model.safetensors, or the shards that
// model.safetensors.index.json lists, or the only *.safetensors file. The caller closes the set. It
// fails with ErrNone.
func OpenFolder(dir string) (*Set, error) {
	index, err := os.Open(filepath.Join(dir, indexName))
	if err == nil {
		defer index.Close() //nolint:errcheck // read only
		return openShards(dir, index)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, singleName)); err == nil {
		return Open(filepath.Join(dir, singleName))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".safetensors" {
			found = append(found, e.Name())
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	case 1:
		return Open(filepath.Join(dir, found[0]))
	}
	return nil, fmt.Errorf("safetensors: %s has %d safetensors files and no %s: name one of them %s, or add the index", dir, len(found), indexName, singleName)
}

// openShards opens every shard of an index and wants each to hold exactly what the index says.
func openShards(dir string, index io.Reader) (*Set, error) {
	b, err := io.ReadAll(io.LimitReader(index, MaxHeaderBytes+1))
	if err != nil {
		return nil, err
	}
	where, err := parseIndex(b)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", filepath.Join(dir, indexName), err)
	}
	shards := slices.Compact(slices.Sorted(maps.Values(where)))
	if len(shards) > MaxShards {
		return nil, fmt.Errorf("safetensors: %s: %d shards, at most %d", indexName, len(shards), MaxShards)
	}
	s := &Set{index: map[string]int{}}
	for _, name := range shards {
		if err := s.add(filepath.Join(dir, name)); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if err := s.against(where, shards); err != nil {
		return nil, errors.Join(fmt.Errorf("safetensors: %s: %w", indexName, err), s.Close())
	}
	return s, nil
}

// against compares the tensors with the index.
func (s *Set) against(where map[string]string, shards []string) error {
	for _, t := range s.tensors {
		if where[t.Name] != shards[t.file] {
			return fmt.Errorf("tensor %q is in %s, the index says %q", t.Name, shards[t.file], where[t.Name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(where)) {
		if _, ok := s.index[name]; !ok {
			return fmt.Errorf("tensor %q is not in %s", name, where[name])
		}
	}
	return nil
}

// parseIndex reads which shard holds each tensor.
func parseIndex(b []byte) (map[string]string, error) {
	if len(b) > MaxHeaderBytes {
		return nil, fmt.Errorf("more than %d bytes", MaxHeaderBytes)
	}
	if !utf8.Valid(b) {
		return nil, errors.New("it is no UTF-8")
	}
	s := newScanner(b, 0)
	where := map[string]string{}
	err := s.members("index", 2, func(key string) error {
		switch key {
		case "metadata":
			return s.members(key, 1<<10, func(string) error { return s.scalar(key) })
		case "weight_map":
			return s.members(key, MaxTensors, func(name string) error {
				file, err := s.text(key, 255)
				if err == nil && !plainName(file) {
					err = s.fail(key, "shard %q, want the name of a file of the folder ending in .safetensors", file)
				}
				where[name] = file
				return err
			})
		}
		return s.fail("index", "unknown key %q", clip(key))
	})
	if err == nil {
		err = s.end("index")
	}
	if err == nil && len(where) == 0 {
		err = errors.New("it has no weight_map")
	}
	return where, err
}

// scalar skips a value that is no object and no array.
func (s *scanner) scalar(field string) error {
	t, err := s.token(field)
	if _, nested := t.(json.Delim); err == nil && nested {
		err = s.fail(field, "%v, want one value", t)
	}
	return err
}

// plainName says whether a shard is a file of the folder itself.
func plainName(name string) bool {
	return strings.HasSuffix(name, ".safetensors") && !strings.ContainsAny(name, "/\\\x00") && name != ".safetensors"
}
