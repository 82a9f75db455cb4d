package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"elenchus/compute/decode"
)

// TestChoicesHaveTheirOwnJobs: every choice is a job with a derived seed and has its own receipt, whole and streamed.
// SPEC 16 §4.7.
func TestChoicesHaveTheirOwnJobs(t *testing.T) {
	for _, stream := range []bool{false, true} {
		b := &toyBackend{script: func(j Job) []Event {
			out := says(fmt.Sprint(j.Seed%10), 0)(j)
			return append(out, Event{Finish: FinishLength, Receipt: fmt.Sprint("r", j.Seed)})
		}}
		g := newGateway(t, b, fixedOptions())
		body := fmt.Sprintf(`{"model":"toy/bytes","prompt":["a","b"],"n":2,"seed":7,"stream":%v,"stream_options":{"include_usage":true}}`, stream)
		w := ask(g, "POST", "/v1/completions", body)
		if w.Code != 200 || w.Header().Get("X-Elenchus-Receipt") != "" || w.Header().Get("X-Elenchus-Receipt-Id") != "" {
			t.Fatalf("stream %v: %d %v %s", stream, w.Code, w.Header(), w.Body)
		}
		texts, receipts, total := choicesOf(t, w.Body.String())
		for i := range 4 {
			seed := decode.ChoiceSeed(7, uint32(i))
			if want := fmt.Sprint(seed % 10); texts[i] != want || receipts[i] != fmt.Sprint("r", seed) {
				t.Errorf("stream %v: choice %d is %q with receipt %s, want %s and that of seed %d", stream, i, texts[i], receipts[i], want, seed)
			}
		}
		if len(texts) != 4 || total != 2+4 {
			t.Errorf("stream %v: %d choices, %d tokens in all", stream, len(texts), total)
		}
		prompts := make([]string, 4)
		for i, j := range b.jobs {
			prompts[i] = textOf(j.Prompt)
		}
		if slices.Sort(prompts); !slices.Equal(prompts, []string{"a", "a", "b", "b"}) {
			t.Errorf("stream %v: prompts %q", stream, prompts)
		}
	}
}

// choicesOf puts the choices of an answer together.
func choicesOf(t *testing.T, body string) (texts, receipts map[int]string, total int) {
	t.Helper()
	texts, receipts = map[int]string{}, map[int]string{}
	for s := bufio.NewScanner(strings.NewReader(body)); s.Scan(); {
		line := strings.TrimPrefix(s.Text(), "data: ")
		if line == "" || line == "[DONE]" {
			continue
		}
		var c struct {
			Choices []struct {
				Index   int
				Text    string
				Receipt string `json:"elenchus_receipt"`
			}
			Usage struct {
				Total int `json:"total_tokens"`
			}
		}
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, k := range c.Choices {
			texts[k.Index] += k.Text
			receipts[k.Index] += k.Receipt
		}
		total += c.Usage.Total
	}
	return texts, receipts, total
}

// TestOneFailedChoiceEndsAll: no choice outlives its request, and the reason is that of the one that failed.
func TestOneFailedChoiceEndsAll(t *testing.T) {
	b := &toyBackend{ends: make(chan error, 3), err: map[string]error{}, script: says("", 0)}
	second := &failing{toyBackend: b, at: 2}
	w := ask(newGateway(t, second, fixedOptions()), "POST", "/v1/completions", `{"model":"toy/bytes","prompt":"a","n":3}`)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "the node left") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for range 2 {
		<-b.ends
	}
}

// TestPanickingChoiceReachesTheServer: net/http ends the connection of a panic, the process goes on.
func TestPanickingChoiceReachesTheServer(t *testing.T) {
	defer func() {
		if p := recover(); p != "broken codec" {
			t.Errorf("recovered %v", p)
		}
	}()
	b := &toyBackend{script: func(Job) []Event { panic("broken codec") }}
	ask(newGateway(t, b, fixedOptions()), "POST", "/v1/completions", `{"model":"toy/bytes","prompt":"a","n":2}`)
	t.Error("the panic got lost")
}

var errLeft = fmt.Errorf("%w: the node left", ErrUnavailable)

// failing refuses one of the jobs.
type failing struct {
	*toyBackend
	at    int64 // which, from 1
	count atomic.Int64
}

func (b *failing) Submit(ctx context.Context, job Job) (Stream, error) {
	if b.count.Add(1) == b.at {
		return nil, errLeft
	}
	return b.toyBackend.Submit(ctx, job)
}
