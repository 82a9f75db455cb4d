package tokenizer_test

import (
	"slices"
	"strings"
	"testing"

	"elenchus/compute/tokenizer"
)

// small has letters, a merge, a control piece and BOS; algorithm Scored or RankedBPE.
func small(t *testing.T, ranked bool) *tokenizer.Tokenizer {
	t.Helper()
	c := tokenizer.Config{BOS: 1, EOS: tokenizer.None, Unknown: 0, Pieces: []tokenizer.Piece{
		{Text: "<unk>", Kind: tokenizer.Unknown}, {Text: "<s>", Kind: tokenizer.Control}, {Text: "<|x|>", Kind: tokenizer.Control},
		{Text: "a", Kind: tokenizer.Normal}, {Text: "b", Kind: tokenizer.Normal}, {Text: "ab", Kind: tokenizer.Normal},
		{Text: "<", Kind: tokenizer.Normal}, {Text: "|", Kind: tokenizer.Normal}, {Text: "x", Kind: tokenizer.Normal}, {Text: ">", Kind: tokenizer.Normal},
	}}
	if ranked {
		c.Algorithm, c.Merges = tokenizer.RankedBPE, []tokenizer.Merge{{Left: 3, Right: 4}}
	}
	tok, err := tokenizer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// Names of control pieces count where their author may use them, and words reach over the ends of
// runs. SPEC 04 §4.
func TestEncodeRuns(t *testing.T) {
	for _, ranked := range []bool{false, true} {
		tok := small(t, ranked)
		for _, c := range []struct {
			runs []tokenizer.Run
			want []int32
		}{
			{nil, nil},
			{[]tokenizer.Run{{Text: "ab"}}, []int32{5}},
			{[]tokenizer.Run{{Text: "a"}, {Text: "b", Special: true}}, []int32{5}},
			{[]tokenizer.Run{{Text: "<|x|>a", Special: true}, {Text: "b<|x|>"}}, []int32{2, 5, 6, 7, 8, 7, 9}},
			{[]tokenizer.Run{{Text: "<|x", Special: true}, {Text: "|>"}}, []int32{6, 7, 8, 7, 9}},
			{[]tokenizer.Run{{Text: "a<|x|><s>", Special: true}, {Text: ""}, {Text: "b", Special: true}}, []int32{3, 2, 1, 4}},
		} {
			if got := tok.EncodeRuns(c.runs); !slices.Equal(got, c.want) {
				t.Errorf("ranked %v, %+v: %v, want %v", ranked, c.runs, got, c.want)
			}
		}
		if got := tok.EncodeRuns([]tokenizer.Run{{Text: "a<|x|>b"}}); !slices.Equal(got, tok.Encode("a<|x|>b")) {
			t.Errorf("one run is %v, its text %v", got, tok.Encode("a<|x|>b"))
		}
		if got := tok.EncodeRuns([]tokenizer.Run{{Text: "a<|x|>b", Special: true}}); !slices.Equal(got, tok.EncodeSpecial("a<|x|>b")) {
			t.Errorf("one special run is %v, its text %v", got, tok.EncodeSpecial("a<|x|>b"))
		}
	}
}

// Joining runs takes time in proportion to their text, not to its square: a conversation of a hundred
// thousand short messages comes from anybody.
func TestManyRunsAreJoinedOnce(t *testing.T) {
	tok := small(t, true)
	runs := slices.Repeat([]tokenizer.Run{{Text: "a"}, {Text: "b", Special: true}}, 2000)
	whole := strings.Repeat("ab", 2000)
	if got := tok.EncodeRuns(runs); !slices.Equal(got, tok.Encode(whole)) {
		t.Fatalf("%d ids of the runs, %d of their text", len(got), len(tok.Encode(whole)))
	}
	plain := testing.AllocsPerRun(3, func() { tok.EncodeRuns([]tokenizer.Run{{Text: strings.Repeat("a", 2000)}}) })
	cut := testing.AllocsPerRun(3, func() { tok.EncodeRuns(slices.Repeat([]tokenizer.Run{{Text: "a"}}, 2000)) })
	if cut > plain+100 {
		t.Errorf("2,000 runs take %.0f allocations, their text in one %.0f", cut, plain)
	}
}
