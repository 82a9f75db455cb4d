package receipt_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
)

const (
	prompt  = "a cab"
	issued  = 1_000_000
	seconds = 3600 // window
)

// world is an honest receipt of a drawn model with everything that it can be checked against.
type world struct {
	t     testing.TB
	man   *manifest.Manifest
	tok   *tokenizer.Tokenizer
	r     *receipt.Receipt
	facts receipt.Facts
}

func vocabulary(t testing.TB, n int) *tokenizer.Tokenizer {
	t.Helper()
	c := tokenizer.Config{BOS: 1, EOS: 2, AddBOS: true, AddSpacePrefix: true, Pieces: []tokenizer.Piece{
		{Text: "<unk>", Kind: tokenizer.Unknown}, {Text: "<s>", Kind: tokenizer.Control}, {Text: "</s>", Kind: tokenizer.Control},
		{Text: "\u2581", Kind: tokenizer.Normal},
	}}
	for b := range 256 {
		c.Pieces = append(c.Pieces, tokenizer.Piece{Text: fmt.Sprintf("<0x%02X>", b), Kind: tokenizer.Byte})
	}
	for i := len(c.Pieces); i < n; i++ {
		c.Pieces = append(c.Pieces, tokenizer.Piece{Text: fmt.Sprintf("piece%d", i), Kind: tokenizer.Normal})
	}
	tok, err := tokenizer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, tok: vocabulary(t, modeltest.Tiny().Vocab)}
	m := modeltest.Llama(1, modeltest.Tiny())
	var err error
	if m.Tokenizer, err = w.tok.MarshalBinary(); err != nil {
		t.Fatal(err)
	}
	m.Template = template.New().Encode()
	if w.man, err = manifest.Bind(m); err != nil {
		t.Fatal(err)
	}
	job := decode.Job{Prompt: template.Prompt(w.tok, prompt), StopIDs: []int32{2}, MaxNew: 6, Temperature: 1 << 16, Seed: 5}
	own := run(t, w.man, job)
	w.r = &receipt.Receipt{
		Domain: claim.Domain{ChainID: 7, Arena: claim.Address{1}}, Prompt: job.Prompt, Stop: job.StopIDs, Output: slices.Clone(own.Output),
		Request: claim.Request{
			Model: merkle.Hash(w.man.ID()), PromptRoot: trace.IDTree(job.Prompt).Root(), PromptCount: uint32(len(job.Prompt)),
			MaxNew: job.MaxNew, Temperature: job.Temperature, Seed: job.Seed, StopRoot: trace.IDTree(job.StopIDs).Root(), StopCount: 1,
		},
		Claim: claim.Claim{
			Version: claim.Version, Count: uint32(len(own.Output)), Finish: own.Finish, StateRoot: own.StateRoot,
			OutputRoot: trace.IDTree(own.Output).Root(), Issued: issued, BatchBy: issued + 600, ChallengeUntil: issued + 2*seconds,
		},
	}
	w.sign(t)
	text, err := receipt.AnswerText(w.tok, w.r.Job(), w.r.Output)
	if err != nil {
		t.Fatal(err)
	}
	asked, most, temperature, seed := prompt, uint32(6), uint32(1<<16), uint64(5)
	w.facts = receipt.Facts{
		Model: w.man, Own: own, Answers: []string{text},
		Asked: &receipt.Asked{Text: &asked, MaxNew: &most, Temperature: &temperature, Seed: &seed},
		Chain: &receipt.Chain{Domain: w.r.Domain, Now: issued + 60, Window: seconds},
	}
	w.include(3)
	return w
}

// sign makes request digest and signature fit again.
func (w *world) sign(t testing.TB) {
	t.Helper()
	key, err := crypto.ToECDSA(append(make([]byte, 31), 9))
	if err != nil {
		t.Fatal(err)
	}
	w.r.Claim.Node = claim.AddressOf(key)
	w.r.Claim.RequestDigest = w.r.Request.Digest(w.r.Domain)
	if w.r.Signature, err = claim.Sign(w.r.Claim.Digest(w.r.Domain), key); err != nil {
		t.Fatal(err)
	}
}

// include puts the claim at an index of a batch of five.
func (w *world) include(at int) {
	leaves := make([]claim.Hash, 5)
	for i := range leaves {
		leaves[i] = claim.Hash{byte(i + 1)}
	}
	leaves[at] = w.r.Claim.Digest(w.r.Domain)
	tree := claim.NewTree(leaves)
	w.facts.Chain.Batch = &receipt.Inclusion{
		Root: tree.Root(), Count: 5, Index: uint32(at), Path: tree.Path(at), Posted: issued + 30, Until: issued + 30 + seconds,
	}
}

func run(t testing.TB, man *manifest.Manifest, job decode.Job) *receipt.Own {
	t.Helper()
	chain := trace.NewChain(man, &job)
	d, err := decode.New(man.Model, job, nil, decode.Hooks{Step: func(_ int, y decode.Yield, kv *machine.Cache) { chain.Append(y, kv) }})
	if err != nil {
		t.Fatal(err)
	}
	for !d.Done() {
		if err := d.Advance(16); err != nil {
			t.Fatal(err)
		}
	}
	a := chain.Answer(d.Output())
	return &receipt.Own{StateRoot: a.StateTree().Root(), Output: a.Outputs, Finish: uint8(d.Finish())}
}

// outcomes are the names of the checks whose outcome is o.
func outcomes(rep *receipt.Report, o receipt.Outcome) string {
	var out []string
	for _, c := range rep.Checks {
		if c.Outcome == o {
			out = append(out, c.Name)
		}
	}
	return strings.Join(out, " ")
}

// TestHonestReceiptHolds: every check, asked for, holds.
func TestHonestReceiptHolds(t *testing.T) {
	w := newWorld(t)
	rep := receipt.Verify(w.r, w.facts)
	if got := outcomes(rep, receipt.Holds); got != strings.Join(receipt.CheckNames(), " ") {
		t.Errorf("holds: %s\n%+v", got, rep.Checks)
	}
	if rep.Outcome() != receipt.Holds || rep.Prompt != prompt || rep.Output != w.facts.Answers[0] {
		t.Errorf("outcome %v, prompt %q, output %q", rep.Outcome(), rep.Prompt, rep.Output)
	}
}

// TestEachLieFailsItsOwnCheck: one disturbance, the checks that must fail, and no other.
func TestEachLieFailsItsOwnCheck(t *testing.T) {
	for _, c := range []struct {
		name, fails string
		lie         func(t *testing.T, w *world)
	}{
		{"signature of another claim", "signature", func(_ *testing.T, w *world) { w.r.Signature[3] ^= 1 }},
		{"node of another name", "signature", func(_ *testing.T, w *world) { w.r.Claim.Node[0] ^= 1; w.include(0) }},
		{"output id", "ids text", func(_ *testing.T, w *world) { w.r.Output[1] = 'x' + 4 }},
		{"prompt id", "ids request", func(_ *testing.T, w *world) { w.r.Prompt[2] ^= 1 }},
		{"stop id", "ids request", func(_ *testing.T, w *world) { w.r.Stop[0] = 299 }},
		{"one output too few", "ids text", func(_ *testing.T, w *world) { w.r.Output = w.r.Output[:2] }},
		{"sampler settings", "ids request", func(_ *testing.T, w *world) { w.r.Sampler.TopK = 3 }},
		{"settings that nobody asked for", "request", func(t *testing.T, w *world) {
			w.r.Sampler.TopK = 3
			w.r.Request.Extras = trace.Settings(&w.r.Sampler).Extras()
			w.sign(t)
			w.include(0)
		}},
		{"extras", "ids", func(t *testing.T, w *world) { w.r.Request.Extras[0] = 1; w.sign(t); w.include(0) }},
		{"another request's claim", "signature ids", func(_ *testing.T, w *world) { w.r.Claim.RequestDigest[0] ^= 1; w.include(0) }},
		{"another model", "model", func(t *testing.T, w *world) {
			m := modeltest.Llama(2, modeltest.Tiny())
			m.Tokenizer, m.Template = w.man.Model.Tokenizer, w.man.Model.Template
			other, err := manifest.Bind(m)
			if err != nil {
				t.Fatal(err)
			}
			w.facts.Model, w.facts.Asked, w.facts.Answers = other, nil, nil
		}},
		{"another prompt", "request", func(_ *testing.T, w *world) { other := "a cat"; w.facts.Asked.Text = &other }},
		{"a system message in front", "request", func(_ *testing.T, w *world) {
			w.facts.Asked.Text, w.facts.Asked.Messages = nil, []template.Message{{Role: "user", Content: "a ca"}}
		}},
		{"another seed", "request", func(_ *testing.T, w *world) { *w.facts.Asked.Seed = 6 }},
		{"another temperature", "request", func(_ *testing.T, w *world) { *w.facts.Asked.Temperature = 0 }},
		{"default temperature", "request", func(t *testing.T, w *world) {
			w.r.Request.Temperature = 1<<16 + 1
			w.sign(t)
			w.include(0)
			w.facts.Asked.Temperature = nil
		}},
		{"another length", "request", func(_ *testing.T, w *world) { *w.facts.Asked.MaxNew = 7 }},
		{"calls that no id makes", "text", func(_ *testing.T, w *world) {
			w.facts.Asked.Tools, w.facts.Calls = []string{"{}"}, []template.Call{{Name: "f", Arguments: "{}"}}
		}},
		{"another text", "text", func(_ *testing.T, w *world) { w.facts.Answers = append(w.facts.Answers, "something else") }},
		{"another state", "execution", func(_ *testing.T, w *world) { w.facts.Own.StateRoot[0] ^= 1 }},
		{"another token", "execution", func(_ *testing.T, w *world) {
			w.facts.Own.Output = slices.Clone(w.facts.Own.Output)
			w.facts.Own.Output[2]++
		}},
		{"another length computed", "execution", func(_ *testing.T, w *world) { w.facts.Own.Output = w.facts.Own.Output[:3] }},
		{"another finish", "execution", func(_ *testing.T, w *world) { w.facts.Own.Finish = 1 }},
		{"another arena", "inclusion", func(_ *testing.T, w *world) { w.facts.Chain.Domain.Arena[3] = 1 }},
		{"another place", "inclusion", func(_ *testing.T, w *world) { w.facts.Chain.Batch.Index = 2 }},
		{"a place beyond the count", "inclusion", func(_ *testing.T, w *world) { w.facts.Chain.Batch.Count = 3 }},
		{"never included", "inclusion", func(_ *testing.T, w *world) { w.facts.Chain.Batch = nil; w.facts.Chain.Now = issued + 601 }},
		{"short window", "window", func(t *testing.T, w *world) {
			w.r.Claim.ChallengeUntil = issued + seconds - 1
			w.sign(t)
			w.include(0)
		}},
		{"window before the claim", "window", func(t *testing.T, w *world) {
			w.r.Claim.ChallengeUntil = issued - 1
			w.sign(t)
			w.include(0)
		}},
		{"refuted", "verdict", func(_ *testing.T, w *world) { w.facts.Chain.Refuted = true }},
		{"voided", "verdict", func(_ *testing.T, w *world) { w.facts.Chain.Voided = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.lie(t, w)
			rep := receipt.Verify(w.r, w.facts)
			if got := outcomes(rep, receipt.False); got != c.fails {
				t.Errorf("false: %q, want %q\n%+v", got, c.fails, rep.Checks)
			}
			if rep.Outcome() != receipt.False {
				t.Errorf("outcome %v", rep.Outcome())
			}
		})
	}
}

// TestMissingFactsAreNoVerdict: what was not asked for does not count, what was and is missing does.
func TestMissingFactsAreNoVerdict(t *testing.T) {
	for _, c := range []struct {
		name string
		want receipt.Outcome
		in   string // checks with that outcome
		with func(w *world)
	}{
		{"nothing asked", receipt.Holds, "signature ids", func(w *world) { w.facts = receipt.Facts{} }},
		{"unknown model", receipt.Cannot, "model request text execution", func(w *world) {
			w.facts.Model, w.facts.NoModel, w.facts.Own, w.facts.NoOwn = nil, "not here", nil, "no model"
		}},
		{"graph model", receipt.Cannot, "ids", func(w *world) {
			w.r.Request = claim.Request{Model: w.r.Request.Model}
			w.r.Claim.Count, w.r.Claim.Finish, w.r.Claim.StateRoot = 0, 0, claim.Hash{}
			w.r.Prompt, w.r.Stop, w.r.Output = nil, nil, nil // of tensors that are not at hand
			w.sign(w.t)
			w.facts = receipt.Facts{}
		}},
		{"no chain", receipt.Cannot, "inclusion window verdict", func(w *world) { w.facts.Chain, w.facts.NoChain = nil, "down" }},
		{"not yet included", receipt.Pending, "inclusion", func(w *world) { w.facts.Chain.Batch = nil }},
		{"not yet included, a batch withheld", receipt.Pending, "inclusion", func(w *world) {
			w.facts.Chain.Batch, w.facts.Chain.Unread = nil, "node is down"
		}},
		{"a batch withheld too long", receipt.Cannot, "inclusion", func(w *world) {
			w.facts.Chain.Batch, w.facts.Chain.Unread, w.facts.Chain.Now = nil, "node is down", issued+601
		}},
		{"window over", receipt.Holds, strings.Join(receipt.CheckNames(), " "), func(w *world) { w.facts.Chain.Now = issued + 10*seconds }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.with(w)
			rep := receipt.Verify(w.r, w.facts)
			if got := outcomes(rep, c.want); rep.Outcome() != c.want || got != c.in {
				t.Errorf("outcome %v: %q, want %v: %q", rep.Outcome(), got, c.want, c.in)
			}
		})
	}
}

// TestAnswerTextLeavesOutEnds: stop ids give no text, broken characters are replaced.
func TestAnswerTextLeavesOutEnds(t *testing.T) {
	tok := vocabulary(t, 300)
	got, err := receipt.AnswerText(tok, decode.Job{Prompt: []int32{1, 5}, StopIDs: []int32{261}}, []int32{'h' + 4, 'i' + 4, 0xE2 + 4, 261})
	if err != nil || got != "hi\uFFFD" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := receipt.AnswerText(tok, decode.Job{}, []int32{300}); err == nil {
		t.Error("an id outside the vocabulary has a text")
	}
}
