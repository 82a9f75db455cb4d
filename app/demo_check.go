package app

import (
	"errors"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
)

// nodeJob is what the machine needs of a receipt.
type nodeJob struct{ r *receipt.Receipt }

func (j *nodeJob) decoded() decode.Job {
	q := &j.r.Request
	return decode.Job{Prompt: j.r.Prompt, StopIDs: j.r.Stop, MaxNew: q.MaxNew, Temperature: q.Temperature, Seed: q.Seed}
}

// falseClaim says whether a claim differs from the own computation.
func falseClaim(c *claim.Claim, own *trace.Answer, finish uint8) bool {
	return int(c.Count) != len(own.Outputs) || c.Finish != finish ||
		c.OutputRoot != trace.IDTree(own.Outputs).Root() || c.StateRoot != own.StateTree().Root()
}

// verifyHidden checks a receipt against what the user asked, as `verify` does.
func (d *demo) verifyHidden(prompt, _ string, r *receipt.Receipt) error {
	man, _, err := LoadModel(d.n.model())
	if err != nil {
		return err
	}
	tok, err1 := tokenizer.Parse(man.Model.Tokenizer)
	t, err2 := template.Parse(man.Model.Template)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	ids := template.Prompt(tok, t.Render([]template.Message{{Role: "user", Content: prompt}}))
	exit := 0
	if trace.IDTree(ids).Root() != r.Request.PromptRoot {
		exit = 1
		d.say("verify: the receipt's prompt is not what the user asked: the gateway changed it")
	}
	d.result.VerifyExit = &exit
	return nil
}
