package node_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"elenchus/commitment/receipt"
	"elenchus/service/node"
)

// A node that cannot write its claim down, as with a full disk, hands out no receipt: what it could neither post nor defend it
// has not signed for anybody. With room again the same question is answered with one. SPEC 15 §3.4.
func TestWhatIsNotKeptIsNotHandedOut(t *testing.T) {
	w := newWorld(t)
	n := w.start()
	w.close(n) // every write to the store fails from here on
	if r, err := n.Serve(t.Context(), w.job(1), nil); err == nil || r != nil || !strings.Contains(err.Error(), "keep claim") {
		t.Fatalf("the node serves %+v, %v", r, err)
	}
	line := lastLine(t, n, w.job(1))
	if line.Receipt != "" || !strings.Contains(line.Error, "keep claim") {
		t.Errorf("over HTTP it ends with %+v", line)
	}
	n = w.start()
	defer w.close(n)
	if line = lastLine(t, n, w.job(1)); line.Error != "" {
		t.Fatalf("with room again: %+v", line)
	}
	if _, err := receipt.Parse(line.Receipt); err != nil {
		t.Error(err)
	}
}

// ending is the last line of an answer.
type ending struct{ Receipt, Error string }

// lastLine asks a node over HTTP.
func lastLine(t *testing.T, n *node.Node, j node.Job) (last ending) {
	t.Helper()
	raw := j.Request.Encode()
	body, err := json.Marshal(map[string]any{"request": base64.RawURLEncoding.EncodeToString(raw), "prompt": j.Prompt, "stop": j.Stop})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(n.Handler())
	defer s.Close()
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/v1/jobs", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it is read
	d := json.NewDecoder(res.Body)
	for {
		var line ending
		if err := d.Decode(&line); err == io.EOF {
			return last
		} else if err != nil {
			t.Fatal(err)
		}
		last = line
	}
}
