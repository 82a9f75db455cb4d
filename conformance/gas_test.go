package conformance_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/app"
)

// gasCeilings are hard limits of `elenchus bench gas`, which no update of the golden file moves: gas
// under Osaka for the shape of Llama-3.2-1B at context 2,048. SPEC 09 §6.2.
var gasCeilings = []struct {
	name string
	most uint64
	of   func(*app.GasReport) uint64
}{
	{"post", 60_000, func(r *app.GasReport) uint64 { return r.Post }},
	{"commit and open", 150_000, func(r *app.GasReport) uint64 { return r.CommitOpen }},
	{"reveal", 200_000, func(r *app.GasReport) uint64 { return r.Reveal }},
	{"pick", 60_000, func(r *app.GasReport) uint64 { return r.Pick }},
	{"descend", 200_000, func(r *app.GasReport) uint64 { return r.Descend }},
	{"answer", 220_000, func(r *app.GasReport) uint64 { return r.Answer }},
	{"resolve of a lost challenge", 70_000, func(r *app.GasReport) uint64 { return r.Moves["resolve_lost"] }},
	{"resolve of a refuted claim", 70_000, func(r *app.GasReport) uint64 { return r.Moves["resolve_refuted"] }},
	{"dispute, served", 900_000, func(r *app.GasReport) uint64 { return r.Served }},
	{"dispute, withheld", 2_200_000, func(r *app.GasReport) uint64 { return r.Withheld }},
}

// Answers stay answerable at every shape. GAME rule 20.
var answerCeilings = map[string]uint64{"osaka": 220_000, "amsterdam": 345_000}

// settingsCeilings are those of R1 and R2 of requests with penalties, stop strings and a grammar. SPEC 09 §6.4.
var settingsCeilings = map[string]uint64{"osaka": 240_000, "amsterdam": 360_000}

const gasDoc = `# Gas of disputes

What every move costs, in gas of whole transactions, played through the shipped contracts by
` + "`elenchus bench gas --shape NAME`" + `: context 2,048, evidence in a batch of 8,192 claims, weights of two
digits, hashes without zero bytes, every setting of the sampler, accounts that took part before. pick is a choice of stage, layer or
element; descend every move of a descent; the totals are both sides from commit to resolve, without post.
The text is generated: ELENCHUS_UPDATE=1 go test ./conformance -run TestGasOfDisputes rewrites it.
Ceilings and reasons: spec/09-money.md §6.2.

`

// What disputes cost is a golden file for both forks and shapes, below hard ceilings. SPEC 09 §6.2.
func TestGasOfDisputesIsTheRecordedOne(t *testing.T) {
	t.Parallel()
	var table bytes.Buffer
	for i, shape := range app.GasShapes() {
		reports, err := app.BenchGas(t.Context(), shape)
		if err != nil {
			t.Fatal(err)
		}
		for fork, most := range answerCeilings {
			for kind, got := range reports[fork].Moves {
				if strings.HasPrefix(kind, "answer") && got > most {
					t.Errorf("%s: %s takes %d gas under %s, more than %d", shape, kind, got, fork, most)
				}
				if strings.HasPrefix(kind, "reveal_") || strings.HasPrefix(kind, "tensors_") {
					if got > settingsCeilings[fork] {
						t.Errorf("%s: %s takes %d gas under %s, more than %d", shape, kind, got, fork, settingsCeilings[fork])
					}
				}
			}
		}
		if len(reports["osaka"].Answers) < 26 {
			t.Errorf("%s: %d operations were answered, want all 26 of a Llama", shape, len(reports["osaka"].Answers))
		}
		for _, c := range gasCeilings {
			if got := c.of(reports["osaka"]); i == 0 && (got > c.most || got == 0) {
				t.Errorf("%s: %s takes %d gas, its ceiling is %d", shape, c.name, got, c.most)
			}
		}
		if err := app.WriteGas(&table, shape, reports); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&table)
	}
	golden(t, filepath.Join("testdata", "disputes.gas"), table.String())
	golden(t, filepath.Join(root, "docs", "gas.md"), gasDoc+"```\n"+strings.TrimRight(table.String(), "\n")+"\n```\n")
}

// golden compares with a file, or writes it where ELENCHUS_UPDATE is 1.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("ELENCHUS_UPDATE") == "1" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, path); got != want {
		t.Errorf("%s is not what the contracts give; if it should change, run with ELENCHUS_UPDATE=1 and say why\ngot\n%s\nwant\n%s", path, got, want)
	}
}
