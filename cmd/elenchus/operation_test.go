package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"elenchus/app"
	"elenchus/app/meter"
	"elenchus/network/chain"
)

// operated is a network of processes as an operator sees it, with logs in JSON.
type operated struct {
	*app.Network
	exe, dir string
	second   string // a model that all roles serve beside the default one
}

// TestOperation runs a network and looks at it as its operators do.
func TestOperation(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	exe := filepath.Join(t.TempDir(), "elenchus")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", exe, "elenchus/cmd/elenchus").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir, second := t.TempDir(), drawnModel(t, 2)
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // a store of its own
	n, err := app.StartNetwork(ctx, app.NetworkConfig{
		Exe: []string{exe}, Dir: dir, Nodes: 2, NodeAttack: "bad-kv", Listen: "127.0.0.1:0", Fork: "osaka", Params: chain.DevnetParams(), LogFormat: "json",
		Models: []string{"default", second}, Store: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := &operated{n, exe, dir, second}
	t.Run("models", func(t *testing.T) { o.models(ctx, t) })
	t.Run("mcp", func(t *testing.T) { o.mcp(ctx, t) })
	t.Run("quickstart", func(t *testing.T) { o.quickstart(ctx, t) })
	t.Run("page", func(t *testing.T) { o.page(ctx, t) })
	t.Run("demand", func(t *testing.T) { o.demand(ctx, t) })
	t.Run("stop", func(t *testing.T) { o.stop(ctx, t) })
	t.Run("doctor", func(t *testing.T) { o.doctor(ctx, t) })
	t.Run("metrics", func(t *testing.T) { o.metrics(ctx, t) })
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	o.logs(t)
}

// keyed is a second gateway of the network, over the honest node.
type keyed struct {
	url string
	cmd *exec.Cmd
	log bytes.Buffer
}

const (
	apiKey   = "sk-test-a-key-that-nobody-may-log"
	wrongKey = "sk-test-a-wrong-key-that-nobody-may-log"
)

func (o *operated) gateway(ctx context.Context, t *testing.T, flags ...string) *keyed {
	t.Helper()
	args := []string{"gateway", "--deployment", o.Deployment, "--key", filepath.Join(o.dir, "keys", "gateway"),
		"--listen", "127.0.0.1:0", "--node", o.Nodes[1], "--log-format", "json", "--log-level", "debug"}
	g := &keyed{cmd: exec.CommandContext(ctx, o.exe, append(args, flags...)...)}
	g.cmd.Stderr = &g.log
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v\n%s", err, g.log.String())
	}
	g.url = strings.TrimSpace(strings.TrimPrefix(line, "gateway "))
	return g
}

func (g *keyed) post(ctx context.Context, t *testing.T, key, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// stop: a gateway that is told to stop in the middle of a stream finishes it, and its log has no key.
func (o *operated) stop(ctx context.Context, t *testing.T) {
	g := o.gateway(ctx, t, "--api-key", apiKey)
	const prompt = "Lily saw a secretpromptword"
	refused := g.post(ctx, t, wrongKey, `{}`)
	_ = refused.Body.Close()
	resp := g.post(ctx, t, apiKey, `{"model":"default","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"`+prompt+`"}]}`)
	defer resp.Body.Close() //nolint:errcheck // read to its end
	if refused.StatusCode != 401 || resp.StatusCode != 200 {
		t.Fatalf("status %d without a key, %d with one", refused.StatusCode, resp.StatusCode)
	}
	lines := bufio.NewReader(resp.Body)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Skip("this system has no signals:", err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil || !bytes.Contains(rest, []byte("elenchus_receipt")) || !bytes.HasSuffix(bytes.TrimSpace(rest), []byte("data: [DONE]")) {
		t.Errorf("the stream was cut off: %v\n%.2000s", err, rest)
	}
	if err := g.cmd.Wait(); err != nil {
		t.Errorf("the gateway ended with %v\n%s", err, g.log.String())
	}
	for _, secret := range []string{apiKey, wrongKey, prompt} {
		if strings.Contains(g.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	jsonLines(t, "gateway", g.log.Bytes())
	if !strings.Contains(g.log.String(), `"route":"POST /v1/chat/completions"`) {
		t.Errorf("the log does not tell of the request:\n%s", g.log.String())
	}
}

// metrics: every role is ready and shows what the table says.
func (o *operated) metrics(ctx context.Context, t *testing.T) {
	all, err := o.Metrics(ctx)
	if err != nil || len(all) != 5 {
		t.Fatalf("%v, %v", all, err)
	}
	for name, url := range all {
		role := strings.TrimRight(name, "0123456789")
		if body := get(ctx, t, url+"/readyz"); !strings.Contains(body, `"status":"ready"`) {
			t.Errorf("%s: %s", name, body)
		}
		text := get(ctx, t, url+"/metrics")
		for _, m := range meter.Table() {
			has := strings.Contains(text, "# HELP "+m.Name+" ")
			wants := false
			for _, r := range m.Roles {
				wants = wants || r == role
			}
			if has && !wants || !has && wants && len(m.Labels) == 0 {
				t.Errorf("%s: metric %s is there: %v, it should be: %v", name, m.Name, has, wants)
			}
		}
		if !strings.Contains(text, "\nelenchus_ready 1") {
			t.Errorf("%s: not ready", name)
		}
	}
	if text := get(ctx, t, all["node2"]+"/metrics"); !strings.Contains(text, `elenchus_node_jobs_total{outcome="done"}`) {
		t.Errorf("the node has not counted its job:\n%s", text)
	}
	b, err := os.ReadFile(o.TargetsFile())
	var targets []struct{ Targets []string }
	if err != nil || json.Unmarshal(b, &targets) != nil || len(targets) != 5 {
		t.Errorf("%v: %s", err, b)
	}
}

// doctor finds a healthy role healthy, and says what is wrong with another deployment.
func (o *operated) doctor(ctx context.Context, t *testing.T) {
	finds := func(args ...string) map[string]string {
		args = append([]string{"doctor", "--json", "--port", "0", "--dir", t.TempDir(), "--rpc", o.RPC}, args...)
		b, err := exec.CommandContext(ctx, o.exe, args...).Output()
		var said struct{ Findings []app.Finding }
		if jerr := json.Unmarshal(b, &said); jerr != nil {
			t.Fatalf("%v, %v: %s", err, jerr, b)
		}
		out := map[string]string{}
		for _, f := range said.Findings {
			out[f.Name] = f.State
		}
		return out
	}
	got := finds("--deployment", o.Deployment, "--key", filepath.Join(o.dir, "keys", "node2"), "--model", "default")
	for _, name := range []string{"chain", "clock", "deployment", "key", "account", "model", "self-test"} {
		if got[name] != "ok" {
			t.Errorf("%s is %q: %v", name, got[name], got)
		}
	}
	at, err := app.ReadDeployment(o.Deployment)
	if err != nil {
		t.Fatal(err)
	}
	at.Arena[0] ^= 1
	b, err := at.Encode()
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "deployment.json")
	if err := os.WriteFile(other, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := finds("--deployment", other); got["deployment"] != "problem" || got["chain"] != "ok" {
		t.Errorf("of another deployment: %v", got)
	}
}

func get(ctx context.Context, t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// logs: every line of every role is one object, and no account's key is in any of them.
func (o *operated) logs(t *testing.T) {
	keys, err := filepath.Glob(filepath.Join(o.dir, "keys", "*"))
	if err != nil || len(keys) < 4 {
		t.Fatal(err, keys)
	}
	files, err := filepath.Glob(filepath.Join(o.dir, "*.log"))
	if err != nil || len(files) != 5 {
		t.Fatal(err, files)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		jsonLines(t, filepath.Base(file), b)
		for _, key := range keys {
			secret, err := os.ReadFile(key)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(bytes.ToLower(b), bytes.TrimSpace(secret)) {
				t.Errorf("%s holds the key %s", filepath.Base(file), filepath.Base(key))
			}
		}
	}
}

// jsonLines wants an object with time, level and msg on each line.
func jsonLines(t *testing.T, name string, log []byte) {
	t.Helper()
	for line := range bytes.Lines(log) {
		var entry struct{ Time, Level, Msg string }
		if err := json.Unmarshal(line, &entry); err != nil || entry.Time == "" || entry.Level == "" {
			t.Errorf("%s: %v: %s", name, err, line)
		}
	}
}
