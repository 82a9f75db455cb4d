package quality_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/conformance/oracle"
	"elenchus/engine"
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

func (f *file) refer(t testing.TB, text quality.Text) *quality.Reference {
	t.Helper()
	r, err := quality.Refer(f.float, text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// loss is what a class loses, in nats per token.
func (f *file) loss(t testing.TB, c importer.Class, text quality.Text) float64 {
	t.Helper()
	return f.losses(t, c, f.refer(t, text))[0].Nats
}

// losses is what a class loses on several texts, computed with the fastest kernels at hand.
func (f *file) losses(t testing.TB, c importer.Class, refs ...*quality.Reference) []quality.Loss {
	t.Helper()
	man, err := importer.Bytes(f.raw, importer.Options{Class: c})
	if err != nil {
		t.Fatal(err)
	}
	fast := engine.Prepare(man, engine.Kernels()[0], nil)
	var out []quality.Loss
	for _, r := range refs {
		loss, err := r.Loss(fast.Model)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, loss)
	}
	return out
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
	plain := full.as(t, 2).refer(t, ids).Nats - full.refer(t, ids).Nats
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

// A reference is not kept for more numbers than its limit, nor for ids that its model lacks.
func TestReferRefuses(t *testing.T) {
	f := open(t, models.Default())
	if _, err := quality.Refer(f.float, quality.Text{make([]int32, quality.Limit/f.float.Vocab+2)}); err == nil {
		t.Error("a text above the limit was read")
	}
	for _, bad := range []quality.Text{{{-1, 1}}, {{1, int32(f.float.Vocab)}}} {
		if _, err := quality.Refer(f.float, bad); err == nil {
			t.Errorf("ids %v were read", bad)
		}
	}
}
