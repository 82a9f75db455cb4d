package audit_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"elenchus/cmd/wasm/audit"
	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/model/modeltest"

	"github.com/ethereum/go-ethereum/crypto"
)

// world is a tiny model without a tokenizer, and an honest receipt of it.
func world(t testing.TB) (*manifest.Manifest, *receipt.Receipt) {
	t.Helper()
	man, err := manifest.Bind(modeltest.Llama(1, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	job := decode.Job{Prompt: []int32{1, 2, 3}, MaxNew: 6, Temperature: 65536, Seed: 5}
	chain := trace.NewChain(man, &job)
	run, err := decode.New(man.Model, job, nil, decode.Hooks{Step: func(_ int, y decode.Yield, kv *machine.Cache) { chain.Append(y, kv) }})
	if err != nil {
		t.Fatal(err)
	}
	for !run.Done() {
		if err := run.Advance(4); err != nil {
			t.Fatal(err)
		}
	}
	a := chain.Answer(run.Output())
	r := &receipt.Receipt{
		Domain:  claim.Domain{ChainID: 31337, Arena: claim.Address{7}},
		Request: claim.Request{Model: merkle.Hash(man.ID()), PromptRoot: trace.IDTree(job.Prompt).Root(), PromptCount: 3, MaxNew: 6, Temperature: 65536, Seed: 5},
		Prompt:  job.Prompt, Output: a.Outputs,
		Claim: claim.Claim{Version: 1, Count: uint32(len(a.Outputs)), Finish: uint8(run.Finish()), StateRoot: a.StateTree().Root(),
			OutputRoot: trace.IDTree(a.Outputs).Root(), Issued: 100, BatchBy: 200, ChallengeUntil: 1000},
	}
	sign(t, r)
	return man, r
}

func sign(t testing.TB, r *receipt.Receipt) {
	t.Helper()
	h := claim.Keccak([]byte("node"))
	key, err := crypto.ToECDSA(h[:])
	if err != nil {
		t.Fatal(err)
	}
	r.Claim.Node, r.Claim.RequestDigest = claim.AddressOf(key), r.Request.Digest(r.Domain)
	if r.Signature, err = claim.Sign(r.Claim.Digest(r.Domain), key); err != nil {
		t.Fatal(err)
	}
}

func textOf(t testing.TB, r *receipt.Receipt) string {
	t.Helper()
	text, err := r.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// compute runs an audit to its end.
func compute(t *testing.T, text string, man *manifest.Manifest) ([]audit.Token, *audit.Result) {
	t.Helper()
	a, err := audit.Begin(text, man)
	if err != nil {
		t.Fatal(err)
	}
	var tokens []audit.Token
	for !a.Done() {
		news, err := a.Step()
		if err != nil || news.Done > news.Of {
			t.Fatalf("%+v, %v", news, err)
		}
		tokens = append(tokens, news.Tokens...)
	}
	return tokens, a.Result()
}

// Every field of a receipt is in its sheet, and what needs nothing else is checked.
func TestSheetHasEveryField(t *testing.T) {
	_, r := world(t)
	s, err := audit.Describe(" \n" + textOf(t, r) + "\n")
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%+v", s)
	q, c := &r.Request, &r.Claim
	for _, want := range []string{
		fmt.Sprintf("%x", q.Model), fmt.Sprintf("%x", q.PromptRoot), fmt.Sprintf("%x", q.User), fmt.Sprintf("%x", c.Node), fmt.Sprintf("%x", c.RequestDigest),
		fmt.Sprintf("%x", c.StateRoot), fmt.Sprintf("%x", c.OutputRoot), fmt.Sprintf("%x", r.Signature), fmt.Sprintf("%x", r.ID()), fmt.Sprintf("%x", r.Domain.Arena),
		"31337", "1.0000", "1970-01-01 00:16:40 UTC", "the most tokens that were asked for", "public",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the sheet lacks %s", want)
		}
	}
	if s.Outcome != "holds" || s.Checks[0].Outcome != "holds" || s.Checks[1].Outcome != "holds" || s.Checks[5].Outcome != "unasked" {
		t.Errorf("checks: %+v", s.Checks)
	}
}

// An honest answer comes again; another token is found where it stands, with its own odds, and so is an
// answer that was cut.
func TestAuditFindsTheFirstToken(t *testing.T) {
	man, r := world(t)
	tokens, got := compute(t, textOf(t, r), man)
	if got.Outcome != "holds" || got.Differ != -1 || len(tokens) != len(r.Output) {
		t.Fatalf("an honest receipt: %+v", got)
	}
	for i, tok := range tokens {
		if tok.ID != r.Output[i] || tok.Claimed != nil || tok.Log > 0 || len(tok.Top) != 3 {
			t.Errorf("token %d: %+v", i, tok)
		}
	}
	honest := append([]int32{}, r.Output...)
	for _, c := range []struct {
		name   string
		output []int32
		differ int
	}{
		{"another token", append(append([]int32{}, honest[:2]...), append([]int32{(honest[2] + 1) % 300}, honest[3:]...)...), 2},
		{"an id outside of the vocabulary", append(append([]int32{}, honest[:4]...), append([]int32{1 << 30}, honest[5:]...)...), 4},
		{"cut", honest[:3], 3},
	} {
		r.Output = c.output
		r.Claim.Count, r.Claim.OutputRoot = uint32(len(c.output)), trace.IDTree(c.output).Root()
		sign(t, r)
		tokens, got := compute(t, textOf(t, r), man)
		if got.Outcome != "false" || got.Differ != c.differ || got.Count != len(honest) {
			t.Errorf("%s: %+v", c.name, got)
		}
		if k := tokens[c.differ].Claimed; (k != nil) != (c.differ < len(c.output)) || k != nil && k.ID != c.output[c.differ] {
			t.Errorf("%s: %+v", c.name, tokens[c.differ])
		}
	}
}

// What is about another model, or beyond what the model can do, is refused before it is computed.
func TestAuditRefuses(t *testing.T) {
	man, r := world(t)
	for name, change := range map[string]func(r *receipt.Receipt){
		"model":       func(r *receipt.Receipt) { r.Request.Model[0] ^= 1 },
		"temperature": func(r *receipt.Receipt) { r.Request.Temperature = 1 << 31 },
		"prompt":      func(r *receipt.Receipt) { r.Prompt = []int32{1 << 30} },
		"no prompt":   func(r *receipt.Receipt) { r.Prompt = nil },
		"max new":     func(r *receipt.Receipt) { r.Request.MaxNew = 1 << 31 },
		"graph":       func(r *receipt.Receipt) { r.Request.PromptCount = 0 },
	} {
		x := *r
		change(&x)
		sign(t, &x)
		if _, err := audit.Begin(textOf(t, &x), man); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// replies are what a chain says whose batch holds the receipt.
func replies(r *receipt.Receipt, place *audit.Place, until uint64) map[string]json.RawMessage {
	word := func(v ...uint64) json.RawMessage {
		s := "0x"
		for _, x := range v {
			s += fmt.Sprintf("%064x", x)
		}
		return json.RawMessage(`"` + s + `"`)
	}
	return map[string]json.RawMessage{
		"chain": json.RawMessage(fmt.Sprintf(`"0x%x"`, r.Domain.ChainID)), "block": json.RawMessage(`{"timestamp":"0x12c"}`),
		"separator": json.RawMessage(fmt.Sprintf(`"0x%x"`, r.Domain.Separator())), "window": word(900), "signed": word(0, 0, 0),
		"batch": word(uint64(place.Count), until, 250, 0), "batched": word(0, 0, 0),
	}
}

// The replies of a chain are judged as 07 §9.4 says: in the batch or not, refuted or not, and what is
// no reply of that arena is refused.
func TestChainIsJudgedByItsReplies(t *testing.T) {
	_, r := world(t)
	other := claim.Keccak([]byte("another claim"))
	tree := claim.NewTree([]claim.Hash{other, r.Claim.Digest(r.Domain), other})
	place := &audit.Place{Root: fmt.Sprintf("%x", tree.Root()), Count: 3, Index: 1}
	for _, h := range tree.Path(1) {
		place.Path = append(place.Path, fmt.Sprintf("%x", h))
	}
	text := textOf(t, r)
	questions, err := audit.Questions(text, place)
	if err != nil || len(questions) != 7 {
		t.Fatalf("%+v, %v", questions, err)
	}
	one := json.RawMessage(`"0x` + strings.Repeat("0", 127) + "1" + strings.Repeat("0", 64) + `"`)
	for _, c := range []struct {
		name string
		edit func(map[string]json.RawMessage)
		want string // outcomes of inclusion, window, verdict; or a part of the error
	}{
		{"in the batch", func(map[string]json.RawMessage) {}, "holds holds holds"},
		{"refuted", func(m map[string]json.RawMessage) { m["batched"] = one }, "holds holds false"},
		{"no such batch", func(m map[string]json.RawMessage) {
			m["batch"] = json.RawMessage(`"0x` + strings.Repeat("0", 256) + `"`)
		}, "cannot holds holds"},
		{"another root", func(m map[string]json.RawMessage) { place.Path[0] = place.Root }, "false holds holds"},
		{"another chain", func(m map[string]json.RawMessage) { m["chain"] = json.RawMessage(`"0x1"`) }, "this is chain 1"},
		{"another arena", func(m map[string]json.RawMessage) { m["separator"] = m["window"] }, "not the receipt's arena"},
		{"nothing there", func(m map[string]json.RawMessage) { m["window"] = json.RawMessage(`"0x"`) }, "is the arena deployed"},
		{"no text", func(m map[string]json.RawMessage) { m["signed"] = json.RawMessage(`{"x":[]}`) }, "no text"},
		{"no replies", func(m map[string]json.RawMessage) { clear(m) }, "no text"},
	} {
		m := replies(r, place, 2000)
		first := place.Path[0]
		c.edit(m)
		got, err := audit.Judge(text, place, m)
		place.Path[0] = first
		said := fmt.Sprint(err)
		if err == nil {
			said = got[0].Outcome + " " + got[1].Outcome + " " + got[2].Outcome
		}
		if !strings.Contains(said, c.want) {
			t.Errorf("%s: %s, want %s", c.name, said, c.want)
		}
	}
}

// Whatever the text is, it is described or refused, and what a chain might have said about it is, too.
func FuzzReceiptText(f *testing.F) {
	man, r := world(f)
	f.Add(textOf(f, r), `{"chain":"0x7a69"}`)
	f.Add("", "{}")
	f.Add(textOf(f, r)[:80], "null")
	f.Fuzz(func(t *testing.T, text, said string) {
		if _, err := audit.Describe(text); err != nil {
			return
		}
		a, err := audit.Begin(text, man)
		for steps := 0; err == nil && !a.Done() && steps < 3; steps++ {
			_, err = a.Step()
		}
		var m map[string]json.RawMessage
		if json.Unmarshal([]byte(said), &m) == nil {
			_, _ = audit.Judge(text, &audit.Place{Root: strings.Repeat("ab", 32)}, m) // any verdict will do
		}
	})
}
