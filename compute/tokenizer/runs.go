package tokenizer

import "strings"

// Run is a stretch of a text by one author.
type Run struct {
	Text    string
	Special bool // its author may name control pieces
}

// EncodeRuns returns the ids of the text that the runs are together. Control pieces are cut out of
// special runs alone, each whole inside its run, and white space that goes with them only within
// the run; everything else is encoded as if one had written it, so that words may reach over the
// ends of runs.
func (t *Tokenizer) EncodeRuns(runs []Run) []int32 {
	parts := t.apart(runs)
	if t.config.Algorithm == Scored {
		var again []fragment
		for _, f := range parts {
			if f.id != None {
				again = append(again, f)
			} else {
				again = append(again, t.cut(f.text, t.user)...)
			}
		}
		return t.merged(again)
	}
	var again []fragment
	for _, f := range parts {
		if f.id != None {
			again = append(again, f)
		} else {
			again = append(again, t.cutAdded(f.text, t.added[0])...)
		}
	}
	return t.stepped(again, 0)
}

// apart cuts control pieces out of special runs and joins the text between them.
func (t *Tokenizer) apart(runs []Run) []fragment {
	var out []fragment
	var text strings.Builder
	for _, r := range runs {
		if !r.Special {
			text.WriteString(r.Text)
			continue
		}
		var parts []fragment
		if t.config.Algorithm == Scored {
			parts = t.cut(r.Text, t.control)
		} else {
			parts = t.cutAdded(r.Text, t.added[1])
		}
		for _, f := range parts {
			if f.id == None {
				text.WriteString(f.text)
				continue
			}
			if text.Len() > 0 {
				out = append(out, fragment{text.String(), None})
				text.Reset()
			}
			out = append(out, f)
		}
	}
	if text.Len() > 0 {
		out = append(out, fragment{text.String(), None})
	}
	return out
}
