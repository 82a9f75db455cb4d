package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"elenchus/app"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

// TestACardCountsParametersOnce for one and two digits, tied and untied heads: padding, second digits
// and shared matrices are not counted.
func TestACardCountsParametersOnce(t *testing.T) {
	dir := t.TempDir()
	s, err := app.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		tied  bool
		bits  int
		told  string
		class string
	}{{"one", true, 8, "", "r8"}, {"two", false, 16, "", "r16"}, {"mixed", false, 0, "r12", "r16+r8"}, {"tied", true, 0, "r12", "r16+r8"}} {
		l := ggufwrite.Llama{Dim: 32, Hidden: 48, Layers: 2, Heads: 4, KVHeads: 2, Type: gguf.F32, Tied: c.tied, Seed: 3}
		path := filepath.Join(dir, c.name+".gguf")
		if err := os.WriteFile(path, ggufwrite.TinyLlama(l), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Import(path, app.ImportOptions{Bits: c.bits, Class: c.told}); err != nil {
			t.Fatal(err)
		}
		card, err := s.Describe(c.name)
		if err != nil {
			t.Fatal(err)
		}
		want := int64(ggufwrite.MinPieces*32 + 2*(32*32+2*16*32+32*32+3*32*48))
		if !c.tied {
			want += ggufwrite.MinPieces * 32
		}
		if card.Parameters != want || card.Class != c.class || card.Width != 32 {
			t.Errorf("%s: %d parameters of class %s, width %d; want %d, %s, 32", c.name, card.Parameters, card.Class, card.Width, want, c.class)
		}
		if card.Architecture != "decoder of 2 layers of width 32, rotary positions, silu gates" {
			t.Errorf("architecture %q", card.Architecture)
		}
	}
}
