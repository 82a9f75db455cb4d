package app

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"elenchus/proving/beacon"
)

// published are signatures of rounds of quicknet as drand publishes them.
var published = map[uint64]string{
	123:  "b75c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92",
	1000: "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
}

// drandAt is an address that answers so.
func drandAt(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

func says(round uint64, signature string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"round":%d,"randomness":"00","signature":%q}`, round, signature)
	}
}

// Published rounds are fetched from whoever has them, whatever others say: another round, another
// signature, none, too much, redirects without end, nothing at all. SPEC 11 §2.
func TestDrandIsFetchedFromWhoeverHasIt(t *testing.T) {
	asked := make(chan string, 8)
	honest := drandAt(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		for round, sig := range published {
			if r.URL.Path == fmt.Sprintf("/%s/public/%d", beacon.QuicknetHash, round) {
				says(round, sig)(w, r)
				return
			}
		}
		http.NotFound(w, r)
	})
	bad := []string{
		drandAt(t, says(1000, published[123])), drandAt(t, says(999, published[1000])), drandAt(t, says(1000, "00")), drandAt(t, says(1000, "zz")),
		drandAt(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte{' '}, 1<<20)) }),
		drandAt(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"/x", http.StatusFound) }),
		drandAt(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
		"http://127.0.0.1:1",
	}
	for _, url := range bad {
		d, err := newDrand([]string{url}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Point(t.Context(), 1000); !errors.Is(err, ErrNoRound) || !strings.Contains(err.Error(), url) {
			t.Errorf("%s: %v", url, err)
		}
	}
	silent := drandAt(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if d, err := newDrand([]string{silent}, time.Millisecond); err != nil {
		t.Error(err)
	} else if _, err := d.Point(t.Context(), 1000); !errors.Is(err, ErrNoRound) {
		t.Errorf("who never answers: %v", err)
	}
	d, err := newDrand(append(bad, honest+"/"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	chain := beacon.Quicknet()
	for round, text := range published {
		sig, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := chain.Verify(round, sig)
		if err != nil {
			t.Fatal(err)
		}
		want := s.Point()
		if got, err := d.Point(t.Context(), round); err != nil || !bytes.Equal(got, want[:]) {
			t.Errorf("round %d is %x, %v", round, got, err)
		}
		if path := <-asked; path != fmt.Sprintf("/%s/public/%d", beacon.QuicknetHash, round) {
			t.Errorf("asked for %s", path)
		}
	}
}

// A text names a key file or drand; drand is the beacon of a deployment with its times alone.
func TestBeaconsHaveNames(t *testing.T) {
	for text, want := range map[string]int{"drand": 0, "drand:http://a": 1, "drand:http://a,https://b/": 2} {
		if urls, ok := isDrand(text); !ok || len(urls) != want {
			t.Errorf("%s: %v, %v", text, urls, ok)
		}
	}
	if _, ok := isDrand("keys/drand"); ok {
		t.Error("a file is drand")
	}
	q := beacon.Quicknet()
	if _, err := beaconOf("drand", 0, q.Genesis, q.Period); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"drand:", "drand:ftp://a", "drand:http://a,"} {
		if _, err := beaconOf(text, 0, q.Genesis, q.Period); err == nil {
			t.Errorf("%s is a beacon", text)
		}
	}
	if _, err := beaconOf("drand", 0, q.Genesis+1, q.Period); err == nil {
		t.Error("another beacon's deployment takes quicknet")
	}
}
