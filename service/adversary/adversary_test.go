package adversary_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
	"elenchus/service/adversary"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

func job() decode.Job {
	return decode.Job{Prompt: []int32{5, 17, 290, 4}, MaxNew: 8, Temperature: 1 << 16, Seed: 11}
}

// ending is the job with penalties and an end id that the honest answer draws on its way.
func ending(t *testing.T, c engine.Computer) decode.Job {
	t.Helper()
	j := job()
	j.Sampler = decode.Sampler{Repetition: 80000, Presence: 1 << 15}
	a, _, err := c.Generate(t.Context(), j, nil)
	if err != nil {
		t.Fatal(err)
	}
	j.StopIDs = []int32{a.Outputs[3]}
	return j
}

func honest(t *testing.T) engine.Computer {
	t.Helper()
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	return engine.Computer{Manifest: man}
}

// asked is the job for an attack: with the settings that it lies about.
func asked(t *testing.T, c engine.Computer, attack string) decode.Job {
	t.Helper()
	j := ending(t, c)
	switch attack {
	case "wrong-penalty":
		j.Sampler = decode.Sampler{Repetition: 80000, Presence: 1 << 15}
	case "wrong-stop":
		j.Sampler.Stops = []string{"b", "?"}
	case "wrong-mask":
		j.StopIDs = []int32{2}
		j.Sampler.Grammar = modeltest.Letters(3)
		var err error
		if j, err = trace.Bound(c.Manifest.Model, j); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

func run(t *testing.T, c adversary.Computer, j decode.Job) string {
	t.Helper()
	var sent []int32
	a, f, err := c.Generate(t.Context(), j, func(id int32) error { sent = append(sent, id); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sent, a.Outputs) {
		t.Errorf("sent %v, claims %v", sent, a.Outputs)
	}
	for at := range len(a.States) - 1 { // a complete, self-consistent trace
		s, err := c.Step(j, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.Now != a.States[at+1] || s.Prev != a.States[at] {
			t.Fatalf("step %d is not the one that was claimed", at)
		}
	}
	return fmt.Sprint(a.Hashes, a.Outputs, f)
}

// Every attack but the byte, which may hit what does not matter, and the forged cancellation, which lies
// about its user and has the first half of a true answer, claims something false, twice the
// same, and can show each step of it. GAME §1 rule 42.
func TestAttacksLieConsistently(t *testing.T) {
	c := honest(t)
	before := run(t, &c, job())
	for _, name := range adversary.Names() {
		j := asked(t, c, name)
		truth := run(t, &c, j)
		for seed := range uint64(map[bool]int{true: 8, false: 1}[name == "byte"]) {
			lie := func() string {
				a, err := adversary.New(name, seed)
				if err != nil {
					t.Fatal(err)
				}
				return run(t, a.Computer(c), j)
			}
			first := lie()
			if name != "byte" && name != "forged-cancel" && first == truth {
				t.Errorf("%s tells the truth", name)
			}
			if lie() != first {
				t.Errorf("%s %d lies otherwise the second time", name, seed)
			}
		}
	}
	if again := run(t, &c, job()); again != before {
		t.Error("the attacks changed the honest model")
	}
	if _, err := adversary.New("kindness", 1); err == nil {
		t.Error("an attack that does not exist")
	}
}

// orders records what reaches the chain.
type orders struct{ got []ledger.Order }

func (o *orders) Follow(context.Context, func([]ledger.Fact, ledger.Head) error) error { return nil }

func (o *orders) Submit(_ context.Context, x ledger.Order) error {
	o.got = append(o.got, x)
	return nil
}

// The silent one posts batches and makes no move; the needle serves neither tensors nor states, who
// withholds nothing but answers; the others hide nothing.
func TestFaces(t *testing.T) {
	for _, name := range adversary.Names() {
		a, err := adversary.New(name, 1)
		if err != nil {
			t.Fatal(err)
		}
		o := &orders{}
		for _, x := range []ledger.Order{ledger.PostBatch{}, ledger.Move{}, ledger.Timeout{}, ledger.Resolve{}} {
			if err := a.Chain(o).Submit(t.Context(), x); err != nil {
				t.Error(err)
			}
		}
		if want := map[bool]int{true: 1, false: 4}[name == "silent"]; len(o.got) != want {
			t.Errorf("%s sends %d orders, want %d", name, len(o.got), want)
		}
		h := a.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for path, hidden := range map[string]bool{"/v1/claims/00/states": true, "/v1/claims/00/steps/1/2/3": true, "/v1/claims/00": name == "withhold",
			"/v1/batches/00": name == "withhold", "/v1/jobs": false} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if (w.Code == http.StatusForbidden) != (hidden && (name == "needle" || name == "withhold")) {
				t.Errorf("%s serves %s: %d", name, path, w.Code)
			}
		}
	}
}

// facts reports one game in a phase, twice.
type facts struct {
	orders
	phase dispute.Phase
}

func (f *facts) Follow(_ context.Context, report func([]ledger.Fact, ledger.Head) error) error {
	s := dispute.State{Phase: f.phase}
	list := []ledger.Fact{{Event: ledger.Opened{Game: ledger.Hash{1}, State: s.Encode()}}}
	for range 2 {
		if err := report(list, ledger.Head{}); err != nil {
			return err
		}
	}
	return nil
}

// The impostor tries each state once, and what it sends is what the state waits for. GAME hole 1.
func TestImpostorTriesOnce(t *testing.T) {
	for p := dispute.States; p <= dispute.Lost; p++ {
		f := &facts{phase: p}
		i := &adversary.Impostor{Chain: f, Log: slog.New(slog.DiscardHandler)}
		if err := i.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(f.got) > 1 || p.Turn() == dispute.Nobody && len(f.got) != 0 {
			t.Errorf("phase %s: %d moves", p, len(f.got))
		}
		for _, o := range f.got {
			if m, ok := o.(ledger.Move); !ok || m.Kind == 0 {
				t.Errorf("phase %s: %+v", p, o)
			}
		}
	}
}
