package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
)

// demand asks the chain for the ids of a claim of parties, with a receipt that lost them: they come back as they
// were, to the key of the request's user. What the arena would refuse costs nothing.
func (o *operated) demand(ctx context.Context, t *testing.T) {
	g := o.gateway(ctx, t)
	defer func() { _ = g.cmd.Process.Kill(); _ = g.cmd.Wait() }()
	resp := g.post(ctx, t, "", `{"model":"default","messages":[{"role":"user","content":"A cat"}],"max_tokens":12,"verification":{"disclosure":"parties"}}`)
	_ = resp.Body.Close()
	whole, err := receipt.Parse(resp.Header.Get("X-Elenchus-Receipt"))
	if err != nil || whole.Request.DataClass != claim.Parties {
		t.Fatalf("status %d: %+v, %v", resp.StatusCode, whole, err)
	}
	bare := *whole
	bare.Prompt, bare.Output = nil, nil
	text, err := bare.Text()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, out := filepath.Join(dir, "receipt"), filepath.Join(dir, "whole")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		args = append([]string{"demand", file, "--rpc", o.RPC, "--deployment", o.Deployment,
			"--key", filepath.Join(o.dir, "keys", "gateway"), "--out", out}, args...)
		b, err := exec.CommandContext(ctx, o.exe, args...).CombinedOutput()
		return string(b), err
	}
	if said, err := run("--dir", filepath.Join(dir, "poor"), "--stake", "1000"); err == nil || !strings.Contains(said, "token units, --stake allows 1000") {
		t.Fatalf("a bond of 1,000 units: %v\n%s", err, said)
	}
	if said, err := run("--dir", filepath.Join(dir, "state")); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := receipt.Parse(strings.TrimSpace(string(b)))
	if err != nil || got.ID() != whole.ID() || !slices.Equal(got.Prompt, whole.Prompt) || !slices.Equal(got.Output, whole.Output) {
		t.Fatalf("%+v, %v, want %+v", got, err, whole)
	}
}
