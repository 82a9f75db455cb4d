package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/commitment/receipt"
)

// looked is what a person sees of a receipt on the page; see testdata/page.mjs.
type looked struct {
	Name                            string
	Errors, Outside                 []string
	Problem, Before, After, Why     string
	Tokens, Seals, Broken, Chosen   int
	Difference, Walked, Word, Chain string
	Wide                            bool
}

// page: in Chromium, the page says of the honest node's answer that it holds, of the liar's that it is
// false, of a receipt that somebody changed at which token, and of hostile text that it is no receipt;
// its verifier of proofs refuses forged ones by their reasons.
// It loads nothing from elsewhere and needs no mouse.
func (o *operated) page(ctx context.Context, t *testing.T) {
	packages, err := filepath.Abs("../../tools/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	browser := chromium(packages)
	if browser == "" {
		if slices.Contains(strings.Split(os.Getenv("ELENCHUS_REQUIRE"), ","), "chromium") {
			t.Fatal("chromium is required: install it, and npm install in tools")
		}
		t.Skip("no chromium, or no playwright-core: install chromium, and npm install in tools")
	}
	honest, id := o.answer(ctx, t, o.Nodes[1])
	lie, _ := o.answer(ctx, t, o.Nodes[0])
	r, err := receipt.Parse(honest)
	if err != nil {
		t.Fatal(err)
	}
	r.Output[3] ^= 1
	changed, err := r.Text()
	if err != nil {
		t.Fatal(err)
	}
	corpus, err := os.ReadFile("../../testvectors/proofs/forged.json")
	if err != nil {
		t.Fatal(err)
	}
	ask := map[string]any{"corpus": json.RawMessage(corpus), "gateway": o.Gateway, "rpc": crossing(t, o.RPC), "shots": os.Getenv("ELENCHUS_SHOTS"), "cases": []map[string]string{
		{"name": "honest", "id": id}, {"name": "lie", "receipt": lie}, {"name": "changed", "receipt": changed},
		{"name": "hostile", "receipt": `<img src=x onerror=alert(1)>`},
	}}
	b, err := json.Marshal(ask)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, "node", "testdata/page.mjs", packages, browser, string(b)) //nolint:gosec // ours
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got struct {
		Looks  []looked
		Proofs struct {
			Cases  int
			Wrong  []string
			Millis []float64
		}
	}
	if err := json.Unmarshal(out, &got); err != nil || len(got.Looks) != 4 {
		t.Fatalf("%v\n%s", err, out)
	}
	checkLooks(t, got.Looks, len(r.Output))
	if p := got.Proofs; p.Cases < 20 || len(p.Wrong) > 0 {
		t.Errorf("of %d proofs these have another verdict: %q", p.Cases, p.Wrong)
	}
	t.Logf("verification of one proof in the browser, ms: %.1f", got.Proofs.Millis)
}

func checkLooks(t *testing.T, got []looked, tokens int) {
	t.Helper()
	for _, l := range got {
		if len(l.Errors) > 0 || len(l.Outside) > 0 || l.Wide {
			t.Errorf("%s: errors %q, loaded from elsewhere %q, too wide %v", l.Name, l.Errors, l.Outside, l.Wide)
		}
	}
	if l := got[0]; l.Before != "Signed" || l.After != "Holds" || l.Tokens != tokens || l.Broken != 0 || l.Seals != 8 ||
		!strings.HasPrefix(l.Walked, "Token 1,") || !strings.Contains(l.Word, "inclusion") || !strings.Contains(l.Chain, "nothing on the chain speaks against") {
		t.Errorf("an honest answer: %+v", l)
	}
	if l := got[1]; l.Before != "Signed" || l.After != "False" || l.Broken == 0 || !strings.Contains(l.Why, "execution") {
		t.Errorf("a lie: %+v", l)
	}
	if l := got[2]; l.Before != "False" || l.After != "False" || l.Chosen != 1 || !strings.Contains(l.Difference, "token 3.") {
		t.Errorf("a changed receipt: %+v", l)
	}
	if l := got[3]; !strings.Contains(l.Problem, "not a receipt") || l.After != "" {
		t.Errorf("hostile text: %+v", l)
	}
}

// crossing is a JSON-RPC address that pages of other origins may ask, as public ones are.
func crossing(t *testing.T, rpc string) string {
	t.Helper()
	at, err := url.Parse(rpc)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(at)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
		if r.Method == http.MethodOptions {
			return
		}
		r.Host = at.Host
		r.Header.Del("Origin")
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// chromium is the browser's path, "" without it or without what drives it.
func chromium(packages string) string {
	if _, err := os.Stat(filepath.Join(packages, "playwright-core")); err != nil {
		return ""
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// answer asks one node for an answer; it is the text of its receipt, and the id that the gateway has it under.
func (o *operated) answer(ctx context.Context, t *testing.T, node string) (text, id string) {
	t.Helper()
	body := `{"model":"default","messages":[{"role":"user","content":"Lily found a shiny key"}],"temperature":0.8,"seed":5,"max_tokens":24,` +
		`"provider":{"only":["` + node + `"]}}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.Gateway+"/v1/chat/completions", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it is read
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v\n%s", resp.Status, err, b)
	}
	return resp.Header.Get("X-Elenchus-Receipt"), resp.Header.Get("X-Elenchus-Receipt-Id")
}
