package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Key is an API key that a gateway accepts. The zero value of all but Digest is useful.
type Key struct {
	// Digest is the SHA-256 of the key. Keys are long and random, so it tells nobody the key.
	Digest [sha256.Size]byte
	// Name is what logs call the key.
	Name string
	// Requests and Tokens, of prompts and answers together, are the most in a minute; 0: no limit. A minute's worth
	// may come at once.
	Requests, Tokens int
}

// ErrKeys marks a file of keys that cannot be read.
var ErrKeys = errors.New("the file of API keys cannot be read")

const (
	maxKeyFile = 4 << 20 // bytes
	maxKeys    = 4096
	maxLimit   = 1 << 40
)

// NewKey is a key without name and limits. It fails on a text that is too short to be a key.
func NewKey(text string) (Key, error) {
	if len(text) < shortestKey || strings.TrimSpace(text) != text {
		return Key{}, errors.New("an API key must be at least 8 bytes without white space around it")
	}
	return Key{Digest: sha256.Sum256([]byte(text))}, nil
}

// ReadKeys reads a file of keys:
//
//	{"keys": [{"name": "app", "sha256": "64 hex digits", "requests_per_minute": 60, "tokens_per_minute": 100000}]}
//
// Names and limits may be missing. The error matches ErrKeys.
func ReadKeys(r io.Reader) ([]Key, error) {
	var file struct {
		Keys []struct {
			Name     string `json:"name"`
			Digest   string `json:"sha256"`
			Requests int    `json:"requests_per_minute"`
			Tokens   int    `json:"tokens_per_minute"`
		} `json:"keys"`
	}
	d := json.NewDecoder(io.LimitReader(r, maxKeyFile))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeys, err)
	}
	if n := len(file.Keys); n == 0 || n > maxKeys {
		return nil, fmt.Errorf("%w: it has %d keys, want 1 to %d", ErrKeys, n, maxKeys)
	}
	keys := make([]Key, len(file.Keys))
	seen := make(map[[sha256.Size]byte]int)
	for i, k := range file.Keys {
		digest, err := hex.DecodeString(k.Digest)
		if err != nil || len(digest) != sha256.Size {
			return nil, fmt.Errorf("%w: keys[%d].sha256 must be 64 hex digits: those that printf %%s KEY | sha256sum prints", ErrKeys, i)
		}
		if k.Requests < 0 || k.Tokens < 0 || k.Requests > maxLimit || k.Tokens > maxLimit {
			return nil, fmt.Errorf("%w: keys[%d] has limits of %d requests and %d tokens, want 0 to %d", ErrKeys, i, k.Requests, k.Tokens, maxLimit)
		}
		keys[i] = Key{Digest: [sha256.Size]byte(digest), Name: clip(k.Name, maxNameText), Requests: k.Requests, Tokens: k.Tokens}
		if before, twice := seen[keys[i].Digest]; twice {
			return nil, fmt.Errorf("%w: keys[%d] is keys[%d] again", ErrKeys, i, before)
		}
		seen[keys[i].Digest] = i
	}
	return keys, nil
}
