package template

import "elenchus/compute/tokenizer"

// Prompt are the prompt ids of a text that is no conversation: BOS and EOS where the tokenizer asks
// for them around the text. SPEC 04 §4.3.
func Prompt(t *tokenizer.Tokenizer, text string) []int32 { return t.Prompt(t.Encode(text)) }

// PromptOf are the prompt ids of a rendered conversation. Special tokens are recognised in literals
// alone. BOS stands before them where the tokenizer asks for it and no literal brings it; EOS does
// not follow, since the assistant is to go on. SPEC 04 §4.3.
func PromptOf(t *tokenizer.Tokenizer, parts []Part) []int32 {
	runs := make([]tokenizer.Run, len(parts))
	for i, p := range parts {
		runs[i] = tokenizer.Run{Text: p.Text, Special: p.Literal}
	}
	ids := t.EncodeRuns(runs)
	if t.AddBOS() && t.BOS() >= 0 && (len(ids) == 0 || ids[0] != t.BOS()) {
		ids = append([]int32{t.BOS()}, ids...)
	}
	return ids
}
