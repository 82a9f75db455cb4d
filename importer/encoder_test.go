package importer_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/model"
	"elenchus/engine"
	"elenchus/importer"
)

// encoded is what the library of an encoder says: see tools/fixtures/encoders.py.
type encoded struct {
	IDs   []int32     `json:"ids"`
	Types []int32     `json:"types"`
	First [][]float64 `json:"first"` // row 0 behind the embeddings and behind each layer
	Mean  []float64   `json:"mean"`
}

const encoderError = 0.002 // of an element, weights of 16 bits; docs/models.md has what is measured

func importEncoder(t *testing.T, rows int) *manifest.Manifest {
	t.Helper()
	man, err := importer.File("testdata/encoders/bert", importer.Options{Context: rows})
	if err != nil {
		t.Fatal(err)
	}
	return man
}

// An encoder gives the hidden states and the mean of its library, the same bits whatever number of
// pieces it was imported for. SPEC 04 §1.4c, §2.19.
func TestEncoderFollowsItsLibrary(t *testing.T) {
	t.Parallel()
	var ref encoded
	readJSON(t, "testdata/encoders/bert/reference.json", &ref)
	man := importEncoder(t, 0)
	rows, dim, ok := man.Model.EncoderRows()
	if !ok || rows != 24 || dim != len(ref.Mean) {
		t.Fatalf("%d rows of %d, encoder %v", rows, dim, ok)
	}
	in, err := model.EncoderInput(ref.IDs, ref.Types, rows)
	if err != nil {
		t.Fatal(err)
	}
	step, err := trace.ReplayGraph(man, in, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range ref.First {
		s, err := step.Stage(i)
		if err != nil {
			t.Fatal(err)
		}
		near(t, s.Tensors[len(s.Tensors)-1].I32[:dim], want)
	}
	near(t, step.Output().I32, ref.Mean)
	for _, n := range []int{13, 17} {
		got, err := (&engine.Encoder{Manifest: importEncoder(t, n)}).Embed(context.Background(), ref.IDs, ref.Types)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, step.Output().I32) {
			t.Errorf("%d pieces give %v, 24 %v", n, got, step.Output().I32)
		}
	}
}

// Options and files that no encoder has are refused before a weight is read.
func TestEncoderImportRefuses(t *testing.T) {
	for _, o := range []importer.Options{{Context: 25}, {Context: -1}, {Class: importer.ClassB}, {Class: importer.ClassG4}, {Bits: 7}} {
		if _, err := importer.File("testdata/encoders/bert", o); !errors.Is(err, importer.ErrUnsupported) {
			t.Errorf("%+v: %v, want ErrUnsupported", o, err)
		}
	}
}

func near(t *testing.T, got []int32, want []float64) {
	t.Helper()
	worst, top := 0.0, 0.0
	for i, w := range want {
		worst, top = max(worst, math.Abs(math.Ldexp(float64(got[i]), -model.EncoderBits)-w)), max(top, math.Abs(w))
	}
	t.Logf("largest error %.6f, largest element %.3f", worst, top)
	if worst > encoderError || len(want) == 0 {
		t.Errorf("error %.6f, %.6f is stated", worst, encoderError)
	}
}
