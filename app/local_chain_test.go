package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/settlement/ledger"
)

// claimed is a receipt that differs from others by its number; nothing in it is signed.
func claimed(n int) *receipt.Receipt {
	return &receipt.Receipt{Claim: claim.Claim{Version: 1, Count: uint32(n), Node: claim.Address{7}}}
}

// batches serves batches as a node does; the key is the root in hex.
func batches(t *testing.T, served map[string][]*receipt.Receipt) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rs, ok := served[strings.TrimPrefix(r.URL.Path, "/v1/batches/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		texts := []string{}
		for _, x := range rs {
			text, err := x.Text()
			if err != nil {
				t.Error(err)
			}
			texts = append(texts, text)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"receipts": texts}) // the client sees what is missing
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func batchOf(rs ...*receipt.Receipt) posted {
	digests := make([]claim.Hash, len(rs))
	for i, r := range rs {
		digests[i] = r.Claim.Digest(r.Domain)
	}
	return posted{ledger.BatchPosted{Node: claim.Address{7}, Root: claim.TreeRoot(digests), Count: uint32(len(rs)), Until: 500}, 100}
}

func hexOf(p posted) string { return fmt.Sprintf("%x", p.Root) }

// TestFindBelievesRootsAlone: a node is believed as far as its claims lead to a root on the chain.
func TestFindBelievesRootsAlone(t *testing.T) {
	want := claimed(3)
	first, second := batchOf(claimed(1), claimed(2)), batchOf(claimed(4), want, claimed(5))
	for _, c := range []struct {
		name   string
		served map[string][]*receipt.Receipt
		found  bool
		unread string
	}{
		{"all served", map[string][]*receipt.Receipt{hexOf(first): {claimed(1), claimed(2)}, hexOf(second): {claimed(4), want, claimed(5)}}, true, ""},
		{"another withheld", map[string][]*receipt.Receipt{hexOf(second): {claimed(4), want, claimed(5)}}, true, "not served"},
		{"withheld", map[string][]*receipt.Receipt{hexOf(first): {claimed(1), claimed(2)}}, false, "not served"},
		{"other claims", map[string][]*receipt.Receipt{hexOf(first): {want, claimed(2)}, hexOf(second): {claimed(4), claimed(6), claimed(5)}}, false, "are not batch"},
		{"one claim less", map[string][]*receipt.Receipt{hexOf(first): {want}, hexOf(second): {want}}, false, "are not batch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out receipt.Chain
			err := (&ChainLookup{}).find(t.Context(), want, []posted{first, second}, batches(t, c.served), &out)
			if err != nil || (out.Batch != nil) != c.found || !strings.Contains(out.Unread, c.unread) || (c.unread == "") != (out.Unread == "") {
				t.Fatalf("batch %+v, unread %q, %v", out.Batch, out.Unread, err)
			}
			if !c.found {
				return
			}
			b := out.Batch
			if err := claim.VerifyLeaf(b.Root, b.Count, b.Index, want.Claim.Digest(want.Domain), b.Path); err != nil || b.Until != 500 || b.Posted != 100 {
				t.Errorf("%+v, %v", b, err)
			}
		})
	}
	var out receipt.Chain
	if err := (&ChainLookup{}).find(t.Context(), want, []posted{first}, "", &out); err != nil || out.Unread == "" {
		t.Errorf("no address: %+v, %v", out, err)
	}
}
