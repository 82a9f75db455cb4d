package mutants

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/contracts"
)

// Score is what a campaign found of one contract.
type Score struct {
	Build    string // of the contract, as Build gives it
	Mutants  int    // Excused + Killed + Survived + Unmet
	Excused  int    // survived, because nobody can notice: each has its reason
	Killed   int
	Survived int // made a difference to what a suite ran, and no suite noticed
	Unmet    int // made none in any suite
}

// Scores are those of contracts by name.
type Scores map[string]*Score

// Of is the score of a contract, made on first use.
func (s Scores) Of(contract string) *Score {
	if s[contract] == nil {
		s[contract] = &Score{}
	}
	return s[contract]
}

// Build names the bytecode of a contract: the first eight hex digits of the hash of its runtime code.
func Build(contract string) (string, error) {
	code, err := contracts.Runtime(contract)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(crypto.Keccak256(code)[:4]), nil
}

// Table is a Markdown table of the scores, sorted by name; build gives the build of a contract as it is now, and
// rows of another one say so. The share is that of killed among those that are not excused.
func (s Scores) Table(build func(contract string) (string, error)) (string, error) {
	var b strings.Builder
	b.WriteString("| contract | build | mutants | excused | killed | survived | never came out otherwise | killed of those not excused |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|\n")
	row := func(name string, x Score) {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %d | %.1f %% |\n", name, x.Build, x.Mutants, x.Excused, x.Killed, x.Survived, x.Unmet,
			100*float64(x.Killed)/float64(max(x.Mutants-x.Excused, 1)))
	}
	var sum Score
	for _, name := range slices.Sorted(maps.Keys(s)) {
		x := *s[name]
		now, err := build(name)
		if err != nil {
			return "", err
		}
		if x.Build != now {
			x.Build += " (earlier build)"
		}
		row(name, x)
		sum = Score{"", sum.Mutants + x.Mutants, sum.Excused + x.Excused, sum.Killed + x.Killed, sum.Survived + x.Survived, sum.Unmet + x.Unmet}
	}
	row("all", sum)
	return b.String(), nil
}

// Lines are the scores as ParseScores reads them: one contract a line.
func (s Scores) Lines() []byte {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		x := s[name]
		fmt.Fprintf(&b, "%s %s %d %d %d %d %d\n", name, x.Build, x.Mutants, x.Excused, x.Killed, x.Survived, x.Unmet)
	}
	return []byte(b.String())
}

// ParseScores reads what Lines writes.
func ParseScores(b []byte) (Scores, error) {
	s := Scores{}
	for line := range strings.Lines(string(b)) {
		var name string
		var x Score
		if _, err := fmt.Sscan(line, &name, &x.Build, &x.Mutants, &x.Excused, &x.Killed, &x.Survived, &x.Unmet); err != nil {
			return nil, fmt.Errorf("mutants: scores, line %q: %w", line, err)
		}
		if x.Mutants != x.Excused+x.Killed+x.Survived+x.Unmet {
			return nil, fmt.Errorf("mutants: scores of %s: the parts are not the %d mutants", name, x.Mutants)
		}
		s[name] = &x
	}
	return s, nil
}

// Branches are the conditional jumps of a contract's runtime code, found without its source: decisions, and
// the checks of calldata, arithmetic and memory that the compiler adds.
func Branches(contract string) (all []Decision, err error) {
	code, err := contracts.Runtime(contract)
	for pc := 0; pc < len(code); pc++ {
		if op := vm.OpCode(code[pc]); op == vm.JUMPI {
			all = append(all, Decision{Contract: contract, Part: "runtime", Op: "branch", PC: uint64(pc)})
		} else if op.IsPush() {
			pc += int(op - vm.PUSH0)
		}
	}
	return all, err
}

// Excuses are the mutants that no test can tell from the contract, with the reason.
type Excuses map[string]string

// ParseExcuses reads a file of lines "contract or * | file | how | text | reason"; lines that begin with # are remarks.
func ParseExcuses(b []byte) (Excuses, error) {
	e := Excuses{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, reason, ok := cutLast(line, " | ")
		if !ok || strings.Count(key, " | ") < 3 || reason == "" {
			return nil, fmt.Errorf("mutants: excuse %q: want contract | file | how | text | reason", line)
		}
		e[key] = reason
	}
	return e, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// Excuse is the reason why nobody could notice the mutant, "" if there is none.
func (e Excuses) Excuse(m *Mutant) string {
	key := m.Key()
	if r, ok := e[key]; ok {
		return r
	}
	_, rest, _ := strings.Cut(key, " | ")
	return e["* | "+rest]
}
