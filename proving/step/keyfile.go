package step

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	groth16 "github.com/consensys/gnark/backend/groth16/bn254"
	plonk "github.com/consensys/gnark/backend/plonk/bn254"
	"github.com/consensys/gnark/frontend"
)

// keyTag begins files of keys; their origin and the end of the line follow: development, or which
// public reference string.
const keyTag = "elenchus/key/1/"

// maxOrigin bounds an origin in bytes.
const maxOrigin = 80

// checkOrigin wants an origin that keys can have.
func checkOrigin(s string) error {
	digest, public := strings.CutPrefix(s, PublicOrigin)
	if !public {
		digest, public = strings.CutPrefix(s, CeremonyOrigin)
	}
	if b, err := hex.DecodeString(digest); s != DevelopmentOrigin && (!public || err != nil || len(b) != sha256.Size || digest != strings.ToLower(digest)) {
		return fmt.Errorf("%w: its origin is %q, want %s, or %s or %s and a digest", ErrKey, s, DevelopmentOrigin, PublicOrigin, CeremonyOrigin)
	}
	return nil
}

// origin reads the rest of the first line.
func origin(r io.Reader) (string, error) {
	var out []byte
	for b := [1]byte{}; len(out) <= maxOrigin; out = append(out, b[0]) {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return "", fmt.Errorf("%w: %w", ErrKey, err)
		}
		if b[0] == '\n' {
			return string(out), checkOrigin(string(out))
		}
	}
	return "", fmt.Errorf("%w: its first line has no end", ErrKey)
}

// WriteTo writes both keys, under the digest of their circuit. Files of keys are read where they were
// written: whoever can change them decides what verifies.
func (k *Key) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	b.WriteString(keyTag + k.Origin + "\n")
	b.WriteByte(byte(k.System))
	b.Write(k.Digest[:])
	var err, err2 error
	if k.System == Groth16 {
		_, err = k.groth16Vk.WriteRawTo(&b)
		_, err2 = k.groth16Pk.WriteRawTo(&b)
	} else {
		_, err = k.plonkVk.WriteRawTo(&b)
		_, err2 = k.plonkPk.WriteRawTo(&b)
	}
	if err := errors.Join(err, err2); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return b.WriteTo(w)
}

// ReadKey reads what WriteTo wrote, for the circuit that it belongs to; with another circuit it
// returns ErrKey.
func ReadKey(s System, c frontend.Circuit, r io.Reader) (*Key, error) {
	compiled, err := NewCompiled(s, c)
	if err != nil {
		return nil, err
	}
	return compiled.ReadKey(r)
}

// ReadKey is ReadKey for a circuit that is compiled already.
func (c *Compiled) ReadKey(r io.Reader) (*Key, error) {
	var err error
	s, k := c.System, c.key("")
	tag, head := make([]byte, len(keyTag)), make([]byte, 1+len(k.Digest))
	if _, err := io.ReadFull(r, tag); err != nil || string(tag) != keyTag {
		return nil, fmt.Errorf("%w: it is no file of keys", ErrKey)
	}
	if k.Origin, err = origin(r); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if !bytes.Equal(head, append([]byte{byte(s)}, k.Digest[:]...)) {
		return nil, fmt.Errorf("%w: it is not the %s key of circuit %x", ErrKey, s, k.Digest)
	}
	var err2 error
	if s == Groth16 {
		k.groth16Pk, k.groth16Vk = &groth16.ProvingKey{}, &groth16.VerifyingKey{}
		_, err = k.groth16Vk.ReadFrom(r)
		_, err2 = k.groth16Pk.UnsafeReadFrom(r)
	} else {
		k.plonkPk, k.plonkVk = &plonk.ProvingKey{}, &plonk.VerifyingKey{}
		_, err = k.plonkVk.ReadFrom(r)
		_, err2 = k.plonkPk.UnsafeReadFrom(r)
	}
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return k, nil
}
