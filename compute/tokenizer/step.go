package tokenizer

import (
	"fmt"
)

// StepCode says what a step does to text. Zero is illegal; codes never change their meaning.
type StepCode uint8

// Steps that normalise a text before it is cut.
const (
	NFC          StepCode = 1  // canonical composition
	NFD          StepCode = 2  // canonical decomposition
	NFKC         StepCode = 3  // compatibility composition
	NFKD         StepCode = 4  // compatibility decomposition
	Lower        StepCode = 5  // full lower case of each character by itself
	DropMarks    StepCode = 6  // characters of category Mn go
	Prepend      StepCode = 7  // A is put before a text that is not empty
	Replace      StepCode = 8  // every A becomes B, from left to right
	TrimLeft     StepCode = 9  // white space goes from the beginning
	TrimRight    StepCode = 10 // and from the end
	CleanControl StepCode = 11 // U+FFFD and category C but tab, LF and CR go; then white space becomes spaces
	SpaceHan     StepCode = 12 // a space before and after each ideograph
	Charsmap     StepCode = 13 // A is a compiled map of character sequences (SentencePiece)
	Squeeze      StepCode = 14 // two or more spaces become one B
	TrimSpaces   StepCode = 15 // spaces (U+0020 alone) go from both ends
	DropAllMarks StepCode = 16 // characters of category M go
)

// Steps that cut a text into words, each applied to the words that the one before left.
const (
	Isolate      StepCode = 32 // matches of pattern A and what is between them
	Drop         StepCode = 33 // what is between matches of pattern A
	Keep         StepCode = 34 // matches of pattern A
	JoinNext     StepCode = 35 // as Isolate; a match belongs to the word that follows
	JoinPrevious StepCode = 36 // as Isolate; a match belongs to the word before
	Metaspace    StepCode = 37 // spaces become A; A is put before a word that has none: B says which
	PrefixSpace  StepCode = 38 // a space is put before a word that begins with none
	TailSpace    StepCode = 39 // white space at the end becomes a word
	Digits3      StepCode = 40 // runs of \d are cut in threes from their end
	Digits3Word  StepCode = 41 // as Digits3, runs that end a word (\b), isolated, at most three at a time
	Numbers3     StepCode = 42 // runs of \p{N}, isolated, in threes from their end
	Letters      StepCode = 43 // bytes are written as letters here, not after the last step (option 1)
)

// The values of B of Metaspace.
const (
	PrependAlways = "always" // every word
	PrependFirst  = "first"  // the word that begins the text
	PrependNever  = "never"
)

// Bounds of steps.
const (
	MaxSteps    = 64      // of one kind
	MaxStepText = 1 << 21 // bytes of A or B
)

// Step is one step with its arguments, which are empty where the code has none.
type Step struct {
	Code StepCode
	A, B string
}

// arguments says which of A and B a code has, and whether they may be empty.
var arguments = [...]struct {
	code         StepCode
	a, b, emptyB bool
}{
	{code: NFC}, {code: NFD}, {code: NFKC}, {code: NFKD}, {code: Lower}, {code: DropMarks},
	{code: Prepend, a: true}, {code: Replace, a: true, b: true, emptyB: true},
	{code: TrimLeft}, {code: TrimRight}, {code: CleanControl}, {code: SpaceHan},
	{code: Charsmap, a: true}, {code: Squeeze, b: true}, {code: TrimSpaces}, {code: DropAllMarks},
	{code: Isolate, a: true}, {code: Drop, a: true}, {code: Keep, a: true}, {code: JoinNext, a: true}, {code: JoinPrevious, a: true},
	{code: Metaspace, a: true, b: true}, {code: PrefixSpace}, {code: TailSpace},
	{code: Digits3}, {code: Digits3Word}, {code: Numbers3}, {code: Letters},
}

// checkStep says why a step of a list is illegal; cuts says which list.
func checkStep(s Step, cuts bool) error {
	for _, a := range arguments {
		if a.code != s.Code || (a.code >= Isolate) != cuts {
			continue
		}
		if len(s.A) > MaxStepText || len(s.B) > MaxStepText {
			return fmt.Errorf("step %d with %d and %d bytes, at most %d", s.Code, len(s.A), len(s.B), MaxStepText)
		}
		if (s.A != "") != a.a || s.B != "" && !a.b || s.B == "" && a.b && !a.emptyB {
			return fmt.Errorf("step %d with %d and %d bytes of arguments", s.Code, len(s.A), len(s.B))
		}
		if s.Code == Metaspace && s.B != PrependAlways && s.B != PrependFirst && s.B != PrependNever {
			return fmt.Errorf("step %d prepends %q, want always, first or never", s.Code, s.B)
		}
		return nil
	}
	return fmt.Errorf("step %d is not known in this list", s.Code)
}
