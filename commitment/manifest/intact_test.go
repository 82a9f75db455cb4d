package manifest_test

import (
	"errors"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
)

// Models of each class hash to their roots until a bit of a weight or a scale changes. ADR 0073.
func TestWeightsThatChangedAreNotIntact(t *testing.T) {
	for name, bind := range map[string]func(*model.Model) (*manifest.Manifest, error){
		"public":       manifest.Bind,
		"confidential": func(m *model.Model) (*manifest.Manifest, error) { return manifest.BindAs(m, manifest.Confidential) },
		"private":      func(m *model.Model) (*manifest.Manifest, error) { return manifest.BindPrivate(m, &manifest.Secret{1}) },
	} {
		man, err := bind(modeltest.Llama(1, modeltest.Tiny()))
		if err != nil {
			t.Fatal(err)
		}
		if err := man.Intact(); err != nil {
			t.Errorf("%s: %v before anything changed", name, err)
		}
		flips := 0
		for _, o := range man.Model.Stages[1].Ops {
			if flips > 3 || o.A == nil || len(o.A.I8) == 0 {
				continue
			}
			flips++
			o.A.I8[len(o.A.I8)/2] ^= 1
			if err := man.Intact(); !errors.Is(err, manifest.ErrModel) {
				t.Errorf("%s: %v after a bit of a weight changed", name, err)
			}
			o.A.I8[len(o.A.I8)/2] ^= 1
		}
		if flips == 0 {
			t.Fatal("nothing flipped: the test tests nothing")
		}
	}
}
