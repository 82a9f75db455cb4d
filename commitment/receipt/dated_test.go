package receipt_test

import (
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/template"
)

// A prompt with today's date is the user's if the date is that of the claim's issue, a day beside it, or
// the one that the user named: no other day can be slipped in. SPEC 07 §9.
func TestDatesOfPromptsAreThoseOfTheIssue(t *testing.T) {
	w := newWorld(t)
	tmpl, err := template.NewDated(template.Turns{Begin: "On " + template.Blank(0) + ": "}, nil, []string{"%d %b %Y"})
	if err != nil {
		t.Fatal(err)
	}
	m := modeltest.Llama(1, modeltest.Tiny())
	m.Tokenizer, m.Template = w.man.Model.Tokenizer, tmpl.Encode()
	if w.man, err = manifest.Bind(m); err != nil {
		t.Fatal(err)
	}
	const day = 86400
	named := template.FromUnix(issued + 9*day)
	for _, c := range []struct {
		name    string
		printed uint64 // unix seconds
		date    *template.Date
		want    receipt.Outcome
	}{
		{"that day", issued, nil, receipt.Holds},
		{"the day before", issued - day, nil, receipt.Holds},
		{"the day after", issued + day, nil, receipt.Holds},
		{"two days before", issued - 2*day, nil, receipt.False},
		{"two days after", issued + 2*day, nil, receipt.False},
		{"the day named", issued + 9*day, &named, receipt.Holds},
		{"another than the day named", issued, &named, receipt.False},
	} {
		talk := template.Conversation{Messages: []template.Message{{Role: template.User, Content: "hi"}}, Date: template.FromUnix(c.printed)}
		parts, err := tmpl.Render(talk)
		if err != nil {
			t.Fatal(err)
		}
		w.r.Prompt = template.PromptOf(w.tok, parts)
		w.r.Request.Model, w.r.Request.PromptRoot = merkle.Hash(w.man.ID()), trace.IDTree(w.r.Prompt).Root()
		w.r.Request.PromptCount = uint32(len(w.r.Prompt))
		w.sign(t)
		seed := w.r.Request.Seed
		most := w.r.Request.MaxNew
		report := receipt.Verify(w.r, receipt.Facts{Model: w.man, Asked: &receipt.Asked{Messages: talk.Messages, MaxNew: &most, Seed: &seed, Date: c.date}})
		for _, check := range report.Checks {
			if check.Name == "request" && check.Outcome != c.want {
				t.Errorf("%s: %v (%s), want %v", c.name, check.Outcome, check.Detail, c.want)
			}
		}
	}
}
