// Package oracle finds the outside material that some tests compare with.
//
// It belongs to conformance and is imported by test files only. A test that
// needs such material is skipped, with a line that says what to provide, where
// the material is absent; it fails instead where the environment variable
// ELENCHUS_REQUIRE (a comma separated list) names the material.
//
//	dir := oracle.Models(t)
//	f, err := gguf.Open(filepath.Join(dir, "llama", "stories260K-f32.gguf"))
package oracle

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// RequireVariable is the environment variable that lists the material whose
// absence is a failure rather than a skip.
const RequireVariable = "ELENCHUS_REQUIRE"

// Require returns if found is true. Otherwise it ends the test: as a failure
// if RequireVariable names the material, as a skip if not. hint says what is
// missing and how to provide it.
func Require(t testing.TB, name string, found bool, hint string) {
	t.Helper()
	if found {
		return
	}
	if required(os.Getenv(RequireVariable), name) {
		t.Fatalf("%s (%s names %q)", hint, RequireVariable, name)
	}
	t.Skip(hint)
}

func required(list, name string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool {
		return strings.TrimSpace(s) == name
	})
}

// Models returns the folder of public model files, tokenizers and reference
// outputs: shared/models beside the repository. It walks up from the working
// directory and calls Require with the name "models" if there is none.
func Models(t testing.TB) string {
	t.Helper()
	start, err := os.Getwd()
	if err != nil {
		t.Fatalf("working directory: %v", err)
	}
	dir, found := above(start, filepath.Join("shared", "models"))
	Require(t, "models", found,
		"shared models not found: put them in a folder shared/models beside the repository, looked for above "+start)
	return dir
}

// above returns the first folder named rel that lies beside start or beside
// one of the folders above it.
func above(start, rel string) (string, bool) {
	for dir := start; ; dir = filepath.Dir(dir) {
		candidate := filepath.Join(filepath.Dir(dir), rel)
		if info, err := os.Stat(candidate); err == nil && info.IsDir() {
			return candidate, true
		}
		if dir == filepath.Dir(dir) {
			return "", false
		}
	}
}
