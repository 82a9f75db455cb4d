package template_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/template"
)

// reasoned is a template of two ways whose prompts end as given.
func reasoned(t testing.TB, r template.Reasoning, generations ...string) template.Template {
	t.Helper()
	efforts := []uint8{0b1110, 1}
	var ways []template.Way
	for i, g := range generations {
		tp, err := template.NewChat(template.Turns{User: template.Pair{Before: "u", After: "e"}, Generation: g}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ways = append(ways, template.Way{Efforts: efforts[i], Template: tp})
	}
	tp, err := template.NewReasoned(ways, r)
	if err != nil {
		t.Fatal(err)
	}
	return tp
}

func think() template.Reasoning { return template.Reasoning{Begin: "<think>", End: "</think>"} }

// A template that reasons reads back, prints each effort in its way, and refuses one that it has none for.
// SPEC 04 §4.2.8.
func TestReasonedTemplates(t *testing.T) {
	tp := reasoned(t, think(), "a", "a<think></think>")
	again, err := template.Parse(tp.Encode())
	if err != nil || !bytes.Equal(again.Encode(), tp.Encode()) || again.Form() != template.Reasoned {
		t.Fatalf("%v, form %d", err, again.Form())
	}
	one := reasoned(t, think(), "a")
	for _, c := range []struct {
		tp   template.Template
		e    template.Effort
		want string
	}{
		{tp, template.Unsaid, "uqea"}, {tp, template.LowEffort, "uqea"}, {tp, template.NoEffort, "uqea<think></think>"},
		{tp, template.Quiet, "uqea<think></think>"}, {one, template.Quiet, "uqea"}, {one, template.NoEffort, ""},
		{example(t), template.NoEffort, "<sys>default<end><user>q<end><bot>"}, {example(t), template.HighEffort, ""},
	} {
		parts, err := c.tp.Render(template.Conversation{Messages: []template.Message{{Role: "user", Content: "q"}}, Effort: c.e})
		if got := template.Text(parts); got != c.want || errors.Is(err, template.ErrConversation) != (c.want == "") {
			t.Errorf("effort %d: %q, %v, want %q", c.e, got, err, c.want)
		}
	}
}

// Without the conversation an answer may be to any prompt that the template prints: one that has begun the reasoning,
// one that has not.
func TestDivisions(t *testing.T) {
	for _, c := range []struct {
		tp   template.Template
		want []bool // whether each begins inside reasoning
	}{
		{reasoned(t, think(), "a", "a<think></think>"), []bool{false}},
		{reasoned(t, think(), "a<think>\n", "a<think></think>"), []bool{true, false}},
		{reasoned(t, think(), "a", "a<think>"), []bool{false, true}},
		{example(t), nil},
	} {
		var got []bool
		for _, d := range c.tp.Divisions() {
			got = append(got, d.Opened())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}

// Each rule about a template that reasons refuses what only it refuses. SPEC 04 §4.2.8.
func TestReasonedTemplatesRefuse(t *testing.T) {
	chat, err := template.NewChat(template.Turns{Generation: "a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	one := []template.Way{{Efforts: 1, Template: chat}}
	for name, c := range map[string]struct {
		ways []template.Way
		r    template.Reasoning
	}{
		"no way":         {nil, think()},
		"no effort":      {[]template.Way{{Template: chat}}, think()},
		"unknown effort": {[]template.Way{{Efforts: 16, Template: chat}}, think()},
		"effort twice":   {[]template.Way{{Efforts: 3, Template: chat}, {Efforts: 2, Template: chat}}, think()},
		"no chat":        {[]template.Way{{Efforts: 1, Template: template.New()}}, think()},
		"in itself":      {[]template.Way{{Efforts: 1, Template: reasoned(t, think(), "a")}}, think()},
		"no beginning":   {one, template.Reasoning{End: "e"}},
		"no end":         {one, template.Reasoning{Begin: "b"}},
		"hidden":         {one, template.Reasoning{Begin: "b", End: "e", ToCalls: "c"}},
		"no text":        {one, template.Reasoning{Begin: "\xff", End: "e"}},
	} {
		if _, err := template.NewReasoned(c.ways, c.r); !errors.Is(err, template.ErrTemplate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := reasoned(t, think(), "a").Encode()
	for n := range good {
		if _, err := template.Parse(good[:n]); !errors.Is(err, template.ErrTemplate) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
}

// answers are what models write, with the reasoning and what is said. SPEC 16 §3.12.
func answers() []struct {
	name, prompt, text, thought, said string
	r                                 template.Reasoning
} {
	harmony := template.Reasoning{Begin: "<|c|>analysis<|m|>", End: "<|e|><|s|>assistant<|c|>final<|m|>", Bare: "<|c|>final<|m|>"}
	return []struct {
		name, prompt, text, thought, said string
		r                                 template.Reasoning
	}{
		{"both", "a", "<think>\n x y \n</think>\n\nz \n", "x y", "z \n", think()},
		{"white space first", "a", "\n <think>x</think>z", "x", "z", think()},
		{"none", "a", " z <think>x</think>", "", " z <think>x</think>", think()},
		{"never ends", "a", "<think>x </thi", "x </thi", "", think()},
		{"nothing but the beginning", "a", "<thin", "", "<thin", think()},
		{"opened", "a<think>\n", "x <\n</think>z", "x <", "z", think()},
		{"opened twice", "a<think>", "<think>x</think>z", "x", "z", think()},
		{"opened, never ends", "a<think>", " x ", "x", "", think()},
		{"closed by the prompt", "a<think></think>", "z", "", "z", think()},
		{"ends at once", "a", "<think></think>z</think>", "", "z</think>", think()},
		{"empty", "a", "", "", "", think()},
		{"white space", "a", " \n", "", " \n", think()},
		{"channels", "a", "<|c|>analysis<|m|>x<|e|> <|e|><|s|>assistant<|c|>final<|m|>z", "x<|e|>", "z", harmony},
		{"bare channel", "a", "<|c|>final<|m|>z", "", "z", harmony},
		{"wide characters", "a", "◁t▷ ä ◁/▷ü", "ä", "ü", template.Reasoning{Begin: "◁t▷", End: "◁/▷"}},
	}
}

// Reasoning is told from what is said, in whatever pieces the answer comes, and control pieces among the marks are named.
func TestThoughts(t *testing.T) {
	for _, c := range answers() {
		th := reasoned(t, c.r, c.prompt).Thoughts(template.Conversation{})
		if thought, said := th.Split(c.text); thought != c.thought || said != c.said {
			t.Errorf("%s: %q and %q, want %q and %q", c.name, thought, said, c.thought, c.said)
		}
		runes := []rune(c.text)
		for size := 1; size <= 5; size++ {
			r, thought, said := th.Reader(), "", ""
			for i := 0; i < len(runes); i += size {
				x, y := r.Write(string(runes[i:min(i+size, len(runes))]))
				if thought += x; x != "" && said != "" {
					t.Errorf("%s: reasoning after what is said", c.name)
				}
				said += y
			}
			x, y := r.Flush()
			if thought+x != c.thought || said+y != c.said {
				t.Errorf("%s in pieces of %d: %q and %q, want %q and %q", c.name, size, thought+x, said+y, c.thought, c.said)
			}
		}
	}
	if words := strings.Join(reasoned(t, think(), "a").Thoughts(template.Conversation{}).Words(), " "); words != "<think> </think>" {
		t.Errorf("the words are %q", words)
	}
	if thought, said := example(t).Thoughts(template.Conversation{}).Split("<think>x</think>z"); thought != "" || said != "<think>x</think>z" {
		t.Errorf("a template without a form for it: %q and %q", thought, said)
	}
}

// FuzzThoughts: pieces come to the same as the whole, and nothing is lost but marks and white space.
func FuzzThoughts(f *testing.F) {
	for _, c := range answers() {
		f.Add(c.text, uint8(3), c.prompt == "a<think>")
	}
	f.Fuzz(func(t *testing.T, text string, cut uint8, opened bool) {
		text = strings.ToValidUTF8(text, "?")
		prompt := "a"
		if opened {
			prompt = "a<think>"
		}
		th := reasoned(t, think(), prompt).Thoughts(template.Conversation{})
		thought, said := th.Split(text)
		r, x, y := th.Reader(), "", ""
		runes := []rune(text)
		for i := 0; i < len(runes); i += int(cut)%7 + 1 {
			a, b := r.Write(string(runes[i:min(i+int(cut)%7+1, len(runes))]))
			x, y = x+a, y+b
		}
		a, b := r.Flush()
		if x+a != thought || y+b != said {
			t.Errorf("%q: %q and %q, in pieces %q and %q", text, thought, said, x+a, y+b)
		}
		if !strings.Contains(text, thought) || !strings.HasSuffix(text, said) {
			t.Errorf("%q gives %q and %q", text, thought, said)
		}
	})
}
