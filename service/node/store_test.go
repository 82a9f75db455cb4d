package node

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"elenchus/commitment/claim"
)

func newStore(t *testing.T, dir string) *store {
	t.Helper()
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func id(i int) claim.Hash { return claim.Hash{byte(i), 31: byte(i)} }

func fill(t *testing.T, s *store, n int) {
	t.Helper()
	for i := range n {
		if _, err := s.put(id(n-i), fmt.Appendf(nil, "receipt %d", n-i)); err != nil { // ids fall, sequence rises
			t.Fatal(err)
		}
	}
}

// Claims come back in the order in which they were stored, page by page, also after a restart, and
// a claim that is stored again stays as it is.
func TestClaimsKeepTheirOrder(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	fill(t, s, 7)
	if _, err := s.put(id(3), []byte("another")); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s = newStore(t, dir)
	defer s.close() //nolint:errcheck // read only
	var got []string
	for after := uint64(0); ; {
		page, next, err := s.after(after, 3)
		if err != nil || len(page) > 3 {
			t.Fatal(len(page), err)
		}
		if len(page) == 0 {
			if next != after {
				t.Errorf("nothing follows %d, next is %d", after, next)
			}
			break
		}
		for _, p := range page {
			got = append(got, string(p))
		}
		after = next
	}
	if want := "receipt 7,receipt 6,receipt 5,receipt 4,receipt 3,receipt 2,receipt 1"; strings.Join(got, ",") != want {
		t.Errorf("listed %v", got)
	}
	if _, err := s.get(id(9)); !errors.Is(err, errNotFound) {
		t.Errorf("an unknown claim: %v", err)
	}
	if page, next, err := s.after(1<<64-1, 3); err != nil || next != 1<<64-1 || len(page) != 0 {
		t.Errorf("after the last number: %d, %d, %v", len(page), next, err)
	}
}

// A batch takes exactly the next pending claims, all or none, and keeps them in order.
func TestBatchesTakeWhatIsPending(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	fill(t, s, 5)
	ids, err := s.pending(3)
	if err != nil || !slices.Equal(ids, []claim.Hash{id(5), id(4), id(3)}) {
		t.Fatal(ids, err)
	}
	if err := s.batch(claim.Hash{1}, 77, []claim.Hash{id(5), id(3)}); err == nil {
		t.Fatal("a batch skips a claim")
	}
	if again, err := s.pending(9); err != nil || len(again) != 5 {
		t.Fatalf("a failed batch took claims: %d are left, %v", len(again), err)
	}
	if err := s.batch(claim.Hash{1}, 77, ids); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s = newStore(t, dir)
	defer s.close() //nolint:errcheck // read only
	if rest, err := s.pending(9); err != nil || !slices.Equal(rest, []claim.Hash{id(2), id(1)}) {
		t.Errorf("left are %v, %v", rest, err)
	}
	got, until, err := s.batchOf(claim.Hash{1})
	if err != nil || until != 77 || !slices.Equal(got, ids) {
		t.Errorf("the batch has %v until %d, %v", got, until, err)
	}
	if _, _, err := s.batchOf(claim.Hash{2}); !errors.Is(err, errNotFound) {
		t.Errorf("an unknown batch: %v", err)
	}
	seen := 0
	stop := errors.New("stop")
	if err := s.batches(func(claim.Hash, uint64, []claim.Hash) error { seen++; return stop }); seen != 1 || !errors.Is(err, stop) {
		t.Errorf("%d batches visited, %v", seen, err)
	}
}

// Two nodes do not share a state directory.
func TestStateIsLocked(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	defer s.close() //nolint:errcheck // read only
	if testing.Short() {
		t.Skip("waits 5 s for the lock")
	}
	if other, err := openStore(dir); err == nil {
		t.Error("a second node opens the state", other.close())
	} else if !strings.Contains(err.Error(), "is another node using it?") {
		t.Error(err)
	}
}

func jobText(t testing.TB, r claim.Request, prompt, stop []int32) string {
	t.Helper()
	b, err := json.Marshal(jobBody{Request: base64.RawURLEncoding.EncodeToString(r.Encode()), Prompt: prompt, Stop: stop})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A body is one JSON object with known fields and a canonical request, and nothing else. SPEC 15 §3.1.
func TestDecodeJobRefuses(t *testing.T) {
	good := jobText(t, claim.Request{MaxNew: 3, PromptCount: 1}, []int32{1}, nil)
	if j, err := decodeJob(strings.NewReader(good)); err != nil || j.Request.MaxNew != 3 || len(j.Prompt) != 1 {
		t.Fatal(j, err)
	}
	raw := base64.RawURLEncoding.EncodeToString((claim.Request{}).Encode())
	for name, body := range map[string]string{
		"nothing":              "",
		"no object":            "[]",
		"cut":                  good[:len(good)-2],
		"an unknown field":     strings.Replace(good, `"prompt"`, `"extra":1,"prompt"`, 1),
		"something after it":   good + " {}",
		"rubbish after it":     good + "x",
		"no request":           `{"prompt":[1],"stop":[]}`,
		"padding":              strings.Replace(good, raw[:4], raw[:4]+"=", 1),
		"a request cut short":  strings.Replace(good, `"request":"`, `"request":"AAAA`, 1),
		"an id beyond int32":   strings.Replace(good, `[1]`, `[2147483648]`, 1),
		"an id that is no int": strings.Replace(good, `[1]`, `[1.5]`, 1),
		"ids that are no list": strings.Replace(good, `[1]`, `"1"`, 1),
		"standard base64":      `{"request":"++++","prompt":[1]}`,
		"no base64":            `{"request":"*","prompt":[1]}`,
		"a short salt":         strings.Replace(good, `"prompt"`, `"salt":"AAAA","prompt"`, 1),
		"a salt in no base64":  strings.Replace(good, `"prompt"`, `"salt":"*","prompt"`, 1),
	} {
		if _, err := decodeJob(strings.NewReader(body)); !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecodeJob wants no panic, and a request that has one encoding.
func FuzzDecodeJob(f *testing.F) {
	f.Add([]byte(jobText(f, claim.Request{MaxNew: 3}, []int32{1, 2}, []int32{3})))
	f.Add([]byte(`{"request":"","prompt":null,"stop":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		j, err := decodeJob(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		again, err := claim.DecodeRequest(j.Request.Encode())
		if err != nil || again != j.Request {
			t.Fatalf("%+v, %v", again, err)
		}
	})
}
