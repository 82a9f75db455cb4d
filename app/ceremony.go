package app

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"elenchus/compute/opset"
	"elenchus/proving/ceremony"
	"elenchus/proving/circuit"
	"elenchus/proving/specimen"
	"elenchus/proving/step"
	"elenchus/proving/worker"
)

// unitFile names the circuit of a ceremony in its folder: a proof file without a proof.
const unitFile = "unit.json"

// srsFile has the SHA-256 of the powers-of-tau file whose powers a ceremony takes, a line of hex. The file itself is
// public, and whoever goes through the transcript has it from elsewhere.
const srsFile = "srs-digest"

// Ceremony is a folder with what the parties of a ceremony have published: the unit whose key they make,
// contributions powers-0001 and up, powers-beacon, keys-0001 and up, keys-beacon; srs-digest in place of the powers where
// these are those of a public file.
type Ceremony struct {
	dir  string
	unit circuit.Unit
	c    *ceremony.Ceremony
	srs  string // path of the public file of powers; "" for none
}

// CeremonyReport is how far a ceremony has come. Hashes are SHA-256 in hex.
type CeremonyReport struct {
	Op         string   `json:"op"`
	UnitShape  string   `json:"unit_shape"`    // SPEC 10 §5.1
	Phase      string   `json:"phase"`         // "powers", "keys", "done"
	SRS        string   `json:"srs,omitempty"` // SHA-256 of the public file of powers
	Powers     []string `json:"powers"`        // hashes of the contributions, in order
	Keys       []string `json:"keys"`
	Transcript string   `json:"transcript"`    // digest of all of it
	Key        string   `json:"key,omitempty"` // file of the finished key
}

// NewCeremony begins a ceremony in a folder that has none: for the unit of a proof file, or else of an operation's
// specimen at a shape of CircuitShapes. Where srs is not zero its powers are those of the powers-of-tau file of snarkjs.
// It returns ErrCannot for what has no circuit, and step.ErrReference for a file that is not the one of the digest or is
// too small.
func NewCeremony(dir, op, shape string, proof []byte, srs PowersFile) (*Ceremony, error) {
	file, err := ceremonyUnit(op, shape, proof)
	if err != nil {
		return nil, err
	}
	b, err := file.Encode()
	if err != nil {
		return nil, err
	}
	if srs != (PowersFile{}) {
		if err := srs.suits(file.Unit); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	// The unit makes a folder a ceremony, so it comes last: what powers it begins with is decided then.
	if srs != (PowersFile{}) {
		err = writeNew(filepath.Join(dir, srsFile), []byte(srs.Digest+"\n"))
	} else if _, e := os.Lstat(filepath.Join(dir, srsFile)); e == nil {
		err = fmt.Errorf("%w: %s is there from a ceremony on a public file: begin in another folder, or name the file by --srs", ErrCannot, filepath.Join(dir, srsFile))
	}
	if err != nil {
		return nil, err
	}
	if err := writeNew(filepath.Join(dir, unitFile), b); err != nil {
		return nil, err
	}
	return OpenCeremony(dir, srs.Path)
}

// PowersFile is a powers-of-tau file of snarkjs and the SHA-256 in hex that its ceremony published.
type PowersFile struct{ Path, Digest string }

// suits says whether the file has the digest and the powers that a unit's circuit needs.
func (f PowersFile) suits(u circuit.Unit) error {
	c, err := ceremony.New(u.AnswerCircuit())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	_, err = f.begin(c)
	return err
}

// begin is the transcript of a circuit on the file's powers.
func (f PowersFile) begin(c *ceremony.Ceremony) (*ceremony.Transcript, error) {
	digest, err := hex.DecodeString(f.Digest)
	if err != nil || len(digest) != 32 || hex.EncodeToString(digest) != f.Digest {
		return nil, fmt.Errorf("%w: digest %q of %s: give the SHA-256 that its ceremony published, 64 hex digits", ErrCannot, f.Digest, f.Path)
	}
	in, err := os.Open(f.Path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	defer in.Close() //nolint:errcheck // read only
	t, err := c.BeginFrom(in, [32]byte(digest))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return t, nil
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

// OpenCeremony opens the folder of a ceremony and compiles its circuit; srs is the file of powers where it has those of one,
// else "". It returns ErrCannot for another folder.
func OpenCeremony(dir, srs string) (*Ceremony, error) {
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
	return &Ceremony{dir, f.Unit, c, srs}, nil
}

// Contribute checks what is there and adds a contribution of fresh entropy.
func (c *Ceremony) Contribute() (*CeremonyReport, error) {
	t, err := c.transcript()
	if err != nil {
		return nil, err
	}
	phase := t.Phase()
	b, err := t.Contribute()
	if err != nil {
		return nil, err
	}
	return c.report(t), writeNew(filepath.Join(c.dir, partName(phase, len(t.Taken(phase)))), b)
}

// Close ends the open phase by public randomness that nobody could know when the last contribution was published.
func (c *Ceremony) Close(beacon string) (*CeremonyReport, error) {
	b, err := hex.DecodeString(beacon)
	if err != nil || len(b) < ceremony.LeastBeacon || len(b) > ceremony.MaxBeacon {
		return nil, fmt.Errorf("%w: beacon %q: give %d to %d bytes of public randomness, hex", ErrCannot, beacon, ceremony.LeastBeacon, ceremony.MaxBeacon)
	}
	t, err := c.transcript()
	if err != nil {
		return nil, err
	}
	phase := t.Phase()
	if phase == ceremony.Done {
		return nil, fmt.Errorf("%w: the ceremony is done", ErrCannot)
	}
	if err := t.Close(b); err != nil {
		return nil, err
	}
	return c.report(t), writeNew(filepath.Join(c.dir, beaconName(phase)), []byte(hex.EncodeToString(b)+"\n"))
}

// Check goes through all that is there and says how far it is; the error says which contribution is wrong.
func (c *Ceremony) Check() (*CeremonyReport, error) {
	t, err := c.transcript()
	if err != nil {
		return nil, err
	}
	return c.report(t), nil
}

// Finish checks all that is there and writes the key into a folder of keys, as roles have it, under the name of
// its circuit. The report says the file.
func (c *Ceremony) Finish(keys string) (*CeremonyReport, error) {
	t, err := c.transcript()
	if err != nil {
		return nil, err
	}
	k, err := t.Finish()
	if err != nil {
		return nil, err
	}
	r := c.report(t)
	to := worker.Folder{Dir: keys}
	r.Key = to.Path(k)
	if _, err := os.Stat(r.Key); err == nil {
		return nil, fmt.Errorf("%w: %s is there already", ErrCannot, r.Key)
	}
	return r, to.Keep(k)
}

// report says how far a transcript is.
func (c *Ceremony) report(t *ceremony.Transcript) *CeremonyReport {
	hashes := func(p ceremony.Phase) []string {
		out := []string{}
		for _, h := range t.Taken(p) {
			out = append(out, hex.EncodeToString(h[:]))
		}
		return out
	}
	digest, _, _ := c.srsDigest() // transcript has read it
	return &CeremonyReport{Op: c.unit.Descriptor.Op.String(), UnitShape: fmt.Sprintf("%x", c.unit.Shape()), Phase: t.Phase().String(), SRS: digest,
		Powers: hashes(ceremony.Powers), Keys: hashes(ceremony.Keys), Transcript: fmt.Sprintf("%x", t.Digest())}
}

func partName(p ceremony.Phase, n int) string { return fmt.Sprintf("%s-%04d", p, n) }

func beaconName(p ceremony.Phase) string { return p.String() + "-beacon" }

// transcript reads the folder and checks it part by part.
func (c *Ceremony) transcript() (*ceremony.Transcript, error) {
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, err
	}
	t, err := c.begin(files)
	if err != nil {
		return nil, err
	}
	for _, p := range []ceremony.Phase{ceremony.Powers, ceremony.Keys} {
		if t.Phase() == p {
			err = c.take(t, countParts(files, p))
		} else if t.Phase() > p {
			continue // of the public file
		} else if slices.ContainsFunc(files, func(f fs.DirEntry) bool { return strings.HasPrefix(f.Name(), p.String()+"-") }) {
			err = fmt.Errorf("%w: there are %s before the %s are closed", ErrCannot, p, t.Phase())
		}
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

// srsDigest is that of the file of powers in the folder; false if the ceremony makes its own.
func (c *Ceremony) srsDigest() (string, bool, error) {
	b, err := readBounded(filepath.Join(c.dir, srsFile), 65)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return strings.TrimSuffix(string(b), "\n"), true, err
}

// begin is the transcript without contributions to keys: of the folder's own powers, or of the public file's.
func (c *Ceremony) begin(files []fs.DirEntry) (*ceremony.Transcript, error) {
	digest, public, err := c.srsDigest()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	case !public && c.srs != "":
		return nil, fmt.Errorf("%w: the parties of this ceremony make their powers themselves: leave out --srs", ErrCannot)
	case !public:
		return c.c.Begin(), nil
	case c.srs == "":
		return nil, fmt.Errorf("%w: the powers of this ceremony are those of a public file with the SHA-256 %s: give it with --srs", ErrCannot, digest)
	case slices.ContainsFunc(files, func(f fs.DirEntry) bool { return strings.HasPrefix(f.Name(), ceremony.Powers.String()+"-") }):
		return nil, fmt.Errorf("%w: there are %s, and the ceremony has those of a public file", ErrCannot, ceremony.Powers)
	}
	return PowersFile{c.srs, digest}.begin(c.c)
}

// countParts is how many contributions to a phase files are, or would be: they have numbers.
func countParts(files []fs.DirEntry, p ceremony.Phase) (n int) {
	for _, f := range files {
		number, ok := strings.CutPrefix(f.Name(), p.String()+"-")
		if ok && number != "" && number[0] >= '0' && number[0] <= '9' {
			n++
		}
	}
	return n
}

// take adds the contributions to the open phase, whose numbers have no gap, and its beacon if there is one.
func (c *Ceremony) take(t *ceremony.Transcript, parts int) error {
	p := t.Phase()
	for i := range parts {
		b, err := readBounded(filepath.Join(c.dir, partName(p, i+1)), int64(c.c.Length(p)))
		if err != nil {
			return fmt.Errorf("%w: contribution %d of %d to the %s: %w", ErrCannot, i+1, parts, p, err)
		}
		if err := t.Take(b); err != nil {
			return err
		}
	}
	text, err := readBounded(filepath.Join(c.dir, beaconName(p)), 2*ceremony.MaxBeacon+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	beacon, err := hex.DecodeString(strings.TrimSuffix(string(text), "\n"))
	if again := hex.EncodeToString(beacon) + "\n"; err != nil || again != string(text) {
		return fmt.Errorf("%w: %s is no line of hex", ErrCannot, beaconName(p))
	}
	return t.Close(beacon)
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
	for p, all := range [][]string{r.Powers, r.Keys} {
		for i, h := range all {
			_, err1 := fmt.Fprintf(out, "%s %s\n", partName(ceremony.Phase(p), i+1), h)
			err = errors.Join(err, err1)
		}
	}
	if r.SRS != "" {
		_, err1 := fmt.Fprintf(out, "powers of the file %s\n", r.SRS)
		err = errors.Join(err, err1)
	}
	end := "transcript " + r.Transcript + "\n"
	if r.Key != "" {
		end += "key " + r.Key + "\n"
	}
	_, err1 := io.WriteString(out, end)
	return errors.Join(err, err1)
}
