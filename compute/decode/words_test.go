package decode_test

import (
	"testing"

	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	"elenchus/compute/opset"
)

// Settings are told in the words of requests, not as fields of a program.
func TestWords(t *testing.T) {
	for _, c := range []struct {
		s    decode.Sampler
		want string
	}{
		{decode.Sampler{}, "none"},
		{decode.Sampler{TopK: 40, TopP: 966367642, MinP: 53687091}, "top-k 40, top-p 0.9, min-p 0.05"},
		{decode.Sampler{Repetition: 72090, Presence: -32768, Frequency: 1}, "repetition penalty 1.10001, presence penalty -0.5, frequency penalty 0.00002"},
		{decode.Sampler{Stops: []string{"END", "\n"}}, `stop strings ["END" "\n"]`},
		{decode.Sampler{Bias: []opset.TokenBias{{ID: 1, Value: -6553600}, {ID: 2, Value: 65536}, {ID: 3}, {ID: 4}, {ID: 5}}},
			"bias of token 1 by -100, token 2 by 1, token 3 by 0, token 4 by 0 and 1 more"},
		{decode.Sampler{Grammar: &grammar.Grammar{Root: [32]byte{31: 7}}}, "the grammar 0000000000000000000000000000000000000000000000000000000000000007"},
	} {
		if got := c.s.Words(); got != c.want {
			t.Errorf("%+v is %q, want %q", c.s, got, c.want)
		}
	}
	for v, want := range map[int64]string{1<<30 - 1: "1", 1 << 29: "0.5", 0: "0", -1: "0"} {
		if got := decode.Fixed(v, 30); got != want {
			t.Errorf("%d/2^30 is %q, want %q", v, got, want)
		}
	}
}
