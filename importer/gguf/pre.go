package gguf

import "elenchus/compute/tokenizer"

// preTokenizer is what names of tokenizer.ggml.pre stand for.
type preTokenizer struct {
	names     string // separated by spaces
	cuts      []tokenizer.Step
	options   tokenizer.Options
	bos       bool // usually added
	separator bool // added at the end
}

// apart is the name of the one that cuts at white space, which goes, and keeps letters as they are.
const apart = "whitespace"

// isolate cuts by patterns, one after another.
func isolate(patterns ...string) []tokenizer.Step {
	out := make([]tokenizer.Step, len(patterns))
	for i, p := range patterns {
		out[i] = tokenizer.Step{Code: tokenizer.Isolate, A: p}
	}
	return out
}

// preTokenizers is the list: the names that llama.cpp knows, with the patterns of the models that
// the names stand for. Where llama.cpp could only write a pattern approximately (case of letters
// beyond ASCII, marks), the model's own stands here.
func preTokenizers() []preTokenizer {
	const letters, whole = tokenizer.Bytes, tokenizer.Bytes | tokenizer.Whole
	const raw = tokenizer.ByteFallback
	step := func(code tokenizer.StepCode) tokenizer.Step { return tokenizer.Step{Code: code} }
	deepSeek := isolate(tokenizer.PatternNewline, tokenizer.PatternEuropean, tokenizer.PatternASCIIMarks)
	deepSeek = append(append(deepSeek, step(tokenizer.TailSpace)), isolate(tokenizer.PatternEastAsian, tokenizer.PatternNumbers)...)
	tinyAya := append([]tokenizer.Step{step(tokenizer.Digits3Word)}, isolate(tokenizer.PatternGPT4o)...)
	afmoe := append([]tokenizer.Step{step(tokenizer.Numbers3)}, isolate(tokenizer.PatternAfmoeCJK, tokenizer.PatternMarked)...)
	superBPE := append(isolate(tokenizer.PatternNumbers), step(tokenizer.Digits3))
	defaults := isolate(tokenizer.PatternDefault, tokenizer.PatternGPT2, tokenizer.PatternNumbers, tokenizer.PatternDigits3)
	chameleon := isolate(tokenizer.PatternSentinel, tokenizer.PatternImage, tokenizer.PatternTabs, tokenizer.PatternNumber,
		tokenizer.PatternMark, tokenizer.PatternGPT2)
	spark := isolate(tokenizer.PatternNumber3, tokenizer.PatternCJK, tokenizer.PatternSpark, tokenizer.PatternNumber)
	return []preTokenizer{
		{"default", defaults, letters, false, false},
		{"llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano", isolate(tokenizer.PatternLlama3), whole, true, false},
		{"dbrx smaug-bpe glm4 chatglm-bpe", isolate(tokenizer.PatternLlama3), letters, false, false},
		{"minicpm5", isolate(tokenizer.PatternNumber3, tokenizer.PatternMiniCPM5), whole, false, false},
		{"jais-2", isolate(tokenizer.PatternJais2), letters, false, false},
		{"deepseek-llm", deepSeek, letters, false, false},
		{"deepseek-coder", isolate(tokenizer.PatternNewline, tokenizer.PatternWords, tokenizer.PatternMarks, tokenizer.PatternEastAsian,
			tokenizer.PatternNumber), letters, false, false},
		{"deepseek-v3 hunyuan-dense joyai-llm hy_v4", isolate(tokenizer.PatternNumber3, tokenizer.PatternCJK, tokenizer.PatternMarked), letters, false, false},
		{"spark2_5", spark, letters, false, false},
		{"youtu", isolate(tokenizer.PatternYoutuCJK, tokenizer.PatternYoutu), whole, false, false},
		{"falcon", isolate(tokenizer.PatternFalcon, tokenizer.PatternGPT2, tokenizer.PatternDigits3), letters, false, false},
		{"starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", isolate(tokenizer.PatternNumber, tokenizer.PatternGPT2),
			letters, false, false},
		{"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert exaone4 mpt olmo jais trillion granite-docling",
			isolate(tokenizer.PatternGPT2), letters, false, false},
		{"jina-v1-en jina-v2-code roberta-bpe", isolate(tokenizer.PatternGPT2), letters, false, true},
		{"qwen2 deepseek-r1-qwen kormo f2llmv2 stablelm2 hunyuan solar-open megrez grok-2", isolate(tokenizer.PatternQwen2), letters, false, false},
		{"qwen35", isolate(tokenizer.PatternQwen35), letters, false, false},
		{"ufakzeka", isolate(tokenizer.PatternNoEnglish), letters, false, false},
		{"laguna", isolate(tokenizer.PatternLines, tokenizer.PatternQwen2), letters, false, false},
		{"poro-chat bloom gpt3-finnish", isolate(tokenizer.PatternBloom), letters, false, false},
		{"viking", isolate(tokenizer.PatternBloom, tokenizer.PatternNumber), letters, false, false},
		{"tekken", isolate(tokenizer.PatternTekken), whole, true, false},
		{"chameleon", chameleon, letters, true, false},
		{"gpt-4o llama4 kanana2 talkie minimax-m2", isolate(tokenizer.PatternGPT4o), letters, false, false},
		{"granite-embed-multi-97m", isolate(tokenizer.PatternGPT4o), whole, false, false},
		{"tiny_aya cohere2moe", tinyAya, letters, false, false},
		{"superbpe", superBPE, letters, false, false},
		{"bailingmoe bailingmoe2 llada-moe", isolate(tokenizer.PatternBailing), letters, false, false},
		{"seed-coder", isolate(tokenizer.PatternSeedCoder), letters, false, false},
		{"exaone-moe", isolate(tokenizer.PatternExaoneMoE), letters, false, false},
		{"kimi-k2", isolate(tokenizer.PatternKimiK2), letters, false, false},
		{"afmoe", afmoe, letters, false, false},
		{"gemma4 granite-embed-multi-311m", isolate(tokenizer.PatternLines), raw | tokenizer.Whole, true, false},
		{"sarvam-moe", isolate(tokenizer.PatternLines), raw, false, false},
		{apart, []tokenizer.Step{{Code: tokenizer.Keep, A: tokenizer.PatternNotSpace}}, 0, false, false},
	}
}
