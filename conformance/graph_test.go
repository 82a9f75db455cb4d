package conformance_test

import (
	"os"
	"path/filepath"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/graph"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/conformance/oracle"
	"elenchus/importer"
	"elenchus/models"
)

// valid judges a model with its tensors.
func valid(t *testing.T, m *manifest.Manifest) {
	t.Helper()
	p := &graph.Program{Token: m.Kind == model.KindToken, Vocab: m.Vocab, TMax: m.TMax, Layers: int(m.Layers), DKV: m.Model.DKV}
	for _, s := range m.Model.Stages {
		var ds []opset.Descriptor
		for i := range s.Ops {
			ds = append(ds, s.Ops[i].Descriptor)
		}
		p.Stages = append(p.Stages, ds)
	}
	if err := graph.Validate(p); err != nil {
		t.Fatal(err)
	}
	for s := range m.Model.Stages {
		for i := range m.Model.Stages[s].Ops {
			o := &m.Model.Stages[s].Ops[i]
			if o.A != nil {
				if err := graph.CheckOperand(&o.Descriptor, opset.RootA, o.A); err != nil {
					t.Errorf("stage %d tensor %d: %v", s, i, err)
				}
			}
			if o.B != nil {
				if err := graph.CheckOperand(&o.Descriptor, opset.RootB, o.B); err != nil {
					t.Errorf("stage %d tensor %d: %v", s, i, err)
				}
			}
		}
	}
}

// The default model and the models of the tests are valid, weights included. SPEC 04 §3.
func TestShippedModelsAreValid(t *testing.T) {
	m, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	valid(t, m)
	for _, m := range []*model.Model{modeltest.Llama(3, modeltest.Tiny()), modeltest.Llama(3, modeltest.Wide()), modeltest.Toy(), modeltest.MLP(5)} {
		valid(t, bind(t, m))
	}
}

// Public models that the importer takes are valid, weights included.
func TestPublicModelsAreValid(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(oracle.Models(t), "llama", "*.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 1<<26 {
			continue // the large ones are the same architecture
		}
		t.Run(filepath.Base(f), func(t *testing.T) {
			m, err := importer.File(f, importer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			valid(t, m)
		})
	}
}
