package app

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"elenchus/service/gateway"
)

// What a gateway kept is found by the next one of its directory: the newest, under the same ids, by the same owner; a
// spoilt entry costs itself alone, and a second gateway of the directory is refused.
func TestReceiptsAreKeptOverARestart(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	a, err := openArchive(dir, log, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	const more = 300
	for i := range gateway.MaxReceipts + more {
		for len(a.queue) == cap(a.queue) { // Keep would not wait
			time.Sleep(time.Millisecond)
		}
		a.Keep("", fmt.Sprintf("id-%d", i), fmt.Sprintf("receipt %d", i), now)
	}
	a.Keep("ab", "id-7", "of another", now)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a.Keep("", "late", "too late", now) // is in memory alone
	db, err := bolt.Open(filepath.Join(dir, "receipts.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketReceipts)
		return errors.Join(b.Put(make([]byte, 8), []byte("{")), b.Put([]byte("\xffspoilt!"), []byte("{")))
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	if a, err = openArchive(dir, log, time.Now); err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // nothing was kept
	g, err := gateway.New(&Backend{}, gateway.Options{Receipts: a})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]int{"id-0": 404, "id-7": 404, "id-302": 200, fmt.Sprintf("id-%d", gateway.MaxReceipts+more-1): 200, "late": 404} {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/v1/receipts/"+id, nil))
		if w.Code != want || want == 200 && w.Body.String() != "receipt "+id[3:] {
			t.Errorf("%s: %d %q, want %d", id, w.Code, w.Body, want)
		}
	}
	if s := said.String(); !strings.Contains(s, "cannot be read and is dropped") || !strings.Contains(s, `cannot be read" number`) {
		t.Errorf("spoilt receipts, the oldest and the newest, are not both named: %s", s)
	}
	if _, err := openArchive(dir, log, time.Now); err == nil || !strings.Contains(err.Error(), "another gateway") {
		t.Errorf("a second gateway of the directory: %v", err)
	}
}

// What a gateway no longer keeps is not in the file either.
func TestOldReceiptsLeaveTheDisk(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	a, err := openArchive(dir, slog.New(slog.DiscardHandler), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	a.Keep("", "old", "receipt", now.Add(-gateway.KeptFor+time.Hour))
	a.Keep("", "new", "receipt", now)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		later time.Duration
		want  []string
	}{{0, []string{"old", "new"}}, {time.Hour, []string{"new"}}, {gateway.KeptFor, nil}} {
		at := now.Add(c.later)
		if a, err = openArchive(dir, slog.New(slog.DiscardHandler), func() time.Time { return at }); err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := a.Each(func(_, id, _ string, _ time.Time) { got = append(got, id) }); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s later: %v, %v, want %v", c.later, got, err, c.want)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
