package conformance_test

import (
	"slices"
	"strings"
	"testing"
)

// floors says what the packages of a floor may import of ours: whole floors, beyond themselves as
// the rules below allow. A floor that is missing here may not exist. DESIGN section 4, ADR 0001.
var floors = map[string][]string{
	"compute":    {"compute"},
	"commitment": {"commitment", "compute"},
	"settlement": {"settlement", "commitment", "compute"},
	"contracts":  {"contracts"},
	"models":     {},
	"web":        {"web"},
	"importer":   {"importer", "commitment", "compute"},
	"engine":     {"engine", "commitment", "compute"},
	"proving":    {"proving", "settlement", "commitment", "compute"},
	"network":    {"network", "contracts", "settlement", "commitment", "compute"},
	"service":    {"service", "engine", "proving", "settlement", "commitment", "compute", "contracts"},
	"app":        {"app", "service", "network", "importer", "engine", "proving", "models", "web", "contracts", "settlement", "commitment", "compute"},
	"cmd":        {"cmd", "app", ".", "commitment", "compute"},
	".":          {"commitment", "compute"},
}

// ranks order the packages of the pure floors: imports within a floor go to a lower rank.
var ranks = map[string]int{
	"compute/tensor": 0, "compute/kernel": 1, "compute/opset": 2, "compute/graph": 3, "compute/machine": 4,
	"compute/model": 5, "compute/grammar": 5, "compute/decode": 6, "compute/train": 6,
	"compute/ucd": -2, "compute/pattern": -1, "compute/tokenizer": 0, "compute/template": 1,
	"commitment/merkle": 0, "commitment/poseidon": 1, "commitment/manifest": 2, "commitment/claim": 1, "commitment/trace": 3, "commitment/receipt": 4,
	"settlement/ledger": 0, "settlement/stake": 1, "settlement/dispute": 2, "settlement/stepproof": 3, "settlement/validity": 3,
	"settlement/quorum": 3, "settlement/sampling": 3, "settlement/score": 3, "settlement/market": 3,
}

// debts are imports that break a rule and are to go: "file import". The list may only shrink; the
// test that finds one of them gone asks to strike it out.
var debts = []string{
	"cmd/elenchus/up.go network/chain",
}

// owe reports an import unless it is a known debt.
func owe(t *testing.T, file, to, why string) {
	t.Helper()
	if !slices.Contains(debts, file+" "+to) {
		t.Errorf("%s imports %s: %s", file, to, why)
	}
}

// Debts that were paid leave the list.
func TestDebtsAreStillOwed(t *testing.T) {
	var found []string
	for _, s := range readHouse(t).files {
		for _, i := range s.imports {
			if to, ok := inside(i); ok {
				i = to
			}
			found = append(found, s.path+" "+i)
		}
	}
	for _, d := range debts {
		if !slices.Contains(found, d) {
			t.Errorf("%q is paid: strike it from debts", d)
		}
	}
}

// Imports point down. DESIGN section 4.
func TestImportsPointDown(t *testing.T) {
	for _, s := range readHouse(t).files {
		from := floor(s.pkg)
		if from == "conformance" {
			continue
		}
		allowed, ok := floors[from]
		if !ok {
			t.Errorf("%s: floor %s does not exist", s.path, from)
			continue
		}
		for _, i := range s.imports {
			to, ok := inside(i)
			if !ok || to == s.pkg {
				continue
			}
			if !s.test && !support(s.pkg) && !slices.Contains(allowed, floor(to)) {
				owe(t, s.path, to, "its floor may import "+strings.Join(allowed, ", "))
			}
			checkSides(t, s, to)
			checkSupport(t, s, to)
			checkRank(t, s, to)
		}
	}
}

// checkSides: services and adapters do not know each other; generated bindings and the embedded
// chain have one owner.
func checkSides(t *testing.T, s *source, to string) {
	t.Helper()
	from := floor(s.pkg)
	if (from == "service" || from == "network") && floor(to) == from && second(to) != second(s.pkg) {
		t.Errorf("%s imports %s: packages of %s do not import each other", s.path, to, from)
	}
	if to == "network/chain/generated" && second(s.pkg) != "network/chain" {
		t.Errorf("%s imports %s: only network/chain does", s.path, to)
	}
	if to == "network/devchain" && from != "app" {
		t.Errorf("%s imports %s: only app and conformance do", s.path, to)
	}
}

// second is the adapter or service that a package belongs to.
func second(pkg string) string {
	parts := strings.SplitN(pkg, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// heavy are foreign modules that one floor keeps to itself.
var heavy = map[string]string{"github.com/consensys/": "proving"}

// lightUse are packages of such modules that build fast, and the one package elsewhere that imports them.
var lightUse = map[string]string{
	"github.com/consensys/gnark-crypto/ecc/bn254/fr":           "commitment/poseidon",
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/poseidon2": "commitment/poseidon",
}

// Foreign modules that take long to build stay on the floor that needs them. ADR 0025.
func TestHeavyModulesHaveOneFloor(t *testing.T) {
	found := false
	for _, s := range readHouse(t).files {
		for _, i := range s.imports {
			for module, only := range heavy {
				if !strings.HasPrefix(i, module) {
					continue
				}
				found = true
				if f := floor(s.pkg); f != only && f != "conformance" && s.pkg != lightUse[i] {
					t.Errorf("%s imports %s: only %s does", s.path, i, only)
				}
			}
		}
	}
	if !found {
		t.Error("no file imports what heavy names: the rule sees nothing")
	}
}

// checkSupport: what exists for tests is imported by tests.
func checkSupport(t *testing.T, s *source, to string) {
	t.Helper()
	if support(to) && !s.test && !support(s.pkg) {
		t.Errorf("%s imports %s, which exists for tests", s.path, to)
	}
	if to == "conformance" {
		t.Errorf("%s imports conformance, which nothing does", s.path)
	}
}

func checkRank(t *testing.T, s *source, to string) {
	t.Helper()
	if s.test || !pure(s.pkg) || floor(to) != floor(s.pkg) {
		return
	}
	if ranks[to] >= ranks[s.pkg] {
		t.Errorf("%s imports %s, which does not stand below it", s.path, to)
	}
}

// Every package of the pure core has a place. STYLE 1.
func TestPurePackagesHaveAPlace(t *testing.T) {
	for _, s := range readHouse(t).files {
		if _, ok := ranks[s.pkg]; pure(s.pkg) && !ok {
			t.Errorf("%s: say in ranks where %s stands", s.path, s.pkg)
		}
	}
}

// The rules see what they are there for.
func TestArchitectureRulesSeeViolations(t *testing.T) {
	if slices.Contains(floors["compute"], "commitment") || slices.Contains(floors["commitment"], "network") || slices.Contains(floors["service"], "network") {
		t.Error("an arrow points up")
	}
	for pkg, want := range map[string]string{"network/chain/anviltest": "network/chain", "service/node": "service/node", "engine": "engine"} {
		if got := second(pkg); got != want {
			t.Errorf("%s belongs to %s, want %s", pkg, got, want)
		}
	}
	if !support("compute/model/modeltest") || !support("conformance/opsample") || support("compute/model") {
		t.Error("support is misjudged")
	}
}
