package conformance_test

import (
	"bytes"
	"os"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/model/modeltest"
)

// tinyModel is a token model of one layer, the smallest that has every stage: what implementations in
// other languages begin with, and what they spoil to see that they refuse it.
const tinyModel = "../testvectors/models/tiny.elm"

// The file is what its seed and shape give. SPEC 04 §5.
func TestTinyModelFile(t *testing.T) {
	man, err := manifest.Bind(modeltest.Llama(7, modeltest.Config{Vocab: 20, TMax: 20, Dim: 8, Heads: 2, KVHeads: 1, HeadDim: 4, FF: 8, Layers: 1}))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := man.Encode(&file, "tiny"); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(tinyModel, file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, tinyModel) != file.String() {
		t.Errorf("%s is not this model: go test ./conformance -run TestTinyModelFile -update", tinyModel)
	}
}
