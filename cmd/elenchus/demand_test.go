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

// listsAsked is the body of a request with a bias, stop strings and a grammar, of a class.
const listsAsked = `{"model":"default","messages":[{"role":"user","content":"A cat"}],"max_tokens":12,"stop":["zz","}}"],"logit_bias":{"40":1.5},` +
	`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"n":{"type":"integer"}},` +
	`"required":["n"],"additionalProperties":false}}},"verification":{"disclosure":"CLASS"}}`

// demand asks the chain for the data of claims with receipts that lost them, ids and lists: they come back as they were, of
// parties to the key of the request's user, and verify computes them again. What the arena would refuse costs nothing.
func (o *operated) demand(ctx context.Context, t *testing.T) {
	g := o.gateway(ctx, t)
	defer func() { _ = g.cmd.Process.Kill(); _ = g.cmd.Wait() }()
	classes := []string{"parties"}
	if os.Getenv("ELENCHUS_SOAK") != "" {
		classes = append(classes, "public")
	}
	for _, class := range classes {
		resp := g.post(ctx, t, "", strings.Replace(listsAsked, "CLASS", class, 1))
		_ = resp.Body.Close()
		whole, err := receipt.Parse(resp.Header.Get("X-Elenchus-Receipt"))
		if err != nil || claim.ClassName(whole.Request.DataClass) != class || whole.Sampler.Grammar == nil || len(whole.Sampler.Bias) == 0 || len(whole.Sampler.Stops) != 2 {
			t.Fatalf("status %d: %+v, %v", resp.StatusCode, whole, err)
		}
		o.demanded(ctx, t, whole)
	}
}

// demanded wants the data of a claim back.
func (o *operated) demanded(ctx context.Context, t *testing.T, whole *receipt.Receipt) {
	t.Helper()
	text, err := whole.Bare().Text()
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
	if err != nil || got.ID() != whole.ID() || !slices.Equal(got.Prompt, whole.Prompt) || !slices.Equal(got.Output, whole.Output) || !got.Sampler.Equal(&whole.Sampler) {
		t.Fatalf("%+v, %v, want %+v", got, err, whole)
	}
	if said, err := exec.CommandContext(ctx, o.exe, "verify", out, "--model", "default").CombinedOutput(); err != nil {
		t.Fatalf("what came back: %v\n%s", err, said)
	}
}
