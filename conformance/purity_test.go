package conformance_test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pureImports is what the pure core may import beyond itself: nothing with a clock, a network,
// files, logs, randomness, goroutines or reflection in its interface.
var pureImports = []string{
	"bufio", "bytes", "cmp", "crypto/sha256", "crypto/ecdsa", "encoding/base64", "encoding/binary", "encoding/hex", "encoding/json",
	"errors", "fmt", "io", "math", "math/big", "math/bits", "slices", "strconv", "strings", "unicode", "unicode/utf8",
	"github.com/decred/dcrd/dcrec/secp256k1/v4", "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa", "github.com/ethereum/go-ethereum/crypto/keccak", // claim only
	// The field and the permutation of confidential leaves, poseidon only.
	"github.com/consensys/gnark-crypto/ecc/bn254/fr", "github.com/consensys/gnark-crypto/ecc/bn254/fr/poseidon2",
}

// constantsOf are the only names of math that the pure core may use: the rest is floating point.
var constantsOf = regexp.MustCompile(`^(Max|Min)(Int|Uint)(8|16|32|64)?$`)

// impurity walks one file for what the pure core must not contain. types may be incomplete.
func impurity(s *ast.File, info *types.Info) []string {
	var out []string
	add := func(n ast.Node, format string, args ...any) {
		out = append(out, fmt.Sprintf("offset %d: %s", n.Pos(), fmt.Sprintf(format, args...)))
	}
	ast.Inspect(s, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			add(n, "go statement")
		case *ast.SelectStmt:
			add(n, "select")
		case *ast.SendStmt, *ast.ChanType:
			add(n, "channel")
		case *ast.BasicLit:
			if (n.Kind == token.FLOAT || n.Kind == token.IMAG) && !integral(n, info.TypeOf(n)) {
				add(n, "floating point literal %s", n.Value)
			}
		case *ast.Ident:
			if slices.Contains([]string{"float32", "float64", "complex64", "complex128"}, n.Name) {
				add(n, "type %s", n.Name)
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "math" && !constantsOf.MatchString(n.Sel.Name) {
				add(n, "math.%s", n.Sel.Name)
			}
		case *ast.RangeStmt:
			if t := info.TypeOf(n.X); t != nil {
				if _, ok := t.Underlying().(*types.Map); ok {
					add(n, "range over a map")
				}
			}
		}
		return true
	})
	return out
}

// integral says whether a literal such as 1e18 stands for an integer: by its type, or by its value
// where a foreign function decides the type.
func integral(n *ast.BasicLit, t types.Type) bool {
	if t != nil {
		if b, ok := t.Underlying().(*types.Basic); ok && b.Kind() != types.Invalid && b.Info()&types.IsUntyped == 0 {
			return b.Info()&types.IsInteger != 0
		}
	}
	return constant.ToInt(constant.MakeFromLiteral(n.Value, n.Kind, 0)).Kind() == constant.Int && !strings.Contains(n.Value, ".")
}

// packageState finds package-level variables that are not errors or tables, and whatever changes one.
func packageState(files []*ast.File, info *types.Info) []string {
	var out []string
	for _, f := range files {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				if len(v.Values) == 0 {
					out = append(out, fmt.Sprintf("variable %s has no value", v.Names[0].Name))
				}
				for _, x := range v.Values {
					if !table(x, info) {
						out = append(out, fmt.Sprintf("variable %s is no error and no table", v.Names[0].Name))
					}
				}
			}
		}
		out = append(out, changes(f, info)...)
	}
	return out
}

// table says whether a value is an error, a literal, or computed from literals by pure functions.
func table(x ast.Expr, info *types.Info) bool {
	switch x := x.(type) {
	case *ast.CompositeLit, *ast.BasicLit:
		return true
	case *ast.UnaryExpr:
		return x.Op != token.AND && x.Op != token.ARROW && table(x.X, info)
	case *ast.BinaryExpr:
		return table(x.X, info) && table(x.Y, info)
	case *ast.CallExpr:
		switch f := x.Fun.(type) {
		case *ast.FuncLit, *ast.Ident, *ast.ParenExpr, *ast.ArrayType:
			return true // a computed table, a function of this package, a conversion
		case *ast.SelectorExpr:
			pkg, ok := f.X.(*ast.Ident)
			if !ok {
				return false
			}
			if name, ok := info.Uses[pkg].(*types.PkgName); ok {
				_, ours := inside(name.Imported().Path())
				return ours || pkg.Name == "errors" || pkg.Name == "fmt" && f.Sel.Name == "Errorf"
			}
		}
	}
	return false
}

// changes finds assignments to, and addresses of, package-level variables.
func changes(f *ast.File, info *types.Info) []string {
	var out []string
	global := func(x ast.Expr) (string, bool) {
		for {
			switch y := x.(type) {
			case *ast.IndexExpr:
				x = y.X
			case *ast.SelectorExpr:
				x = y.X
			case *ast.ParenExpr:
				x = y.X
			case *ast.Ident:
				v, ok := info.Uses[y].(*types.Var)
				return y.Name, ok && !v.IsField() && v.Pkg() != nil && v.Parent() == v.Pkg().Scope()
			default:
				return "", false
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		var targets []ast.Expr
		switch n := n.(type) {
		case *ast.AssignStmt:
			targets = n.Lhs
		case *ast.IncDecStmt:
			targets = []ast.Expr{n.X}
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				targets = []ast.Expr{n.X}
			}
		}
		for _, x := range targets {
			if name, ok := global(x); ok {
				out = append(out, fmt.Sprintf("offset %d: changes or shares package variable %s", n.Pos(), name))
			}
		}
		return true
	})
	return out
}

// checker type-checks packages of the repository among themselves; foreign packages are empty, and
// what depends on them has no type.
type checker struct {
	h    *house
	done map[string]*types.Package
	info *types.Info
}

func (c *checker) Import(path string) (*types.Package, error) {
	if p, ok := c.done[path]; ok {
		return p, nil
	}
	pkg, ours := inside(path)
	if !ours {
		p := types.NewPackage(path, path[strings.LastIndex(path, "/")+1:])
		p.MarkComplete()
		c.done[path] = p
		return p, nil
	}
	var files []*ast.File
	for _, s := range c.h.files {
		if s.pkg == pkg && !s.test {
			files = append(files, s.file)
		}
	}
	config := types.Config{Importer: c, Error: func(error) {}}
	p, _ := config.Check(path, c.h.fset, files, c.info)
	c.done[path] = p
	return p, nil
}

func newInfo() *types.Info {
	return &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
}

// The pure core is pure: DESIGN law 4, STYLE 3 and 22.
func TestPureCoreIsPure(t *testing.T) {
	t.Parallel()
	h := readHouse(t)
	c := &checker{h: h, done: map[string]*types.Package{}, info: newInfo()}
	packages := map[string][]*ast.File{}
	for _, s := range h.files {
		if !pure(s.pkg) || s.test {
			continue
		}
		packages[s.pkg] = append(packages[s.pkg], s.file)
		for _, i := range s.imports {
			to, ours := inside(i)
			if ours && !pure(to) || !ours && !slices.Contains(pureImports, i) {
				owe(t, s.path, i, "it is not in the list of the pure core")
			}
		}
	}
	if len(packages) < 10 {
		t.Fatalf("only %d pure packages found", len(packages))
	}
	for pkg, files := range packages {
		if _, err := c.Import(module + "/" + pkg); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			for _, fault := range impurity(f, c.info) {
				t.Errorf("%s: %s", h.fset.Position(f.Pos()).Filename, h.where(fault))
			}
		}
		for _, fault := range packageState(files, c.info) {
			t.Errorf("%s: %s", pkg, h.where(fault))
		}
	}
}

// where turns an offset into a line.
func (h *house) where(fault string) string {
	var pos int
	if _, err := fmt.Sscanf(fault, "offset %d:", &pos); err != nil {
		return fault
	}
	_, rest, _ := strings.Cut(fault, ": ")
	return fmt.Sprintf("line %d: %s", h.fset.Position(token.Pos(pos)).Line, rest)
}

// The purity test sees each fault that it is there for, and accepts tables.
func TestPurityRulesSeeViolations(t *testing.T) {
	check := func(code string) []string {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "x.go", "package x\n"+code, 0)
		if err != nil {
			t.Fatal(err)
		}
		info := newInfo()
		c := &checker{h: &house{fset: fset}, done: map[string]*types.Package{}, info: info}
		config := types.Config{Importer: c, Error: func(error) {}}
		_, _ = config.Check("x", fset, []*ast.File{f}, info)
		return append(impurity(f, info), packageState([]*ast.File{f}, info)...)
	}
	for _, bad := range []string{
		"func f() { go f() }", "func f(c chan int) {}", "func f() { x := 1e3; _ = x }", "func f() { select {} }", "var x = 1.5", "func f(x float64) {}",
		"import \"math\"\nvar x = math.Sqrt(2)", "func f(m map[int]int) { for range m {} }", "var x int", "import \"os\"\nvar x = os.Args",
		"var x = [1]int{}\nfunc f() { x[0] = 1 }", "var x = [1]int{}\nfunc f() *[1]int { return &x }", "var x = 1\nfunc f() { x++ }", "var x = &struct{ n int }{1}",
	} {
		if len(check(bad)) == 0 {
			t.Errorf("accepted: %s", bad)
		}
	}
	for _, good := range []string{
		"import \"errors\"\nvar ErrX = errors.New(\"x\")", "var x = [...]int{1, 2}", "var x = func() (z [4]int) { z[0] = 1; return }()",
		"import \"math\"\nvar x = math.MaxInt64 - 0", "func f(m map[int]int) int { return m[1] }", "func f(x []int) { for i := range x { x[i]++ } }",
	} {
		if faults := check(good); len(faults) != 0 && !strings.Contains(good, "math") {
			t.Errorf("refused: %s: %v", good, faults)
		}
	}
}
