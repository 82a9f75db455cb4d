package conformance_test

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/vm"

	"elenchus/compute/opset"
	"elenchus/conformance/mutants"
	"elenchus/contracts"
)

// watching is what every EVM that a test makes reports to; nil unless mutants are tried. No test of this
// package that makes an EVM runs beside another.
var watching *tracing.Hooks

// staged are the contracts that a test gets a copy of instead of deploying them, while mutants are tried
// that are no constructors.
var (
	staged    *rules
	stagedBar *bar
)

// suites are the tests that drive the contracts in an EVM without a chain, the cheapest first. A test
// whose subject is gas is none of them.
func suites() []testing.InternalTest {
	all := []testing.InternalTest{
		{Name: "OpenOnChain", F: TestOpenOnChain},
		{Name: "IncludeOnChain", F: TestIncludeOnChain},
		{Name: "RulesOfTheGame", F: TestRulesOfTheGameOnChain},
		{Name: "SharedGames", F: TestCourtPlaysTheSharedGames},
		{Name: "Refusals", F: TestEveryRefusalIsReached},
		{Name: "PoseidonOnChain", F: TestPoseidonOnChain},
		{Name: "ForgedProofs", F: TestForgedProofsAreRefusedByTheirReason},
		{Name: "EvaluatorsRefuse", F: TestEvaluatorsRefuseWhatDoesNotFit},
		{Name: "RandomMoves", F: TestRandomMovesOnBothSides},
		{Name: "MoneyOnChain", F: TestMoneyOnChain},
		{Name: "Transitions", F: TestEveryTransitionIsMade},
		{Name: "RangesOnChain", F: TestRangesOnChain},
		{Name: "ChangedPayloads", F: TestTwinsAgreeOnChangedPayloads},
	}
	for _, op := range opset.Codes()[1:] {
		all = append(all, testing.InternalTest{Name: "definition of " + op.String(), F: func(t *testing.T) {
			j := newJudge(t)
			for seed := range uint64(400) {
				sampleAgrees(t, j, op, seed)
			}
		}})
	}
	return append(all, testing.InternalTest{Name: "EvaluatorVectors", F: TestEvaluatorsMeetTheVectors},
		testing.InternalTest{Name: "ShapesOnChain", F: TestShapesOnChain})
}

// quietly runs a suite as `go test` would, and reports whether it passed. What it prints is dropped.
func quietly(t *testing.T, s testing.InternalTest) bool {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	out := os.Stdout
	os.Stdout = null
	defer func() { os.Stdout = out }()
	guarded := func(t *testing.T) {
		defer func() {
			if r := recover(); r != nil {
				t.Errorf("panic: %v", r)
			}
		}()
		s.F(t)
	}
	all := func(string, string) (bool, error) { return true, nil }
	return testing.RunTests(all, []testing.InternalTest{{Name: s.Name, F: guarded}})
}

// cover notes for every decision which suites meet it. All suites must pass.
func cover(t *testing.T, p *mutants.Probe) map[mutants.Place][]testing.InternalTest {
	t.Helper()
	reached := map[mutants.Place][]testing.InternalTest{}
	for _, s := range suites() {
		begin := time.Now()
		if !quietly(t, s) {
			t.Fatalf("%s fails on the contracts as they are", s.Name)
		}
		hit := p.Reached()
		for at := range hit {
			reached[at] = append(reached[at], s)
		}
		t.Logf("%-16s meets %4d decisions in %v", s.Name, len(hit), time.Since(begin).Round(time.Millisecond))
	}
	return reached
}

// killer is the first of the suites that fails on a mutant, "" if none does.
func killer(t *testing.T, p *mutants.Probe, m *mutants.Mutant, by []testing.InternalTest) string {
	t.Helper()
	p.Become(m)
	defer p.Become(nil)
	for _, s := range by {
		if !quietly(t, s) {
			return s.Name
		}
	}
	return ""
}

// Every decision of the contracts that comes out wrong is noticed by a test. ELENCHUS_MUTANTS names the
// list of contracts/branches.mjs and ELENCHUS_SURVIVORS the file to which this test appends what no suite
// here notices; `make mutation` then asks forge's tests.
func TestMutantsAreKilled(t *testing.T) {
	list := os.Getenv("ELENCHUS_MUTANTS")
	if list == "" {
		t.Skip("make mutation runs this: it takes a list of decisions that the compiler makes")
	}
	raw, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	all, err := mutants.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	p, err := mutants.NewProbe(all)
	if err != nil {
		t.Fatal(err)
	}
	watching = p.Hooks()
	defer func() { watching = nil }()
	reached := cover(t, p)
	bar := newBar(t)
	defer func() { staged, stagedBar = nil, nil }()
	out, err := os.Create(os.Getenv("ELENCHUS_SURVIVORS"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := bufio.NewWriter(out)
	defer w.Flush()
	score, only := map[string][3]int{}, os.Getenv("ELENCHUS_MUTANTS_OF")
	begin := time.Now()
	for _, m := range mutants.Of(all) {
		if !strings.Contains(m.Key(), only) {
			continue
		}
		s, by := score[m.Contract], ""
		if s[0]++; reached[m.Place()] != nil {
			s[1]++
			if staged, stagedBar = bar.rules, bar; m.Part == "creation" {
				staged, stagedBar = nil, nil
			}
			by = killer(t, p, &m, reached[m.Place()])
		}
		if by != "" {
			s[2]++
		} else {
			fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%v\t%s\t%s:%d\t%s\n", m.Contract, m.PC, m.Part, m.How, reached[m.Place()] != nil, m.How, m.File, m.Line, m.Text)
		}
		score[m.Contract] = s
	}
	for _, name := range slices.Sorted(maps.Keys(score)) {
		t.Logf("%-22s %4d mutants, %4d met, %4d killed", name, score[name][0], score[name][1], score[name][2])
	}
	t.Logf("%v", time.Since(begin))
}

// The tests of the rules notice when the rules decide otherwise: of a few branches of the rules of the
// game, spread over its code, most are killed. All of them are tried by `make mutation`.
func TestWrongDecisionsAreNoticed(t *testing.T) {
	if os.Getenv("ELENCHUS_SOAK") == "" {
		t.Skip("a sample of `make mutation`, twenty seconds long: ELENCHUS_SOAK=1")
	}
	code, err := contracts.Runtime("GameRules")
	if err != nil {
		t.Fatal(err)
	}
	var all []mutants.Decision
	for pc := 0; pc < len(code); pc++ {
		if op := vm.OpCode(code[pc]); op == vm.JUMPI {
			all = append(all, mutants.Decision{Contract: "GameRules", Part: "runtime", Op: "branch", PC: uint64(pc)})
		} else if op.IsPush() {
			pc += int(op - vm.PUSH0)
		}
	}
	p, err := mutants.NewProbe(all)
	if err != nil {
		t.Fatal(err)
	}
	suite := []testing.InternalTest{{Name: "RulesOfTheGame", F: TestRulesOfTheGameOnChain}}
	stage := newRules(t)
	watching, staged = p.Hooks(), stage
	defer func() { watching, staged = nil, nil }()
	if !quietly(t, suite[0]) {
		t.Fatal("the rules fail as they are")
	}
	hit := p.Reached()
	all = slices.DeleteFunc(all, func(d mutants.Decision) bool { return hit[d.Place()] == 0 })
	tried, killed := 0, 0
	for i := 0; i < len(all); i += 1 + len(all)/6 {
		for _, m := range mutants.Of(all[i : i+1]) {
			tried++
			if killer(t, p, &m, suite) != "" {
				killed++
			}
		}
	}
	// A branch that always goes one way is no mutant when it is held to that way: half of them at least are.
	if t.Logf("%d of %d killed", killed, tried); tried < 8 || killed < tried/4 {
		t.Errorf("%d of %d wrong decisions were noticed", killed, tried)
	}
}
