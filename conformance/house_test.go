package conformance_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path of the module, root its folder seen from here.
const (
	module = "elenchus"
	root   = ".."
)

// source is a parsed Go file of the repository.
type source struct {
	path    string // from the root, with slashes
	pkg     string // folder from the root, "." for the root
	test    bool
	file    *ast.File
	imports []string
}

// house is everything that is checked as a whole.
type house struct {
	fset  *token.FileSet
	files []*source
}

var skipped = []string{"node_modules", ".git", "testdata", "out", "cache", "dist"}

// walk calls visit with every file of the repository that is ours.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && slices.Contains(skipped, e.Name()):
			return filepath.SkipDir
		case e.Type().IsRegular():
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			visit(filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func readHouse(t *testing.T) *house {
	t.Helper()
	h := &house{fset: token.NewFileSet()}
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || path == "deps.go" || strings.HasPrefix(path, "tools/") {
			return
		}
		f, err := parser.ParseFile(h.fset, filepath.Join(root, path), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		s := &source{path: path, pkg: filepath.ToSlash(filepath.Dir(path)), test: strings.HasSuffix(path, "_test.go"), file: f}
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			s.imports = append(s.imports, name)
		}
		h.files = append(h.files, s)
	})
	if len(h.files) < 50 {
		t.Fatalf("only %d Go files found", len(h.files))
	}
	return h
}

// inside is the folder of an import of ours.
func inside(path string) (pkg string, ok bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// floor is the first element of a folder.
func floor(pkg string) string {
	f, _, _ := strings.Cut(pkg, "/")
	return f
}

// support says whether a package exists for tests alone.
func support(pkg string) bool {
	return floor(pkg) == "conformance" || strings.HasSuffix(pkg, "test") || pkg == "importer/gguf/ggufwrite"
}

var pureFloors = []string{"compute", "commitment", "settlement"}

// pure says whether a package belongs to the pure core.
func pure(pkg string) bool { return slices.Contains(pureFloors, floor(pkg)) && !support(pkg) }
