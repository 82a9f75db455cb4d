package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/app"
)

// host answers any chat with a text and checks its key.
func host(t *testing.T, key string, text *string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/chat/completions" || !bytes.Contains(body, []byte(`"temperature":0`)) {
			t.Errorf("asked %s with %s, %v", r.URL.Path, body, err)
		}
		if r.Header.Get("Authorization") != "Bearer "+key {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":{"message":"wrong key"}}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"message": map[string]any{"content": *text}}}})
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func compareOnce(t *testing.T, args ...string) (app.Comparison, error) {
	t.Helper()
	var out bytes.Buffer
	c := compareCommand()
	c.SetOut(&out)
	c.SetArgs(append(args, "--json", "--dir", t.TempDir(), "--tokens", "8", "--prompt", "abc"))
	c.SilenceErrors, c.SilenceUsage = true, true
	err := c.Execute()
	var r app.Comparison
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", out.Bytes(), err)
		}
	}
	return r, err
}

// One request to each host tells which of them leaves the exact run, and the exit code says so.
func TestCompareCommand(t *testing.T) {
	dir := t.TempDir()
	if err := prepare(dir); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_HOST_KEY", "secret-of-hosts")
	var honest, other string
	a, b := host(t, "secret-of-hosts", &honest), host(t, "secret-of-hosts", &other)
	args := []string{"--model", filepath.Join(dir, "tiny.gguf"), "--key-env", "TEST_HOST_KEY", "--name", "x", a, b}
	first, err := compareOnce(t, args...)
	if err != exitError(exitFailed) || len(first.Hosts) != 2 || first.Hosts[0].Equal { //nolint:errorlint // as main sees it
		t.Fatalf("%+v, %v", first, err)
	}
	honest, other = first.Text, first.Text
	if r, err := compareOnce(t, args...); err != nil || !r.Hosts[0].Equal || !r.Hosts[1].Equal {
		t.Fatalf("%+v, %v", r, err)
	}
	other = "~" + first.Text
	if r, err := compareOnce(t, args...); err != exitError(exitFailed) || !r.Hosts[0].Equal || r.Hosts[1].Equal { //nolint:errorlint // as main sees it
		t.Fatalf("%+v, %v", r, err)
	}
	t.Setenv("TEST_HOST_KEY", "wrong")
	if _, err := compareOnce(t, args...); err == nil || !strings.Contains(err.Error(), "wrong key") || strings.Contains(err.Error(), "secret") {
		t.Fatal(err)
	}
	_ = os.Unsetenv("TEST_HOST_KEY")
	if _, err := compareOnce(t, args...); err == nil || !strings.Contains(err.Error(), "TEST_HOST_KEY") {
		t.Fatal(err)
	}
	if _, err := compareOnce(t, "ftp://x"); err == nil || !strings.Contains(err.Error(), "ftp://x") {
		t.Fatal(err)
	}
}
