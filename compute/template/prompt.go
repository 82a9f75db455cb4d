package template

import "elenchus/compute/tokenizer"

// Prompt are the prompt ids of a text that is no conversation: BOS if the tokenizer asks for it,
// then the text.
func Prompt(t *tokenizer.Tokenizer, text string) []int32 { return PromptOf(t, []Part{{Text: text}}) }

// PromptOf are the prompt ids of a rendered conversation: BOS if the tokenizer asks for it, then
// the text.
func PromptOf(t *tokenizer.Tokenizer, parts []Part) []int32 {
	ids := t.Encode(Text(parts))
	if t.AddBOS() && t.BOS() >= 0 {
		ids = append([]int32{t.BOS()}, ids...)
	}
	return ids
}
