package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxIgnored       = 16       // names listed in X-Elenchus-Ignored
	maxReceiptHeader = 12 << 10 // bytes; longer receipts travel in the body only, since clients bound their headers
	shortestKey      = 8        // bytes of an API key
)

// Options configures a Gateway. The zero value is useful: keyless on loopback, silent, with the defaults below.
type Options struct {
	// Keys are the API keys that are accepted, each at least 8 bytes. With none, any key or none is accepted, and
	// only requests addressed to a loopback host are served.
	Keys []string
	// Accounts are keys that are accepted besides, by their digests, with limits. No two have the same digest.
	Accounts []Key
	// Strict refuses requests with fields that the gateway has never heard of, which it else ignores and lists.
	Strict bool
	// Log receives one record per request and the reasons of 5xx answers; nil for silence.
	Log *slog.Logger
	// Entropy fills p with random bytes for seeds and ids; nil for the operating system's.
	Entropy func(p []byte)
	// Now is the clock of the created fields; nil for the system's.
	Now func() time.Time
	// MaxAnswers bounds the answers in the making at one time; more get 429. 0 means 4096.
	MaxAnswers int
	// KeepAlive is how long a stream may be silent before a comment line is sent. 0 means 15 s.
	KeepAlive time.Duration
	// BodyTimeout is how long a client may take to send a body, WriteTimeout how long to take one chunk or one
	// whole answer. 0 means 30 s each.
	BodyTimeout, WriteTimeout time.Duration
	// Observe, when set, is told about each request when it is over.
	Observe func(Seen)
	// Ready says whether the nodes can be reached, for /readyz; nil: always.
	Ready func(ctx context.Context) error
	// Cashier takes payments of requests without a key of Keys or Accounts, which are else refused, or with no keys at all
	// from this machine alone are free; nil: nobody can pay.
	Cashier Cashier
	// Browser is what people's browsers may have besides the API.
	Browser Browser
	// Receipts keeps receipts over a restart; nil: they are in memory alone.
	Receipts Archive
	// Pull fetches models for POST /api/pull; nil: nobody can have any fetched.
	Pull Puller
	// Drain is how long Serve waits for answers in the making once its context has ended. 0 means 10 s.
	Drain time.Duration
}

// Gateway is an http.Handler that speaks the dialects of OpenAI, Anthropic and Ollama. Use New.
type Gateway struct {
	backend Backend
	options Options
	log     *slog.Logger
	keys    [][sha256.Size]byte
	limits  map[string]*account // by digest
	mux     *http.ServeMux
	cross   *http.CrossOriginProtection
	answers atomic.Int64 // in the making
	asking  atomic.Int64 // receipts that a chain is asked about
	pulls   sync.Mutex   // guards nothing: who holds it has a model fetched, one at a time

	responses *keeper
	receipts  *shelf[string]
	grammars  *shelf[[]byte] // automata by what they were compiled from
}

// New returns a gateway in front of b. It fails on an API key that is too short to be one.
func New(b Backend, o Options) (*Gateway, error) {
	if b == nil {
		return nil, errors.New("the gateway needs a backend")
	}
	o.fill()
	g := &Gateway{backend: b, options: o, log: o.Log, cross: http.NewCrossOriginProtection()}
	if err := g.open(o.Keys, o.Accounts); err != nil {
		return nil, err
	}
	g.options.Keys, g.options.Accounts = nil, nil
	g.receipts = newShelf[string](MaxReceipts, MaxReceiptBytes, g.options.Now)
	g.grammars = newShelf[[]byte](maxGrammars, maxGrammarBytes, g.options.Now)
	g.responses = &keeper{newShelf[keptResponse](maxResponses, maxResponseBytes, g.options.Now)}
	g.mux = g.routes()
	if err := g.recall(); err != nil {
		return nil, fmt.Errorf("kept receipts: %w", err)
	}
	return g, nil
}

// open takes the keys in.
func (g *Gateway) open(texts []string, keys []Key) error {
	for _, text := range texts {
		k, err := NewKey(text)
		if err != nil {
			return err
		}
		keys = append(keys, k)
	}
	g.limits = make(map[string]*account, len(keys))
	for _, k := range keys {
		g.keys = append(g.keys, k.Digest)
		g.limits[string(k.Digest[:])] = newAccount(k, g.options.Now())
	}
	return nil
}

// fill replaces zero values by the defaults.
func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Entropy == nil {
		o.Entropy = func(p []byte) { _, _ = rand.Read(p) } // never fails: crypto/rand crashes the program instead
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxAnswers == 0 {
		o.MaxAnswers = 4096
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.KeepAlive, 15 * time.Second},
		{&o.BodyTimeout, 30 * time.Second},
		{&o.WriteTimeout, 30 * time.Second},
		{&o.Drain, 10 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
}

// record collects what one request tells the log.
type record struct {
	http.ResponseWriter
	id     string
	owner  string // digest of the API key; empty without keys
	face   face
	status int
	attrs  []slog.Attr
	seen   Seen
}

// WriteHeader notes the status.
func (r *record) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write notes the implied status.
func (r *record) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *record) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// note adds attributes to the request's line in the log.
func (r *record) note(attrs ...slog.Attr) { r.attrs = append(r.attrs, attrs...) }

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &record{ResponseWriter: w, id: "req_" + g.randomHex(12), face: faceOf(r.URL.Path)}
	h := rec.Header()
	h.Set("X-Request-Id", rec.id)
	h.Set("X-Content-Type-Options", "nosniff")
	if rec.face.idHeader != "" {
		h.Set(rec.face.idHeader, rec.id)
	}
	control := http.NewResponseController(w)
	allow(control, g.options.WriteTimeout)
	_ = control.SetReadDeadline(start.Add(g.options.BodyTimeout)) // also of a body that nobody reads
	var f *failure
	if rec.owner, f = g.admit(r); f != nil {
		f.write(rec)
	} else {
		if a := g.limits[rec.owner]; a != nil && a.key.Name != "" {
			rec.note(slog.String("key", a.key.Name))
		}
		g.mux.ServeHTTP(rec, r)
	}
	level := slog.LevelInfo
	if rec.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	g.log.LogAttrs(context.WithoutCancel(r.Context()), level, "request", append([]slog.Attr{
		slog.String("request_id", rec.id),
		slog.String("method", r.Method),
		slog.String("route", r.Pattern),
		slog.Int("status", rec.status),
		slog.Duration("took", time.Since(start)),
	}, rec.attrs...)...)
	g.observe(rec, r.Pattern, time.Since(start))
}

// randomHex returns 2n random hex digits.
func (g *Gateway) randomHex(n int) string {
	p := make([]byte, n)
	g.options.Entropy(p)
	return hex.EncodeToString(p)
}
