package check

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds of what Bytes takes.
const (
	MaxLeaves    = 256
	statement    = 32 + 1 + 8 + 8 + 20 + 20 + 1 // bytes before the leaves
	maxStatement = statement + 32*MaxLeaves
	maxWords     = keySize
)

// ErrShape marks bytes that are no key, statement or proof of a size that can be one.
var ErrShape = errors.New("Shape")

// Encode is a statement about leaves as bytes: game (32 bytes), op u8, element u64, chain u64, verifier
// (20), prover (20), equal (0 or 1), then 32 bytes for each leaf; integers big-endian.
func (s *Statement) Encode(leaves [][32]byte) []byte {
	b := append(append([]byte{}, s.Game[:]...), s.Op)
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, s.Element), s.Chain)
	b = append(append(b, s.Verifier[:]...), s.Prover[:]...)
	if s.Equal {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	for i := range leaves {
		b = append(b, leaves[i][:]...)
	}
	return b
}

// Decode reads what Encode writes and nothing else; the error is ErrShape.
func Decode(b []byte) (s *Statement, leaves [][32]byte, err error) {
	if len(b) < statement || len(b) > maxStatement || (len(b)-statement)%32 != 0 {
		return nil, nil, fmt.Errorf("%w: a statement of %d bytes, want %d and 32 for each of at most %d leaves", ErrShape, len(b), statement, MaxLeaves)
	}
	if b[statement-1] > 1 {
		return nil, nil, fmt.Errorf("%w: equal is %d, want 0 or 1", ErrShape, b[statement-1])
	}
	s = &Statement{Game: [32]byte(b[:32]), Op: b[32], Element: binary.BigEndian.Uint64(b[33:]), Chain: binary.BigEndian.Uint64(b[41:]),
		Verifier: [20]byte(b[49:69]), Prover: [20]byte(b[69:89]), Equal: b[89] == 1}
	for at := statement; at < len(b); at += 32 {
		leaves = append(leaves, [32]byte(b[at:at+32]))
	}
	return s, leaves, nil
}

// Bytes is Answer of a statement as Encode writes it, for hosts that have bytes alone. What cannot be
// one by its size is refused by ErrShape before anything is read.
func Bytes(words, about, proof []byte) error {
	if len(words) > maxWords || len(proof) > 2*plonkProof {
		return fmt.Errorf("%w: a key of %d and a proof of %d bytes", ErrShape, len(words), len(proof))
	}
	s, leaves, err := Decode(about)
	if err != nil {
		return err
	}
	return Answer(words, s, leaves, proof)
}
