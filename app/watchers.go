package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/service/challenger"
	"elenchus/service/gateway"
)

// finish checks that a receipt is a signed claim about this request and these ids, or about those until the user ended
// the answer, and hands it to the watchers, apart from the answer.
func (b *Backend) finish(ctx context.Context, text string, q asked, ended *cut) (gateway.FinishCode, string, error) {
	r, err := receipt.Parse(text)
	if err != nil {
		return 0, "", err
	}
	if r.Claim.Finish == claim.FinishCancelled {
		if ended == nil || r.Cancel != ended.signature || int(r.Claim.Count) != ended.count {
			return 0, "", fmt.Errorf("node %x says that the answer was cancelled after %d ids, which the user did not sign", r.Claim.Node, r.Claim.Count)
		}
		q.sent = q.sent[:ended.count]
	}
	if r.Domain != b.Domain || r.Claim.RequestDigest != r.Named() || r.Request.Digest(b.Domain) != q.digest {
		return 0, "", fmt.Errorf("node %x sends a receipt of another request", r.Claim.Node)
	}
	if r.Salt != q.salt {
		return 0, "", fmt.Errorf("node %x sends a receipt with another salt than that of the request", r.Claim.Node)
	}
	if !slices.Equal(r.Output, q.sent) || int(r.Claim.Count) != len(q.sent) {
		return 0, "", fmt.Errorf("node %x sent %d ids and a receipt of %d others", r.Claim.Node, len(q.sent), r.Claim.Count)
	}
	if err := claim.VerifySigner(r.Claim.Digest(b.Domain), r.Signature, r.Claim.Node); err != nil {
		return 0, "", fmt.Errorf("receipt of node %x: %w", r.Claim.Node, err)
	}
	if r.Request.DataClass != claim.Sealed { // whom the user has named as watchers are parties; of sealed data there are none
		b.watch(ctx, text)
	}
	return gateway.FinishCode(r.Claim.Finish), text, nil
}

// watch hands a receipt to the watchers, apart from the answer.
func (b *Backend) watch(ctx context.Context, text string) {
	for _, w := range b.Watchers {
		b.wait.Add(1)
		go func() {
			defer b.wait.Done()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			_ = postReceipt(ctx, w, text) // watchers also read the batches
		}()
	}
}

// Close waits until every receipt has been handed over.
func (b *Backend) Close() { b.wait.Wait() }

func postReceipt(ctx context.Context, url, text string) error {
	body, err := json.Marshal(map[string]string{"receipt": text})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/receipts", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// watchHandler is the challenger's HTTP face: receipts to check come in, verdicts go out.
func watchHandler(c *challenger.Challenger, o *ops) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/receipts", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Receipt string `json:"receipt"`
		}
		err := json.NewDecoder(r.Body).Decode(&body)
		if err == nil {
			var rec *receipt.Receipt
			if rec, err = receipt.Parse(body.Receipt); err == nil {
				err = c.Submit(rec)
			}
		}
		if err != nil {
			o.meter.Add("elenchus_watch_receipts_total", 1, "refused")
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		o.meter.Add("elenchus_watch_receipts_total", 1, "accepted")
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /v1/verdicts", func(w http.ResponseWriter, _ *http.Request) {
		type row struct {
			Claim string `json:"claim"`
			Known bool   `json:"known"`
			True  bool   `json:"true"`
			Why   string `json:"why"`
		}
		rows := []row{}
		for id, v := range c.Verdicts() {
			rows = append(rows, row{fmt.Sprintf("%x", id), v.Known, v.True, v.Why})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(rows)
	})
	return http.MaxBytesHandler(mux, 8<<20)
}
