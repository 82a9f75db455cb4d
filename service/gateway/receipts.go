package gateway

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// What a gateway keeps at most.
const (
	MaxReceipts     = 4096     // that are kept
	MaxReceiptBytes = 64 << 20 // of all that are kept
)

// Archive keeps receipts over a restart. Many goroutines use it at once.
type Archive interface {
	// Each gives what was kept, the oldest first.
	Each(f func(owner, id, receipt string, kept time.Time)) error
	// Keep takes a receipt; it must not wait for a disk.
	Keep(owner, id, receipt string, kept time.Time)
}

// recall takes in what the archive kept.
func (g *Gateway) recall() error {
	if g.options.Receipts == nil {
		return nil
	}
	return g.options.Receipts.Each(func(owner, id, receipt string, kept time.Time) {
		if raw, err := hex.DecodeString(owner); err == nil {
			g.receipts.putAt(string(raw), id, receipt, len(id)+len(receipt), kept)
		}
	})
}

// shelve keeps a receipt for who asked for its answer.
func (g *Gateway) shelve(owner, id, receipt string) {
	now := g.options.Now()
	g.receipts.putAt(owner, id, receipt, len(id)+len(receipt), now)
	if a := g.options.Receipts; a != nil {
		a.Keep(hex.EncodeToString([]byte(owner)), id, receipt, now)
	}
}

// keepReceipt makes the receipt of an answer available under its id, and takes it off an answer that was asked for without.
func (g *Gateway) keepReceipt(r *run, s *strand) {
	if id := s.stream.ReceiptID(); id != "" && s.end.receipt != "" {
		g.shelve(r.request.owner, id, s.end.receipt)
	}
	if r.request.unsigned {
		s.end.receipt = ""
	}
}

// keepVectors makes the receipts of vectors available under their ids; that of a lone one is named in a header, too.
func (g *Gateway) keepVectors(w http.ResponseWriter, vectors []Vector) {
	for _, v := range vectors {
		if v.ReceiptID != "" && v.Receipt != "" {
			g.shelve(owner(w), v.ReceiptID, v.Receipt)
		}
	}
	if len(vectors) == 1 && vectors[0].ReceiptID != "" {
		w.Header().Set("X-Elenchus-Receipt-Id", vectors[0].ReceiptID)
	}
}

// showReceipt answers GET /v1/receipts/{id} with the text of the receipt, to the key that asked for the answer alone; people's
// browsers are sent to its page.
func (g *Gateway) showReceipt(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	w.Header().Set("Vary", "Accept")
	if wantsPage(r) && g.options.Browser.Pages != nil {
		http.Redirect(w, r, pagePath+"/"+url.PathEscape(id), http.StatusSeeOther)
		return
	}
	text, ok := g.receipts.get(owner(w), id)
	if !ok {
		failed(http.StatusNotFound, "invalid_request_error", "", "receipt_not_found", "the receipt "+strconv.Quote(clip(id, 80))+
			" is not kept here: its answer was not completed, was never asked for with this key, or made room for newer ones").write(w)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write([]byte(text))
}
