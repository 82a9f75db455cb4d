package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"elenchus/compute/opset"
	"elenchus/proving/ceremony"
	"elenchus/proving/circuit"
	"elenchus/proving/specimen"
	"elenchus/proving/step"
)

// unitFile names the circuit of a ceremony in its folder: a proof file without a proof.
const unitFile = "unit.json"

// maxContribution bounds a contribution in bytes: the domain of 2^21 rows.
const maxContribution = 1 << 30

// Ceremony is a folder with what the parties of a ceremony have published: the unit whose key they make,
// contributions powers-0001 and up, powers-beacon, keys-0001 and up, keys-beacon.
type Ceremony struct {
	dir  string
	unit circuit.Unit
	c    *ceremony.Ceremony
}

// CeremonyReport is how far a ceremony has come. Hashes are SHA-256 in hex.
type CeremonyReport struct {
	Op         string   `json:"op"`
	UnitShape  string   `json:"unit_shape"` // SPEC 10 §5.1
	Phase      string   `json:"phase"`      // "powers", "keys", "done"
	Powers     []string `json:"powers"`     // hashes of the contributions, in order
	Keys       []string `json:"keys"`
	Transcript string   `json:"transcript"`    // digest of all of it
	Key        string   `json:"key,omitempty"` // file of the finished key
}

// NewCeremony begins a ceremony in a folder that has none: for the unit of a proof file, or else of an operation's
// specimen at a shape of CircuitShapes. It returns ErrCannot for what has no circuit.
func NewCeremony(dir, op, shape string, proof []byte) (*Ceremony, error) {
	file, err := ceremonyUnit(op, shape, proof)
	if err != nil {
		return nil, err
	}
	b, err := file.Encode()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := writeNew(filepath.Join(dir, unitFile), b); err != nil {
		return nil, err
	}
	return OpenCeremony(dir)
}

func ceremonyUnit(op, shape string, proof []byte) (*step.File, error) {
	if proof != nil {
		f, err := step.Decode(proof)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCannot, err)
		}
		return &step.File{System: step.Groth16, Unit: f.Unit, Binding: step.Binding{Op: f.Binding.Op, Element: f.Binding.Element}}, nil
	}
	code, ok := opset.Parse(op)
	if !ok || !circuit.Has(code) {
		return nil, fmt.Errorf("%w: no circuit of an operation %q", ErrCannot, op)
	}
	d, c, err := specimen.Element(code, shape)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	a, err := circuit.PrepareAnswer(&d, &c, d.Count(&c)/2, make([]byte, d.Leaf), specimen.Data(&d))
	if err != nil {
		return nil, err
	}
	return &step.File{System: step.Groth16, Unit: a.Unit, Binding: step.Binding{Op: uint8(code), Element: a.Index}}, nil
}

// OpenCeremony opens the folder of a ceremony and compiles its circuit. It returns ErrCannot for another folder.
func OpenCeremony(dir string) (*Ceremony, error) {
	b, err := readBounded(filepath.Join(dir, unitFile), step.MaxFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is no folder of a ceremony: %w", ErrCannot, dir, err)
	}
	f, err := step.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCannot, filepath.Join(dir, unitFile), err)
	}
	c, err := ceremony.New(f.Unit.AnswerCircuit())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	return &Ceremony{dir, f.Unit, c}, nil
}

// Contribute checks what is there and adds a contribution of fresh entropy.
func (c *Ceremony) Contribute() error {
	t, err := c.transcript()
	if err != nil {
		return err
	}
	b, err := c.c.Contribute(t)
	if err != nil {
		return err
	}
	name := partName("powers", len(t.Powers)+1)
	if t.Phase() == ceremony.Keys {
		name = partName("keys", len(t.Keys)+1)
	}
	return writeNew(filepath.Join(c.dir, name), b)
}

// Close ends the open phase by public randomness that nobody could know when the last contribution was published.
func (c *Ceremony) Close(beacon string) error {
	b, err := hex.DecodeString(beacon)
	if err != nil || len(b) < ceremony.LeastBeacon || len(b) > ceremony.MaxBeacon {
		return fmt.Errorf("%w: beacon %q: give %d to %d bytes of public randomness, hex", ErrCannot, beacon, ceremony.LeastBeacon, ceremony.MaxBeacon)
	}
	t, err := c.transcript()
	if err != nil {
		return err
	}
	name := "powers-beacon"
	switch t.Phase() {
	case ceremony.Powers:
		t.PowersBeacon = b
	case ceremony.Keys:
		t.KeysBeacon, name = b, "keys-beacon"
	case ceremony.Done:
		return fmt.Errorf("%w: the ceremony is done", ErrCannot)
	}
	if err := c.c.Check(t); err != nil {
		return err
	}
	return writeNew(filepath.Join(c.dir, name), []byte(hex.EncodeToString(b)+"\n"))
}

// Check goes through all that is there; the error says which contribution is wrong.
func (c *Ceremony) Check() error {
	t, err := c.transcript()
	if err != nil {
		return err
	}
	return c.c.Check(t)
}

// Finish checks all that is there and writes the key into a folder of keys, as roles have it, under the name of
// its circuit. It returns the file.
func (c *Ceremony) Finish(keys string) (string, error) {
	t, err := c.transcript()
	if err != nil {
		return "", err
	}
	k, err := c.c.Finish(t)
	if err != nil {
		return "", err
	}
	path := filepath.Join(keys, keyName(step.Groth16, k.Digest, strings.TrimSuffix(step.CeremonyOrigin, "-")))
	if _, err := os.Stat(path); err == nil {
		return "", fmt.Errorf("%w: %s is there already", ErrCannot, path)
	}
	return path, keepKey(path, k)
}

// Report says how far it is.
func (c *Ceremony) Report() (*CeremonyReport, error) {
	t, err := c.transcript()
	if err != nil {
		return nil, err
	}
	r := &CeremonyReport{Op: c.unit.Descriptor.Op.String(), UnitShape: fmt.Sprintf("%x", c.unit.Shape()), Phase: t.Phase().String(),
		Powers: []string{}, Keys: []string{}, Transcript: fmt.Sprintf("%x", t.Digest())}
	for _, b := range t.Powers {
		r.Powers = append(r.Powers, fmt.Sprintf("%x", sha256.Sum256(b)))
	}
	for _, b := range t.Keys {
		r.Keys = append(r.Keys, fmt.Sprintf("%x", sha256.Sum256(b)))
	}
	return r, nil
}

func partName(kind string, n int) string { return fmt.Sprintf("%s-%04d", kind, n) }

// transcript reads the folder.
func (c *Ceremony) transcript() (t *ceremony.Transcript, err error) {
	t = &ceremony.Transcript{}
	if t.Powers, t.PowersBeacon, err = c.phase("powers"); err != nil {
		return nil, err
	}
	t.Keys, t.KeysBeacon, err = c.phase("keys")
	return t, err
}

// phase reads the contributions of a phase, which have numbers without a gap, and its beacon, nil for none.
func (c *Ceremony) phase(kind string) (parts [][]byte, beacon []byte, err error) {
	names, err := filepath.Glob(filepath.Join(c.dir, kind+"-[0-9]*"))
	if err != nil || len(names) > ceremony.MaxContributions {
		return nil, nil, fmt.Errorf("%w: %d contributions, at most %d (%v)", ErrCannot, len(names), ceremony.MaxContributions, err)
	}
	for i := range names {
		b, err := readBounded(filepath.Join(c.dir, partName(kind, i+1)), maxContribution)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: contribution %d of %d: %w", ErrCannot, i+1, len(names), err)
		}
		parts = append(parts, b)
	}
	text, err := readBounded(filepath.Join(c.dir, kind+"-beacon"), 2*ceremony.MaxBeacon+1)
	if errors.Is(err, fs.ErrNotExist) {
		return parts, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	beacon, err = hex.DecodeString(strings.TrimSuffix(string(text), "\n"))
	if again := hex.EncodeToString(beacon) + "\n"; err != nil || again != string(text) || len(beacon) == 0 {
		return nil, nil, fmt.Errorf("%w: %s-beacon is no line of hex", ErrCannot, kind)
	}
	return parts, beacon, nil
}

// readBounded reads a file of at most so many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(f, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return b.Bytes(), err
}

// writeNew writes a file that is not there, whole or not at all.
func writeNew(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "part-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	return nil
}

// WriteCeremony writes a report for people.
func WriteCeremony(out io.Writer, r *CeremonyReport) error {
	_, err := fmt.Fprintf(out, "key of %s, shape %s: %s\n", r.Op, r.UnitShape, r.Phase)
	for _, p := range []struct {
		name string
		all  []string
	}{{"powers", r.Powers}, {"keys", r.Keys}} {
		for i, h := range p.all {
			_, err1 := fmt.Fprintf(out, "%s %s\n", partName(p.name, i+1), h)
			err = errors.Join(err, err1)
		}
	}
	end := "transcript " + r.Transcript + "\n"
	if r.Key != "" {
		end += "key " + r.Key + "\n"
	}
	_, err1 := io.WriteString(out, end)
	return errors.Join(err, err1)
}
