package conformance_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/cmd/wasm/audit"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/importer"
	"elenchus/models"
)

// receiptRun is what receipt.mjs prints of a receipt.
type receiptRun struct {
	Sheet  *audit.Sheet  `json:"sheet"`
	Tokens []audit.Token `json:"tokens"`
	Result *audit.Result `json:"result"`
	Error  string        `json:"error"`
}

// The module for browsers computes answers of the default model again, bit for bit, and says of a lie
// at which token it begins, of false states that they are false, of hostile text what it is not.
// SPEC 07 §9.
func TestWasmComputesAnswersAgain(t *testing.T) {
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := man.Encode(&file, "default"); err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	job := decode.Job{Prompt: template.Prompt(tok, "Once upon a time"), StopIDs: man.Model.EndIDs, MaxNew: 12, Temperature: 45875, Seed: 7}
	honest := answered(t, man, job)
	token, states := *honest, *honest
	token.Output = append([]int32{}, honest.Output...)
	token.Output[5]++
	token.Claim.OutputRoot = trace.IDTree(token.Output).Root()
	resign(t, &token)
	states.Claim.StateRoot[3] ^= 1
	resign(t, &states)
	unsigned := *honest
	unsigned.Signature[7] ^= 1

	dir := t.TempDir()
	write(t, filepath.Join(dir, "default.elm"), file.Bytes())
	var texts []string
	for _, r := range []*receipt.Receipt{honest, &token, &states, &unsigned} {
		text, err := r.Text()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	texts = append(texts, "", "<script>alert(1)</script>", texts[0][:40], strings.Repeat("A", 1<<20))
	list, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "receipts.json"), list)
	var got []receiptRun
	if err := json.Unmarshal(wasmCases(t, "receipt.mjs", dir), &got); err != nil || len(got) != len(texts) {
		t.Fatalf("%d results of %d, %v", len(got), len(texts), err)
	}
	checkRuns(t, honest, got)
}

func checkRuns(t *testing.T, honest *receipt.Receipt, got []receiptRun) {
	t.Helper()
	n := len(honest.Output)
	if r := got[0].Result; r == nil || r.Outcome != "holds" || r.Differ != -1 || len(got[0].Tokens) != n || r.Roots.State != got[0].Sheet.Roots.State {
		t.Errorf("an honest receipt: %+v", got[0])
	}
	if r := got[1].Result; r == nil || r.Outcome != "false" || r.Differ != 5 || got[1].Tokens[5].Claimed == nil || got[1].Tokens[5].ID != honest.Output[5] {
		t.Errorf("another token at 5: %+v", got[1])
	}
	if r := got[2].Result; r == nil || r.Outcome != "false" || r.Differ != -1 || r.Roots.State == got[2].Sheet.Roots.State {
		t.Errorf("other states: %+v", got[2])
	}
	if s := got[3].Sheet; s == nil || s.Checks[0].Outcome != "false" {
		t.Errorf("another signature: %+v", got[3])
	}
	for i, r := range got[4:] {
		if r.Sheet != nil || !strings.Contains(r.Error, "invalid receipt") {
			t.Errorf("hostile text %d: %+v", i, r)
		}
	}
}
