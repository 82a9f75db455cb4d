package node_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/conformance/arenatest"
	"elenchus/engine"
	"elenchus/service/node"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

const window = 90 * time.Second

var domain = claim.Domain{ChainID: 31337, Arena: claim.Address{0xa}}

type world struct {
	t     *testing.T
	man   *manifest.Manifest
	chain *arenatest.Chain
	o     node.Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.ToECDSA([]byte("a key of thirty-two bytes, fixed"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, man: man, chain: arenatest.New(domain, dispute.Params{D0: 8, Grace: 8}, time.Now)}
	w.o = node.Options{Key: key, Domain: domain, Chain: w.chain.Account(claim.AddressOf(key)), Dir: t.TempDir(), Window: window,
		Models: []node.Model{{Name: "tiny", Manifest: man, Computer: &engine.Computer{Manifest: man}}}}
	return w
}

func (w *world) start() *node.Node {
	w.t.Helper()
	n, err := node.New(w.o)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) close(n *node.Node) {
	w.t.Helper()
	if err := n.Close(); err != nil {
		w.t.Error(err)
	}
}

// job is a request of a prompt, with the roots that belong to it.
func (w *world) job(seed uint64) node.Job {
	prompt, stop := []int32{5, 17, 290, 4}, []int32{2, 9}
	return node.Job{Prompt: prompt, Stop: stop, Request: claim.Request{Model: claim.Hash(w.man.ID()), PromptRoot: trace.IDTree(prompt).Root(),
		PromptCount: 4, MaxNew: 5, Temperature: 1 << 16, Seed: seed, StopRoot: trace.IDTree(stop).Root(), StopCount: 2}}
}

// run lets the node run for a while of virtual time.
func (w *world) run(n *node.Node, d time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()
	time.Sleep(d)
	cancel()
	if err := <-done; err != nil {
		w.t.Errorf("the node stopped: %v", err)
	}
}

func (w *world) batches() (out []ledger.BatchPosted) {
	for _, f := range w.chain.Facts() {
		if e, ok := f.Event.(ledger.BatchPosted); ok {
			out = append(out, e)
		}
	}
	return out
}

// Serve streams the ids, signs what it computed and keeps it before it returns; the receipt is true
// in every field. SPEC 07 §3, §4.
func TestServe(t *testing.T) {
	w := newWorld(t)
	n := w.start()
	defer w.close(n)
	var ids []int32
	r, err := n.Serve(t.Context(), w.job(1), func(id int32) error { ids = append(ids, id); return nil })
	if err != nil {
		t.Fatal(err)
	}
	c := &engine.Computer{Manifest: w.man}
	want, finish, err := c.Generate(t.Context(), decode.Job{Prompt: r.Prompt, StopIDs: r.Stop, MaxNew: 5, Temperature: 1 << 16, Seed: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cl := r.Claim
	if !slices.Equal(ids, want.Outputs) || !slices.Equal(r.Output, ids) || cl.Finish != finish || cl.StateRoot != want.StateTree().Root() ||
		cl.OutputRoot != trace.IDTree(ids).Root() || int(cl.Count) != len(ids) || cl.RequestDigest != r.Request.Digest(domain) {
		t.Errorf("receipt %+v of ids %v", cl, ids)
	}
	if err := claim.VerifySigner(cl.Digest(domain), r.Signature, n.Address()); err != nil {
		t.Error(err)
	}
	if cl.ChallengeUntil < cl.Issued+uint64(window/time.Second) {
		t.Errorf("window from %d to %d", cl.Issued, cl.ChallengeUntil)
	}
	again, err := n.Serve(t.Context(), w.job(1), nil)
	if err != nil || again.ID() != r.ID() {
		t.Errorf("the same request has claims %x and %x, %v", r.ID(), again.ID(), err)
	}
}

// Who asks the same later gets the same receipt: a second one with other times would be in no batch.
func TestTheSameRequestHasOneReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.start()
		defer w.close(n)
		first, err := n.Serve(t.Context(), w.job(1), nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		again, err := n.Serve(t.Context(), w.job(1), nil)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := first.Claim.Digest(domain), again.Claim.Digest(domain); a != b {
			t.Errorf("signed at %d and again at %d: %x, %x", first.Claim.Issued, again.Claim.Issued, a, b)
		}
	})
}

// A client that leaves, or does not take an id, ends the job: nothing is claimed. SPEC 15 §3.4.
func TestNothingIsClaimedForWhoLeaves(t *testing.T) {
	w := newWorld(t)
	n := w.start()
	defer w.close(n)
	gone := errors.New("gone")
	if _, err := n.Serve(t.Context(), w.job(1), func(int32) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("a client that takes nothing: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := n.Serve(ctx, w.job(1), func(int32) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that leaves: %v", err)
	}
	if got := get(t, n, "/v1/claims"); !strings.Contains(got, `"receipts":[]`) {
		t.Errorf("claims: %s", got)
	}
}

// Claims reach the chain in batches, in order, once, however often the node restarts, and are
// served under their batch's root. SPEC 07 §5.
func TestBatchesSurviveRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.start()
		var leaves []claim.Hash
		for seed := range uint64(3) {
			r, err := n.Serve(t.Context(), w.job(seed), nil)
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, r.Claim.Digest(domain))
		}
		w.close(n) // before any batch
		n = w.start()
		w.run(n, 3*time.Second)
		w.run(n, 3*time.Second)
		b := w.batches()
		if len(b) != 1 || b[0].Count != 3 || b[0].Root != claim.TreeRoot(leaves) || b[0].Node != n.Address() {
			t.Fatalf("batches %+v", b)
		}
		if now := uint64(time.Now().Unix()); b[0].Until < now+uint64(window/time.Second) {
			t.Errorf("batch until %d, now %d", b[0].Until, now)
		}
		w.close(n)
		n = w.start()
		defer w.close(n)
		w.run(n, 5*time.Second)
		if again := w.batches(); len(again) != 1 {
			t.Errorf("%d batches after a restart", len(again))
		}
		var body struct{ Receipts []string }
		if err := json.Unmarshal([]byte(get(t, n, fmt.Sprintf("/v1/batches/%x", b[0].Root))), &body); err != nil || len(body.Receipts) != 3 {
			t.Fatal(body, err)
		}
		for i, text := range body.Receipts {
			r, err := receipt.Parse(text)
			if err != nil || r.Claim.Digest(domain) != leaves[i] {
				t.Errorf("receipt %d: %v", i, err)
			}
		}
	})
}

// A node that dies at any point of a claim's life goes on where it stopped: a signed claim is
// posted once, an unsigned one never.
func TestCrashesLoseNothing(t *testing.T) {
	for point, posted := range map[string]int{"before signing": 0, "signed, not sent": 1, "batch recorded, not sent": 1} {
		t.Run(point, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.o.CrashPoint = func(name string) {
					if name == point {
						panic(point)
					}
				}
				n := w.start()
				func() {
					defer func() {
						if recover() == nil {
							t.Errorf("%q is never reached", point)
						}
					}()
					if _, err := n.Serve(t.Context(), w.job(1), nil); err != nil {
						t.Error(err)
					}
					if err := n.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}()
				w.close(n)
				w.o.CrashPoint = nil
				n = w.start()
				defer w.close(n)
				w.run(n, 5*time.Second)
				if b := w.batches(); len(b) != posted {
					t.Errorf("%d batches after the crash, want %d", len(b), posted)
				}
			})
		})
	}
}

// Every request that the node cannot answer for is refused before it computes, under an error that
// can be matched. SPEC 15 §3.2.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	n := w.start()
	defer w.close(n)
	for _, c := range []struct {
		name   string
		change func(*node.Job)
		err    error
	}{
		{"another model", func(j *node.Job) { j.Request.Model[0] ^= 1 }, node.ErrUnknownModel},
		{"a class that it does not serve", func(j *node.Job) { j.Request.DataClass = 3 }, node.ErrRefused},
		{"extras", func(j *node.Job) { j.Request.Extras[0] = 1 }, node.ErrRefused},
		{"settings that the request does not commit to", func(j *node.Job) { j.Sampler.TopK = 1 }, node.ErrRefused},
		{"settings out of range", func(j *node.Job) {
			j.Sampler.TopP = 1 << 30
			j.Request.Extras = trace.Settings(&j.Sampler).Extras()
		}, node.ErrRefused},
		{"other prompt ids", func(j *node.Job) { j.Prompt = []int32{5, 17, 290, 5} }, node.ErrRefused},
		{"another count of prompt ids", func(j *node.Job) { j.Request.PromptCount = 5 }, node.ErrRefused},
		{"zero ids behind the same root", func(j *node.Job) { j.Prompt = append(slices.Clone(j.Prompt), 0) }, node.ErrRefused},
		{"other stop ids", func(j *node.Job) { j.Stop = []int32{2, 8} }, node.ErrRefused},
		{"no stop ids", func(j *node.Job) { j.Stop = nil }, node.ErrRefused},
		{"stop ids that nobody asked for", func(j *node.Job) { j.Request.StopCount = 0 }, node.ErrRefused},
		{"an id outside", func(j *node.Job) { j.Prompt = []int32{5, 17, 300, 4} }, node.ErrRefused},
		{"no prompt", func(j *node.Job) { j.Prompt, j.Request.PromptCount = nil, 0 }, node.ErrRefused},
		{"no tokens", func(j *node.Job) { j.Request.MaxNew = 0 }, node.ErrRefused},
		{"a high temperature", func(j *node.Job) { j.Request.Temperature = 3 << 16 }, node.ErrRefused},
	} {
		j := w.job(1)
		c.change(&j)
		if _, err := n.Serve(t.Context(), j, nil); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
		want := map[error]int{node.ErrUnknownModel: 404, node.ErrRefused: 400}[c.err]
		if status, body := post(n, j); status != want || !strings.Contains(body, `"error"`) {
			t.Errorf("%s over HTTP: %d %s", c.name, status, body)
		}
	}
}

func post(n *node.Node, j node.Job) (int, string) {
	fields := map[string]any{"request": base64.RawURLEncoding.EncodeToString(j.Request.Encode()), "prompt": j.Prompt, "stop": j.Stop}
	if !j.Sampler.None() {
		fields["sampler"] = base64.RawURLEncoding.EncodeToString(j.Sampler.Encode())
	}
	if j.Odds != nil {
		fields["logprobs"] = *j.Odds
	}
	body, _ := json.Marshal(fields)
	w := httptest.NewRecorder()
	n.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/jobs", strings.NewReader(string(body))))
	return w.Code, w.Body.String()
}

func get(t *testing.T, n *node.Node, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	n.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	b, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s %v", path, w.Code, b, err)
	}
	return string(b)
}

// The faces of a claim: lines of tokens and a receipt, states that lead to the claim's root, tensors
// that equal the trace. SPEC 15 §2, §3.3.
func TestWhatANodeServes(t *testing.T) {
	w := newWorld(t)
	n := w.start()
	defer w.close(n)
	status, body := post(n, w.job(1))
	lines := strings.Split(strings.TrimSpace(body), "\n")
	if status != http.StatusOK || len(lines) < 2 {
		t.Fatal(status, body)
	}
	var last struct{ Receipt string }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	r, err := receipt.Parse(last.Receipt)
	if err != nil || len(r.Output) != len(lines)-1 {
		t.Fatalf("%d tokens in %d lines, %v", len(r.Output), len(lines), err)
	}
	for i, id := range r.Output {
		if lines[i] != fmt.Sprintf(`{"token":%d}`, id) {
			t.Errorf("line %d is %s", i, lines[i])
		}
	}
	path := fmt.Sprintf("/v1/claims/%x", r.ID())
	open := *r
	open.Signature = claim.Signature{} // it is its user's
	if text, err := open.Text(); err != nil || !strings.Contains(get(t, n, path), text) || !strings.Contains(get(t, n, "/v1/claims?after=0"), text) {
		t.Error("the claim is not listed", err)
	}
	raw := []byte(get(t, n, path+"/states"))
	var states []merkle.Hash
	for ; len(raw) >= 32; raw = raw[32:] {
		states = append(states, merkle.Hash(raw[:32]))
	}
	if merkle.RootOf(states, merkle.Depth(uint64(len(states)))) != r.Claim.StateRoot {
		t.Errorf("%d states do not lead to the claim", len(states))
	}
	d := decode.Job{Prompt: r.Prompt, StopIDs: r.Stop, MaxNew: r.Request.MaxNew, Temperature: r.Request.Temperature, Seed: r.Request.Seed}
	for _, at := range []int{4, 4, 0} {
		step, err := trace.Replay(w.man, d, at, nil, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		st, err := step.Stage(1)
		if err != nil {
			t.Fatal(err)
		}
		if got := get(t, n, fmt.Sprintf("%s/steps/%d/1/3", path, at)); got != string(st.Tensors[3].Bytes(0, st.Tensors[3].Len())) {
			t.Errorf("tensor 3 of step %d differs", at)
		}
	}
	if info := get(t, n, "/v1/node"); !strings.Contains(info, w.man.ID().String()) || !strings.Contains(info, fmt.Sprintf("0x%x", n.Address())) {
		t.Errorf("the node says %s", info)
	}
}

// Malformed paths and what is not there have their status and say why. SPEC 15 §1.2.
func TestMalformedRequests(t *testing.T) {
	w := newWorld(t)
	n := w.start()
	defer w.close(n)
	r, err := n.Serve(t.Context(), w.job(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	own, none := fmt.Sprintf("/v1/claims/%x", r.ID()), "/v1/claims/"+strings.Repeat("00", 32)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", none, 404}, {"GET", none + "/states", 404}, {"GET", none + "/steps/0/0/0", 404}, {"GET", "/v1/batches/" + strings.Repeat("00", 32), 404},
		{"GET", "/v1/claims/xyz", 400}, {"GET", "/v1/claims/00", 400}, {"GET", own + "00", 400}, {"GET", "/v1/claims/00/states", 400}, {"GET", "/v1/batches/1", 400},
		{"GET", "/v1/claims?after=x", 400}, {"GET", "/v1/claims?after=-1", 400}, {"GET", "/v1/claims?after=18446744073709551616", 400}, {"GET", "/v1/claims?after=", 400},
		{"GET", "/v1/claims?after=18446744073709551615", 200},
		{"GET", own + "/steps/-1/0/0", 400}, {"GET", own + "/steps/x/0/0", 400}, {"GET", own + "/steps/1048577/0/0", 400}, {"GET", own + "/steps/1000/0/0", 400},
		{"GET", own + "/steps/0/9/0", 400}, {"GET", own + "/steps/0/3000/0", 400}, {"GET", own + "/steps/0/0/128", 400}, {"GET", own + "/steps/0/0/99", 400},
		{"GET", own + "/steps/0/3/0", 400}, // the EMIT head of an ABSORB step
		{"GET", own + "/steps/0/0/1", 200},
		{"GET", "/v1/jobs", 405}, {"POST", "/v1/node", 405}, {"GET", "/", 404}, {"POST", "/v1/jobs", 400},
	} {
		rec := httptest.NewRecorder()
		n.Handler().ServeHTTP(rec, httptest.NewRequest(c.method, c.path, strings.NewReader("{}")))
		if rec.Code != c.status || c.status == 400 && !strings.Contains(rec.Body.String(), `"error"`) {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, rec.Code, rec.Body, c.status)
		}
	}
	rec := httptest.NewRecorder()
	n.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v1/jobs", strings.NewReader(`{"request":"`+strings.Repeat("A", 9<<20)+`"}`)))
	if rec.Code != http.StatusBadRequest {
		t.Errorf("a body of 9 MiB: %d", rec.Code)
	}
}

// Options that make no node are refused.
func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*node.Options){
		"no key":    func(o *node.Options) { o.Key = nil },
		"no chain":  func(o *node.Options) { o.Chain = nil },
		"no model":  func(o *node.Options) { o.Models = nil },
		"no window": func(o *node.Options) { o.Window = 0 },
		"graph model": func(o *node.Options) {
			man, err := manifest.Bind(modeltest.Toy())
			if err != nil {
				t.Fatal(err)
			}
			o.Models = []node.Model{{Name: "toy", Manifest: man}}
		},
	} {
		w := newWorld(t)
		good := w.o
		change(&w.o)
		if n, err := node.New(w.o); err == nil {
			t.Errorf("%s makes a node", name)
			w.close(n)
		}
		n, err := node.New(good) // the state is not held
		if err != nil {
			t.Errorf("after %s: %v", name, err)
			continue
		}
		w.close(n)
	}
}

// Run ends with its context and leaves nothing running. STYLE 21.
func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine outlives it
		w := newWorld(t)
		n := w.start()
		defer w.close(n)
		w.run(n, time.Minute)
	})
}
