package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"elenchus/app"
)

// tools calls the tools of a server that runs as a process, with the client of the same library.
type tools struct {
	t *testing.T
	*mcp.ClientSession
}

func startTools(ctx context.Context, t *testing.T, exe string, args ...string) *tools {
	t.Helper()
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	s, err := c.Connect(ctx, &mcp.CommandTransport{Command: exec.CommandContext(ctx, exe, append([]string{"mcp", "--dir", filepath.Join(os.Getenv("XDG_DATA_HOME"), "elenchus")}, args...)...)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &tools{t, s}
}

// call returns what a tool says as out, or its error as text.
func (c *tools) call(ctx context.Context, name string, in, out any) (failure string) {
	c.t.Helper()
	r, err := c.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: in})
	if err != nil {
		return err.Error()
	}
	if r.IsError {
		return r.Content[0].(*mcp.TextContent).Text
	}
	b, err := json.Marshal(r.StructuredContent)
	if err == nil {
		err = json.Unmarshal(b, out)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return ""
}

// mcp: a lying node's receipt, about a model that came after it had started, is false, and the chain's story of it is told to its end.
func (o *operated) mcp(ctx context.Context, t *testing.T) {
	c := startTools(ctx, t, o.exe, "--rpc", o.RPC, "--deployment", o.Deployment)
	list, err := c.ListTools(ctx, nil)
	if err != nil || len(list.Tools) != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	var none struct{ Disputes []app.Dispute }
	if f := c.call(ctx, "list_disputes", nil, &none); f != "" || none.Disputes == nil || len(none.Disputes) != 0 {
		t.Errorf("before anything happened: %q, %v", f, none)
	}
	for i, lies := range []bool{true, false} {
		request := `{"model":"pulled","messages":[{"role":"user","content":"Once upon a time"}],"max_tokens":12,"seed":3,"provider":{"only":["` + o.Nodes[i] + `"]}}`
		response := o.ask(ctx, t, request)
		var v verdict
		in := map[string]string{"receipt": response, "request": request, "response": response}
		if f := c.call(ctx, "verify_receipt", in, &v); f != "" || (v.Outcome == "false") != lies {
			t.Errorf("node %d: %q, %+v", i+1, f, v)
		}
	}
	var told struct{ Disputes []app.Dispute }
	for len(told.Disputes) == 0 || told.Disputes[0].Phase != "resolved" {
		time.Sleep(time.Second) // the chain has blocks of a second
		if f := c.call(ctx, "list_disputes", nil, &told); f != "" {
			t.Fatal(f)
		}
	}
	d := told.Disputes[0]
	if d.Outcome != "refuted" || d.Op == "" || !strings.Contains(d.Why, "the claim is false") || d.Slashed == "0" {
		t.Errorf("%+v", d)
	}
	if f := c.call(ctx, "explain", map[string]string{"id": d.Claim[:12]}, &told); f != "" || told.Disputes[0].Game != d.Game {
		t.Errorf("%q, %+v", f, told)
	}
	for id, want := range map[string]string{"00000000": "nothing of it was disputed", "xyz": "give 8 to 64 hex digits"} {
		if f := c.call(ctx, "explain", map[string]string{"id": id}, &told); !strings.Contains(f, want) {
			t.Errorf("explain %s: %q", id, f)
		}
	}
	if f := c.call(ctx, "verify_receipt", map[string]string{"receipt": "no receipt"}, &told); f == "" {
		t.Error("a receipt that is none is verified")
	}
	out, err := exec.CommandContext(ctx, o.exe, "explain", d.Node, "--rpc", o.RPC, "--deployment", o.Deployment).Output()
	if err != nil || !strings.Contains(string(out), d.Why) {
		t.Errorf("%v: %s", err, out)
	}
}

// ask asks the network's gateway.
func (o *operated) ask(ctx context.Context, t *testing.T, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.Gateway+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v: %s: %s", err, resp.Status, b)
	}
	return string(b)
}
