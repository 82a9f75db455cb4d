package decode_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// exact is a penalised logit over the rational numbers, from the text of SPEC 05 §4.9, in units of 2^-16.
func exact(x int32, s *decode.Sampler, inPrompt bool, drawn int, bias int32) *big.Rat {
	v, one := new(big.Rat).SetInt64(int64(x)), big.NewRat(1<<16, 1)
	if r := new(big.Rat).Quo(big.NewRat(int64(s.Repetition), 1), one); s.Repetition != 0 && (inPrompt || drawn > 0) {
		if x > 0 {
			v.Quo(v, r)
		} else {
			v.Mul(v, r)
		}
	}
	if drawn > 0 {
		v.Sub(v, big.NewRat(int64(s.Presence)+int64(drawn)*int64(s.Frequency), 1))
	}
	return v.Add(v, big.NewRat(int64(bias), 1))
}

// element is penalise of one logit by definition.
func element(t *testing.T, x int32, s *decode.Sampler, count uint32, bias int32) int64 {
	t.Helper()
	d := opset.Descriptor{Op: opset.Penalise, Type: tensor.I32, Leaf: opset.LeafBytes, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 1}}, P: [11]int64{1},
		Src: [4]opset.Source{{Kind: opset.Tensor}, {Kind: opset.Counts}, {Kind: opset.Bias}}}
	c := opset.Context{Repetition: s.Repetition, Presence: s.Presence, Frequency: s.Frequency, Biased: bias != 0}
	v, err := opset.Element(&d, &c, 0, func(r opset.Read) ([]byte, error) {
		v := map[uint8]uint32{opset.Tensor: uint32(x), opset.Counts: count, opset.Bias: uint32(bias)}[r.Kind]
		return binary.LittleEndian.AppendUint32(nil, v), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A penalised logit is the real number that the settings give, rounded once: at most half of 2^-16 away
// before it saturates, exact where nothing is divided, and what doubles give within their own error.
// SPEC 05 §4.9, 02 §4 op 29.
func TestPenalisedLogitsAreTheRealOnes(t *testing.T) {
	r := rand.New(rand.NewPCG(29, 1))
	half, sure := big.NewRat(1, 2), 0
	for range 20_000 {
		s := &decode.Sampler{Presence: r.Int32N(2*decode.MaxPenalty) - decode.MaxPenalty, Frequency: r.Int32N(1<<17) - 1<<16}
		if r.IntN(4) > 0 {
			s.Repetition = 1 + r.Uint32N(decode.MaxPenalty)
		}
		x, bias := int32(r.Uint32())>>r.IntN(20), (r.Int32N(201)-100)<<16
		inPrompt, drawn := r.IntN(2) == 0, max(0, r.IntN(12)-4)
		count := uint32(2 * drawn)
		if inPrompt {
			count++
		}
		got, want := element(t, x, s, count, bias), exact(x, s, inPrompt, drawn, bias)
		if w, _ := want.Float64(); math.Abs(w) >= math.MaxInt32 {
			if got != tensor.Sat64(int64(math.Copysign(math.MaxInt32+1, w)), tensor.I32) {
				t.Fatalf("%d with %+v, %d times, bias %d: %d does not saturate %v", x, s, drawn, bias, got, w)
			}
			continue
		}
		sure++
		off := new(big.Rat).Sub(want, big.NewRat(got, 1))
		if off.Abs(off).Cmp(half) > 0 || s.Repetition == 0 && off.Sign() != 0 {
			t.Fatalf("%d with %+v, %d times, bias %d: %d is %s off", x, s, drawn, bias, got, off.FloatString(6))
		}
		if f, _ := want.Float64(); math.Abs(f-float64(got)) > 0.5+math.Abs(f)*1e-12 {
			t.Fatalf("%d with %+v: doubles give %v, not %d", x, s, f, got)
		}
	}
	if sure < 10_000 {
		t.Fatalf("only %d cases do not saturate", sure)
	}
}

// What a run draws greedily under penalties and a bias is the greatest of the real penalised logits, where
// that is clear, step by step, with guesses and without, and whoever looks. SPEC 05 §4.9.
func TestGreedyTokensFollowPenalties(t *testing.T) {
	m := tiny()
	s := decode.Sampler{Repetition: 100_000, Presence: 1 << 14, Frequency: 1 << 15, Bias: []opset.TokenBias{{ID: 3, Value: 1 << 15}, {ID: 200, Value: -1 << 15}}}
	job := decode.Job{Prompt: prompt(9), MaxNew: 24, Sampler: s}
	var out []int32
	run := func(draft func([]int32, int) []int32) []int32 {
		r, err := decode.New(m, job, nil, decode.Hooks{})
		if err != nil {
			t.Fatal(err)
		}
		r.Draft = draft
		r.Logits = func(_ int, logits []int32) {
			if draft == nil {
				out = append(out, clearest(t, &job, r.Output(), logits)...)
			}
		}
		for !r.Done() {
			if err := r.Advance(8); err != nil {
				t.Fatal(err)
			}
		}
		return slices.Clone(r.Output())
	}
	want := run(nil)
	if len(out) == 0 {
		t.Fatal("no token was clear")
	}
	plain := job
	plain.Sampler = decode.Sampler{}
	if _, o, _ := digest(t, m, plain, 1, nil); slices.Equal(o, want) {
		t.Fatal("penalties change nothing here")
	}
	if got := run(decode.Known(want)); !slices.Equal(got, want) {
		t.Errorf("with right guesses %v, without %v", got, want)
	}
	wrong := slices.Clone(want)
	wrong[5] = (wrong[5] + 1) % int32(m.Vocab)
	if got := run(decode.Known(wrong)); !slices.Equal(got, want) {
		t.Errorf("with a wrong guess %v, without %v", got, want)
	}
	observe(t, m, job)
}

// clearest checks the last id of output against the real penalised logits and returns it, if their greatest
// is ahead of all others by more than rounding.
func clearest(t *testing.T, job *decode.Job, output, logits []int32) []int32 {
	t.Helper()
	y, before := output[len(output)-1], output[:len(output)-1]
	best, second, at := big.NewRat(-1<<40, 1), big.NewRat(-1<<40, 1), int32(-1)
	for id, x := range logits {
		drawn, bias := 0, int32(0)
		for _, o := range before {
			if o == int32(id) {
				drawn++
			}
		}
		for _, b := range job.Sampler.Bias {
			if b.ID == int32(id) {
				bias = b.Value
			}
		}
		if v := exact(x, &job.Sampler, slices.Contains(job.Prompt, int32(id)), drawn, bias); v.Cmp(best) > 0 {
			best, second, at = v, best, int32(id)
		} else if v.Cmp(second) > 0 {
			second = v
		}
	}
	if new(big.Rat).Sub(best, second).Cmp(big.NewRat(2, 1)) < 0 {
		return nil
	}
	if at != y {
		t.Fatalf("id %d was drawn, %d has the greatest penalised logit", y, at)
	}
	return []int32{y}
}

// Numbers of requests become fixed point exactly; what is out of range is refused. SPEC 05 §4.8.
func TestPenaltiesFromText(t *testing.T) {
	for text, want := range map[string]uint32{"1": 0, "1.0": 0, "1.1": 72090, "2": 131072, "16": 1 << 20, "1e-30": 1, "0.5": 1 << 15} {
		if got, err := decode.ParseRepetition(text); err != nil || got != want {
			t.Errorf("repetition %s: %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]int32{"0": 0, "-0": 0, "0.5": 1 << 15, "-2": -2 << 16, "1e-9": 1, "-1e-9": -1, "0.1": 6554, "-0.1": -6554} {
		if got, err := decode.ParsePenalty(text); err != nil || got != want {
			t.Errorf("penalty %s: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "-1", "16.1", "x", ""} {
		if _, err := decode.ParseRepetition(text); err == nil {
			t.Errorf("repetition %q was read", text)
		}
	}
	for _, text := range []string{"2.1", "-2.1", "1e400", "--1"} {
		if _, err := decode.ParsePenalty(text); err == nil {
			t.Errorf("penalty %q was read", text)
		}
	}
	got, err := decode.ParseBias([][2]string{{"9", "-100"}, {"0", "0.25"}, {"5", "0"}})
	if want := []opset.TokenBias{{ID: 0, Value: 1 << 14}, {ID: 9, Value: -100 << 16}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("bias %v, %v", got, err)
	}
	for _, pairs := range [][][2]string{{{"5", "1"}, {"5", "2"}}, {{"05", "1"}}, {{"-1", "1"}}, {{"1048576", "1"}}, {{"5", "101"}}, {{"5", `"1"`}}} {
		if _, err := decode.ParseBias(pairs); !errors.Is(err, decode.ErrSampler) && !errors.Is(err, decode.ErrDecimal) {
			t.Errorf("bias %v: %v", pairs, err)
		}
	}
}

// Settings have one encoding and no other bytes are settings. SPEC 07 §8.
func TestSettingsHaveOneEncoding(t *testing.T) {
	s := decode.Sampler{TopK: 1, TopP: 2, MinP: 3, Repetition: 4, Presence: -5, Frequency: 6, Bias: []opset.TokenBias{{ID: 7, Value: -8}, {ID: 9, Value: 10}}}
	b := s.Encode()
	back, err := decode.DecodeSampler(b)
	if err != nil || !back.Equal(&s) {
		t.Fatalf("%+v, %v", back, err)
	}
	for name, edit := range map[string]func(s *decode.Sampler){
		"repetition of 1": func(s *decode.Sampler) { s.Repetition = 1 << 16 }, "repetition": func(s *decode.Sampler) { s.Repetition = decode.MaxPenalty + 1 },
		"presence": func(s *decode.Sampler) { s.Presence = math.MinInt32 }, "frequency": func(s *decode.Sampler) { s.Frequency = -decode.MaxPenalty - 1 },
		"bias of 0": func(s *decode.Sampler) { s.Bias = []opset.TokenBias{{ID: 1}} }, "descending": func(s *decode.Sampler) { s.Bias = []opset.TokenBias{{ID: 2, Value: 1}, {ID: 1, Value: 1}} },
		"twice": func(s *decode.Sampler) { s.Bias = []opset.TokenBias{{ID: 2, Value: 1}, {ID: 2, Value: 1}} }, "id": func(s *decode.Sampler) { s.Bias = []opset.TokenBias{{ID: opset.DenseCount, Value: 1}} },
		"value": func(s *decode.Sampler) { s.Bias = []opset.TokenBias{{ID: 2, Value: decode.MaxBiasValue + 1}} }, "grammar": func(s *decode.Sampler) { s.Grammar = &grammar.Grammar{Source: []byte{0}} },
		"nothing": func(s *decode.Sampler) { *s = decode.Sampler{} },
	} {
		c := s
		edit(&c)
		if _, err := decode.DecodeSampler(c.Encode()); !errors.Is(err, decode.ErrSampler) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range b {
		if _, err := decode.DecodeSampler(b[:i]); !errors.Is(err, decode.ErrSampler) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
}

// No bytes panic, and what is read is written as it was.
func FuzzDecodeSampler(f *testing.F) {
	for _, s := range []decode.Sampler{{TopK: 3}, {Repetition: 70000, Bias: []opset.TokenBias{{ID: 7, Value: -8}}}} {
		f.Add(s.Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decode.DecodeSampler(b)
		if err == nil && !slices.Equal(s.Encode(), b) {
			t.Fatalf("%x is read as %+v", b, s)
		}
	})
}

// A node knows of a model that it has not loaded its sizes alone: jobs are checked as far as these go.
func TestOutlinesTakePenalties(t *testing.T) {
	outline := &model.Model{Kind: model.KindToken, Vocab: 300, TMax: 64, Layers: 2}
	j := decode.Job{Prompt: []int32{1}, MaxNew: 1, Sampler: decode.Sampler{Repetition: 1 << 17, Bias: []opset.TokenBias{{ID: 299, Value: 1}}}}
	if err := j.Check(outline); err != nil {
		t.Fatal(err)
	}
	j.Sampler.Bias[0].ID = 300
	if err := j.Check(outline); err == nil {
		t.Fatal("a bias of an id beyond the vocabulary")
	}
}
