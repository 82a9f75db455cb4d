package step

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"elenchus/proving/circuit"
)

// Format names the proof files of this package.
const Format = "elenchus/proof/1"

// MaxFile bounds proof files in bytes.
const MaxFile = 1 << 16

// maxLeaves bounds the leaves of an answer: four reads of the op set's most.
const maxLeaves = 256

// ErrFile marks a proof file that is malformed or has another encoding than WriteFile gives.
var ErrFile = errors.New("invalid proof file")

// File is an answer about one element with its proof: what is shown, and to whom. It has no value of
// the leaves in it.
type File struct {
	System  System
	Unit    circuit.Unit
	Binding Binding // operation and element are those of the unit
	Equal   bool    // the claimed element is the value
	Leaves  []circuit.Input
	Proof   []byte
	Origin  string // of the key; empty: DevelopmentOrigin
	// Of is the id of the game whose state the binding names, zero for none. It says where to look; the proof does not bind it.
	Of [32]byte
}

// fileJSON is the file: fields in this order, hex in lower case, no spaces.
type fileJSON struct {
	Format string `json:"format"`
	Origin string `json:"origin"`
	System string `json:"system"`
	UnitFields
	bindingFields
	Equal  bool     `json:"equal"`
	Leaves []string `json:"leaves"`
	Proof  string   `json:"proof"`
	Of     string   `json:"of,omitempty"`
}

// Answer proves an answer under a binding, whose operation and element it sets.
func (k *Key) Answer(a *circuit.Answer, b Binding) (*File, error) {
	b.Op, b.Element = uint8(a.Descriptor.Op), a.Index
	w, err := a.Assignment(b.Hash())
	if err != nil {
		return nil, err
	}
	proof, err := k.Prove(w)
	if err != nil {
		return nil, err
	}
	return NewFile(k.System, a, b, k.Origin, proof)
}

// NewFile is the file of a proof of an answer that was made under a binding, whose operation and element it sets.
func NewFile(s System, a *circuit.Answer, b Binding, origin string, proof []byte) (*File, error) {
	b.Op, b.Element = uint8(a.Descriptor.Op), a.Index
	hashes, err := a.Hashes()
	return &File{Origin: origin, System: s, Unit: a.Unit, Binding: b, Equal: a.Equal, Leaves: hashes, Proof: proof}, err
}

// Check decides on the file with the key of its circuit. It returns the errors of Key.Verify.
func (f *File) Check(k *Key) error {
	if k.System != f.System {
		return fmt.Errorf("%w: a proof of %s, a key of %s", ErrProof, f.System, k.System)
	}
	public, err := circuit.Public(f.Binding.Hash(), f.Equal, f.Leaves)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return k.Verify(f.Proof, public)
}

// Posted is the proof as contracts read it.
func (f *File) Posted() ([]byte, error) {
	d, err := circuit.Digest(f.Leaves)
	return f.System.Posted(f.Proof, d), err
}

// Encode is the file's only encoding, a line of JSON.
func (f *File) Encode() ([]byte, error) {
	j := fileJSON{Format: Format, Origin: cmp.Or(f.Origin, DevelopmentOrigin), System: f.System.String(), UnitFields: FieldsOf(&f.Unit),
		bindingFields: fieldsOfBinding(&f.Binding), Equal: f.Equal, Leaves: textsOf(f.Leaves), Proof: hex.EncodeToString(f.Proof), Of: ofText(f.Of)}
	b, err := json.Marshal(j)
	return append(b, '\n'), err
}

// IsFile says whether bytes begin as proof files do, about one element or a whole tensor.
func IsFile(b []byte) bool { return bytes.HasPrefix(b, []byte(`{"format":"`+Format[:15])) }

// Decode reads a file; what Encode would not write is refused with ErrFile.
func Decode(b []byte) (*File, error) {
	return decodeOnly[*File](b, &fileJSON{})
}

// decodeOnly reads a file by its JSON form; what the file's Encode would not write is ErrFile.
func decodeOnly[F interface{ Encode() ([]byte, error) }](b []byte, j interface{ file() (F, error) }) (f F, err error) {
	var none F
	if len(b) > MaxFile {
		return none, fmt.Errorf("%w: %d bytes, at most %d", ErrFile, len(b), MaxFile)
	}
	if err := json.Unmarshal(b, j); err != nil {
		return none, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if f, err = j.file(); err != nil {
		return none, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if again, err := f.Encode(); err != nil || !bytes.Equal(again, b) {
		return none, fmt.Errorf("%w: it is not in its only encoding", ErrFile)
	}
	return f, nil
}

func (j *fileJSON) file() (*File, error) {
	if err := checkOrigin(j.Origin); err != nil {
		return nil, err
	}
	f := &File{Origin: j.Origin, Equal: j.Equal}
	var ok bool
	if f.System, ok = ParseSystem(j.System); !ok || len(j.Leaves) > maxLeaves {
		return nil, fmt.Errorf("system %q, %d leaves", j.System, len(j.Leaves))
	}
	u, err := j.Unit()
	if err != nil {
		return nil, err
	}
	f.Unit = *u
	if f.Binding, err = j.binding(); err != nil {
		return nil, err
	}
	f.Binding.Op, f.Binding.Element = uint8(u.Descriptor.Op), j.Element
	if f.Leaves, err = inputsOf(j.Leaves); err != nil {
		return nil, err
	}
	if f.Of, err = ofGame(j.Of); err != nil {
		return nil, err
	}
	f.Proof, err = hex.DecodeString(j.Proof)
	return f, err
}

// ofText is the id of a game in a file, empty for none.
func ofText(of [32]byte) string {
	if of == ([32]byte{}) {
		return ""
	}
	return hex.EncodeToString(of[:])
}

// ofGame reads what ofText writes.
func ofGame(text string) (of [32]byte, err error) {
	if text == "" {
		return of, nil
	}
	return of, fixed(text, of[:])
}

// fixed decodes hex of exactly the room that there is.
func fixed(text string, to []byte) error {
	if len(text) != 2*len(to) {
		return fmt.Errorf("%d digits, want %d", len(text), 2*len(to))
	}
	_, err := hex.Decode(to, []byte(text))
	return err
}
