package node_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/engine"
	"elenchus/network/peer"
	"elenchus/service/node"
)

// left is a job of a user with a key, and what he signs to end it after some ids.
func (w *world) left(seed uint64) (j node.Job, digest claim.Hash, sign func(count uint32) claim.Signature) {
	w.t.Helper()
	key, err := crypto.ToECDSA([]byte("another key of thirty-two bytes."))
	if err != nil {
		w.t.Fatal(err)
	}
	j = w.job(seed)
	j.Stop, j.Request.StopCount, j.Request.StopRoot = nil, 0, claim.Hash{}
	j.Request.User = claim.AddressOf(key)
	digest = j.Request.Digest(domain)
	return j, digest, func(count uint32) claim.Signature {
		s, err := claim.Sign(claim.CancelDigest(domain, digest, count), key)
		if err != nil {
			w.t.Fatal(err)
		}
		return s
	}
}

// recomputed is what computing the answer of a receipt again gives.
func (w *world) recomputed(r *receipt.Receipt) *receipt.Own {
	w.t.Helper()
	a, finish, err := (&engine.Computer{Manifest: w.man}).Audit(w.t.Context(), r.Job(), r.Output)
	if err != nil {
		w.t.Fatal(err)
	}
	return &receipt.Own{StateRoot: a.StateTree().Root(), Output: a.Outputs, Finish: finish}
}

// An answer that its user ends after n ids is claimed up to there, with his signature; everyone who holds the
// receipt can check that. What he did not sign ends nothing. SPEC 07 §3.5, 15 §3.9.
func TestItsUserEndsAnAnswer(t *testing.T) {
	for _, odds := range []bool{false, true} {
		w := newWorld(t)
		n := w.start()
		j, digest, sign := w.left(1)
		if odds {
			j.Odds = new(int)
		}
		var ids []int32
		r, err := n.ServeOdds(t.Context(), j, func(id int32, _ *decode.Odds) error {
			if ids = append(ids, id); len(ids) != 3 {
				return nil
			}
			for name, err := range map[string]error{
				"more than were sent": n.Cancel(digest, 4, sign(4)), "none": n.Cancel(digest, 0, sign(0)),
				"another count": n.Cancel(digest, 2, sign(3)), "no signature": n.Cancel(digest, 2, claim.Signature{}),
			} {
				if !errors.Is(err, node.ErrRefused) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err := n.Cancel(claim.Hash{1}, 2, sign(2)); !errors.Is(err, node.ErrNoJob) {
				t.Errorf("another request: %v", err)
			}
			if err := errors.Join(n.Cancel(digest, 2, sign(2)), n.Cancel(digest, 2, sign(2))); err != nil {
				t.Error(err)
			}
			if err := n.Cancel(digest, 3, sign(3)); !errors.Is(err, node.ErrRefused) {
				t.Errorf("a second end elsewhere: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Claim.Finish != claim.FinishCancelled || r.Claim.Count != 2 || !slices.Equal(r.Output, ids[:2]) || len(ids) != 3 {
			t.Errorf("claim %+v of %v; %v were sent", r.Claim, r.Output, ids)
		}
		w.checked(r, receipt.Holds)
		text, err := r.Text()
		if err != nil {
			t.Fatal(err)
		}
		again, err := receipt.Parse(text)
		if err != nil || again.Cancel != r.Cancel {
			t.Errorf("read again: %x, %v", again.Cancel, err)
		}
		if err := n.Cancel(digest, 2, sign(2)); !errors.Is(err, node.ErrNoJob) {
			t.Errorf("after its end: %v", err)
		}
		forged := *r
		forged.Cancel = sign(3)
		w.checked(&forged, receipt.False)
		w.close(n)
	}
}

// checked verifies a receipt against an own computation.
func (w *world) checked(r *receipt.Receipt, want receipt.Outcome) {
	w.t.Helper()
	report := receipt.Verify(r, receipt.Facts{Own: w.recomputed(r)})
	said := false
	for _, c := range report.Checks {
		said = said || c.Name == "signature" && strings.Contains(c.Detail, "cancelled after 2 tokens by the signature of its user")
	}
	if report.Outcome() != want || said != (want == receipt.Holds) {
		w.t.Errorf("%v: %+v", report.Outcome(), report.Checks)
	}
}

// An answer that is complete when its end arrives is claimed as it is.
func TestACompleteAnswerIsNotCut(t *testing.T) {
	w := newWorld(t)
	n := w.start()
	defer w.close(n)
	j, digest, sign := w.left(1)
	made := 0
	r, err := n.Serve(t.Context(), j, func(int32) error {
		if made++; made == int(j.Request.MaxNew) {
			return n.Cancel(digest, 2, sign(2))
		}
		return nil
	})
	if err != nil || r.Claim.Finish != claim.FinishLength || r.Claim.Count != j.Request.MaxNew || r.Cancel != (claim.Signature{}) {
		t.Errorf("%+v, %v", r, err)
	}
}

// Over HTTP: what is no end is refused, and an end has the receipt as the answer's last line.
func TestCancelOverHTTP(t *testing.T) {
	w := newWorld(t)
	wait := make(chan struct{})
	w.o.Models[0].Computer = &paused{Computer: &engine.Computer{Manifest: w.man}, after: 2, until: wait}
	n := w.start()
	defer w.close(n)
	s := httptest.NewServer(n.Handler())
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	j, digest, sign := w.left(1)
	c := peer.New(http.DefaultClient)
	a, err := c.Job(t.Context(), s.URL, j.Request, j.Prompt, j.Stop, j.Sampler)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // it was read
	for range 2 {
		if _, err := a.Next(); err != nil {
			t.Fatal(err)
		}
	}
	two := sign(2)
	good := fmt.Sprintf(`{"request":"%x","count":2,"signature":%q}`, digest, base64.RawURLEncoding.EncodeToString(two[:]))
	for body, want := range map[string]int{
		"{": 400, `{}`: 400, strings.Replace(good, `"count":2`, `"count":3`, 1): 400, strings.Replace(good, fmt.Sprintf("%x", digest), "zz", 1): 400,
		strings.Replace(good, `"}`, `="}`, 1): 400, strings.Replace(good, fmt.Sprintf("%x", digest), strings.Repeat("0", 64), 1): 404,
		strings.Replace(good, "{", `{"more":1,`, 1): 400,
	} {
		res, err := http.Post(s.URL+"/v1/cancel", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var said struct{ Error string }
		if err := json.NewDecoder(res.Body).Decode(&said); err != nil || res.StatusCode != want || said.Error == "" {
			t.Errorf("%s: %d %q, %v", body, res.StatusCode, said.Error, err)
		}
		_ = res.Body.Close()
	}
	if err := c.Cancel(t.Context(), s.URL, digest, 2, two); err != nil {
		t.Fatal(err)
	}
	close(wait)
	l, err := a.Next()
	if err != nil || l.Receipt == "" {
		t.Fatalf("%+v, %v", l, err)
	}
	r, err := receipt.Parse(l.Receipt)
	if err != nil || r.Claim.Finish != claim.FinishCancelled || r.Claim.Count != 2 || r.Cancel != two {
		t.Errorf("%+v, %v", r, err)
	}
}

// paused is a computer that waits before it hands out more than some ids.
type paused struct {
	*engine.Computer
	after int
	until chan struct{}
}

func (p *paused) Generate(ctx context.Context, job decode.Job, emit func(int32) error) (*trace.Answer, uint8, error) {
	sent := 0
	return p.Computer.Generate(ctx, job, func(id int32) error {
		if sent++; sent > p.after {
			<-p.until
		}
		return emit(id)
	})
}
