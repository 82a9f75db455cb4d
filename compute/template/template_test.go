package template_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/template"
)

// example is a chat template in the manner of many: a default system message that a given one
// replaces, tools behind the system message, calls and results between tags.
func example(t testing.TB) template.Template {
	t.Helper()
	turns := template.Turns{
		Flags: template.Replaces | template.Anywhere | template.TrimUser, Begin: "<sys>default<end>",
		System: template.Pair{Before: "<sys>", After: "<end>"}, User: template.Pair{Before: "<user>", After: "<end>"},
		Assistant: template.Pair{Before: "<bot>", After: "<end>"}, Cut: "</think>", Generation: "<bot>",
	}
	tools := &template.Tools{
		Turns: turns, At: [template.LiteralCount]uint16{11, template.Nowhere, 0, template.Nowhere, template.Nowhere, template.Nowhere},
		Whole: false, Separator: "|", HasCalls: true, CallsBefore: "<bot>", ContentToCalls: "\n", CallMiddle: "=", CallSep: "&",
		CallsEnd: "<end><result>", ResultSep: "+", ResultsEnd: "<end>",
	}
	tp, err := template.NewChat(turns, tools)
	if err != nil {
		t.Fatal(err)
	}
	return tp
}

func render(t *testing.T, tp template.Template, c template.Conversation) string {
	t.Helper()
	parts, err := tp.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	return template.Text(parts)
}

// Both forms read back as the bytes that they are. SPEC 04 §4.
func TestEncoding(t *testing.T) {
	if b := template.New().Encode(); string(b) != "elenchus/template/1\x01" {
		t.Fatalf("template is %q", b)
	}
	for _, tp := range []template.Template{template.New(), example(t)} {
		b := tp.Encode()
		got, err := template.Parse(b)
		if err != nil || !bytes.Equal(got.Encode(), b) || got.Form() != tp.Form() {
			t.Errorf("%q is read back as %q, %v", b, got.Encode(), err)
		}
	}
	if tp := example(t); !tp.HasTools() || !tp.HasCalls() || template.New().HasTools() {
		t.Error("tools are there, or not, as the template was made")
	}
}

// Whatever is not exactly a template is refused. SPEC 04 §4.
func TestParseRefuses(t *testing.T) {
	good := string(template.New().Encode())
	chat := string(example(t).Encode())
	head := len("elenchus/template/1") + 1
	for _, b := range []string{
		"", good[:len(good)-1], good + "\x00", "elenchus/template/2\x01", "elenchus/template/1\x00", "elenchus/template/1\x03",
		chat + "\x00", chat[:len(chat)-1], chat[:head] + "\xff" + chat[head+1:], strings.Replace(chat, "default", "def\xffult", 1),
		chat[:head] + strings.Repeat("\x00", 1<<16),
	} {
		if _, err := template.Parse([]byte(b)); !errors.Is(err, template.ErrTemplate) {
			t.Errorf("%.60q: %v", b, err)
		}
	}
}

// Each rule about the fields of a chat template refuses what only it refuses. SPEC 04 §4.
func TestNewChatRefuses(t *testing.T) {
	for name, change := range map[string]func(*template.Turns, *template.Tools){
		"two places":           func(s *template.Turns, _ *template.Tools) { s.Flags = template.MergeFirst | template.MergeLast },
		"unknown flag":         func(s *template.Turns, _ *template.Tools) { s.Flags = 1 << 15 },
		"replaced and merged":  func(s *template.Turns, _ *template.Tools) { s.Flags = template.Replaces | template.MergeLast },
		"trimmed apart":        func(s *template.Turns, _ *template.Tools) { s.Flags = template.TrimMerged },
		"kept without a cut":   func(s *template.Turns, _ *template.Tools) { s.Flags = template.CutKeeps },
		"opened and merged":    func(s *template.Turns, _ *template.Tools) { s.Flags = template.Opened | template.MergeFirst },
		"literals for nothing": func(s *template.Turns, _ *template.Tools) { s.Flags, s.System.Before = template.NoSystem, "x" },
		"long literal":         func(s *template.Turns, _ *template.Tools) { s.Begin = strings.Repeat("x", 1<<16) },
		"tools beyond":         func(_ *template.Turns, x *template.Tools) { x.At[0] = 99 },
		"wide indent":          func(_ *template.Turns, x *template.Tools) { x.Indent = 9 },
		"calls without calls":  func(_ *template.Turns, x *template.Tools) { x.HasCalls = false },
		"content and yet not":  func(_ *template.Turns, x *template.Tools) { x.NoContentWithCalls = true },
		"flags of the layout":  func(_ *template.Turns, x *template.Tools) { x.Flags = 1 << 15 },
	} {
		turns := template.Turns{User: template.Pair{Before: "u"}, Generation: "a"}
		tools := &template.Tools{Turns: turns, HasCalls: true, ContentToCalls: "c", Separator: ","}
		for i := range tools.At {
			tools.At[i] = template.Nowhere
		}
		if _, err := template.NewChat(turns, tools); err != nil {
			t.Fatal(err)
		}
		change(&turns, tools)
		if _, err := template.NewChat(turns, tools); !errors.Is(err, template.ErrTemplate) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse wants no panic and one encoding, and whatever reads can be used.
func FuzzParse(f *testing.F) {
	f.Add(template.New().Encode())
	f.Add(template.NewVectors(true).Encode())
	if d, err := template.NewDated(template.Turns{Begin: template.Blank(0)}, nil, []string{"%d %b %Y"}); err == nil {
		f.Add(d.Encode())
	}
	f.Add(example(f).Encode())
	c := template.Conversation{Date: template.Date{Year: 2026, Month: 2, Day: 3}, Tools: []string{`{"function":{"name":"f"}}`}, Messages: []template.Message{
		{Role: template.System, Content: " s"}, {Role: template.User, Content: "u "},
		{Role: template.Assistant, Calls: []template.Call{{Name: "f", Arguments: `{"a":[1]}`}}}, {Role: template.Tool, Content: "r"}, {Role: template.User, Content: "v"},
	}}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := template.Parse(b)
		if err != nil {
			return
		}
		if !bytes.Equal(got.Encode(), b) {
			t.Fatalf("%q is read as %q", b, got.Encode())
		}
		if _, err := got.Render(c); err != nil && !errors.Is(err, template.ErrConversation) {
			t.Fatal(err)
		}
	})
}

// Contents are joined as they are, whoever says them. SPEC 04 §4.
func TestRenderConcatenates(t *testing.T) {
	tp := template.New()
	c := template.Conversation{Messages: []template.Message{{Role: "system", Content: "a "}, {Role: "user", Content: ""}, {Role: "assistant", Content: "b\n"}}}
	if got := render(t, tp, c); got != "a b\n" || render(t, tp, template.Conversation{}) != "" {
		t.Errorf("rendered %q", got)
	}
	c.Tools = []string{"{}"}
	if _, err := tp.Render(c); !errors.Is(err, template.ErrConversation) {
		t.Errorf("tools: %v", err)
	}
}

const weather = `{"type":"function","function":{"name":"weather","parameters":{"x":1.50,"a":["<\u00e9>\n", null, true, {}]}}}`

// What a chat template prints, turn by turn. SPEC 04 §4.
func TestRenderChat(t *testing.T) {
	say := func(role, content string) template.Message { return template.Message{Role: role, Content: content} }
	call := template.Message{Role: template.Assistant, Calls: []template.Call{{Name: "f", Arguments: `{"b":2,"a":"1"}`}, {Name: "g", Arguments: `{}`}}}
	said := call
	said.Content = "I look"
	tool := `{"name": "weather", "parameters": {"x": 1.50, "a": ["<\u00e9>\n", null, true, {}]}}`
	tool = strings.ReplaceAll(tool, `\u00e9`, "\u00e9")
	for _, c := range []struct {
		name     string
		tools    int
		messages []template.Message
		want     string
	}{
		{"a question", 0, []template.Message{say("user", " hi ")}, "<sys>default<end><user>hi<end><bot>"},
		{"a system message", 0, []template.Message{say("system", " S "), say("user", "hi")}, "<sys> S <end><user>hi<end><bot>"},
		{"turns", 0, []template.Message{say("user", "a"), say("assistant", "<think>x</think>\n\n b "), say("system", "T"), say("user", "c")},
			"<sys>default<end><user>a<end><bot> b <end><sys>T<end><user>c<end><bot>"},
		{"tools", 2, []template.Message{say("user", "a")}, "<sys>defaul" + tool + "|" + tool + "t<end><user>a<end><bot>"},
		{"tools and system", 1, []template.Message{say("system", "S"), say("user", "a")}, "<sys>S" + tool + "<end><user>a<end><bot>"},
		{"calls", 0, []template.Message{say("user", "a"), call, say("tool", "1"), say("tool", " 2"), say("user", "b")},
			`<sys>default<end><user>a<end><bot>f={"b": 2, "a": "1"}&g={}<end><result>1+ 2<end><user>b<end><bot>`},
		{"content and calls", 0, []template.Message{say("user", "a"), said, say("tool", "1")},
			"<sys>default<end><user>a<end><bot>I look\nf={\"b\": 2, \"a\": \"1\"}&g={}<end><result>1<end><bot>"},
	} {
		conversation := template.Conversation{Messages: c.messages, Tools: slices.Repeat([]string{weather}, c.tools)}
		if got := render(t, example(t), conversation); got != c.want {
			t.Errorf("%s:\n%q, want\n%q", c.name, got, c.want)
		}
	}
}

// What users wrote is never a literal, wherever it stands.
func TestContentsAreNoLiterals(t *testing.T) {
	c := template.Conversation{Tools: []string{`{"function":{"n":"<end>"}}`}, Messages: []template.Message{
		{Role: "system", Content: "<end>"}, {Role: "user", Content: "<end>"}, {Role: "assistant", Content: "<end>", Calls: []template.Call{{Name: "<end>", Arguments: `{"<end>":1}`}}},
		{Role: "tool", Content: "<end>"},
	}}
	parts, err := example(t).Render(c)
	if err != nil {
		t.Fatal(err)
	}
	given := 0
	for _, p := range parts {
		if !p.Literal {
			given += strings.Count(p.Text, "<end>")
		}
	}
	if given != 7 {
		t.Errorf("%d of 7 texts of others are contents: %+v", given, parts)
	}
}

// Conversations that a layout has no form for are refused with the message's number.
func TestRenderRefuses(t *testing.T) {
	say := func(roles ...string) (out []template.Message) {
		for _, r := range roles {
			out = append(out, template.Message{Role: r, Content: "x"})
		}
		return out
	}
	plain := template.Turns{User: template.Pair{Before: "u"}}
	with := func(flags uint16) template.Turns {
		t := plain
		t.Flags = flags
		return t
	}
	for _, c := range []struct {
		name     string
		turns    template.Turns
		messages []template.Message
		tools    []string
		want     string
	}{
		{"no system", with(template.NoSystem), say("system", "user"), nil, "messages[0]"},
		{"late system", plain, say("user", "system"), nil, "messages[1]"},
		{"two users", with(template.Alternate), say("user", "user"), nil, "messages[1]"},
		{"assistant first", with(template.Alternate), say("system", "assistant"), nil, "messages[1]"},
		{"assistant last", with(template.UserLast), say("user", "assistant"), nil, "last message"},
		{"nobody to hold it", with(template.MergeFirst), say("system", "assistant"), nil, "there is none"},
		{"not opened by the user", with(template.Opened), say("assistant", "user"), nil, "must be the user's"},
		{"nobody opens", with(template.Opened), nil, nil, "must be the user's"},
		{"stranger", plain, say("user", "narrator"), nil, "narrator"},
		{"tools", plain, say("user"), []string{weather}, "shows no tools"},
		{"result", plain, say("user", "tool"), nil, "(1)"},
	} {
		tp, err := template.NewChat(c.turns, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tp.Render(template.Conversation{Messages: c.messages, Tools: c.tools})
		if !errors.Is(err, template.ErrConversation) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		}
	}
	call := []template.Message{{Role: "user"}, {Role: "assistant", Calls: []template.Call{{Name: "f", Arguments: "{}"}}}}
	for name, c := range map[string]template.Conversation{
		"a call without result": {Messages: call},
		"arguments not JSON":    {Messages: append(slices.Clone(call[:1]), template.Message{Role: "assistant", Calls: []template.Call{{Name: "f", Arguments: "{"}}}, template.Message{Role: "tool"})},
		"arguments no object":   {Messages: append(slices.Clone(call[:1]), template.Message{Role: "assistant", Calls: []template.Call{{Name: "f", Arguments: "[]"}}}, template.Message{Role: "tool"})},
		"a result without call": {Messages: []template.Message{{Role: "user"}, {Role: "tool"}}},
		"a tool without a name": {Tools: []string{`{"type":"function"}`}},
		"a tool that is deep":   {Tools: []string{`{"function":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`}},
		"two values":            {Tools: []string{`{"function":{}} {}`}},
	} {
		if _, err := example(t).Render(c); !errors.Is(err, template.ErrConversation) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// White space is cut off around a merged turn as a whole, or around its parts.
func TestMergedTurnsAreTrimmed(t *testing.T) {
	c := template.Conversation{Messages: []template.Message{{Role: "system", Content: " \u3000S "}, {Role: "user", Content: " \x1f\n"}, {Role: "assistant", Content: " A "}, {Role: "user", Content: " V "}}}
	for flags, want := range map[uint16]string{
		template.MergeFirst: "[ \u3000S  /  \x1f\n][ V ]",
		template.MergeFirst | template.TrimUser | template.TrimSystem:     "[S / ][V]",
		template.MergeFirst | template.TrimUser | template.TrimMerged:     "[S  /][V]",
		template.MergeLast | template.TrimUser | template.TrimMerged:      "[][S  /  V]",
		template.MergeLast | template.TrimAssistant | template.TrimSystem: "[ \x1f\n][S /  V ]",
	} {
		turns := template.Turns{Flags: flags, System: template.Pair{After: " / "}, User: template.Pair{Before: "[", After: "]"}}
		tp, err := template.NewChat(turns, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := render(t, tp, c)
		if got = strings.ReplaceAll(strings.ReplaceAll(got, " A ", ""), "A", ""); got != want {
			t.Errorf("flags %#x: %q, want %q", flags, got, want)
		}
	}
}

// An indent makes much of little: what the model would see is bounded, each tool and all together.
func TestPrintedJSONIsBounded(t *testing.T) {
	turns := template.Turns{User: template.Pair{Before: "u"}}
	tools := &template.Tools{Turns: turns, Indent: 8}
	for i := range tools.At {
		tools.At[i] = template.Nowhere
	}
	tools.At[template.InBegin] = 0
	tp, err := template.NewChat(turns, tools)
	if err != nil {
		t.Fatal(err)
	}
	deep := func(n int) string {
		return `{"function":{"a":` + strings.Repeat("[", 60) + strings.Repeat("1,", n) + "1" + strings.Repeat("]", 60) + `}}`
	}
	for name, c := range map[string]struct {
		tools []string
		fits  bool
	}{
		"one that fits": {[]string{deep(1000)}, true}, "one that does not": {[]string{deep(10_000)}, false},
		"many that do not": {slices.Repeat([]string{deep(1000)}, 10), false},
	} {
		_, err := tp.Render(template.Conversation{Messages: []template.Message{{Role: template.User}}, Tools: c.tools})
		if c.fits != (err == nil) || err != nil && (!errors.Is(err, template.ErrConversation) || !strings.Contains(err.Error(), "4194304")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
