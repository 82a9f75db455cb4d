package tokenizer

// Pieces of the patterns below.
const (
	contraction    = `'s|'t|'re|'ve|'m|'ll|'d`
	gpt2           = contraction + `| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	anyContraction = `(?i:` + contraction + `)`
	letters        = `[^\r\n\p{L}\p{N}]?\p{L}+`
	others         = ` ?[^\s\p{L}\p{N}]+[\r\n]*`
	lines          = `\s*[\r\n]+|\s+(?!\S)|\s+`
	upper, lower   = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
	title          = `[^\r\n\p{L}\p{N}]?` + upper + `*` + lower + `+`
	capitals       = `[^\r\n\p{L}\p{N}]?` + upper + `+` + lower + `*`
	paths          = ` ?[^\s\p{L}\p{N}]+[\r\n/]*`
	punctuated     = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
	marked         = punctuated + `|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+`
	european       = "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373\u0376\u0377\u037B-\u037D" +
		"\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-" +
		"\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-" +
		"\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-" +
		"\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139" +
		"\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-" +
		"\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F\U000104B0-" +
		"\U000104D3\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2\U000118A0-\U000118DF\U0001E900-\U0001E943"
	hanLetter    = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]`
	hanLower     = `[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]`
	blankCascade = `\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}`
	markedCJK    = "[\u4E00-\u9FFF\u3400-\u4DBF\uF900-\uFAFF\u3040-\u309F\u30A0-\u30FF\uFF65-\uFF9F\u2F00-\u2FDF" +
		"\u0E40-\u0E7F\u0E80-\u0EFF\u1780-\u17FF\u1000-\u109F\uAA60-\uAA7F\uA9E0-\uA9FF\uAC00-\uD7AF\u1100-\u11FF]+"
	kimiWord = `[^\r\n\p{L}\p{N}]?` + hanLetter + `*` + hanLower + `+` + anyContraction +
		`?|[^\r\n\p{L}\p{N}]?` + hanLetter + `+` + hanLower + `*` + anyContraction + `?`
	youtuBlocks     = `[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+`
	exaoneWords     = `[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+`
	bloomPattern    = ` ?[^(\s|.,!?…。，、।۔،)]+`
	strictAlternate = `(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])`
)

// Patterns of published tokenizers, by which cutting steps name what they match. The list may grow;
// a pattern enters when a test has shown that long runs of anything take it few steps.
const (
	PatternGPT2       = gpt2
	PatternLlama3     = anyContraction + `|` + letters + `|\p{N}{1,3}|` + others + `|` + lines
	PatternQwen2      = anyContraction + `|` + letters + `|\p{N}|` + others + `|` + lines
	PatternNoEnglish  = letters + `|\p{N}|` + others + `|` + lines
	PatternQwen35     = anyContraction + `|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|` + lines
	PatternMiniCPM5   = anyContraction + `|` + letters + `|\p{N}+|` + others + `|` + lines
	PatternJais2      = anyContraction + `|` + letters + `|\p{N}{1,3}|` + others + `|\s*[\r\n]+|` + blankCascade
	PatternBailing    = `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`
	PatternSeedCoder  = anyContraction + `|` + letters + `|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|` + lines
	PatternExaoneMoE  = anyContraction + `|` + exaoneWords + `|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+`
	PatternTekken     = title + `|` + capitals + `|\p{N}|` + paths + `|` + lines
	PatternGPT4o      = title + anyContraction + `?|` + capitals + anyContraction + `?|\p{N}{1,3}|` + paths + `|` + lines
	PatternKimiK2     = `[\p{Han}]+|` + kimiWord + `|\p{N}{1,3}|` + others + `|` + lines
	PatternYoutu      = title + strictAlternate + `?|` + capitals + strictAlternate + `?|\p{N}|` + paths + `|` + lines
	PatternYoutuCJK   = youtuBlocks
	PatternMarked     = marked + `[\r\n]*|` + lines
	PatternSpark      = marked + `|[\r\n]|\s+(?!\S)|\s+`
	PatternAfmoeCJK   = markedCJK
	PatternCJK        = `[一-龥぀-ゟ゠-ヿ]+`
	PatternEastAsian  = `[一-龥ࠀ-一가-퟿]+`
	PatternEuropean   = `\s?[` + european + `]+`
	PatternASCIIMarks = `\s?[!-/:-~！-／：-～‘-‟　-。]+`
	PatternNewline    = `[\r\n]`
	PatternWords      = `\s?\p{L}+`
	PatternMarks      = `\s?\p{P}+`
	PatternNumber     = `\p{N}`
	PatternNumber3    = `\p{N}{1,3}`
	PatternNumbers    = `\p{N}+`
	PatternDigits3    = `[0-9][0-9][0-9]`
	PatternDigit      = `[0-9]`
	PatternFalcon     = "[\\p{P}\\$\\+<=>\\^~\\|`]+"
	PatternDefault    = `[\p{P}\$\+<=>\^~\|]+`
	PatternBloom      = bloomPattern
	PatternLines      = `[^\n]+|[\n]+`
	PatternNotSpace   = `\S+`
	PatternSpaces     = `\s+`
	PatternSpace      = ` `
	PatternSentinel   = `<sentinel:[0-9]+>`
	PatternImage      = `(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z`
	PatternTabs       = `([\t\n]|    |  )`
	PatternMark       = "[\\p{P}!-/:-@\\[-`{-~]"
	PatternMarkRun    = "[\\p{P}!-/:-@\\[-`{-~]+"
	PatternCl100k     = `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`
	PatternWordMarks  = `[\w\x{200C}\x{200D}]+|[^\w\s\x{200C}\x{200D}]+`
	PatternUnderline  = `▁`
)

// patterns are all of them.
var patterns = [...]string{
	PatternGPT2, PatternLlama3, PatternQwen2, PatternNoEnglish, PatternQwen35, PatternMiniCPM5, PatternJais2, PatternBailing,
	PatternSeedCoder, PatternExaoneMoE, PatternTekken, PatternGPT4o, PatternKimiK2, PatternYoutu, PatternYoutuCJK, PatternMarked,
	PatternSpark, PatternAfmoeCJK, PatternCJK, PatternEastAsian, PatternEuropean, PatternASCIIMarks, PatternNewline, PatternWords,
	PatternMarks, PatternNumber, PatternNumber3, PatternNumbers, PatternDigits3, PatternDigit, PatternFalcon, PatternDefault,
	PatternBloom, PatternLines, PatternNotSpace, PatternSpaces, PatternSpace, PatternSentinel, PatternImage, PatternTabs,
	PatternMark, PatternMarkRun, PatternCl100k, PatternWordMarks, PatternUnderline,
}
