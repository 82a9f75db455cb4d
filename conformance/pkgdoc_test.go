package conformance_test

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// commands begin with "Command x", packages with "Package x does y."
var (
	packageSentence = regexp.MustCompile(`^Package ([a-z0-9]+) [a-z-]+s\b[^.]*.*\.`)
	commandSentence = regexp.MustCompile(`^(Command|Elenchus|[A-Z][a-z]+) .*\.`)
)

// Every package opens with a sentence that says what it does. STYLE 5.
func TestPackagesOpenWithASentence(t *testing.T) {
	docs := map[string]string{}
	names := map[string]string{}
	for _, s := range readHouse(t).files {
		if s.test {
			continue
		}
		names[s.pkg] = s.file.Name.Name
		if s.file.Doc != nil && !strings.HasPrefix(s.file.Doc.Text(), "Code generated") {
			if docs[s.pkg] != "" {
				t.Errorf("%s: package %s has a second package comment", s.path, s.pkg)
			}
			docs[s.pkg] = s.file.Doc.Text()
		}
	}
	for pkg, name := range names {
		sentence, _, _ := strings.Cut(docs[pkg], "\n\n")
		sentence = strings.ReplaceAll(sentence, "\n", " ")
		match := packageSentence.FindStringSubmatch(sentence)
		switch {
		case name == "main" && commandSentence.MatchString(sentence):
		case match == nil || match[1] != name:
			t.Errorf("%s: the package comment begins %q, want \"Package %s does y.\"", pkg, sentence, name)
		}
	}
}

// Package names are nouns of their own. STYLE 10.
func TestNoPackageIsADrawer(t *testing.T) {
	t.Parallel()
	for _, s := range readHouse(t).files {
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "types", "base", "misc", "shared", "lib"}, s.file.Name.Name) {
			t.Errorf("%s: package %s names no thing", s.path, s.file.Name.Name)
		}
	}
}

// A hard stop, not an aim. STYLE 11.
const (
	maxFunction = 60  // lines
	maxFile     = 500 // lines
)

// Functions and files end. Generated files are their generator's affair. STYLE 11.
func TestFunctionsAndFilesEnd(t *testing.T) {
	h := readHouse(t)
	for _, s := range h.files {
		if strings.Contains(s.path, "generated") || strings.HasPrefix(s.pkg, "conformance") {
			continue
		}
		if n := h.fset.Position(s.file.End()).Line; n > maxFile {
			t.Errorf("%s has %d lines, more than %d", s.path, n, maxFile)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || s.test {
				continue
			}
			if n := h.fset.Position(f.End()).Line - h.fset.Position(f.Pos()).Line + 1; n > maxFunction {
				t.Errorf("%s: %s has %d lines, more than %d", s.path, f.Name.Name, n, maxFunction)
			}
		}
	}
}

// Exported names are documented. STYLE 7.
func TestExportedNamesAreDocumented(t *testing.T) {
	t.Parallel()
	h := readHouse(t)
	promised := promises(h)
	for _, s := range h.files {
		if s.test || strings.Contains(s.path, "generated") {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !obvious(d.Name.Name) && !promised[s.pkg+"."+d.Name.Name] {
					t.Errorf("%s: %s has no comment", s.path, d.Name.Name)
				}
			case *ast.GenDecl:
				undocumented(t, s.path, d)
			}
		}
	}
}

// obvious are methods whose meaning an interface of the standard library fixes.
func obvious(name string) bool {
	return slices.Contains([]string{"Error", "String", "Unwrap", "Is", "Len", "Less", "Swap", "Read", "Write", "Close", "ServeHTTP", "MarshalJSON", "UnmarshalJSON"}, name)
}

// promises are the methods of interfaces: "package.Method", documented there.
func promises(h *house) map[string]bool {
	out := map[string]bool{}
	for _, s := range h.files {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if i, ok := n.(*ast.InterfaceType); ok {
				for _, m := range i.Methods.List {
					if len(m.Names) == 1 {
						out[s.pkg+"."+m.Names[0].Name] = true
					}
				}
			}
			return true
		})
	}
	return out
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	x := d.Recv.List[0].Type
	for {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.Ident:
			return y.IsExported()
		default:
			return false
		}
	}
}

func undocumented(t *testing.T, path string, d *ast.GenDecl) {
	t.Helper()
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && d.Doc == nil && s.Comment == nil {
				t.Errorf("%s: type %s has no comment", path, s.Name.Name)
			}
		case *ast.ValueSpec:
			if s.Names[0].IsExported() && s.Doc == nil && d.Doc == nil && s.Comment == nil {
				t.Errorf("%s: %s has no comment", path, s.Names[0].Name)
			}
		}
	}
}
