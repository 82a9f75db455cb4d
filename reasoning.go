package elenchus

import (
	"encoding/json"
	"fmt"
	"strings"

	"elenchus/commitment/receipt"
	"elenchus/compute/template"
)

// effort reads how much the model was to reason, in the words of a dialect. SPEC 16 §3.12.
func (f fields) effort(d Dialect, a *receipt.Asked) error {
	if len(a.Messages) == 0 {
		return nil
	}
	var on *bool
	word := ""
	var kwargs, routed, thinking fields
	switch d {
	case ChatCompletions:
		if err := firstOf(f.read("chat_template_kwargs", &kwargs), f.read("reasoning", &routed), f.read("reasoning_effort", &word)); err != nil {
			return err
		}
		if err := firstOf(kwargs.read("enable_thinking", &on), kwargs.read("thinking", &on), kwargs.read("reasoning_effort", &word),
			routed.read("enabled", &on), routed.read("effort", &word)); err != nil {
			return err
		}
	case Responses:
		if err := f.read("reasoning", &routed); err != nil {
			return err
		}
		if err := routed.read("effort", &word); err != nil {
			return err
		}
	case Messages:
		a.Effort = template.Quiet
		if err := f.read("thinking", &thinking); err != nil {
			return err
		}
		if thinking.has("type") {
			wanted := string(thinking["type"]) != `"disabled"`
			on = &wanted
		}
	case OllamaChat, OllamaGenerate:
		if json.Unmarshal(f["think"], &on) != nil && f.has("think") {
			if err := f.read("think", &word); err != nil {
				return err
			}
		}
	}
	switch {
	case word != "":
		if a.Effort, _ = template.ParseEffort(word); a.Effort == template.Unsaid {
			return fmt.Errorf("%w: request: an effort of reasoning of %.64q", ErrInput, word)
		}
	case on != nil && *on:
		a.Effort = template.MediumEffort
	case on != nil:
		a.Effort = template.NoEffort
	}
	return nil
}

func firstOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// thoughtParts are the texts of an item of reasoning: of its content, else of its summary.
func thoughtParts(content, summary json.RawMessage) (out string) {
	for _, raw := range []json.RawMessage{content, summary} {
		var parts []struct{ Text string }
		if out != "" || json.Unmarshal(raw, &parts) != nil {
			continue
		}
		texts := make([]string, len(parts))
		for i, p := range parts {
			texts[i] = p.Text
		}
		out = strings.Join(texts, "\n\n")
	}
	return out
}
