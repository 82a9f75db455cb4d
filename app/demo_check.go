package app

import (
	"context"

	"elenchus/commitment/receipt"
	"elenchus/compute/template"
)

// own computes the answer of a receipt again.
func (d *demo) own(ctx context.Context, r *receipt.Receipt) (receipt.Facts, error) {
	man, _, err := LoadModel(d.n.models()[0])
	if err != nil {
		return receipt.Facts{}, err
	}
	a, finish, err := computer(man, nil).Audit(ctx, r.Job(), r.Output)
	if err != nil {
		return receipt.Facts{}, err
	}
	return receipt.Facts{Model: man, Own: &receipt.Own{StateRoot: a.StateTree().Root(), Output: a.Outputs, Finish: finish}}, nil
}

// guilty says whether the node of the story claimed something that it did not compute.
func (d *demo) guilty(ctx context.Context) (bool, error) {
	r := d.receiptOf("node1")
	f, err := d.own(ctx, r)
	if err != nil {
		return false, err
	}
	return receipt.Verify(r, f).Outcome() == receipt.False, nil
}

// verifyHidden is what `verify --model --request --response` does for the user, who knows nothing
// of what the gateway did to the prompt.
func (d *demo) verifyHidden(ctx context.Context, prompt, text string, r *receipt.Receipt) error {
	f, err := d.own(ctx, r)
	if err != nil {
		return err
	}
	most, temperature := uint32(demoTokens), uint32(0)
	f.Asked = &receipt.Asked{Messages: []template.Message{{Role: "user", Content: prompt}}, MaxNew: &most, Temperature: &temperature}
	f.Answers = []string{text}
	report := receipt.Verify(r, f)
	for _, c := range report.Checks {
		if c.Outcome == receipt.False {
			d.say("verify: %s is false: %s", c.Name, c.Detail)
		}
	}
	exit := VerifyExit(report.Outcome())
	d.result.VerifyExit = &exit
	return nil
}

// VerifyExit is the exit code of `verify`: 0 holds, 1 false, 2 cannot be checked, 3 pending.
func VerifyExit(o receipt.Outcome) int {
	switch o {
	case receipt.False:
		return 1
	case receipt.Cannot, receipt.Unasked:
		return 2
	case receipt.Pending:
		return 3
	}
	return 0
}
