package step

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	groth16 "github.com/consensys/gnark/backend/groth16/bn254"
	plonk "github.com/consensys/gnark/backend/plonk/bn254"
	"github.com/consensys/gnark/frontend"
)

// keyTag begins files of keys: what they are, and that they are for development.
const keyTag = "elenchus/key/1/" + DevelopmentOrigin + "\n"

// WriteTo writes both keys, under the digest of their circuit. Files of keys are read where they were
// written: whoever can change them decides what verifies.
func (k *Key) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	b.WriteString(keyTag)
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
	system, err := Compile(s, c)
	if err != nil {
		return nil, err
	}
	k := &Key{System: s, Constraints: system.GetNbConstraints(), system: system}
	if k.Digest, err = digest(system); err != nil {
		return nil, err
	}
	head := make([]byte, len(keyTag)+1+len(k.Digest))
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	want := append(append([]byte(keyTag), byte(s)), k.Digest[:]...)
	if !bytes.Equal(head, want) {
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
