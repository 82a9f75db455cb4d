package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"elenchus"
	"elenchus/commitment/receipt"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

// drawnModel is a file of a model that is drawn by a seed.
func drawnModel(t *testing.T, seed uint64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drawn.gguf")
	b := ggufwrite.TinyLlama(ggufwrite.Llama{Dim: 32, Hidden: 64, Layers: 1, Heads: 2, KVHeads: 1, Type: gguf.F32, Seed: seed, Tied: true})
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// model runs `elenchus model` and returns what it says.
func (o *operated) model(ctx context.Context, t *testing.T, args ...string) (said string, err error) {
	t.Helper()
	out, err := exec.CommandContext(ctx, o.exe, append([]string{"model"}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// lists waits until the gateway lists a model, or does not.
func (o *operated) lists(ctx context.Context, t *testing.T, name string, want bool) {
	t.Helper()
	for {
		var list struct{ Data []struct{ ID string } }
		if err := json.Unmarshal([]byte(get(ctx, t, o.Gateway+"/v1/models")), &list); err != nil {
			t.Fatal(err)
		}
		has := false
		for _, m := range list.Data {
			has = has || m.ID == name
		}
		if has == want {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("model %s: listed is %v: %v", name, has, list)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// judged waits for the verdict of the challenger on the claim of a response.
func (o *operated) judged(ctx context.Context, t *testing.T, response string) (known, holds bool) {
	t.Helper()
	text, err := elenchus.FindChoice([]byte(response), 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := receipt.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	id := r.ID()
	for {
		var rows []struct {
			Claim       string
			Known, True bool
		}
		if err := json.Unmarshal([]byte(get(ctx, t, o.Watch+"/v1/verdicts")), &rows); err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if row.Claim == fmt.Sprintf("%x", id) {
				return row.Known, row.True
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// models: several models are served from the start; one that comes into the store later is served, claimed
// and judged without a new start of any role, and one that goes is gone.
func (o *operated) models(ctx context.Context, t *testing.T) {
	if said, err := o.model(ctx, t, "import", drawnModel(t, 3), "--name", "pulled"); err != nil {
		t.Fatal(said, err)
	}
	o.lists(ctx, t, "pulled", true)
	for _, name := range []string{"default", "drawn", "pulled"} {
		request := `{"model":"` + name + `","messages":[{"role":"user","content":"Once"}],"max_tokens":3,"provider":{"only":["` + o.Nodes[1] + `"]}}`
		response := o.ask(ctx, t, request)
		if known, holds := o.judged(ctx, t, response); !known || !holds {
			t.Errorf("%s: its claim is known to the challenger: %v, and true: %v", name, known, holds)
		}
		file := filepath.Join(t.TempDir(), "response.json")
		if err := os.WriteFile(file, []byte(response), 0o600); err != nil {
			t.Fatal(err)
		}
		asked := name
		if name == "drawn" {
			asked = o.second
		}
		out, err := exec.CommandContext(ctx, o.exe, "verify", file, "--model", asked).CombinedOutput()
		if err != nil {
			t.Errorf("verify the answer of %s: %v\n%s", name, err, out)
		}
	}
	if said, err := o.model(ctx, t, "rm", "pulled"); err == nil || !strings.Contains(said, "in use") {
		t.Errorf("a model about which nodes have claims to defend is removed: %s", said)
	}
	if said, err := o.model(ctx, t, "import", drawnModel(t, 4), "--name", "unused"); err != nil {
		t.Fatal(said, err)
	}
	if said, err := o.model(ctx, t, "alias", "nickname", "unused"); err != nil {
		t.Fatal(said, err)
	}
	o.lists(ctx, t, "nickname", true)
	if said, err := o.model(ctx, t, "rm", "unused"); err != nil {
		t.Error(said, err)
	}
	o.lists(ctx, t, "unused", false)
	o.lists(ctx, t, "nickname", false)
}
