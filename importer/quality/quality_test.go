package quality_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/conformance/oracle"
	"elenchus/importer"
	"elenchus/importer/floatref"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
	"elenchus/importer/quality"
	"elenchus/models"
)

// Gates, in nats per token against the same file in float64. DESIGN §3 "Numbers".
const (
	gateB = 0.0005 // class B of block formats
	gateR = 0.001  // two digits of anything
)

// blockTypes are the block formats that are read as codes.
func blockTypes() []gguf.Type { return []gguf.Type{2, 3, 6, 7, gguf.Q8_0, 10, 11, 12, 13, 14} }

// file is a model file with its float reference.
type file struct {
	raw   []byte
	float *floatref.Model
	src   *gguf.File
}

func open(t testing.TB, raw []byte) *file {
	t.Helper()
	src, err := gguf.New(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	ref, err := floatref.Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return &file{raw, ref, src}
}

// as is the file with its matrices in another type.
func (f *file) as(t testing.TB, typ gguf.Type) *file {
	t.Helper()
	raw, err := ggufwrite.Requantize(f.src, typ)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, raw)
}

func (f *file) text(t testing.TB, text string, length, tokens int) quality.Text {
	t.Helper()
	tok, err := f.src.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	return quality.Read(tok, text, length, tokens)
}

func (f *file) nats(t testing.TB, text quality.Text) float64 {
	t.Helper()
	n, err := quality.Float(f.float, text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// loss is what a class loses, in nats per token.
func (f *file) loss(t testing.TB, c importer.Class, text quality.Text) float64 {
	t.Helper()
	return f.integer(t, c, text) - f.nats(t, text)
}

// integer is the text under the integer model of a class.
func (f *file) integer(t testing.TB, c importer.Class, text quality.Text) float64 {
	t.Helper()
	man, err := importer.Bytes(f.raw, importer.Options{Class: c})
	if err != nil {
		t.Fatal(err)
	}
	n, err := quality.Integer(man.Model, text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Class B of a file in any block format is the file itself: next to nothing is lost against the same
// file in float64. SPEC 04 §2.10.
func TestBlockFormatsAreKept(t *testing.T) {
	t.Parallel()
	origin := open(t, models.Default())
	for _, typ := range blockTypes() {
		f := origin.as(t, typ)
		text := f.text(t, quality.Calibration(), 64, 64)
		loss := f.loss(t, importer.ClassB, text)
		t.Logf("%-5s %+.6f nats per token", typ, loss)
		if loss > gateB || loss < -gateB {
			t.Errorf("%s: class B is %+.6f nats per token away, the gate is %.4f", typ, loss, gateB)
		}
	}
}

// The classes hold their gates on a public model and texts of others, short and long.
func TestClassesHoldTheirGates(t *testing.T) {
	t.Parallel()
	dir := oracle.Models(t)
	text := readText(t, dir)
	read := func(name string) *file {
		raw, err := os.ReadFile(filepath.Join(dir, "llama", name))
		if err != nil {
			t.Fatal(err)
		}
		return open(t, raw)
	}
	full := read("stories260K-f32.gguf")
	for _, test := range []struct {
		name  string
		f     *file
		class importer.Class
		gate  float64
	}{
		{"F32", full, importer.ClassR16, gateR}, {"F16", read("stories260K-F16.gguf"), importer.ClassR16, gateR},
		{"Q8_0", full.as(t, gguf.Q8_0), importer.ClassR16, gateR}, {"mixed", read("stories260K-Q4_K_M-mixed.gguf"), importer.ClassB, gateB},
		{"Q4_0", full.as(t, 2), importer.ClassB, gateB}, {"Q4_1", full.as(t, 3), importer.ClassB, gateB},
		{"Q5_1", full.as(t, 7), importer.ClassB, gateB},
	} {
		for _, length := range []int{64, 500} {
			ids := test.f.text(t, text(length), length, 500)
			if loss := test.f.loss(t, test.class, ids); loss > test.gate {
				t.Errorf("%s as %s over %d positions: %+.6f nats per token, the gate is %.4f", test.name, test.class, length, loss, test.gate)
			} else {
				t.Logf("%s as %s over %d positions: %+.6f", test.name, test.class, length, loss)
			}
		}
	}
	ids := full.text(t, text(500), 500, 500)
	plain := full.as(t, 2).nats(t, ids) - full.nats(t, ids)
	if ours := full.loss(t, importer.ClassG4, ids); ours > plain {
		t.Errorf("G4 of floats loses %.5f nats per token, Q4_0 of the same floats %.5f", ours, plain)
	}
}

// readText gives the public text in pieces long enough for a length: stories as they are up to 200
// tokens, else all of them in one piece after the other.
func readText(t testing.TB, dir string) func(length int) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "text/tinystories-60-A.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return func(length int) string {
		stories := strings.Split(string(b), quality.Separator)
		if length <= 200 {
			return string(b)
		}
		var out []string
		for ; len(stories) >= 6; stories = stories[6:] {
			out = append(out, strings.Join(stories[:6], ""))
		}
		return strings.Join(out, quality.Separator)
	}
}

// tableFile is written by ELENCHUS_UPDATE=1 and holds what was measured then.
const tableFile = "../../docs/quality.md"

const tableHead = `# What integers lose

Nats per token more than the same file in float64 (importer/floatref), on the first 600 tokens of tinystories-60-A.txt:
"64" reads stories cut to 64 tokens, "500" pieces of 500. Negative is better than the float by chance. F32, F16 and mixed
(Q5_0, Q8_0 and F16) are public files of stories260K; the default model is Q8_0; all other formats were written from these
by importer/gguf/ggufwrite, plainly, without a search for scales. G4 is compared with the file it was made from. Classes: spec/04-model.md §2.
ELENCHUS_UPDATE=1 ELENCHUS_REQUIRE=models go test ./importer/quality -run TestQualityTable -timeout 30m writes this file;
TestBlockFormatsAreKept and TestClassesHoldTheirGates hold its claims: class B within 0.0005, two digits within 0.001, G4 of
floats not worse than Q4_0 of the same floats.

| model | format | float 64 | float 500 | class | loss 64 | loss 500 |
|---|---|---|---|---|---|---|
`

// The table of docs/quality.md, when asked for.
func TestQualityTable(t *testing.T) {
	if os.Getenv("ELENCHUS_UPDATE") != "1" {
		t.Skip("docs/quality.md is written with ELENCHUS_UPDATE=1; its claims are held by the tests beside this one")
	}
	dir := oracle.Models(t)
	text := readText(t, dir)
	var out strings.Builder
	out.WriteString(tableHead)
	row := func(model, format string, f *file, classes ...importer.Class) {
		short, long := f.text(t, text(64), 64, 600), f.text(t, text(500), 500, 600)
		a, b := f.nats(t, short), f.nats(t, long)
		for _, c := range classes {
			fmt.Fprintf(&out, "| %s | %s | %.5f | %.5f | %s | %+.5f | %+.5f |\n", model, format, a, b, c, f.integer(t, c, short)-a, f.integer(t, c, long)-b)
		}
	}
	for _, name := range []string{"f32", "F16", "Q4_K_M-mixed"} {
		raw, err := os.ReadFile(filepath.Join(dir, "llama/stories260K-"+name+".gguf"))
		if err != nil {
			t.Fatal(err)
		}
		f := open(t, raw)
		row("stories260K", name, f, importer.Classes()...)
		for _, typ := range blockTypes()[:5] {
			if name == "f32" {
				row("stories260K", typ.String(), f.as(t, typ), importer.ClassB)
			}
		}
	}
	origin := open(t, models.Default())
	for _, typ := range blockTypes() {
		f, classes := origin, importer.Classes()
		if typ != gguf.Q8_0 {
			f, classes = origin.as(t, typ), []importer.Class{importer.ClassB}
		}
		row("default", typ.String(), f, classes...)
	}
	out.WriteString(attentionNote)
	if err := os.WriteFile(tableFile, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

const attentionNote = `
## Rotation

Turning the residual stream by a Hadamard matrix before weights become 4-bit blocks does not help on the default model: the
relative error of its matrices is 0.0806 plain and 0.0809 rotated (TestRotationGainsNothingInBlocks), since blocks of 32 already
follow what is uneven in a row. The importer has no such step.

## Attention over many positions

Probabilities are Q24 of the largest: each is off by at most 2^-25 of it plus the error of exp2, below 2^-20 relative (scores in Q16,
table of 257 entries), so a sum over T positions is off by at most T * 2^-25 of its largest term. At 8,192 positions that is
2^-12; TestAttentionOverManyPositions (compute/kernel) measures flat, peaked and heavy-tailed scores and holds 0.0005 of the
largest value for the mean and 2^-12 + 2^-20 for the sum.
`
