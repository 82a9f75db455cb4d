package conformance_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/template"
	"elenchus/compute/tensor"
	"elenchus/compute/tokenizer"
	"elenchus/conformance/oracle"
	"elenchus/engine"
	"elenchus/importer"
	"elenchus/models"
)

// typescript is the implementation in clients/typescript, which was written from docs/spec alone.
func typescript(t *testing.T) (dist string) {
	t.Helper()
	dist, err := filepath.Abs("../clients/typescript/dist/src")
	if err != nil {
		t.Fatal(err)
	}
	_, missing := exec.LookPath("node")
	_, unbuilt := os.Stat(filepath.Join(dist, "cli.js"))
	oracle.Require(t, "typescript", missing == nil && unbuilt == nil, "no node or no build: cd clients/typescript && npm install && npm run build")
	return dist
}

// secondReport is what the second implementation says of a receipt.
type secondReport struct {
	Outcome    string
	Statements []struct{ Name, Outcome, Detail string }
}

func (r *secondReport) of(name string) string {
	for _, s := range r.Statements {
		if s.Name == name {
			return s.Outcome + ": " + s.Detail
		}
	}
	return "missing"
}

// secondCase is an answer of the default model as somebody asked for it.
type secondCase struct {
	name, request string
	text          string // of the prompt
	job           decode.Job
}

func secondCases(end []int32) []secondCase {
	penalties := decode.Sampler{Repetition: 81920, Presence: -1 << 15, Frequency: 1,
		Bias: []opset.TokenBias{{ID: 12, Value: 1 << 14}, {ID: 300, Value: -5 << 15}}}
	sampler := decode.Sampler{TopK: 40, TopP: 966367642, MinP: 53687091} // 0.9 and 0.05 in Q30
	return []secondCase{
		{"greedy", `{"model":"default","messages":[{"role":"user","content":"Once upon a time"}],"temperature":0,"max_tokens":12}`,
			"Once upon a time", decode.Job{MaxNew: 12, StopIDs: end}},
		{"drawn", `{"model":"default","messages":[{"role":"user","content":"Tom said: \"caf\u00e9\" \u2603"}],"temperature":0.7,"seed":7,"max_tokens":4}`,
			"Tom said: \"caf\u00e9\" \u2603", decode.Job{MaxNew: 4, StopIDs: end, Temperature: 45875, Seed: 7}},
		{"settings", `{"model":"default","prompt":"The dog","temperature":1.5,"seed":-1,"max_tokens":10,"top_k":40,"top_p":0.9,"min_p":5e-2}`,
			"The dog", decode.Job{MaxNew: 10, StopIDs: end, Temperature: 98304, Seed: 1<<64 - 1, Sampler: sampler}},
		{"penalties", `{"model":"default","prompt":"The dog","seed":3,"max_tokens":12,"repetition_penalty":1.25,"presence_penalty":-0.5,` +
			`"frequency_penalty":1e-9,"logit_bias":{"300":-2.5,"12":0.25,"7":0}}`,
			"The dog", decode.Job{MaxNew: 12, StopIDs: end, Temperature: 65536, Seed: 3, Sampler: penalties}},
		{"stop strings", `{"model":"default","prompt":"Once upon a time","temperature":0,"max_tokens":12,"stop":["zz","rl na","zz"]}`,
			"Once upon a time", decode.Job{MaxNew: 12, StopIDs: end, Sampler: decode.Sampler{Stops: []string{"zz", "rl na"}}}},
	}
}

// The second implementation finds honest receipts of the default model to hold, down to every state,
// and says of each lie which statement is false.
func TestSecondImplementationChecksReceipts(t *testing.T) {
	t.Parallel()
	dist := typescript(t)
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var file bytes.Buffer
	if err := man.Encode(&file, "default"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "default.elm"), file.Bytes())
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	ask := verifier(t, dist, dir)
	for _, c := range secondCases(man.Model.EndIDs) {
		t.Run(c.name, func(t *testing.T) {
			c.job.Prompt = template.Prompt(tok, c.text)
			r := answered(t, man, c.job)
			text, err := receipt.AnswerText(tok, c.job, r.Output)
			if err != nil {
				t.Fatal(err)
			}
			if stops := len(c.job.Sampler.Stops) > 0; stops != (r.Claim.Finish == 2) {
				t.Fatalf("%q ends with %d", text, r.Claim.Finish)
			}
			if c.name == "greedy" { // by the command
				if got := askSecond(t, dist, dir, c.request, text, r); got.Outcome != "holds" {
					t.Fatalf("an honest receipt, by the command: %+v", got)
				}
				endsOf(t, ask, &c, man, tok)
				hiddenOf(t, dist, c.job, man)
				return
			}
			if got := ask(t, c.request, text, r); got.Outcome != "holds" {
				t.Fatalf("an honest receipt: %+v", got)
			}
			if c.name == "stop strings" {
				bare := *r
				bare.Missing, bare.Sampler = r.Bare().Missing, r.Bare().Sampler
				if got := askSecond(t, dist, dir, c.request, text, &bare); got.Outcome != "cannot" || !strings.HasPrefix(got.of("ids"), "cannot: receipts without their lists") {
					t.Errorf("a receipt that names its lists: %+v", got)
				}
			}
			if c.name == "drawn" {
				liesOf(t, ask, &c, text, r)
			}
		})
	}
}

// hiddenOf asks for the same as a party: the receipt's ids hold with its salt, and with no other.
func hiddenOf(t *testing.T, dist string, job decode.Job, man *manifest.Manifest) {
	t.Helper()
	job.Salt = [32]byte{7, 31: 9}
	r := answered(t, man, job)
	for _, c := range []struct {
		salt byte
		want string
	}{{9, "holds"}, {8, "false: other prompt ids than the request signs"}} {
		r.Salt[31] = c.salt
		text, err := r.Text()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "receipt.txt")
		write(t, path, []byte(text))
		out, _ := exec.Command("node", filepath.Join(dist, "cli.js"), "--json", path).Output() // its status is that of the report
		var got secondReport
		if err := json.Unmarshal(out, &got); err != nil || !strings.HasPrefix(got.of("ids"), c.want) || !strings.HasPrefix(got.of("signature"), "holds") {
			t.Errorf("a receipt of parties with salt %d: %+v, %v", c.salt, got, err)
		}
	}
}

// endsOf has the user end the answer: his signature holds, down to the state, and what he did not sign is false.
func endsOf(t *testing.T, ask secondAsked, c *secondCase, man *manifest.Manifest, tok *tokenizer.Tokenizer) {
	t.Helper()
	job, user := c.job, keyOf(t, "user")
	job.Cut = 5
	r := answered(t, man, job)
	r.Request.User = claim.AddressOf(user)
	text, err := receipt.AnswerText(tok, job, r.Output)
	if err != nil {
		t.Fatal(err)
	}
	text = text[:len(text)/2] // who leaves may have read less than was taken
	for count, want := range map[uint32]string{5: "holds", 6: "false"} {
		if r.Cancel, err = claim.Sign(claim.CancelDigest(r.Domain, r.Request.Digest(r.Domain), count), user); err != nil {
			t.Fatal(err)
		}
		resign(t, r)
		got := ask(t, c.request, text, r)
		if got.Outcome != want || r.Claim.Finish != claim.FinishCancelled || strings.Contains(got.of("signature"), "cancelled") != (want == "false") {
			t.Errorf("ended after 5 ids with a signature of %d: %+v", count, got)
		}
	}
}

// liesOf changes one thing at a time, and signs what a node would sign again.
func liesOf(t *testing.T, ask secondAsked, c *secondCase, text string, r *receipt.Receipt) {
	t.Helper()
	for _, l := range []struct {
		statement string
		change    func(r *receipt.Receipt)
	}{
		{"signature", func(r *receipt.Receipt) { r.Claim.Node[3] ^= 1 }},
		{"ids", func(r *receipt.Receipt) { r.Output[1]++ }},
		{"model", func(r *receipt.Receipt) { r.Request.Model[0] ^= 1; resign(t, r) }},
		{"request", func(r *receipt.Receipt) { r.Request.MaxNew++; resign(t, r) }},
		{"text", func(r *receipt.Receipt) {
			r.Output[1]++
			r.Claim.OutputRoot = trace.IDTree(r.Output).Root()
			resign(t, r)
		}},
		{"execution", func(r *receipt.Receipt) { r.Claim.StateRoot[9] ^= 1; resign(t, r) }},
	} {
		lie := *r
		lie.Output = append([]int32(nil), r.Output...)
		l.change(&lie)
		got := ask(t, c.request, text, &lie)
		if got.Outcome != "false" || !strings.HasPrefix(got.of(l.statement), "false: ") {
			t.Errorf("a false %s: %+v", l.statement, got)
		}
	}
}

// answered is the receipt of an honest node.
func answered(t *testing.T, man *manifest.Manifest, job decode.Job) *receipt.Receipt {
	t.Helper()
	a, finish, err := (&engine.Computer{Manifest: man}).Generate(context.Background(), job, nil)
	if err != nil {
		t.Fatal(err)
	}
	q := claim.Request{
		Model: merkle.Hash(man.ID()), PromptRoot: trace.PromptTree(job.Prompt, job.Salt).Root(), PromptCount: uint32(len(job.Prompt)), MaxNew: job.MaxNew,
		Temperature: job.Temperature, Seed: job.Seed, StopRoot: trace.IDTree(job.StopIDs).Root(), StopCount: uint8(len(job.StopIDs)),
		Extras: trace.Settings(&job.Sampler).Extras(),
	}
	if job.Salt != [32]byte{} {
		q.DataClass = claim.Parties
	}
	r := &receipt.Receipt{
		Domain: claim.Domain{ChainID: 31337}, Request: q, Prompt: job.Prompt, Stop: job.StopIDs, Output: a.Outputs, Sampler: job.Sampler, Salt: job.Salt,
		Claim: claim.Claim{
			Version: 1, Count: uint32(len(a.Outputs)), Finish: finish, StateRoot: a.StateTree().Root(),
			OutputRoot: trace.IDTree(a.Outputs).Root(), Issued: 100, BatchBy: 200, ChallengeUntil: 1000,
		},
	}
	resign(t, r)
	return r
}

func resign(t *testing.T, r *receipt.Receipt) {
	t.Helper()
	key := keyOf(t, "node")
	r.Claim.Node, r.Claim.RequestDigest = claim.AddressOf(key), r.Named()
	var err error
	if r.Signature, err = claim.Sign(r.Claim.Digest(r.Domain), key); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func askSecond(t *testing.T, dist, dir, request, text string, r *receipt.Receipt) secondReport {
	t.Helper()
	encoded, err := r.Text()
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{"request.json": request, "text.txt": text, "receipt.txt": encoded + "\n"} {
		write(t, filepath.Join(dir, name), []byte(s))
	}
	c := exec.Command("node", filepath.Join(dist, "cli.js"), "--json", "--model", "default.elm", "--request", "request.json", "--text", "text.txt", "receipt.txt")
	c.Dir, c.Stderr = dir, os.Stderr
	out, err := c.Output()
	var report secondReport
	if json.Unmarshal(out, &report) != nil {
		t.Fatalf("%s, %v", out, err)
	}
	return report
}

// secondAsked says what the second implementation says of a receipt, with what was asked and what came back.
type secondAsked func(t *testing.T, request, text string, r *receipt.Receipt) secondReport

// verifier is the library in a process that reads the model default.elm of dir once, and answers one case after the other.
func verifier(t *testing.T, dist, dir string) secondAsked {
	t.Helper()
	c := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", `import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
const { openModel, verifyReceipt } = await import(process.argv[1] + "/index.js");
const model = openModel(readFileSync("default.elm"));
for await (const line of createInterface({ input: process.stdin })) {
  const c = JSON.parse(line);
  console.log(JSON.stringify(verifyReceipt(c.receipt, { model, ...c })));
}`, dist)
	c.Dir, c.Stderr = dir, os.Stderr
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	if err := errors.Join(err1, err2, c.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := c.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("the second implementation ended: %v", err)
		}
	})
	reports := json.NewDecoder(out)
	return func(t *testing.T, request, text string, r *receipt.Receipt) (report secondReport) {
		t.Helper()
		encoded, err := r.Text()
		if err == nil {
			_, err = fmt.Fprintln(in, jsonOf(t, map[string]string{"receipt": encoded, "request": request, "text": text}))
		}
		if err == nil {
			err = reports.Decode(&report)
		}
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
}

// The second implementation computes the toy worlds, graph models of products and of layers, to the
// same outputs.
func TestSecondImplementationComputesToyWorlds(t *testing.T) {
	t.Parallel()
	dist, dir := typescript(t), t.TempDir()
	for name, man := range map[string]*manifest.Manifest{
		"cube": bound(t, modeltest.Cube()), "mlp": bound(t, modeltest.MLP(4)), "encoder": bound(t, modeltest.Encoder(3, 7, 12)),
	} {
		var file bytes.Buffer
		if err := man.Encode(&file, name); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name+".elm"), file.Bytes())
		first := &man.Model.Stages[0].Ops[0]
		in := tensor.New(first.Type, 1, 1, int(first.Count(&opset.Context{})))
		for i := range in.Len() {
			in.Set(i, int64(i*37%200-100))
		}
		s, err := trace.ReplayGraph(man, in, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := merkle.Root(opset.LeafBytes, s.Output().Bytes(0, s.Output().Len()))
		states := trace.BoundaryTree(s.Boundaries()).Root()
		script := `import { readFileSync } from "node:fs";
const { openModel, evaluate } = await import(process.argv[1] + "/index.js");
const m = openModel(readFileSync(process.argv[2])), types = [Int8Array, Int16Array, Int32Array, BigInt64Array];
const n = Number(process.argv[3]), x = new types[m.stages[0][0].d.type - 1](n);
for (let i = 0; i < n; i++) x[i] = i * 37 % 200 - 100;
const a = evaluate(m, x), hex = (b) => Buffer.from(b).toString("hex");
const { verifyReceipt } = await import(process.argv[1] + "/receipt.js");
const outcome = (text) => verifyReceipt(text, { model: m }).statements.filter((s) => s.outcome === "false").map((s) => s.name).join();
process.stdout.write([hex(a.outputRoot), hex(a.stateRoot), ...process.argv.slice(4).map(outcome)].join(" "));`
		args := []string{"--input-type=module", "-e", script, dist, filepath.Join(dir, name+".elm"), jsonOf(t, in.Len())}
		wanted := hex.EncodeToString(want[:]) + " " + hex.EncodeToString(states[:])
		if name == "encoder" {
			receipts, outcomes := tensorReceipts(t, man, s)
			args, wanted = append(args, receipts...), wanted+outcomes
		}
		c := exec.Command("node", args...)
		c.Stderr = os.Stderr
		if out, err := c.Output(); err != nil || string(out) != wanted {
			t.Errorf("%s: %s, %v, want %s", name, out, err, wanted)
		}
	}
}

// tensorReceipts are receipts of a claim about a graph model, and which of their statements are false: of the
// true one none, of a node that signed another boundary or output the execution, of other tensors than those that
// were signed the ids.
func tensorReceipts(t *testing.T, man *manifest.Manifest, s *trace.Step) (texts []string, outcomes string) {
	t.Helper()
	for _, c := range []struct {
		wrong  string
		change func(r *receipt.Receipt)
	}{
		{"", func(*receipt.Receipt) {}},
		{"execution", func(r *receipt.Receipt) { r.Claim.StateRoot[5] ^= 1 }},
		{"execution", func(r *receipt.Receipt) { r.Output[0]--; r.Claim.OutputRoot = trace.IDTree(r.Output).Root() }},
		{"ids,execution", func(r *receipt.Receipt) { r.Prompt[1]++ }},
		{"ids", func(r *receipt.Receipt) { r.Claim.Count = 1 }},
	} {
		b := s.Boundaries()
		r := &receipt.Receipt{
			Domain: claim.Domain{ChainID: 31337}, Request: claim.Request{Model: merkle.Hash(man.ID()), PromptRoot: b[0]},
			Prompt: slices.Clone(s.Ctx.Prompt), Output: slices.Clone(s.Output().I32),
			Claim: claim.Claim{Version: 1, StateRoot: trace.BoundaryTree(b).Root(), OutputRoot: b[len(b)-1], Issued: 100, BatchBy: 200, ChallengeUntil: 1000},
		}
		c.change(r)
		resign(t, r)
		text, err := r.Text()
		if err != nil {
			t.Fatal(err)
		}
		texts, outcomes = append(texts, text), outcomes+" "+c.wrong
	}
	return texts, outcomes
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
