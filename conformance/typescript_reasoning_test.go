package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
)

// thinker is the tiny model of the vectors with a letter for each id but three: control pieces around reasoning, id 3,
// which ends its prompts, and end; and the unknown piece.
func thinker(t *testing.T, end int32) *manifest.Manifest {
	t.Helper()
	return thinkerOf(t, end, template.Turns{Generation: "a<t>"}, nil)
}

// toolThinker is one whose prompts begin the reasoning only where there are tools.
func toolThinker(t *testing.T, end int32) *manifest.Manifest {
	t.Helper()
	tools := &template.Tools{Turns: template.Turns{User: template.Pair{Before: "a", After: "b"}, Generation: "a<t>"}}
	for i := range tools.At {
		tools.At[i] = template.Nowhere
	}
	return thinkerOf(t, end, template.Turns{Generation: "a"}, tools)
}

func thinkerOf(t *testing.T, end int32, turns template.Turns, tools *template.Tools) *manifest.Manifest {
	t.Helper()
	m := modeltest.Llama(7, modeltest.Config{Vocab: 20, TMax: 20, Dim: 8, Heads: 2, KVHeads: 1, HeadDim: 4, FF: 8, Layers: 1})
	c := tokenizer.Config{Algorithm: tokenizer.Scored, BOS: tokenizer.None, EOS: tokenizer.None, Unknown: 4}
	for i := range int32(20) {
		c.Pieces = append(c.Pieces, tokenizer.Piece{Text: letter(i), Kind: tokenizer.Normal})
	}
	c.Pieces[3] = tokenizer.Piece{Text: "<t>", Kind: tokenizer.Control}
	c.Pieces[4] = tokenizer.Piece{Text: "<unk>", Kind: tokenizer.Unknown}
	c.Pieces[end] = tokenizer.Piece{Text: "</t>", Kind: tokenizer.Control}
	tok, err := tokenizer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	way := func(efforts uint8, turns template.Turns, tools *template.Tools) template.Way {
		turns.User = template.Pair{Before: "a", After: "b"}
		chat, err := template.NewChat(turns, tools)
		if err != nil {
			t.Fatal(err)
		}
		return template.Way{Efforts: efforts, Template: chat}
	}
	tmpl, err := template.NewReasoned([]template.Way{way(0b1110, turns, tools), way(1, template.Turns{Generation: "a<t></t>"}, nil)}, template.Reasoning{Begin: "<t>", End: "</t>"})
	if err != nil {
		t.Fatal(err)
	}
	m.Template = tmpl.Encode()
	if m.Tokenizer, err = tok.MarshalBinary(); err != nil {
		t.Fatal(err)
	}
	return bound(t, m)
}

func letter(id int32) string { return string(rune('a' + id)) }

// spoken are the letters of ids, with the marks of a thinker with this end.
func spoken(ids []int32, end int32) string {
	var b strings.Builder
	for _, id := range ids {
		switch id {
		case 2, 4: // the end of an answer, and what is no text
		case 3:
			b.WriteString("<t>")
		case end:
			b.WriteString("</t>")
		default:
			b.WriteString(letter(id))
		}
	}
	return b.String()
}

// markable is the answer to the job under the first seed whose answer has a place for a mark, and the place.
func markable(t *testing.T, job *decode.Job) (ids []int32, at int) {
	t.Helper()
	plain := thinker(t, 19)
	for ; job.Seed < 100; job.Seed++ {
		ids = answered(t, plain, *job).Output
		for at = 2; at+3 < len(ids); at++ {
			if id := ids[at]; id > 5 && !slices.Contains(ids[:at], id) {
				return ids, at
			}
		}
	}
	t.Fatal("no answer has a place for a mark")
	return nil, 0
}

// The second implementation tells the reasoning in an answer from what it says: that of an honest gateway holds, with
// and without the reasoning, the whole of the ids as one text does not. SPEC 04 §4.2.9, 07 §9.2.
func TestSecondImplementationTellsReasoningApart(t *testing.T) {
	t.Parallel()
	dist := typescript(t)
	job := decode.Job{Prompt: []int32{0, 5, 1, 0, 3}, MaxNew: 12, Temperature: 1 << 16, StopIDs: []int32{2}}
	ids, at := markable(t, &job)
	thought, said := spoken(ids[:at], ids[at]), spoken(ids[at+1:], ids[at])
	for man, cases := range map[*manifest.Manifest][]apart{
		thinker(t, ids[at]): casesApart(said, thought, job.Seed),
		toolThinker(t, ids[at]): {
			{"as after tools, without the request", "", said, &thought, "holds: "},
			{"as after tools, which the request has not", requested(job.Seed), said, &thought, "false: "},
		},
	} {
		dir := t.TempDir()
		var file bytes.Buffer
		if err := man.Encode(&file, "thinker"); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "default.elm"), file.Bytes())
		r := answered(t, man, job)
		if !slices.Equal(r.Output, ids) {
			t.Fatalf("another tokenizer gives %d, not %d", r.Output, ids)
		}
		askApart(t, dist, dir, cases, r)
		asTheCommand(t, dist, dir, said, thought)
	}
}

// apart is what somebody says came back, and what the statement about it must be. An empty request is none.
type apart struct {
	name      string
	Request   string  `json:"request,omitempty"`
	Text      string  `json:"text"`
	Reasoning *string `json:"reasoning,omitempty"`
	want      string
}

// requested is the request of an answer, in a chat.
func requested(seed uint64) string {
	return fmt.Sprintf(`{"messages":[{"role":"user","content":"f"}],"max_tokens":12,"seed":%d}`, seed)
}

// casesApart are what may be said about an answer of a thinker.
func casesApart(said, thought string, seed uint64) []apart {
	chat, once := requested(seed), fmt.Sprintf(`{"prompt":"f","max_tokens":12,"seed":%d}`, seed)
	other, none := thought+"!", ""
	with := func(field string) string { return strings.Replace(chat, "{", "{"+field+",", 1) }
	return []apart{
		{"apart", chat, said, &thought, "holds: "},
		{"what it says", chat, said, nil, "holds: "},
		{"as one text", chat, thought + "</t>" + said, nil, "false: the ids say"},
		{"without the mark", chat, thought + said, nil, "false: the ids say"},
		{"other reasoning", chat, said, &other, "false: the ids reason"},
		{"without the reasoning", chat, said, &none, "false: the ids reason"},
		{"other words", chat, said + "!", &thought, "false: the ids say"},
		{"no reasoning was asked for", with(`"reasoning_effort":"none"`), said, &thought, "false: "},
		{"an effort of the same way", with(`"reasoning_effort":"low"`), said, &thought, "holds: "},
		{"tools", with(`"tools":[{}]`), said, &thought, "cannot: "},
		{"an effort by another name", with(`"chat_template_kwargs":{}`), said, &thought, "cannot: "},
		{"a completion", once, strings.NewReplacer("</t>", "", "<t>", "").Replace(thought + said), &none, "holds: "},
		{"a completion, apart", once, said, nil, "false: "},
		{"without the request", "", said, nil, "holds: "},
		{"reasoning without the request", "", said, &thought, "holds: "},
		{"words that no way gives", "", thought, nil, "false: "},
	}
}

// askApart asks the library about all cases in one process, and leaves the receipt in dir. The first one holds whole if
// it has a request.
func askApart(t *testing.T, dist, dir string, cases []apart, r *receipt.Receipt) {
	t.Helper()
	encoded, err := r.Text()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "receipt.txt"), []byte(encoded))
	write(t, filepath.Join(dir, "cases.json"), []byte(jsonOf(t, cases)))
	script := `import { readFileSync } from "node:fs";
const { openModel, verifyReceipt } = await import(process.argv[1] + "/index.js");
const model = openModel(readFileSync("default.elm")), receipt = readFileSync("receipt.txt", "utf8");
console.log(JSON.stringify(JSON.parse(readFileSync("cases.json", "utf8")).map((c) => verifyReceipt(receipt, { model, ...c }))));`
	c := exec.Command("node", "--input-type=module", "-e", script, dist)
	c.Dir, c.Stderr = dir, os.Stderr
	var got []secondReport
	if out, err := c.Output(); err != nil || json.Unmarshal(out, &got) != nil || len(got) != len(cases) {
		t.Fatalf("%s, %v", out, err)
	}
	for i, c := range cases {
		if !strings.HasPrefix(got[i].of("text"), c.want) || !strings.HasPrefix(got[i].of("execution"), "holds") {
			t.Errorf("%s: %+v", c.name, got[i])
		}
	}
	if cases[0].Request != "" && (got[0].Outcome != "holds" || got[0].of("request") != "holds: ") {
		t.Errorf("an honest answer: %+v", got[0])
	}
}

// asTheCommand asks the command about other reasoning than askApart's in dir, which it finds to be false.
func asTheCommand(t *testing.T, dist, dir, said, thought string) {
	t.Helper()
	write(t, filepath.Join(dir, "text.txt"), []byte(said))
	write(t, filepath.Join(dir, "reasoning.txt"), []byte(thought+"!"))
	c := exec.Command("node", filepath.Join(dist, "cli.js"), "--model", "default.elm", "--text", "text.txt", "--reasoning", "reasoning.txt", "receipt.txt")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "false    text: ") || !strings.Contains(string(out), "holds    execution\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
