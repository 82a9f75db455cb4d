package hftokenizer

import (
	"slices"
	"strings"

	"elenchus/compute/tokenizer"
)

func (r *reader) readPreTokenizer() error {
	if r.PreTokenizer != nil {
		if err := r.preTokenize(*r.PreTokenizer, 0); err != nil {
			return err
		}
	}
	if r.letter {
		if r.config.Algorithm != tokenizer.RankedBPE {
			return unsupported("pre-tokenizer ByteLevel with model %s", r.Model.Type)
		}
		r.config.Options |= tokenizer.Bytes
	}
	return nil
}

func (r *reader) cut(code tokenizer.StepCode, pattern string) {
	r.config.Cuts = append(r.config.Cuts, tokenizer.Step{Code: code, A: pattern})
}

func (r *reader) preTokenize(p part, depth int) error {
	letters := tokenizer.Step{Code: tokenizer.Letters}
	if r.letter && !slices.Contains(r.config.Cuts, letters) { // what follows cuts the letters of ByteLevel
		r.config.Cuts = append(r.config.Cuts, letters)
	}
	switch p.Type {
	case "Sequence":
		if depth > maxDepth {
			return unsupported("pre-tokenizers in more than %d sequences", maxDepth)
		}
		for _, q := range p.PreTokenizers {
			if err := r.preTokenize(q, depth+1); err != nil {
				return err
			}
		}
	case "ByteLevel":
		if or(p.PrefixOn, true) {
			r.cut(tokenizer.PrefixSpace, "")
			r.lead = true
		}
		if or(p.UseRegex, true) {
			r.cut(tokenizer.Isolate, tokenizer.PatternGPT2)
		}
		r.letter = true
	case "Split":
		return r.split(p)
	case "Digits":
		pattern := tokenizer.PatternNumbers
		if p.Individual {
			pattern = tokenizer.PatternNumber
		}
		r.cut(tokenizer.Isolate, pattern)
	case "Whitespace":
		r.cut(tokenizer.Keep, tokenizer.PatternWordMarks)
	case "WhitespaceSplit":
		r.cut(tokenizer.Drop, tokenizer.PatternSpaces)
	case "BertPreTokenizer":
		r.cut(tokenizer.Drop, tokenizer.PatternSpaces)
		r.cut(tokenizer.Isolate, tokenizer.PatternMark)
	case "Punctuation":
		return r.punctuation(p)
	case "Metaspace":
		return r.metaspace(p)
	default:
		return unsupported("pre-tokenizer %q", p.Type)
	}
	return nil
}

func (r *reader) punctuation(p part) error {
	if p.Behavior == "Contiguous" {
		r.cut(tokenizer.Isolate, tokenizer.PatternMarkRun)
		return nil
	}
	code, ok := behavior(p.Behavior, false)
	if !ok {
		return unsupported("pre-tokenizer Punctuation with behavior %q", p.Behavior)
	}
	r.cut(code, tokenizer.PatternMark)
	return nil
}

// behavior is the step of a behaviour.
func behavior(name string, invert bool) (tokenizer.StepCode, bool) {
	switch {
	case name == "Isolated" || name == "":
		return tokenizer.Isolate, true
	case name == "Removed" && invert:
		return tokenizer.Keep, true
	case name == "Removed":
		return tokenizer.Drop, true
	case name == "MergedWithPrevious" && !invert:
		return tokenizer.JoinPrevious, true
	case name == "MergedWithNext" && !invert:
		return tokenizer.JoinNext, true
	}
	return 0, false
}

func (r *reader) split(p part) error {
	code, ok := behavior(p.Behavior, p.Invert)
	if !ok {
		return unsupported("pre-tokenizer Split with behavior %q, invert %v", p.Behavior, p.Invert)
	}
	pattern := ""
	switch {
	case p.Pattern != nil && p.Pattern.Regex != nil:
		pattern = canonical(*p.Pattern.Regex)
	case p.Pattern != nil && p.Pattern.String != nil && literal(*p.Pattern.String):
		pattern = *p.Pattern.String
	}
	for _, s := range []struct {
		pattern string
		code    tokenizer.StepCode
	}{{`\s+$`, tokenizer.TailSpace}, {`(?=(\d{3})+(?!\d))`, tokenizer.Digits3}, {`\d{1,3}(?=(?:\d{3})*\b)`, tokenizer.Digits3Word}} {
		if pattern == s.pattern && code == tokenizer.Isolate {
			r.cut(s.code, "")
			return nil
		}
	}
	if !tokenizer.KnownPattern(pattern) {
		return unsupported("pre-tokenizer Split by pattern %s", p.Pattern.name())
	}
	r.cut(code, pattern)
	return nil
}

// canonical is a pattern as this project writes it: control characters as escapes, and one way of
// writing where files have several.
func canonical(pattern string) string {
	pattern = strings.NewReplacer("\r", `\r`, "\n", `\n`, "\t", `\t`).Replace(pattern)
	for _, same := range [][2]string{
		{`(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])`, `(?i:'s|'t|'re|'ve|'m|'ll|'d)`},
		{` ?[^(\s|[.,!?…。，、।۔،])]+`, tokenizer.PatternBloom},
	} {
		if !tokenizer.KnownPattern(pattern) && strings.Contains(pattern, same[0]) {
			if other := strings.ReplaceAll(pattern, same[0], same[1]); same[1] == other && tokenizer.KnownPattern(other) {
				return other
			}
		}
	}
	return pattern
}

// shortens says whether normalising may take the beginning of a text away: where that happened, the
// library holds that no word is the first.
func (r *reader) shortens() bool {
	return slices.ContainsFunc(r.config.Normal, func(s tokenizer.Step) bool {
		switch s.Code {
		case tokenizer.TrimLeft, tokenizer.DropMarks, tokenizer.DropAllMarks, tokenizer.CleanControl:
			return true
		}
		return s.Code == tokenizer.Replace && s.B == ""
	})
}

func (r *reader) metaspace(p part) error {
	scheme := p.Scheme
	if scheme == "" {
		scheme = tokenizer.PrependAlways
		if p.PrefixOn != nil && !*p.PrefixOn {
			scheme = tokenizer.PrependNever
		}
	}
	if scheme == tokenizer.PrependFirst && r.shortens() {
		return unsupported("pre-tokenizer Metaspace that prepends first, after a normalizer that may take the first character away")
	}
	mark := p.Replace
	if mark == "" {
		mark = space
	}
	if mark != space {
		return unsupported("pre-tokenizer Metaspace with replacement %q", mark)
	}
	r.config.Cuts = append(r.config.Cuts, tokenizer.Step{Code: tokenizer.Metaspace, A: mark, B: scheme})
	r.lead = r.lead || scheme != tokenizer.PrependNever
	if or(p.Split, true) {
		r.cut(tokenizer.JoinNext, tokenizer.PatternUnderline)
	}
	return nil
}
