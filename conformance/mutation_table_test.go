package conformance_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/conformance/mutants"
)

// Where the excuses and the scores of mutants are kept.
var (
	excusesFile = filepath.Join("testdata", "mutants", "excused.txt")
	scoresFile  = filepath.Join("testdata", "mutants", "scores.txt")
)

func excusesOf(t testing.TB) mutants.Excuses {
	t.Helper()
	b, err := os.ReadFile(excusesFile)
	if err != nil {
		t.Fatal(err)
	}
	e, err := mutants.ParseExcuses(b)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func scoresOf(t testing.TB) mutants.Scores {
	t.Helper()
	b, err := os.ReadFile(scoresFile)
	if err != nil {
		t.Fatal(err)
	}
	s, err := mutants.ParseScores(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keepScores makes what a campaign found part of the table; contracts that it did not try keep theirs.
func keepScores(t testing.TB, found mutants.Scores) {
	t.Helper()
	all := scoresOf(t)
	maps.Copy(all, found)
	if err := os.WriteFile(scoresFile, all.Lines(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The table of mutants is that of the scores that `make mutation` found, and says which of them are of code that has
// changed since.
func TestTheTableOfMutantsIsThatOfTheScores(t *testing.T) {
	table, err := scoresOf(t).Table(mutants.Build)
	if err != nil {
		t.Fatal(err)
	}
	freshTable(t, "../docs/mutation.md", "scores", table)
}

// A row is marked if, and only if, its contract is built otherwise now.
func TestScoresOfEarlierBuildsAreMarked(t *testing.T) {
	now := func(string) (string, error) { return "0000000b", nil }
	table, err := mutants.Scores{"A": {Build: "0000000a"}, "B": {Build: "0000000b"}}.Table(now)
	if err != nil || !strings.Contains(table, "| A | 0000000a (earlier build) |") || !strings.Contains(table, "| B | 0000000b |") {
		t.Errorf("%v\n%s", err, table)
	}
	if _, err := (mutants.Scores{"NoSuchContract": {}}).Table(mutants.Build); err == nil {
		t.Error("a contract that does not exist has a build")
	}
}
