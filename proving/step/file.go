package step

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"elenchus/compute/opset"
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
}

// fileJSON is the file: fields in this order, hex in lower case, no spaces.
type fileJSON struct {
	Format     string     `json:"format"`
	Origin     string     `json:"origin"`
	System     string     `json:"system"`
	Op         string     `json:"op"`
	Descriptor string     `json:"descriptor"`
	Context    string     `json:"context"`
	Element    uint64     `json:"element"`
	Reads      []readJSON `json:"reads"`
	Places     []uint64   `json:"places"`
	Game       string     `json:"game"`
	Chain      uint64     `json:"chain"`
	Verifier   string     `json:"verifier"`
	Prover     string     `json:"prover"`
	Equal      bool       `json:"equal"`
	Leaves     []string   `json:"leaves"`
	Proof      string     `json:"proof"`
}

type readJSON struct {
	Kind  uint8  `json:"kind"`
	Index uint8  `json:"index"`
	Total uint64 `json:"total"`
	Leaf  int    `json:"leaf"`
	Lo    uint64 `json:"lo"`
	Hi    uint64 `json:"hi"`
}

// Answer proves an answer under a binding, whose operation and element it sets.
func (k *Key) Answer(a *circuit.Answer, b Binding) (*File, error) {
	b.Op, b.Element = uint8(a.Descriptor.Op), a.Index
	w, err := a.Assignment(b.Hash())
	if err != nil {
		return nil, err
	}
	hashes, err := a.Hashes()
	if err != nil {
		return nil, err
	}
	f := &File{Origin: k.Origin, System: k.System, Unit: a.Unit, Binding: b, Equal: a.Equal, Leaves: hashes}
	f.Proof, err = k.Prove(w)
	return f, err
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
	u := &f.Unit
	d, c := u.Descriptor.Encode(), u.Context.Encode()
	j := fileJSON{Format: Format, Origin: cmp.Or(f.Origin, DevelopmentOrigin), System: f.System.String(), Op: u.Descriptor.Op.String(),
		Descriptor: hex.EncodeToString(d[:]), Context: hex.EncodeToString(c[:]), Element: u.Index, Places: u.Places, Reads: []readJSON{},
		Game: hex.EncodeToString(f.Binding.Game[:]), Chain: f.Binding.Chain, Verifier: hex.EncodeToString(f.Binding.Verifier[:]),
		Prover: hex.EncodeToString(f.Binding.Prover[:]), Equal: f.Equal, Leaves: []string{}, Proof: hex.EncodeToString(f.Proof)}
	for _, r := range u.Reads {
		j.Reads = append(j.Reads, readJSON{r.Kind, r.Index, r.Total, r.Leaf, r.Lo, r.Hi})
	}
	if j.Places == nil {
		j.Places = []uint64{}
	}
	for i := range f.Leaves {
		j.Leaves = append(j.Leaves, hex.EncodeToString(f.Leaves[i][:]))
	}
	b, err := json.Marshal(j)
	return append(b, '\n'), err
}

// IsFile says whether bytes begin as proof files do.
func IsFile(b []byte) bool { return bytes.HasPrefix(b, []byte(`{"format":"`+Format[:15])) }

// Decode reads a file; what Encode would not write is refused with ErrFile.
func Decode(b []byte) (*File, error) {
	if len(b) > MaxFile {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrFile, len(b), MaxFile)
	}
	var j fileJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	f, err := j.file()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if again, err := f.Encode(); err != nil || !bytes.Equal(again, b) {
		return nil, fmt.Errorf("%w: it is not in its only encoding", ErrFile)
	}
	return f, nil
}

func (j *fileJSON) file() (*File, error) {
	if err := checkOrigin(j.Origin); err != nil {
		return nil, err
	}
	f := &File{Origin: j.Origin, Equal: j.Equal, Binding: Binding{Chain: j.Chain, Element: j.Element}}
	f.Unit.Index, f.Unit.Places = j.Element, j.Places
	var ok bool
	if f.System, ok = ParseSystem(j.System); !ok || len(j.Reads) > 4 || len(j.Places) > 4 || len(j.Leaves) > maxLeaves {
		return nil, fmt.Errorf("system %q, %d reads, %d places, %d leaves", j.System, len(j.Reads), len(j.Places), len(j.Leaves))
	}
	d, err := hex.DecodeString(j.Descriptor)
	if err != nil {
		return nil, err
	}
	if f.Unit.Descriptor, err = opset.Decode(d); err != nil {
		return nil, err
	}
	f.Binding.Op = uint8(f.Unit.Descriptor.Op)
	c := make([]byte, opset.ContextSize)
	for _, x := range []struct {
		text string
		to   []byte
	}{{j.Context, c}, {j.Game, f.Binding.Game[:]}, {j.Verifier, f.Binding.Verifier[:]}, {j.Prover, f.Binding.Prover[:]}} {
		if err := fixed(x.text, x.to); err != nil {
			return nil, err
		}
	}
	f.Unit.Context = context(c)
	for _, text := range j.Leaves {
		var h circuit.Input
		if err := fixed(text, h[:]); err != nil {
			return nil, err
		}
		f.Leaves = append(f.Leaves, h)
	}
	for _, r := range j.Reads {
		f.Unit.Reads = append(f.Unit.Reads, opset.Read{Source: opset.Source{Kind: r.Kind, Index: r.Index}, Total: r.Total, Leaf: r.Leaf, Lo: r.Lo, Hi: r.Hi})
	}
	if err := f.Unit.Check(); err != nil {
		return nil, err
	}
	f.Proof, err = hex.DecodeString(j.Proof)
	return f, err
}

// fixed decodes hex of exactly the room that there is.
func fixed(text string, to []byte) error {
	if len(text) != 2*len(to) {
		return fmt.Errorf("%d digits, want %d", len(text), 2*len(to))
	}
	_, err := hex.Decode(to, []byte(text))
	return err
}

// context reads the packed form of SPEC 02 §2.
func context(b []byte) opset.Context {
	u := func(i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }
	return opset.Context{
		T: u(0), M: u(1), YPrev: int32(u(2)), MaxNew: u(3), TMax: u(4), Temperature: u(5),
		Seed: binary.BigEndian.Uint64(b[24:]), StopCount: b[32], Biased: b[33] == 1,
		TopK: u(9), TopP: u(10), MinP: u(11), Repetition: u(12), Presence: int32(u(13)), Frequency: int32(u(14)),
		StopLens: u(15), StopState: u(16), Grammared: b[34] == 1, GrammarState: u(17),
	}
}
