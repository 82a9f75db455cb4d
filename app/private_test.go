package app

import (
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/model/modeltest"
	"elenchus/service/challenger"
)

// An auditor judges the models of its watcher but private ones, whether they were named or are found, and a
// watcher of private models alone has an auditor without models. SPEC 10 §8.7.
func TestAuditorsJudgeNoPrivateModel(t *testing.T) {
	plain, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	veiled := &manifest.Manifest{Header: plain.Header, Model: plain.Model}
	veiled.Class = manifest.Private
	for _, c := range []struct {
		named []challenger.Model
		found *challenger.Model
		want  int
	}{
		{[]challenger.Model{{Manifest: plain}, {Manifest: veiled}}, &challenger.Model{Manifest: plain}, 1},
		{[]challenger.Model{{Manifest: veiled}}, &challenger.Model{Manifest: veiled}, 0},
		{nil, nil, 0},
	} {
		o := challenger.Options{Models: c.named}
		if c.found != nil {
			o.Find = func([32]byte) *challenger.Model { return c.found }
		}
		models, find := judged(&o)
		if m := find(plain.ID()); len(models) != c.want || (m != nil) != (c.want > 0) {
			t.Errorf("%d models named: %d are judged, found %v", len(c.named), len(models), m)
		}
	}
}
