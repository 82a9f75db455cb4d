package conformance_test

import (
	"strings"
	"testing"

	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/importer"
	"elenchus/models"
)

// Whoever holds a receipt sees that the answer ends before its stop string, and where a claim's finish
// or the end of its ids contradicts that. SPEC 07 §9.2.
func TestReceiptsOfStopStrings(t *testing.T) {
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	job := decode.Job{Prompt: template.Prompt(tok, "Once upon a time"), MaxNew: 12, StopIDs: man.Model.EndIDs,
		Sampler: decode.Sampler{Stops: []string{"zz", "rl na"}}}
	honest := answered(t, man, job)
	whole, err := tok.Decode(honest.Output)
	if err != nil || honest.Claim.Finish != opset.FinishString || !strings.Contains(whole, "rl na") {
		t.Fatalf("finish %d of %q, %v", honest.Claim.Finish, whole, err)
	}
	shown := whole[:strings.Index(whole, "rl na")]
	for _, c := range []struct {
		name, text string
		want       receipt.Outcome
		change     func(r *receipt.Receipt)
	}{
		{"honest", shown, receipt.Holds, func(*receipt.Receipt) {}},
		{"the stop string is shown", whole, receipt.False, func(*receipt.Receipt) {}},
		{"part of it is shown", shown + "rl", receipt.False, func(*receipt.Receipt) {}},
		{"another finish", shown, receipt.False, func(r *receipt.Receipt) { r.Claim.Finish = 3 }},
		{"an id more", shown, receipt.False, func(r *receipt.Receipt) { r.Output = append(r.Output, 5) }},
		{"an id less", shown, receipt.False, func(r *receipt.Receipt) { r.Output = r.Output[:len(r.Output)-1] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := *honest
			r.Output = append([]int32(nil), honest.Output...)
			c.change(&r)
			r.Claim.Count, r.Claim.OutputRoot = uint32(len(r.Output)), trace.IDTree(r.Output).Root()
			resign(t, &r)
			rep := receipt.Verify(&r, receipt.Facts{Model: man, Answers: []string{c.text}})
			for _, check := range rep.Checks {
				if check.Name == "text" && check.Outcome != c.want || check.Name == "ids" && check.Outcome != receipt.Holds {
					t.Errorf("%s: %v, %s", check.Name, check.Outcome, check.Detail)
				}
			}
		})
	}
}
