package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const streamBody = `{"model":"toy/bytes","messages":[{"role":"user","content":"hi"}],"temperature":0,"stream":true}`

// TestDisconnectEndsTheJob: a client that leaves a stream, or a plain answer, ends the context of its job.
func TestDisconnectEndsTheJob(t *testing.T) {
	for name, body := range map[string]string{"stream": streamBody, "whole": strings.Replace(streamBody, `true}`, `false}`, 1)} {
		t.Run(name, func(t *testing.T) {
			b := &toyBackend{script: says("first", 0), ends: make(chan error, 2)}
			server := httptest.NewServer(newGateway(t, b, fixedOptions()))
			defer server.Close()
			ctx, leave := context.WithCancel(t.Context())
			r, _ := http.NewRequestWithContext(ctx, "POST", server.URL+"/v1/chat/completions", strings.NewReader(body))
			if name == "stream" {
				resp, err := server.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || !strings.HasPrefix(line, "data: {") {
					t.Fatalf("got %q, %v", line, err)
				}
				leave()
			} else {
				done := make(chan error, 1)
				go func() { _, err := server.Client().Do(r); done <- err }()
				for waiting := true; waiting; {
					b.mu.Lock()
					waiting = len(b.jobs) == 0
					b.mu.Unlock()
					runtime.Gosched()
				}
				leave()
				<-done
			}
			if name == "whole" {
				w := httptest.NewRecorder()
				g := newGateway(t, b, fixedOptions())
				g.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "http://localhost/v1/chat/completions", strings.NewReader(body)))
				if w.Code != statusClientGone {
					t.Errorf("an answer nobody waits for has the status %d", w.Code)
				}
				<-b.ends
			}
			if err := <-b.ends; !errors.Is(err, context.Canceled) {
				t.Errorf("the job ended with %v", err)
			}
		})
	}
}

// TestClientThatDoesNotReadIsDropped: a full socket ends the job after WriteTimeout.
func TestClientThatDoesNotReadIsDropped(t *testing.T) {
	var log bytes.Buffer
	options := fixedOptions()
	options.WriteTimeout, options.Log = 50*time.Millisecond, textLog(&log)
	b := &toyBackend{ends: make(chan error, 1), script: endless}
	server := httptest.NewServer(newGateway(t, b, options))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := strings.Replace(streamBody, "toy/bytes", "endless", 1)
	fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	<-b.ends
	server.Close() // waits for the handler
	if !strings.Contains(log.String(), "i/o timeout") {
		t.Errorf("the job ended for another reason: %s", log.String())
	}
}

// endless scripts an answer whose text outgrows every socket buffer.
func endless(Job) []Event { return make([]Event, 1<<20) }

// TestSlowBodyIsDropped: a body that does not arrive costs the connection, also when its request is refused unread.
func TestSlowBodyIsDropped(t *testing.T) {
	for path, status := range map[string]string{"/v1/chat/completions": "408", "/nowhere": "404"} {
		options := fixedOptions()
		options.BodyTimeout = 20 * time.Millisecond
		server := httptest.NewServer(newGateway(t, &toyBackend{}, options))
		defer server.Close()
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{", path)
		all, err := io.ReadAll(conn) // ends when the gateway closes the connection
		if err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 "+status) {
			t.Errorf("%s: got %q, %v", path, all, err)
		}
	}
}

// TestAnswerOutlivesBodyTimeout: the bounds on the body do not bound the answer.
func TestAnswerOutlivesBodyTimeout(t *testing.T) {
	options := fixedOptions()
	options.BodyTimeout, options.KeepAlive = 20*time.Millisecond, 5*time.Millisecond
	server := httptest.NewServer(newGateway(t, &toyBackend{script: says("ab", 0)}, options))
	defer server.Close()
	resp, err := server.Client().Post(server.URL+"/v1/chat/completions", "application/json", strings.NewReader(streamBody))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	waits := 0
	for s := bufio.NewScanner(resp.Body); waits < 20 && s.Scan(); {
		if s.Text() == ": waiting" {
			waits++
		}
	}
	if waits < 20 {
		t.Errorf("the stream ended after %d comments", waits)
	}
}

// TestSilentStreamSendsComments: in virtual time, a comment every KeepAlive and nothing lost.
func TestSilentStreamSendsComments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, &toyBackend{script: says("ab", 0)}, fixedOptions())
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "http://localhost/v1/chat/completions", strings.NewReader(streamBody)))
		if got := strings.Count(w.Body.String(), ": waiting\n\n"); got != 2 {
			t.Errorf("%d comments in 40 s, want 2\n%s", got, w.Body)
		}
	})
}

// TestThousandWaitingStreamsAreCheap bounds the memory that a stream holds while nothing happens.
func TestThousandWaitingStreamsAreCheap(t *testing.T) {
	const streams, perStream = 1000, 32 << 10
	g := newGateway(t, &toyBackend{script: says("", 0)}, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	before := memory()
	body := `{"model":"toy/bytes","prompt":"hi","stream":true,"x":"` + strings.Repeat("x", 100<<10) + `"}`
	for range streams {
		all.Go(func() {
			r := httptest.NewRequestWithContext(ctx, "POST", "http://localhost/v1/completions", strings.NewReader(body))
			g.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	b := g.backend.(*toyBackend)
	for waiting := true; waiting; {
		b.mu.Lock()
		waiting = len(b.jobs) < streams
		b.mu.Unlock()
		runtime.Gosched()
	}
	used := (memory() - before) / streams
	cancel()
	all.Wait()
	t.Logf("%d bytes per waiting stream", used)
	if used > perStream {
		t.Errorf("a waiting stream holds %d bytes, want at most %d", used, perStream)
	}
	if left := g.answers.Load(); left != 0 {
		t.Errorf("%d answers are still counted", left)
	}
}

// memory returns the bytes of live heap and stacks.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestTooManyAnswersGet429 counts answers in the making.
func TestTooManyAnswersGet429(t *testing.T) {
	options := fixedOptions()
	options.MaxAnswers = 1
	b := &toyBackend{script: says("a", 0)}
	g := newGateway(t, b, options)
	server := httptest.NewServer(g)
	defer server.Close()
	resp, err := server.Client().Post(server.URL+"/v1/chat/completions", "application/json", strings.NewReader(streamBody))
	if err != nil {
		t.Fatal(err)
	}
	if w := ask(g, "POST", "/v1/chat/completions", streamBody); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("the second answer got %d", w.Code)
	}
	resp.Body.Close()
	for g.answers.Load() != 0 {
		runtime.Gosched()
	}
	b.script = says("a", FinishEOS)
	if w := ask(g, "POST", "/v1/chat/completions", streamBody); w.Code != 200 {
		t.Errorf("once the first is gone, the second got %d", w.Code)
	}
}

// TestAdmission walks keys, hosts and origins.
func TestAdmission(t *testing.T) {
	const key = "sk-0123456789"
	keyless := newGateway(t, &toyBackend{}, Options{})
	keyed := newGateway(t, &toyBackend{}, Options{Keys: []string{"sk-other-key", key}})
	rows := []struct {
		name   string
		g      *Gateway
		host   string
		header []string
		status int
	}{
		{"keyless, none", keyless, "127.0.0.1:8080", nil, 200},
		{"keyless, any", keyless, "localhost", []string{"Authorization", "Bearer whatever"}, 200},
		{"keyless, IPv6", keyless, "[::1]:8080", nil, 200},
		{"keyless, IPv6 without port", keyless, "[::1]", nil, 200},
		{"keyless, re-pointed name", keyless, "evil.example:8080", nil, 403},
		{"keyless, name that looks local", keyless, "localhost.evil.example", nil, 403},
		{"keyless, other machine", keyless, "192.168.0.7:8080", nil, 403},
		{"right key", keyed, "api.example", []string{"Authorization", "Bearer " + key}, 200},
		{"scheme in lower case", keyed, "api.example", []string{"Authorization", "bearer " + key}, 200},
		{"no key", keyed, "127.0.0.1", nil, 401},
		{"empty key", keyed, "127.0.0.1", []string{"Authorization", "Bearer "}, 401},
		{"wrong key", keyed, "127.0.0.1", []string{"Authorization", "Bearer sk-0123456780"}, 401},
		{"prefix of a key", keyed, "127.0.0.1", []string{"Authorization", "Bearer sk-012345678"}, 401},
		{"wrong scheme", keyed, "127.0.0.1", []string{"Authorization", "Basic " + key}, 401},
	}
	for _, row := range rows {
		r := httptest.NewRequest("GET", "http://"+row.host+"/v1/models", nil)
		for i := 0; i+1 < len(row.header); i += 2 {
			r.Header.Set(row.header[i], row.header[i+1])
		}
		w := httptest.NewRecorder()
		row.g.ServeHTTP(w, r)
		if w.Code != row.status || (w.Code != 200 && !json.Valid(w.Body.Bytes())) {
			t.Errorf("%s: got %d %s, want %d", row.name, w.Code, w.Body, row.status)
		}
	}
	if w := ask(keyed, "GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("liveness needs no key, got %d", w.Code)
	}
	w := ask(keyless, "POST", "/v1/chat/completions", streamBody, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if w.Code != 403 {
		t.Errorf("another origin's page got %d", w.Code)
	}
	if _, err := New(&toyBackend{}, Options{Keys: []string{"short"}}); err == nil {
		t.Error("a key of five bytes was accepted")
	}
	if _, err := New(nil, Options{}); err == nil {
		t.Error("no backend was accepted")
	}
}

// TestLogsHoldNoSecrets: neither keys nor prompts nor answers reach the log, while internal errors reach only the log.
func TestLogsHoldNoSecrets(t *testing.T) {
	var log bytes.Buffer
	b := &toyBackend{script: says("ANSWER", 0), after: errSecret}
	g := newGateway(t, b, Options{Keys: []string{"KEYKEYKEY"}, Log: textLog(&log)})
	w := ask(g, "POST", "/v1/completions", `{"model":"toy/bytes","prompt":"PROMPT","user":"USER"}`, "Authorization", "Bearer KEYKEYKEY")
	if w.Code != 500 || strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for _, secret := range []string{"KEYKEYKEY", "PROMPT", "ANSWER", "USER"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %s: %s", secret, log.String())
		}
	}
	for _, fact := range []string{"10.0.0.7", "level=ERROR", "status=500", "prompt_tokens=6", "request_id=req_"} {
		if !strings.Contains(log.String(), fact) {
			t.Errorf("the log lacks %s: %s", fact, log.String())
		}
	}
}

// TestLongReceiptTravelsInTheBodyOnly: clients bound the size of headers.
func TestLongReceiptTravelsInTheBodyOnly(t *testing.T) {
	long := strings.Repeat("A", maxReceiptHeader+1)
	b := &toyBackend{script: func(Job) []Event { return []Event{{Finish: FinishEOS, Receipt: long}} }}
	w := ask(newGateway(t, b, Options{}), "POST", "/v1/completions", `{"model":"toy/bytes","prompt":"hi"}`)
	if w.Header().Get("X-Elenchus-Receipt") != "" || !strings.Contains(w.Body.String(), `"elenchus_receipt":"`+long+`"`) {
		t.Error("the long receipt is misplaced")
	}
}

// TestBackendMayNotExceedTheLimit: tokens beyond MaxNew are not sold.
func TestBackendMayNotExceedTheLimit(t *testing.T) {
	g := newGateway(t, &toyBackend{script: says("abc", FinishLength)}, Options{})
	w := ask(g, "POST", "/v1/completions", `{"model":"toy/bytes","prompt":"hi","max_tokens":2}`)
	if w.Code != 500 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// BenchmarkStreamedToken measures what the gateway adds to one token of a stream, without the network.
func BenchmarkStreamedToken(b *testing.B) {
	events := make([]Event, toyCtx)
	for i := range events {
		events[i].Token = 'x'
	}
	events = append(events, Event{Finish: FinishLength, Receipt: receipt})
	g := newGateway(b, &toyBackend{script: func(Job) []Event { return events }}, Options{})
	b.ReportAllocs()
	for i := 0; i < b.N; i += toyCtx {
		if w := ask(g, "POST", "/v1/chat/completions", streamBody); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

// serve runs Serve on a free loopback port until stop is called; result yields what Serve returned.
func serve(t *testing.T, g *Gateway) (url string, stop func(), result chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result = make(chan error, 1)
	go func() { result <- g.Serve(ctx, ln) }()
	return "http://" + ln.Addr().String(), cancel, result
}

// openStream starts a streamed answer and reads its first line.
func openStream(t *testing.T, client *http.Client, url string) (*http.Response, *bufio.Reader) {
	t.Helper()
	resp, err := client.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(streamBody))
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(resp.Body)
	if _, err := body.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return resp, body
}

// TestShutdownLetsAnswersFinish: a stream in the making is completed after the context of Serve has ended.
func TestShutdownLetsAnswersFinish(t *testing.T) {
	release := make(chan struct{})
	b := &gatedBackend{toyBackend{script: says("ab", FinishEOS)}, release}
	url, stop, result := serve(t, newGateway(t, b, fixedOptions()))
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, body := openStream(t, client, url)
	defer resp.Body.Close()
	stop()
	for {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			break // the listener is closed: the drain has begun
		}
		conn.Close()
	}
	close(release)
	rest, err := io.ReadAll(body)
	if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("got %q, %v", rest, err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// gatedBackend holds every answer after its first event until release is closed.
type gatedBackend struct {
	toyBackend
	release chan struct{}
}

func (b *gatedBackend) Submit(ctx context.Context, job Job) (Stream, error) {
	s, err := b.toyBackend.Submit(ctx, job)
	if err != nil {
		return nil, err
	}
	return &gatedStream{s, b.release, false}, nil
}

type gatedStream struct {
	Stream
	release chan struct{}
	begun   bool
}

func (s *gatedStream) Next(ctx context.Context) (Event, error) {
	if s.begun {
		select {
		case <-s.release:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
	s.begun = true
	return s.Stream.Next(ctx)
}

// TestShutdownCutsWhatOutlastsTheDrain: the client of a cut stream is told, and every goroutine ends.
func TestShutdownCutsWhatOutlastsTheDrain(t *testing.T) {
	options := fixedOptions()
	options.Drain = time.Millisecond
	b := &toyBackend{script: says("ab", 0), ends: make(chan error, 1)}
	url, stop, result := serve(t, newGateway(t, b, options))
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, body := openStream(t, client, url)
	defer resp.Body.Close()
	stop()
	rest, err := io.ReadAll(body)
	if err != nil || !strings.Contains(string(rest), "shutting down") || strings.Contains(string(rest), "[DONE]") {
		t.Errorf("got %q, %v", rest, err)
	}
	<-b.ends
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// TestKeylessGatewayStaysOnLoopback: Serve refuses a listener that others can reach, and closes it.
func TestKeylessGatewayStaysOnLoopback(t *testing.T) {
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Skip("no listener on all interfaces here")
	}
	if err := newGateway(t, &toyBackend{}, Options{}).Serve(t.Context(), ln); !errors.Is(err, ErrOpenListener) {
		t.Errorf("got %v", err)
	}
	if _, err := ln.Accept(); err == nil {
		t.Error("the listener is still open")
	}
}

// TestServeReportsABrokenListener: a listener that fails ends Serve with an error.
func TestServeReportsABrokenListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := newGateway(t, &toyBackend{}, Options{}).Serve(t.Context(), ln); err == nil {
		t.Error("no error")
	}
}
