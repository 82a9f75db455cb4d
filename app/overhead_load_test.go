package app

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"

	"github.com/ethereum/go-ethereum/crypto"
)

// loadEnv makes the test binary a load generator with a node: commands come in as lines of JSON, a report goes out for
// each. It listens on loopback only and ends with its input.
const loadEnv = "ELENCHUS_LOAD_GENERATOR"

// command is what the load generator is to do.
type command struct {
	Do      string // measure, wait, leave, answers
	URL     string
	Streams int
	Tokens  int
	Answers int
	Every   time.Duration // between the tokens of a stream
}

// report is what came of it.
type report struct {
	Node     string
	P50, P99 time.Duration // from a token's line leaving the node to its text arriving at the client
	Error    string
}

// loader is the state of the load generator.
type loader struct {
	sent   sync.Map // of a stream's number: chan time.Time, when each token left the node
	every  atomic.Int64
	stop   context.CancelFunc // of streams that wait
	held   sync.WaitGroup
	node   *httptest.Server
	client *http.Client
}

func generateLoad() {
	l := &loader{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * streams}}}
	l.node = httptest.NewServer(http.HandlerFunc(l.serve))
	defer l.node.Close()
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode(report{Node: l.node.URL})
	for in := json.NewDecoder(os.Stdin); ; {
		var c command
		if in.Decode(&c) != nil {
			return
		}
		r := report{}
		if err := l.do(c, &r); err != nil {
			r.Error = err.Error()
		}
		_ = out.Encode(r)
	}
}

func (l *loader) do(c command, r *report) error {
	l.every.Store(int64(c.Every))
	switch c.Do {
	case "measure":
		return l.measure(c, r)
	case "wait":
		return l.wait(c)
	case "leave":
		l.stop()
		l.held.Wait()
		l.client.CloseIdleConnections()
		return nil
	}
	return l.answers(c)
}

// body asks for an answer of so many tokens; the seed tells the node which stream it is for.
func body(seed, tokens int) io.Reader {
	return strings.NewReader(fmt.Sprintf(`{"model":"m","prompt":[1,2],"temperature":1,"seed":%d,"max_tokens":%d,"stream":true}`, seed, tokens))
}

// measure runs streams at the same time and takes the time of every token.
func (l *loader) measure(c command, r *report) error {
	var mu sync.Mutex
	var all []time.Duration
	err := inParallel(c.Streams, func(i int) error {
		times := make(chan time.Time, c.Tokens)
		l.sent.Store(i, times)
		got, err := l.read(context.Background(), c.URL, i, c.Tokens, func(now time.Time) time.Duration { return now.Sub(<-times) })
		mu.Lock()
		defer mu.Unlock()
		all = append(all, got...)
		return err
	})
	slices.Sort(all)
	r.P50, r.P99 = quantile(all, .5), quantile(all, .99)
	return err
}

// read takes one stream to its end.
func (l *loader) read(ctx context.Context, url string, seed, tokens int, took func(time.Time) time.Duration) (all []time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body(seed, tokens))
	if err != nil {
		return nil, err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	s := bufio.NewScanner(resp.Body)
	s.Buffer(nil, 1<<20)
	n := 0
	for s.Scan() {
		line := s.Text()
		if strings.Contains(line, `"text":""`) || !strings.Contains(line, `"text":"`) && !strings.Contains(line, `"token"`) {
			continue
		}
		if n++; took != nil && n <= tokens {
			all = append(all, took(time.Now()))
		}
	}
	if s.Err() == nil && n != tokens {
		return all, fmt.Errorf("stream %d: %s with %d of %d tokens", seed, resp.Status, n, tokens)
	}
	return all, s.Err()
}

// wait opens streams until the node has all of their jobs. They hold on until leave.
func (l *loader) wait(c command) error {
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	arrived, broken := make(chan time.Time, c.Streams), make(chan error, c.Streams)
	for i := range c.Streams {
		l.sent.Store(i, arrived)
		l.held.Go(func() {
			_, err := l.read(ctx, c.URL, i, 1<<20, nil) // it ends with ctx
			broken <- err
		})
	}
	for range c.Streams {
		select {
		case <-arrived:
		case err := <-broken:
			return fmt.Errorf("a stream did not wait: %w", err)
		}
	}
	return nil
}

// answers asks for answers and reads them, some at the same time.
func (l *loader) answers(c command) error {
	return inParallel(c.Streams, func(i int) error {
		for n := range c.Answers / c.Streams {
			seed := i + n*c.Streams
			l.sent.Store(seed, make(chan time.Time, c.Tokens))
			if _, err := l.read(context.Background(), c.URL, seed, c.Tokens, nil); err != nil {
				return err
			}
			l.sent.Delete(seed)
		}
		return nil
	})
}

func inParallel(n int, do func(i int) error) error {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- do(i) }()
	}
	var all []error
	for range n {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// serve is the node: it draws the letter a again and again, and signs that it did.
func (l *loader) serve(w http.ResponseWriter, r *http.Request) {
	in, err := io.ReadAll(r.Body)
	seed, tokens, request := 0, 0, claim.Request{}
	if err == nil {
		seed, tokens, request, err = jobOf(in, r.URL.Path)
	}
	times, ok := l.sent.Load(seed)
	if err != nil || !ok {
		http.Error(w, fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	if tokens > 1<<16 { // of a stream that waits: its first token never comes
		times.(chan time.Time) <- time.Now()
		<-r.Context().Done()
		return
	}
	flush := http.NewResponseController(w)
	every := time.Duration(l.every.Load())
	if every > 0 {
		time.Sleep(rand.N(every)) // streams do not beat in time
	}
	for range tokens {
		time.Sleep(every)
		times.(chan time.Time) <- time.Now()
		_, _ = fmt.Fprintf(w, "{\"token\":%d}\n", letter)
		_ = flush.Flush()
	}
	if r.URL.Path != "/bare" {
		_, _ = fmt.Fprintf(w, "{\"receipt\":%q}\n", signedBy(request, tokens))
	}
}

// letter is the id of the letter a in the default model.
const letter = 100

// jobOf reads what a gateway, or the bare relay, asks for.
func jobOf(body []byte, path string) (seed, tokens int, r claim.Request, err error) {
	var q struct {
		Request string
		Seed    int
		Tokens  int `json:"max_tokens"`
	}
	if err := json.Unmarshal(body, &q); err != nil || path == "/bare" {
		return q.Seed, q.Tokens, r, err
	}
	raw, err := base64.RawURLEncoding.DecodeString(q.Request)
	if err == nil {
		r, err = claim.DecodeRequest(raw)
	}
	if r.MaxNew == 512 { // the context of the model, to which the gateway cuts
		r.MaxNew = 1 << 20
	}
	return int(r.Seed), int(r.MaxNew), r, err
}

// signedBy is the receipt of an answer.
func signedBy(q claim.Request, n int) string {
	key, err := crypto.ToECDSA(append(make([]byte, 31), 5))
	if err != nil {
		return ""
	}
	out := slices.Repeat([]int32{letter}, n)
	c := claim.Claim{
		Version: claim.Version, Node: claim.AddressOf(key), RequestDigest: q.Digest(loadDomain()), Count: uint32(n),
		Finish: claim.FinishLength, OutputRoot: trace.IDTree(out).Root(),
	}
	sig, err := claim.Sign(c.Digest(loadDomain()), key)
	if err != nil {
		return ""
	}
	text, err := (&receipt.Receipt{Domain: loadDomain(), Request: q, Claim: c, Signature: sig, Prompt: []int32{1, 2}, Stop: []int32{2}, Output: out}).Text()
	if err != nil {
		return ""
	}
	return text
}
