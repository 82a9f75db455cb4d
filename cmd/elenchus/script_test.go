package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/rogpeppe/go-internal/testscript"

	"elenchus/app"
	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/engine"
	"elenchus/importer"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

func TestMain(m *testing.M) {
	app.Child()
	testscript.Main(m, map[string]func(){"elenchus": main})
}

// TestScripts plays testdata/script. Each finds drawn models tiny.gguf and other.gguf, and of tiny
// the receipts of an honest node and of a node that lies about its states.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_DATA_HOME", filepath.Join(e.WorkDir, "data"))
			return prepare(e.WorkDir)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"code": code},
		Condition: func(name string) (bool, error) {
			if name != "soak" {
				return false, fmt.Errorf("no condition %q", name)
			}
			return os.Getenv("ELENCHUS_SOAK") == "1", nil
		},
	})
}

// code runs a command and wants its exit code: code 3 elenchus verify FILE.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError) //nolint:errorlint // Exec returns it as it is
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = strconv.Itoa(exit.ExitCode())
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func prepare(dir string) error {
	shape := ggufwrite.Llama{Dim: 32, Hidden: 64, Layers: 1, Heads: 2, KVHeads: 1, Type: gguf.F32, Seed: 1, Tied: true}
	tiny := ggufwrite.TinyLlama(shape)
	shape.Seed = 2
	man, err := importer.Bytes(tiny, importer.Options{})
	if err != nil {
		return err
	}
	files := map[string][]byte{"tiny.gguf": tiny, "other.gguf": ggufwrite.TinyLlama(shape)}
	for name, program := range map[string]string{
		"chat.gguf":  `{% for m in messages %}{{ '<' + m.role + '>' + m.content + '\n' }}{% endfor %}{{ '<assistant>' }}`,
		"count.gguf": `{% for m in messages %}{{ loop.index }}{{ m.content }}{% endfor %}`,
		"bomb.gguf":  `{% set ns = namespace(x='x') %}` + strings.Repeat(`{% set ns.x = ns.x ~ ns.x %}`, 60) + `{{ ns.x }}`,
	} {
		b := ggufwrite.Model(shape)
		b.SetString("tokenizer.chat_template", program)
		files[name] = b.Bytes()
	}
	if err := receipts(man, files); err != nil {
		return err
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// receipts adds an honest receipt with request and response, and a lying one.
func receipts(man *manifest.Manifest, files map[string][]byte) error {
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		return err
	}
	job := decode.Job{Prompt: template.Prompt(tok, "abc"), StopIDs: man.Model.EndIDs, MaxNew: 6, Temperature: 1 << 15, Seed: 7}
	a, finish, err := (&engine.Computer{Manifest: man}).Generate(context.Background(), job, nil)
	if err != nil {
		return err
	}
	r := receipt.Receipt{
		Domain: claim.Domain{ChainID: 1}, Prompt: job.Prompt, Stop: job.StopIDs, Output: a.Outputs,
		Request: claim.Request{
			Model: merkle.Hash(man.ID()), PromptRoot: trace.IDTree(job.Prompt).Root(), PromptCount: uint32(len(job.Prompt)),
			MaxNew: 6, Temperature: 1 << 15, Seed: 7, StopRoot: trace.IDTree(job.StopIDs).Root(), StopCount: uint8(len(job.StopIDs)),
		},
		Claim: claim.Claim{
			Version: 1, Count: uint32(len(a.Outputs)), Finish: finish, StateRoot: a.StateTree().Root(),
			OutputRoot: trace.IDTree(a.Outputs).Root(), Issued: 100, BatchBy: 200, ChallengeUntil: 1000,
		},
	}
	honest, err := sign(r)
	if err != nil {
		return err
	}
	r.Claim.StateRoot[0] ^= 1
	lying, err := sign(r)
	if err != nil {
		return err
	}
	text, err := receipt.AnswerText(tok, r.Job(), r.Output)
	if err != nil {
		return err
	}
	respond := func(text string) []byte {
		b, _ := json.Marshal(map[string]any{ // strings marshal
			"object": "chat.completion", "elenchus_receipt": honest,
			"choices": []any{map[string]any{"message": map[string]string{"role": "assistant", "content": text}}},
		})
		return b
	}
	files["honest.txt"], files["lying.txt"] = []byte(honest+"\n"), []byte(lying+"\n")
	files["response.json"], files["edited.json"] = respond(text), respond(text+" And then.")
	files["request.json"] = []byte(`{"model":"tiny","messages":[{"role":"user","content":"abc"}],"max_tokens":6,"temperature":0.5,"seed":7}`)
	return nil
}

func sign(r receipt.Receipt) (string, error) {
	key, err := crypto.ToECDSA(append(make([]byte, 31), 5))
	if err != nil {
		return "", err
	}
	r.Claim.Node = claim.AddressOf(key)
	r.Claim.RequestDigest = r.Request.Digest(r.Domain)
	if r.Signature, err = claim.Sign(r.Claim.Digest(r.Domain), key); err != nil {
		return "", err
	}
	return r.Text()
}
