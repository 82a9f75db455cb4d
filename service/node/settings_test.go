package node_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/service/node"
)

// Settings of the sampler reach the machine and the receipt: it checks and computes to the same.
// SPEC 07 §8, 15 §3.1.
func TestSamplerSettingsAreServed(t *testing.T) {
	w := newWorld(t)
	n := w.start()
	defer w.close(n)
	j := w.job(1)
	j.Sampler = decode.Sampler{TopK: 1}
	j.Request.Extras = trace.Settings(&j.Sampler).Extras()
	status, body := post(n, j)
	lines := strings.Split(strings.TrimSpace(body), "\n")
	var last struct{ Receipt string }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); status != http.StatusOK || err != nil {
		t.Fatal(status, body, err)
	}
	r, err := receipt.Parse(last.Receipt)
	if err != nil {
		t.Fatal(err)
	}
	if settled := r.Job(); !r.Sampler.Equal(&j.Sampler) || !j.Sampler.Equal(&settled.Sampler) {
		t.Fatalf("receipt has %+v, %v", r, err)
	}
	greedy := w.job(1)
	greedy.Request.Temperature = 0
	g, err := n.Serve(t.Context(), greedy, func(int32) error { return nil })
	if err != nil || !slices.Equal(g.Output, r.Output) {
		t.Errorf("top-k 1 gives %v, greedy %v, %v", r.Output, g.Output, err)
	}
}

// Odds of the ids come with them where they are asked for, and change nothing of the claim. SPEC 15 §3.6.
func TestOddsAreServed(t *testing.T) {
	w := newWorld(t)
	n := w.start()
	defer w.close(n)
	k := 2
	j := w.job(1)
	j.Odds = &k
	var odds []decode.Odds
	r, err := n.ServeOdds(t.Context(), j, func(id int32, o *decode.Odds) error { odds = append(odds, *o); return nil })
	if err != nil || len(odds) != len(r.Output) {
		t.Fatal(odds, err)
	}
	for i, o := range odds {
		if o.Drawn.ID != r.Output[i] || len(o.Top) != k {
			t.Errorf("id %d is %d with the odds %+v", i, r.Output[i], o)
		}
	}
	_, body := post(n, j)
	first := fmt.Sprintf(`{"token":%d,"logprob":%d,"top":[[%d,%d],[%d,%d]]}`, r.Output[0], odds[0].Drawn.Log,
		odds[0].Top[0].ID, odds[0].Top[0].Log, odds[0].Top[1].ID, odds[0].Top[1].Log)
	if !strings.HasPrefix(body, first+"\n") {
		t.Errorf("the first line of %s is not %s", body, first)
	}
	k = decode.MaxOdds + 1
	if status, body := post(n, j); status != http.StatusBadRequest || !strings.Contains(body, "alternatives") {
		t.Errorf("too many alternatives: %d %s", status, body)
	}
	k = 1
	for i := range w.o.Models {
		w.o.Models[i].Computer = plain{w.o.Models[i].Computer}
	}
	w.o.Dir = t.TempDir()
	without := w.start()
	defer w.close(without)
	if _, err := without.ServeOdds(t.Context(), j, nil); !errors.Is(err, node.ErrRefused) {
		t.Errorf("a computer without odds: %v", err)
	}
}

// plain is a computer that knows no odds.
type plain struct{ node.Computer }
