package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"elenchus/app/meter"
)

// ops is what an operator sees of a role: metrics, liveness and readiness, on an address of its own.
//
//	GET /healthz  200 while the process lives
//	GET /readyz   200 if every check holds, else 503; the body names each
//	GET /metrics  Prometheus
type ops struct {
	meter *meter.Set

	mu     sync.Mutex // guards the fields below
	checks []check
	scrape []func() // set gauges before a scrape
}

// check is a condition of readiness.
type check struct {
	name string
	test func(ctx context.Context) error
}

func newOps(role string) *ops { return &ops{meter: meter.New(role)} }

// need adds a condition of readiness.
func (o *ops) need(name string, test func(ctx context.Context) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.checks = append(o.checks, check{name, test})
}

// before adds something to do before each scrape.
func (o *ops) before(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.scrape = append(o.scrape, f)
}

// readyWithin bounds each check.
const readyWithin = 3 * time.Second

// checked is the outcome of a check, as /readyz shows it.
type checked struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// ready runs every check.
func (o *ops) ready(ctx context.Context) (all []checked, ok bool) {
	o.mu.Lock()
	checks := o.checks
	o.mu.Unlock()
	all, ok = make([]checked, len(checks)), true
	for i, c := range checks {
		one, cancel := context.WithTimeout(ctx, readyWithin)
		err := c.test(one)
		cancel()
		if all[i] = (checked{Name: c.name, OK: err == nil}); err != nil {
			all[i].Error, ok = err.Error(), false
		}
	}
	value := 0.0
	if ok {
		value = 1
	}
	o.meter.Set("elenchus_ready", value)
	return all, ok
}

// handler is the face.
func (o *ops) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		opsReply(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", o.readyz)
	metrics := o.meter.Handler(func() {
		o.mu.Lock()
		scrape := o.scrape
		o.mu.Unlock()
		for _, f := range scrape {
			f()
		}
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		o.ready(r.Context())
		metrics.ServeHTTP(w, r)
	})
	return mux
}

// readyz tells whether the role can do its work.
func (o *ops) readyz(w http.ResponseWriter, r *http.Request) {
	all, ok := o.ready(r.Context())
	if !ok {
		opsReply(w, http.StatusServiceUnavailable, map[string]any{"status": "not ready", "checks": all})
		return
	}
	opsReply(w, http.StatusOK, map[string]any{"status": "ready", "checks": all})
}

func opsReply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that went away is not our error
}

// serve answers on an address until ctx ends; with none it does nothing. It tells listening where.
func (o *ops) serve(ctx context.Context, addr string, listening func(url string) error) error {
	if addr == "" {
		<-ctx.Done()
		return nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for --metrics on %s: %w", addr, err)
	}
	srv := &http.Server{Handler: o.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	if err := listening("http://" + ln.Addr().String()); err != nil {
		return errors.Join(err, ln.Close())
	}
	return serveUntil(ctx, srv, ln, time.Second)
}

// serveUntil serves until ctx ends, then gives requests that go on some time and returns when they are
// done or cut off.
func serveUntil(ctx context.Context, srv *http.Server, ln net.Listener, drain time.Duration) error {
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if srv.Shutdown(patience) != nil {
		_ = srv.Close() // whoever is left has had its time
	}
	<-served
	return nil
}

// since is the time since a moment in seconds.
func since(t time.Time) float64 { return time.Since(t).Seconds() }

// listenFree listens on an address, or on a free port of the same host when that one is taken.
func listenFree(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err == nil {
		return ln, nil
	}
	host, _, splitErr := net.SplitHostPort(addr)
	if splitErr != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return lc.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
}
