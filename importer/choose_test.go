package importer_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"elenchus/engine"
	"elenchus/importer"
	"elenchus/importer/floatref"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
	"elenchus/importer/quality"
	"elenchus/models"
)

func tiny(t *testing.T, typ gguf.Type) *gguf.File {
	t.Helper()
	raw := ggufwrite.TinyLlama(ggufwrite.Llama{Dim: 64, Hidden: 96, Layers: 1, Heads: 2, KVHeads: 1, Type: typ, Seed: 3})
	f, err := gguf.New(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Block formats become class B, small models of floats rows of 16 bits, and what that costs is told.
// SPEC 04 §2.18.
func TestChooseByFormatAndLoss(t *testing.T) {
	for typ, want := range map[gguf.Type]importer.Class{gguf.F32: importer.ClassR16, gguf.F16: importer.ClassR16, gguf.Q8_0: importer.ClassB} {
		f := tiny(t, typ)
		c, err := importer.Choose(f, importer.Options{}, "")
		if err != nil {
			t.Fatal(err)
		}
		if c.Class != want || len(c.Trials) == 0 || math.Abs(c.Trials[0].Loss) > 0.001 || c.Tokens < 100 {
			t.Errorf("%s: %+v, want %s", typ, c, want)
		}
		if lines := strings.Join(c.Lines(), "\n"); !strings.Contains(lines, "class "+string(want)) || !strings.Contains(lines, "(chosen)") {
			t.Errorf("%s: %q", typ, lines)
		}
		again, err := importer.Choose(f, importer.Options{}, "")
		if err != nil || again.Trials[0] != c.Trials[0] {
			t.Errorf("%s: another time %+v, %v", typ, again, err)
		}
	}
}

// Floats that become 8 bits are tried as blocks first; rows of one digit are for who names them, and
// encoders, which have no blocks. Class r12 loses less than r8 in the same text. SPEC 04 §2.18, §2.20.
func TestEightBitsAreBlocksFirst(t *testing.T) {
	raw := models.Default()
	f, err := gguf.New(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = ggufwrite.Requantize(f, gguf.F32); err != nil {
		t.Fatal(err)
	}
	if f, err = gguf.New(bytes.NewReader(raw), int64(len(raw))); err != nil {
		t.Fatal(err)
	}
	text := quality.Calibration()[:400]
	c, err := importer.Choose(f, importer.Options{Bits: 8}, text)
	if err != nil || c.Class != importer.ClassB || len(c.Trials) != 1 || c.Trials[0].Divergence > 0.00005 {
		t.Errorf("%+v, %v", c, err)
	}
	ref, err := floatref.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := f.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	want, err := quality.Refer(ref, quality.Read(tok, text, 100, 100))
	if err != nil {
		t.Fatal(err)
	}
	last := math.Inf(1)
	for _, class := range []importer.Class{importer.ClassR8, importer.ClassR12, importer.ClassR16} {
		man, err := importer.Import(f, importer.Options{Class: class})
		if err != nil {
			t.Fatal(err)
		}
		loss, err := want.Loss(engine.Prepare(man, engine.Kernels()[0], nil).Model)
		if err != nil || loss.Divergence > last/2 {
			t.Errorf("class %s: %+v, %v; the one before diverges by %g", class, loss, err, last)
		}
		last = loss.Divergence
	}
}

// A text of nothing measures nothing, and says so.
func TestChooseWithoutAText(t *testing.T) {
	c, err := importer.Choose(tiny(t, gguf.Q8_0), importer.Options{}, " \n ")
	if err != nil || c.Class != importer.ClassB || len(c.Trials) != 0 || !strings.Contains(c.Lines()[0], "unmeasured") {
		t.Errorf("%+v, %v", c, err)
	}
}

// Each class imports, a class that does not exist is refused, and memory is foreseen.
func TestEveryClassImports(t *testing.T) {
	f := tiny(t, gguf.Q8_0)
	ids := map[string]importer.Class{}
	for _, class := range importer.Classes() {
		man, err := importer.Import(f, importer.Options{Class: class})
		if err != nil {
			t.Fatalf("%s: %v", class, err)
		}
		id := man.ID().String()
		if other, dup := ids[id]; dup {
			t.Errorf("%s and %s are one model", class, other)
		}
		ids[id] = class
	}
	if _, err := importer.Import(f, importer.Options{Class: "q9"}); err == nil || !strings.Contains(err.Error(), "q9") {
		t.Errorf("class q9: %v", err)
	}
}
