package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"elenchus/app/meter"
	"elenchus/settlement/ledger"
)

// TestReadinessNamesWhatIsMissing.
func TestReadinessNamesWhatIsMissing(t *testing.T) {
	o := newOps(meter.Node)
	ready := errors.New("no stake yet")
	o.need("chain", func(context.Context) error { return nil })
	o.need("stake", func(context.Context) error { return ready })
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		o.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	if w := get("/healthz"); w.Code != 200 {
		t.Errorf("alive: %d", w.Code)
	}
	w := get("/readyz")
	var said struct {
		Status string    `json:"status"`
		Checks []checked `json:"checks"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != 503 || len(said.Checks) != 2 || said.Checks[1] != (checked{"stake", false, "no stake yet"}) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get("/metrics"); !strings.Contains(w.Body.String(), "\nelenchus_ready 0") {
		t.Error("the metric does not say so")
	}
	ready = nil
	if w := get("/readyz"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get("/metrics"); !strings.Contains(w.Body.String(), "\nelenchus_ready 1") {
		t.Error("the metric does not say so")
	}
	if w := get("/debug/pprof/"); w.Code != 404 {
		t.Errorf("more than was asked for: %d", w.Code)
	}
}

// TestRoleThatIsToldToStopFinishesItsAnswers while its tasks still run, then ends them.
func TestRoleThatIsToldToStopFinishesItsAnswers(t *testing.T) {
	in, out := make(chan struct{}), make(chan struct{})
	var tasks atomic.Int64
	task := func(ctx context.Context) error {
		tasks.Add(1)
		defer tasks.Add(-1)
		<-ctx.Done()
		return nil
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(in)
		<-out
		if tasks.Load() == 0 {
			http.Error(w, "the tasks are gone", http.StatusInternalServerError)
		}
	})
	read, write := io.Pipe()
	r := &Role{Listen: "127.0.0.1:0", Ready: write, Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- r.serve(ctx, "node", newOps(meter.Node), h, func(string) error { return nil }, task)
	}()
	line := make([]byte, 256)
	n, err := read.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	url := strings.Fields(string(line[:n]))[1]
	answer := make(chan int, 1)
	go func() {
		resp, err := http.Get(url) //nolint:noctx // the server ends it
		if err != nil {
			t.Error(err)
			answer <- 0
			return
		}
		_ = resp.Body.Close()
		answer <- resp.StatusCode
	}()
	<-in
	stop()
	select {
	case err := <-ended:
		t.Fatalf("ended in the middle of an answer: %v", err)
	default:
	}
	close(out)
	if got := <-answer; got != 200 {
		t.Errorf("the answer has status %d", got)
	}
	if err := <-ended; err != nil || tasks.Load() != 0 {
		t.Errorf("%v, %d tasks left", err, tasks.Load())
	}
}

// TestKindsAreNamesOfTypes, as labels have them.
func TestKindsAreNamesOfTypes(t *testing.T) {
	if got := kindOf(ledger.PostBatch{}) + " " + kindOf(ledger.Endpoint{}); got != "post_batch endpoint" {
		t.Error(got)
	}
}
