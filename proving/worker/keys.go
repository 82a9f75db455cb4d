package worker

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"elenchus/proving/step"
)

// Folder is where keys are kept, one file for each circuit, proof system and kind of maker.
type Folder struct {
	Dir       string
	Make      bool   // a key that is not there is made and kept
	SRS       string // file of a public reference string, from which PLONK keys are to follow; empty: development
	SRSDigest string // its SHA-256, hex
}

// kindOf is the kind of maker of an origin: its first word.
func kindOf(origin string) string {
	kind, _, _ := strings.Cut(origin, "-")
	return kind
}

// path is the file of a key.
func (f Folder) path(s step.System, digest [32]byte, origin string) string {
	return filepath.Join(f.Dir, fmt.Sprintf("%s-%x.%s", s, digest, kindOf(origin)))
}

// Path is where a key lies that was kept.
func (f Folder) Path(k *step.Key) string { return f.path(k.System, k.Digest, k.Origin) }

// public is the kind of keys of a system that their maker alone cannot forge with.
func public(s step.System) string {
	if s == step.Groth16 {
		return step.CeremonyOrigin
	}
	return step.PublicOrigin
}

// Find reads the key of a circuit: one that a ceremony made or that follows from a public reference string, if there is one,
// else one for development. It returns ErrNoKey, and step.ErrKey for a key of another string than the folder names.
func (f Folder) Find(c *step.Compiled) (*step.Key, error) {
	origins := []string{public(c.System), step.DevelopmentOrigin}
	if f.strict(c.System) {
		origins = origins[:1]
	}
	for _, origin := range origins {
		file, err := os.Open(f.path(c.System, c.Digest, origin))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer file.Close() //nolint:errcheck // read only
		k, err := c.ReadKey(bufio.NewReader(file))
		if err == nil && f.strict(c.System) && k.Origin != step.PublicOrigin+strings.ToLower(f.SRSDigest) {
			return nil, fmt.Errorf("%w: %s is of origin %s, not of the reference string %s", step.ErrKey, file.Name(), k.Origin, f.SRSDigest)
		}
		return k, err
	}
	return nil, fmt.Errorf("%w: %x (%s) in %s", ErrNoKey, c.Digest, c.System, f.Dir)
}

// strict says whether keys must follow from the reference string that is named.
func (f Folder) strict(s step.System) bool { return s == step.PLONK && f.SRS != "" }

// Key reads the key of a circuit, or makes and keeps it where that may be: one of the reference string that is named,
// else a development key. It says whether it was made here.
func (f Folder) Key(c *step.Compiled, stage func(string)) (k *step.Key, made bool, err error) {
	stage(StageRead)
	if k, err = f.Find(c); !errors.Is(err, ErrNoKey) || !f.Make {
		return k, false, err
	}
	stage(StageMake)
	if f.strict(c.System) {
		k, err = f.follow(c)
	} else {
		k, err = c.DevelopmentKey(rand.Reader)
	}
	if err != nil {
		return nil, false, err
	}
	if err := f.Keep(k); err != nil {
		return nil, false, err
	}
	k, err = f.Find(c) // another process may have been faster
	return k, true, err
}

// published is the digest of a reference string, as whoever held the ceremony told it.
func published(path, digest string) (want [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(digest)
	if err != nil || len(b) != len(want) {
		return want, fmt.Errorf("%w: digest %q of %s: give the SHA-256 that the ceremony published, 64 hex digits", step.ErrKey, digest, path)
	}
	return [sha256.Size]byte(b), nil
}

// Check says whether the reference string that is named is there and has its digest. Without one it has nothing to say.
func (f Folder) Check() error {
	if f.SRS == "" {
		return nil
	}
	want, err := published(f.SRS, f.SRSDigest)
	if err != nil {
		return err
	}
	file, err := os.Open(f.SRS)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // read only
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return err
	}
	if got := h.Sum(nil); !bytes.Equal(got, want[:]) {
		return fmt.Errorf("%w: %s has the SHA-256 %x, not %s", step.ErrKey, f.SRS, got, f.SRSDigest)
	}
	return nil
}

// follow makes the key that follows from the reference string.
func (f Folder) follow(c *step.Compiled) (*step.Key, error) {
	ref, err := ReadReference(f.SRS, f.SRSDigest, c.Powers())
	if err != nil {
		return nil, err
	}
	return c.NewKey(ref)
}

// ReadReference reads a public reference string of so many powers from a file of a SHA-256 in hex.
func ReadReference(path, digest string, powers int) (*step.Reference, error) {
	want, err := published(path, digest)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	return step.ReadReference(file, want, powers, rand.Reader)
}

// Keep writes a key into the folder, whole or not at all. One that is there already stays.
func (f Folder) Keep(k *step.Key) error {
	path := f.Path(k)
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(f.Dir, "key-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) //nolint:errcheck // gone after the rename
	_, err = k.WriteTo(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	err = os.Link(file.Name(), path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	if _, err := os.Lstat(path); err == nil { // a file system without links
		return nil
	}
	return os.Rename(file.Name(), path)
}
