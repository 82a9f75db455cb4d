package oracle

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAboveFindsTheFolderBesideTheRepository(t *testing.T) {
	root := t.TempDir()
	want := filepath.Join(root, "shared", "models")
	deep := filepath.Join(root, "repository", "importer", "gguf")
	for _, dir := range []string{want, deep} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got, found := above(deep, filepath.Join("shared", "models"))
	if !found || got != want {
		t.Fatalf("got %q %v, want %q", got, found, want)
	}
	if _, found := above(deep, filepath.Join("shared", "absent folder of this test")); found {
		t.Fatal("found a folder that does not exist")
	}
}

func TestRequiredReadsTheCommaSeparatedList(t *testing.T) {
	for _, c := range []struct {
		list string
		want bool
	}{{"", false}, {"models", true}, {"anvil, models", true}, {"modelsX", false}, {"model", false}} {
		if got := required(c.list, "models"); got != c.want {
			t.Errorf("required(%q) = %v, want %v", c.list, got, c.want)
		}
	}
}

func TestRequireSkipsWithoutTheVariable(t *testing.T) {
	t.Setenv(RequireVariable, "")
	var ended bool
	t.Run("absent", func(t *testing.T) {
		defer func() { ended = t.Skipped() }()
		Require(t, "models", false, "not here")
	})
	if !ended {
		t.Fatal("the test was not skipped")
	}
	Require(t, "models", true, "here")
}
