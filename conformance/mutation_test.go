package conformance_test

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/tracing"

	"elenchus/compute/opset"
	"elenchus/conformance/forgetest"
	"elenchus/conformance/mutants"
	"elenchus/contracts"
)

// watching is what every EVM that a test makes reports to; nil unless mutants are tried. staged are the contracts that
// a test gets a copy of instead of deploying them, while mutants are tried that are no constructors. They are for tests
// that call alone, and no such test runs beside another: go test runs parallel tests once all others have ended, and
// then all three are nil.
var (
	watching  *tracing.Hooks
	staged    *rules
	stagedBar *bar
)

// alone makes this a test that runs by itself, which may set what all tests read: it panics in a parallel test, as
// does Parallel after it. What was set is nil again when the test ends.
func alone(t *testing.T) {
	t.Helper()
	t.Setenv("ELENCHUS_ALONE", "1") // this is what the environment is to testing: a thing of the whole process
	t.Cleanup(func() { watching, staged, stagedBar = nil, nil, nil })
}

// No parallel test can be one that tries mutants. Only those that call alone set what they run on.
func TestMutantsAreTriedAlone(t *testing.T) {
	t.Run("beside others", func(t *testing.T) {
		t.Parallel()
		defer func() {
			if recover() == nil {
				t.Error("a parallel test may try mutants")
			}
		}()
		alone(t)
	})
	t.Run("left behind", func(t *testing.T) {
		t.Run("set", func(t *testing.T) {
			alone(t)
			watching, staged, stagedBar = new(tracing.Hooks), new(rules), new(bar)
		})
		if watching != nil || staged != nil || stagedBar != nil {
			t.Error("what a test ran mutants on is left to those after it")
		}
	})
	sets := regexp.MustCompile(`\b(watching|staged|stagedBar)\b[^=\n]*[^=!<>\n]=[^=]`)
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files of tests, %v", len(files), err)
	}
	for _, file := range files {
		if lines := sets.FindAllString(read(t, file), -1); (len(lines) > 0) != (file == "mutation_test.go") {
			t.Errorf("%s sets what all tests read: %q", file, lines)
		}
	}
}

// suites are the tests that drive the contracts in an EVM without a chain, the cheapest first. A test
// whose subject is gas is none of them.
func suites() []testing.InternalTest {
	all := []testing.InternalTest{
		{Name: "OpenOnChain", F: TestOpenOnChain},
		{Name: "IncludeOnChain", F: TestIncludeOnChain},
		{Name: "EdgesOfOpen", F: TestOpeningsAtTheirEdges},
		{Name: "ChangedOpenings", F: TestTwinsAgreeOnChangedOpenings},
		{Name: "RulesOfTheGame", F: TestRulesOfTheGameOnChain},
		{Name: "MovesOutOfPhase", F: TestMovesOutOfPhase},
		{Name: "SharedGames", F: TestCourtPlaysTheSharedGames},
		{Name: "Refusals", F: TestEveryRefusalIsReached},
		{Name: "EdgesOfTheArena", F: TestArenaAtItsEdges},
		{Name: "BeaconEdges", F: TestBeaconAtItsEdges},
		{Name: "DirectoryEdges", F: TestDirectoryAtItsEdges},
		{Name: "RegistryEdges", F: TestNodeRegistryAtItsEdges},
		{Name: "Plants", F: TestPlantsAtTheirEdges},
		{Name: "StepVerifierEdges", F: TestStepVerifierAtItsEdges},
		{Name: "KeysEdges", F: TestKeysOfProofsAtTheirEdges},
		{Name: "TokenEdges", F: TestTokenAtItsEdges},
		{Name: "PoseidonOnChain", F: TestPoseidonOnChain},
		{Name: "ForgedProofs", F: TestForgedProofsAreRefusedByTheirReason},
		{Name: "HeadsOfKeys", F: TestHeadsOfPLONKKeysAreChecked},
		{Name: "ClusterAnswers", F: TestClusterAnswersOnChain},
		{Name: "ShapesOfClusters", F: TestShapesOfClustersOnChain},
		{Name: "WholeTensors", F: TestWholeTensorsAreBoundAlike},
		{Name: "ElementAnswers", F: TestElementAnswersOnChain},
		{Name: "EvaluatorsRefuse", F: TestEvaluatorsRefuseWhatDoesNotFit},
		{Name: "RandomMoves", F: TestRandomMovesOnBothSides},
		{Name: "MoneyOnChain", F: TestMoneyOnChain},
		{Name: "Transitions", F: TestEveryTransitionIsMade},
		{Name: "RangesOnChain", F: TestRangesOnChain},
		{Name: "ChangedPayloads", F: TestTwinsAgreeOnChangedPayloads},
	}
	for name, edges := range edgesOfAudits() {
		all = append(all, testing.InternalTest{Name: "AuditsEdges." + name, F: func(t *testing.T) { edges(newHall(t)) }})
	}
	for _, op := range opset.Codes() {
		all = append(all, testing.InternalTest{Name: "EvaluatorEdges/" + op.String(), F: func(t *testing.T) { edgesOfOp(t, newJudge(t), op, 2) }})
		all = append(all, testing.InternalTest{Name: "EvaluatorVectors/" + op.String(), F: func(t *testing.T) { vectorsHold(t, newJudge(t), op) }})
		for name, seeds := range map[string]uint64{"Definition/": 60, "WideDefinition/": 400} {
			all = append(all, testing.InternalTest{Name: name + op.String(), F: func(t *testing.T) {
				j := newJudge(t)
				for seed := range seeds {
					sampleAgrees(t, j, op, seed)
				}
			}})
		}
	}
	return append(all, testing.InternalTest{Name: "ShapesOnChain", F: TestShapesOnChain})
}

// ofForge are the tests of contracts/test as suites: those that forge compiled into the folder. A
// constructor that is a mutant runs anew with each.
func ofForge(t *testing.T, folder string) (all []testing.InternalTest) {
	t.Helper()
	list, err := forgetest.Load(folder, func(name string) ([]byte, error) {
		_, code, err := contracts.Artifact(name)
		return code, err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		for _, test := range c.Tests {
			all = append(all, testing.InternalTest{Name: c.Name + "." + test, F: func(t *testing.T) {
				if err := c.Run(test, watching, staged == nil); err != nil {
					t.Error(err)
				}
			}})
		}
	}
	return all
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

// seen is how a suite meets a decision.
type seen struct {
	suite testing.InternalTest
	met   mutants.Met
}

// cover notes for every decision how suites meet it, the quickest suite first. All suites must pass.
func cover(t *testing.T, p *mutants.Probe, all []testing.InternalTest) map[mutants.Place][]seen {
	t.Helper()
	reached := map[mutants.Place][]seen{}
	took := map[string]time.Duration{}
	for _, s := range all {
		begin := time.Now()
		if !quietly(t, s) {
			t.Fatalf("%s fails on the contracts as they are", s.Name)
		}
		hit := p.Reached()
		for at, met := range hit {
			reached[at] = append(reached[at], seen{s, met})
		}
		took[s.Name] = time.Since(begin)
		t.Logf("%-16s meets %4d decisions in %v", s.Name, len(hit), took[s.Name].Round(time.Millisecond))
	}
	for _, by := range reached {
		slices.SortStableFunc(by, func(a, b seen) int { return cmp.Compare(took[a.suite.Name], took[b.suite.Name]) })
	}
	return reached
}

// killer is the first of the suites that fails on a mutant, "" if none does. Only suites are asked in which
// the mutant comes out otherwise; met says whether there are any.
func killer(t *testing.T, p *mutants.Probe, m *mutants.Mutant, by []seen) (name string, met bool) {
	t.Helper()
	p.Become(m)
	defer p.Become(nil)
	for _, s := range by {
		if !m.Seen(s.met) {
			continue
		}
		met = true
		if !quietly(t, s.suite) {
			return s.suite.Name, true
		}
	}
	return "", met
}

// campaign is a run over the mutants of some contracts.
type campaign struct {
	probe   *mutants.Probe
	reached map[mutants.Place][]seen
	stage   *rules
	bar     *bar
	excuses mutants.Excuses
	score   mutants.Scores
	out     *bufio.Writer // what survived
}

// try runs one mutant against the suites that meet it.
func (c *campaign) try(t *testing.T, m *mutants.Mutant) {
	t.Helper()
	s := c.score.Of(m.Contract)
	s.Mutants++
	if staged, stagedBar = c.stage, c.bar; m.Part == "creation" {
		staged, stagedBar = nil, nil
	}
	by, met := killer(t, c.probe, m, c.reached[m.Place()])
	switch {
	case by != "":
		s.Killed++
		return
	case c.excuses.Excuse(m) != "":
		s.Excused++
		return
	case met:
		s.Survived++
	default:
		s.Unmet++
	}
	fmt.Fprintf(c.out, "%s\t%d\t%s\t%v\t%s\t%s:%d\t%s\n", m.Contract, m.PC, m.Part, met, m.How, m.File, m.Line, m.Text)
	c.out.Flush()
}

// Every decision of the contracts that comes out wrong is noticed by a test. ELENCHUS_MUTANTS names the
// list of contracts/branches.mjs, ELENCHUS_SURVIVORS the file for what no suite notices, ELENCHUS_MUTANTS_OF
// the contracts and ELENCHUS_MUTANTS_BY the suites, by how their names begin, all without them. ELENCHUS_FORGE is
// where forge left the tests of contracts/test, which are suites, too. With ELENCHUS_UPDATE=1 the scores become
// those of the table.
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
	if only := strings.Fields(os.Getenv("ELENCHUS_MUTANTS_OF")); len(only) > 0 {
		all = slices.DeleteFunc(all, func(d mutants.Decision) bool { return !slices.Contains(only, d.Contract) })
	}
	out, err := os.Create(os.Getenv("ELENCHUS_SURVIVORS"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	c := campaign{excuses: excusesOf(t), score: mutants.Scores{}, out: bufio.NewWriter(out)}
	if c.probe, err = mutants.NewProbe(all); err != nil {
		t.Fatal(err)
	}
	alone(t)
	watching = c.probe.Hooks()
	by := suites()
	if folder := os.Getenv("ELENCHUS_FORGE"); folder != "" {
		by = append(by, ofForge(t, folder)...)
	}
	if only := strings.Fields(os.Getenv("ELENCHUS_MUTANTS_BY")); len(only) > 0 {
		by = slices.DeleteFunc(by, func(s testing.InternalTest) bool {
			return !slices.ContainsFunc(only, func(begin string) bool { return strings.HasPrefix(s.Name, begin) })
		})
	}
	c.reached = cover(t, c.probe, by)
	c.bar = newBar(t)
	c.stage = c.bar.rules
	for _, m := range mutants.Of(all) {
		c.try(t, &m)
	}
	// A suite that fails on its own on what the mutants were tried on would have killed for nothing.
	staged, stagedBar = c.stage, c.bar
	for range 2 {
		cover(t, c.probe, by)
	}
	for name, s := range c.score {
		if s.Build, err = mutants.Build(name); err != nil {
			t.Fatal(err)
		}
	}
	table, err := c.score.Table(mutants.Build)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", table)
	if os.Getenv("ELENCHUS_UPDATE") == "1" {
		keepScores(t, c.score)
	}
}

// bothWays are the branches of a contract that suites saw go both ways: decisions, not the checks that a
// compiler adds, which only ever go one way.
func bothWays(t *testing.T, contract string, by []testing.InternalTest) (*mutants.Probe, []mutants.Decision, map[mutants.Place][]seen) {
	t.Helper()
	all, err := mutants.Branches(contract)
	if err != nil {
		t.Fatal(err)
	}
	p, err := mutants.NewProbe(all)
	if err != nil {
		t.Fatal(err)
	}
	watching = p.Hooks()
	reached := map[mutants.Place][]seen{}
	met := map[mutants.Place]mutants.Met{}
	for _, s := range by {
		if !quietly(t, s) {
			t.Fatalf("%s fails on the contracts as they are", s.Name)
		}
		for at, m := range p.Reached() {
			met[at] |= m
			reached[at] = append(reached[at], seen{s, m})
		}
	}
	return p, slices.DeleteFunc(all, func(d mutants.Decision) bool { return met[d.Place()] != mutants.Taken|mutants.Passed }), reached
}

// The tests of the rules notice when the rules decide otherwise: of branches spread over their code at least half, by
// these suites alone. A few in every run, some hundred in a soak; `make mutation` tries every decision by all suites.
func TestWrongDecisionsAreNoticed(t *testing.T) {
	each := 2
	if os.Getenv("ELENCHUS_SOAK") != "" {
		each = 40
	}
	alone(t)
	bar := newBar(t)
	staged, stagedBar = bar.rules, bar
	tried, killed := 0, 0
	for contract, by := range map[string][]testing.InternalTest{
		"GameRules": {{Name: "RulesOfTheGame", F: TestRulesOfTheGameOnChain}},
		"OpenRules": {{Name: "OpenOnChain", F: TestOpenOnChain}, {Name: "EdgesOfOpen", F: TestOpeningsAtTheirEdges}},
	} {
		p, all, reached := bothWays(t, contract, by)
		for i := 0; i < len(all); i += 1 + len(all)/each {
			for _, m := range mutants.Of(all[i : i+1]) {
				tried++
				if by, _ := killer(t, p, &m, reached[m.Place()]); by != "" {
					killed++
				} else {
					t.Logf("%s at %d, %s: nobody noticed", m.Contract, m.PC, m.How)
				}
			}
		}
	}
	if t.Logf("%d of %d killed", killed, tried); tried < 2*each || killed < tried/2 {
		t.Errorf("%d of %d wrong decisions were noticed", killed, tried)
	}
}
