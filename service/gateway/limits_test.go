package gateway

import (
	"crypto/sha256"
	"elenchus/commitment/claim"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// limitedGateway has a key with limits and one without; the clock stands still until it is moved.
func limitedGateway(t *testing.T, requests, tokens int, script func(Job) []Event) (*Gateway, *clock) {
	t.Helper()
	k, err := NewKey("alice-key")
	if err != nil {
		t.Fatal(err)
	}
	k.Requests, k.Tokens, k.Name = requests, tokens, "alice"
	c := &clock{now: time.Unix(1800000000, 0)}
	o := fixedOptions()
	o.Now, o.Accounts, o.Keys = c.read, []Key{k}, []string{"bobby-key"}
	return newGateway(t, &toyBackend{script: script, err: map[string]error{"busy": ErrBusy}}, o), c
}

const oneWord = `{"model":"toy/bytes","prompt":"abcd","max_tokens":6}`

// TestRequestsAreLimited: a minute's worth may come at once; the next one is told when to come back, and may then.
func TestRequestsAreLimited(t *testing.T) {
	g, clock := limitedGateway(t, 2, 0, says("x", FinishEOS))
	send := func() (int, http.Header) {
		w := ask(g, "POST", "/v1/completions", oneWord, "Authorization", "Bearer alice-key")
		return w.Code, w.Header()
	}
	for i, left := range []string{"1", "0"} {
		if code, h := send(); code != 200 || h.Get("X-Ratelimit-Remaining-Requests") != left || h.Get("X-Ratelimit-Limit-Requests") != "2" {
			t.Fatalf("request %d: %d %v", i, code, h)
		}
	}
	code, h := send()
	if code != 429 || h.Get("Retry-After") != "30" || h.Get("Retry-After-Ms") != "30001" || h.Get("X-Ratelimit-Reset-Requests") != "1m0s" {
		t.Fatalf("one too many: %d %v", code, h)
	}
	clock.move(29 * time.Second)
	if code, h := send(); code != 429 || h.Get("Retry-After") != "1" {
		t.Errorf("too early: %d %v", code, h)
	}
	clock.move(2 * time.Second)
	if code, _ := send(); code != 200 {
		t.Errorf("in time: %d", code)
	}
	for range 5 {
		if w := ask(g, "POST", "/v1/completions", oneWord, "Authorization", "Bearer bobby-key"); w.Code != 200 {
			t.Errorf("a key without limits: %d", w.Code)
		}
	}
	w := ask(g, "POST", "/v1/messages", `{`+turnStart+`}`, "X-Api-Key", "alice-key")
	if w.Code != 429 || w.Header().Get("Anthropic-Ratelimit-Requests-Remaining") != "0" || !strings.Contains(w.Body.String(), `"type":"rate_limit_error"`) {
		t.Errorf("in another face: %d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := ask(g, "GET", "/v1/models", "", "Authorization", "Bearer alice-key"); w.Code != 200 {
		t.Errorf("lists are not limited: %d", w.Code)
	}
}

// TestTokensAreLimited: what a request may need is set aside, what it did not need given back.
func TestTokensAreLimited(t *testing.T) {
	g, clock := limitedGateway(t, 0, 20, says("x", FinishEOS)) // 4 of the prompt, 2 of the answer
	send := func(body string) int {
		return ask(g, "POST", "/v1/completions", body, "Authorization", "Bearer alice-key").Code
	}
	for i := range 2 {
		if code := send(oneWord); code != 200 {
			t.Fatalf("request %d: %d", i, code)
		}
	}
	if code := send(oneWord); code != 429 {
		t.Fatalf("8 tokens are left, 10 may be needed: %d", code)
	}
	clock.move(6 * time.Second) // 2 more
	if code := send(oneWord); code != 200 {
		t.Errorf("10 tokens are left: %d", code)
	}
	clock.move(time.Hour)
	if code := send(strings.Replace(oneWord, "6", "9999", 1)); code != 200 {
		t.Errorf("a request that may need more than a minute's worth waits for all of it: %d", code)
	}
	clock.move(time.Hour)
	if code := send(strings.Replace(oneWord, "toy/bytes", "busy", 1)); code != 429 {
		t.Fatalf("busy: %d", code)
	}
	if code := send(strings.Replace(oneWord, "6", "16", 1)); code != 200 {
		t.Errorf("what was not answered costs nothing: %d", code)
	}
}

// TestStrictGatewayRefusesUnknownFields with their names.
func TestStrictGatewayRefusesUnknownFields(t *testing.T) {
	o := fixedOptions()
	o.Strict = true
	b := &toyBackend{script: says("x", FinishEOS)}
	w := ask(newGateway(t, b, o), "POST", "/v1/chat/completions", `{`+chatStart+`,"x_new":1,"stream_options":{"y":2}}`)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "x_new, stream_options.y") || !strings.Contains(w.Body.String(), `"code":"unknown_parameter"`) || len(b.jobs) != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestAnswersWithoutReceipts: who does not want the receipt with the answer finds it under its id.
func TestAnswersWithoutReceipts(t *testing.T) {
	for _, c := range []struct{ body, header string }{
		{`{` + chatStart + `,"verification":{"level":"none"}}`, ""},
		{`{` + chatStart + `,"verification":{"level":"none"},"stream":true}`, ""},
		{`{` + chatStart + `,"verification":{"level":"claim"}}`, "none"},
	} {
		g := newGateway(t, &toyBackend{script: says("x", FinishEOS)}, fixedOptions())
		w := ask(g, "POST", "/v1/chat/completions", c.body, levelHeader, c.header)
		if w.Code != 200 || strings.Contains(w.Body.String(), receipt) || w.Header().Get("X-Elenchus-Receipt") != "" {
			t.Errorf("%s: %d %v %s", c.body, w.Code, w.Header(), w.Body)
		}
		if w := ask(g, "GET", "/v1/receipts/"+w.Header().Get("X-Elenchus-Receipt-Id"), ""); w.Body.String() != receipt {
			t.Errorf("%s: the receipt is %s", c.body, w.Body)
		}
	}
	w := ask(newGateway(t, &toyBackend{}, fixedOptions()), "POST", "/v1/chat/completions", `{`+chatStart+`}`, levelHeader, "zk")
	if w.Code != 400 || !strings.Contains(w.Body.String(), "X-Elenchus-Verification is not supported") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestDisclosure: the data class of a request is the client's word, and no other word is taken.
func TestDisclosure(t *testing.T) {
	for field, want := range map[string]uint8{
		``: claim.Public, `,"verification":{"disclosure":"public"}`: claim.Public, `,"verification":{"disclosure":"parties","level":"none"}`: claim.Parties,
		`,"verification":{"disclosure":"sealed"}`: claim.Sealed,
	} {
		b := &toyBackend{script: says("x", FinishEOS)}
		if w := ask(newGateway(t, b, fixedOptions()), "POST", "/v1/chat/completions", `{`+chatStart+field+`}`); w.Code != 200 || b.jobs[0].DataClass != want {
			t.Errorf("%s: %d %s, class %d", field, w.Code, w.Body, b.jobs[0].DataClass)
		}
	}
	for _, word := range []string{`"private"`, `""`, `1`} {
		w := ask(newGateway(t, &toyBackend{}, fixedOptions()), "POST", "/v1/chat/completions", `{`+chatStart+`,"verification":{"disclosure":`+word+`}}`)
		if w.Code != 400 {
			t.Errorf("%s: %d %s", word, w.Code, w.Body)
		}
	}
}

// TestKeyFiles: keys at rest are digests, each once, with sensible limits.
func TestKeyFiles(t *testing.T) {
	sum := sha256.Sum256([]byte("carol-key"))
	digest := hex.EncodeToString(sum[:])
	keys, err := ReadKeys(strings.NewReader(`{"keys":[{"name":"carol","sha256":"` + digest + `","requests_per_minute":3,"tokens_per_minute":9}]}`))
	if err != nil || len(keys) != 1 || keys[0] != (Key{sum, "carol", 3, 9}) {
		t.Fatalf("%+v, %v", keys, err)
	}
	o := fixedOptions()
	o.Accounts = keys
	g := newGateway(t, &toyBackend{}, o)
	for key, want := range map[string]int{"carol-key": 200, digest: 401, "other-key": 401} {
		if w := ask(g, "GET", "/v1/models", "", "Authorization", "Bearer "+key); w.Code != want {
			t.Errorf("%s: %d", key, w.Code)
		}
	}
	for _, text := range []string{
		``, `[]`, `{}`, `{"keys":[]}`, `{"keys":[{"sha256":"ab"}]}`, `{"keys":[{"sha256":"` + digest + `","limit":1}]}`,
		`{"keys":[{"sha256":"` + digest + `"},{"sha256":"` + digest + `"}]}`, `{"keys":[{"sha256":"` + digest + `","requests_per_minute":-1}]}`,
		fmt.Sprintf(`{"keys":[{"sha256":"%s","tokens_per_minute":%d}]}`, digest, maxLimit+1),
	} {
		if _, err := ReadKeys(strings.NewReader(text)); !errors.Is(err, ErrKeys) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add(`{"keys":[{"name":"a","sha256":"` + strings.Repeat("0a", 32) + `","requests_per_minute":1}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := ReadKeys(strings.NewReader(text))
		if (err == nil) != (len(keys) > 0) || len(keys) > maxKeys {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
	})
}

// TestShelvesForget: what is old goes, what is younger stays.
func TestShelvesForget(t *testing.T) {
	c := &clock{now: time.Unix(0, 0)}
	s := newShelf[int](9, 9, c.read)
	s.put("a", "old", 1, 1)
	c.move(KeptFor / 2)
	s.put("a", "young", 2, 1)
	c.move(KeptFor/2 + 1)
	_, old := s.get("a", "old")
	_, young := s.get("a", "young")
	if old || !young || s.used != 1 {
		t.Errorf("old %v, young %v, %d bytes", old, young, s.used)
	}
}

// TestPrivateModelsHaveLevelsOfTheirOwn: they are listed with them, the plain request gets the strongest, which
// the headers name, and a claim that a game could refute is refused in words. SPEC 16 §10.2.
func TestPrivateModelsHaveLevelsOfTheirOwn(t *testing.T) {
	b := &toyBackend{script: says("x", FinishEOS), more: []string{"veiled"}}
	g := newGateway(t, b, fixedOptions())
	if w := ask(g, "GET", "/v1/models/veiled", ""); !strings.Contains(w.Body.String(), `"verification":[{"level":"none","request":"0"},{"level":"signature","request":"0"}]`) {
		t.Errorf("listed as %s", w.Body)
	}
	for _, c := range []struct {
		model, level, given string
		status              int
	}{
		{"veiled", "", "signature", 200}, {"veiled", "signature", "signature", 200}, {"veiled", "none", "", 200}, {"veiled", "claim", "", 400},
		{"toy/bytes", "", "", 200}, {"toy/bytes", "signature", "", 400},
	} {
		chat := strings.Replace(`{`+chatStart+`}`, "toy/bytes", c.model, 1)
		w := ask(g, "POST", "/v1/chat/completions", chat, levelHeader, c.level)
		if w.Code != c.status || w.Header().Get(levelHeader) != c.given || w.Code == 400 && !strings.Contains(w.Body.String(), "private") {
			t.Errorf("%s, level %q: %d, %q, %s", c.model, c.level, w.Code, w.Header().Get(levelHeader), w.Body)
		}
	}
}
