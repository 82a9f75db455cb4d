package template_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/template"
)

var update = flag.Bool("update", false, "rewrite the shared vectors")

// The shared vectors: bytes that are templates or none, and answers with what they reason and say.
const (
	formsFile   = "../../testvectors/templates/forms.json"
	answersFile = "../../testvectors/templates/answers.json"
)

// formVector are bytes, in hex, and whether they are a template.
type formVector struct {
	Name     string `json:"name"`
	Template string `json:"template"`
	Outcome  string `json:"outcome"` // template or refused
}

// answerVector is an answer to a conversation that names an effort, or "", and how it is divided.
type answerVector struct {
	Name      string `json:"name"`
	Template  string `json:"template"`
	Effort    string `json:"effort"`
	Text      string `json:"text"`
	Reasoning string `json:"reasoning"`
	Said      string `json:"said"`
}

// field is a part of a template that can be replaced.
type field struct {
	name  string
	bytes []byte
}

func text(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func texts(all ...string) (b []byte) {
	for _, s := range all {
		b = append(b, text(s)...)
	}
	return b
}

func formed(form byte, rest ...[]byte) []byte {
	return append(append([]byte("elenchus/template/1"), form), bytes.Join(rest, nil)...)
}

// layoutOf is a layout with flags, a system message's literal and a Cut, either possibly empty.
func layoutOf(flags uint16, system, cut string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, flags), texts("b", system, "", "u", "e", "a", "e", cut, "g")...)
}

// toolsOf is what follows a layout that has no tools (nil), or one with tools: the place of the list in Begin, the five
// bytes behind the places, and the strings.
func toolsOf(at uint16, five []byte, all ...string) []byte {
	b := append([]byte{1}, layoutOf(0, "", "")...)
	b = binary.BigEndian.AppendUint16(b, at)
	b = append(b, bytes.Repeat([]byte{0xff}, 10)...)
	return append(append(b, five...), texts(all...)...)
}

func chatOf(layout []byte) []byte { return formed(2, layout, []byte{0}) }

func wayOf(efforts byte, template []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{efforts}, uint32(len(template))), template...)
}

// marks are what follows the ways.
func marks(shown byte, all ...string) []byte { return append([]byte{shown}, texts(all...)...) }

// datedOf is a template that prints dates in the formats, with a string as Begin and as Cut.
func datedOf(begin, cut string, tools []byte, formats ...string) []byte {
	layout := append([]byte{0, 0}, texts(begin, "", "", "u", "e", "a", "e", cut, "g")...)
	return formed(4, append([]byte{byte(len(formats))}, texts(formats...)...), layout, tools)
}

// reasonedForms are templates of form 5, and bytes of which just one rule says that they are none.
func reasonedForms() []field {
	chat, plain := chatOf(layoutOf(0, "", "")), marks(0, "<t>", "</t>", "", "", "", "")
	one := append([]byte{1}, wayOf(1, chat)...)
	long := wayOf(1, chat)
	binary.BigEndian.PutUint32(long[1:], uint32(len(chat)+200))
	return []field{
		{"one way", formed(5, one, plain)},
		{"four ways", formed(5, []byte{4}, wayOf(8, chat), wayOf(1, chat), wayOf(4, chat), wayOf(2, chat), plain)},
		{"a way with the date", formed(5, []byte{2}, wayOf(14, chat), wayOf(1, datedOf("b\x000", "", []byte{0}, "%d")), plain)},
		{"a way with tools", formed(5, []byte{1}, wayOf(15, formed(2, layoutOf(0, "", ""), toolsOf(1, make([]byte, 5), make([]string, 8)...))), plain)},
		{"shown", formed(5, one, marks(1, "<t>", "</t>", "b", "x", "y", "z"))},
		{"no way", formed(5, []byte{0}, plain)},
		{"five ways", formed(5, []byte{5}, wayOf(1, chat), wayOf(2, chat), wayOf(4, chat), wayOf(8, chat), wayOf(1, chat), plain)},
		{"no effort", formed(5, []byte{1}, wayOf(0, chat), plain)},
		{"a fifth effort", formed(5, []byte{1}, wayOf(17, chat), plain)},
		{"an effort in two ways", formed(5, []byte{2}, wayOf(3, chat), wayOf(2, chat), plain)},
		{"a way that concatenates", formed(5, []byte{1}, wayOf(1, formed(1)), plain)},
		{"a way of an encoder", formed(5, []byte{1}, wayOf(1, formed(3, []byte{1})), plain)},
		{"reasoning in reasoning", formed(5, []byte{1}, wayOf(1, formed(5, one, plain)), plain)},
		{"a way of an unknown form", formed(5, []byte{1}, wayOf(1, formed(6)), plain)},
		{"a byte behind the template of a way", formed(5, []byte{1}, wayOf(1, append(slices.Clone(chat), 0)), plain)},
		{"a way beyond the end", formed(5, []byte{1}, long, plain)},
		{"shown is 2", formed(5, one, marks(2, "<t>", "</t>", "", "", "", ""))},
		{"no beginning", formed(5, one, marks(0, "", "</t>", "", "", "", ""))},
		{"no end", formed(5, one, marks(0, "<t>", "", "", "", "", ""))},
		{"before what is hidden", formed(5, one, marks(0, "<t>", "</t>", "", "x", "", ""))},
		{"calls behind what is hidden", formed(5, one, marks(0, "<t>", "</t>", "", "", "y", ""))},
		{"content behind what is hidden", formed(5, one, marks(0, "<t>", "</t>", "", "", "", "z"))},
		{"a mark that is not UTF-8", formed(5, one, marks(0, "<t>", "</t>", "\xff", "", "", ""))},
		{"no marks", formed(5, one)},
		{"a mark too few", formed(5, one, marks(0, "<t>", "</t>", "", "", ""))},
		{"a byte behind the marks", formed(5, one, plain, []byte{0})},
	}
}

// chatForms are those of forms 1 to 4.
func chatForms() []field {
	layout := layoutOf(0, "", "")
	list := []field{{"concatenation", formed(1)}, {"behind a concatenation", formed(1, []byte{0})},
		{"vectors", formed(3, []byte{1})}, {"vectors of length 2", formed(3, []byte{2})}, {"form 0", formed(0)}, {"form 6", formed(6)},
		{"another tag", append([]byte("elenchus/template/2"), 1)}, {"no form", []byte("elenchus/template/1")},
		{"a chat", chatOf(layout)}, {"tools 2", formed(2, layout, []byte{2})}, {"a chat that ends early", chatOf(layout)[:40]},
		{"behind a chat", append(chatOf(layout), 0)}, {"a literal that is not UTF-8", chatOf(layoutOf(0, "\xc0\x80", ""))},
		{"a surrogate", chatOf(layoutOf(0, "\xed\xa0\x80", ""))},
	}
	for _, c := range []struct {
		name        string
		flags       uint16
		system, cut string
	}{
		{"every flag that goes together", template.MergeLast | template.TrimMerged | template.CutKeeps | template.UserLast | template.Alternate, "s", "c"},
		{"an unknown flag", 1 << 13, "", ""},
		{"the highest flag", 1 << 15, "", ""},
		{"merged first and last", template.MergeFirst | template.MergeLast, "s", ""},
		{"merged and none", template.MergeFirst | template.NoSystem, "", ""},
		{"replaces and merged", template.Replaces | template.MergeFirst, "s", ""},
		{"replaces and none", template.Replaces | template.NoSystem, "", ""},
		{"trimmed together, apart", template.TrimMerged, "s", ""},
		{"opened and merged", template.Opened | template.MergeLast, "s", ""},
		{"opened, systems anywhere", template.Opened | template.Anywhere, "s", ""},
		{"opened", template.Opened | template.Replaces, "s", ""},
		{"a cut keeps nothing", template.CutKeeps, "", ""},
		{"literals of no system message", template.NoSystem, "s", ""},
	} {
		list = append(list, field{c.name, chatOf(layoutOf(c.flags, c.system, c.cut))})
	}
	none := make([]string, 8)
	for _, c := range []struct {
		name    string
		at      uint16
		five    []byte
		strings []string
	}{
		{"tools, all of it", 1, []byte{1, 1, 8, 1, 0}, strings.Fields("s b c m p e r x")},
		{"tools nowhere", 0xffff, make([]byte, 5), none},
		{"tools behind their literal", 2, make([]byte, 5), none},
		{"last user 2", 1, []byte{2, 0, 0, 0, 0}, none},
		{"whole 2", 1, []byte{0, 2, 0, 0, 0}, none},
		{"indent 9", 1, []byte{0, 0, 9, 0, 0}, none},
		{"calls 2", 1, []byte{0, 0, 0, 2, 0}, none},
		{"no content with calls 2", 1, []byte{0, 0, 0, 1, 2}, none},
		{"no content with no calls", 1, []byte{0, 0, 0, 0, 1}, none},
		{"a literal of no calls", 1, make([]byte, 5), []string{"", "", "", "", "", "", "", "x"}},
		{"a literal between what stands apart", 1, []byte{0, 0, 0, 1, 1}, []string{"", "", "x", "", "", "", "", ""}},
		{"a string too few", 1, make([]byte, 5), none[1:]},
	} {
		list = append(list, field{c.name, formed(2, layout, toolsOf(c.at, c.five, c.strings...))})
	}
	return append(list, datedForms()...)
}

// datedForms are those of form 4.
func datedForms() []field {
	no := []byte{0}
	tools := func(separator string) []byte {
		return toolsOf(0xffff, make([]byte, 5), append([]string{separator}, make([]string, 7)...)...)
	}
	inside := append([]byte{1, 0, 0}, texts("b\x000", "", "", "u", "e", "a", "e", "", "g")...)
	inside = append(append(inside, 0, 2), bytes.Repeat([]byte{0xff}, 10)...)
	inside = append(append(inside, make([]byte, 5)...), texts(make([]string, 8)...)...)
	return []field{
		{"a date", datedOf("\x000 \x003", "", tools(","), "%Y-%m-%d", "%B %-d", "%e %j %b %A %a %F %% %y %-m", "x")},
		{"no format", datedOf("b", "", no)},
		{"five formats", datedOf("b", "", no, "%d", "%d", "%d", "%d", "%d")},
		{"a format of a time", datedOf("\x000", "", no, "%H")},
		{"a format that ends early", datedOf("\x000", "", no, "%d %")},
		{"a format with a sign", datedOf("\x000", "", no, "%-Y")},
		{"a format of 64 bytes", datedOf("\x000", "", no, strings.Repeat("x", 64))},
		{"a format of 65 bytes", datedOf("\x000", "", no, strings.Repeat("x", 65))},
		{"a format with a NUL", datedOf("\x000", "", no, "\x00")},
		{"a blank of no format", datedOf("\x001", "", no, "%d")},
		{"a NUL at the end", datedOf("b\x00", "", no, "%d")},
		{"a date where reasoning ends", datedOf("b", "\x000", no, "%d")},
		{"a date between tools", datedOf("b", "", tools("\x000"), "%d")},
		{"tools inside a date", datedOf("b", "", inside, "%d")},
	}
}

// admitted are the names of those that are templates.
var admitted = []string{"one way", "four ways", "a way with the date", "a way with tools", "shown", "concatenation", "vectors", "a chat",
	"every flag that goes together", "opened", "tools, all of it", "tools nowhere", "a date", "a format of 64 bytes"}

func formVectors() (list []formVector) {
	for _, f := range append(reasonedForms(), chatForms()...) {
		v := formVector{f.name, hex.EncodeToString(f.bytes), "refused"}
		if slices.Contains(admitted, f.name) {
			v.Outcome = "template"
		}
		list = append(list, v)
	}
	return list
}

func answerVectors(t *testing.T) (list []answerVector) {
	for _, c := range answers() {
		tp := reasoned(t, c.r, c.prompt)
		list = append(list, answerVector{c.name, hex.EncodeToString(tp.Encode()), "", c.text, c.thought, c.said})
	}
	two := hex.EncodeToString(reasoned(t, think(), "a<think> \n", "a<think></think>").Encode())
	other := hex.EncodeToString(example(t).Encode())
	return append(list,
		answerVector{"the first way opens", two, "", " x </think> y", "x", "y"},
		answerVector{"medium is the first way", two, "medium", "x", "x", ""},
		answerVector{"none is closed", two, "none", " x </think> y", "", " x </think> y"},
		answerVector{"none begins again", two, "none", "<think>x</think>y", "x", "y"},
		answerVector{"no form for reasoning", other, "none", "<think>x</think>y", "", "<think>x</think>y"},
		answerVector{"no form for this effort", other, "high", "<think>x</think>y", "", "<think>x</think>y"},
	)
}

// Bytes of every form are templates, or none by just one rule of SPEC 04 §4.2; answers are divided as §4.2.9 says. The
// vectors are those that the second implementation reads.
func TestSharedVectors(t *testing.T) {
	refused := 0
	for _, v := range formVectors() {
		b, _ := hex.DecodeString(v.Template)
		tp, err := template.Parse(b)
		if (err == nil) != (v.Outcome == "template") || err != nil && !errors.Is(err, template.ErrTemplate) {
			t.Errorf("%s: %v", v.Name, err)
		}
		if err != nil {
			refused++
		} else if !bytes.Equal(tp.Encode(), b) {
			t.Errorf("%s is written otherwise", v.Name)
		}
	}
	if n := len(formVectors()); refused != n-len(admitted) {
		t.Errorf("%d of %d are refused", refused, n)
	}
	for _, v := range answerVectors(t) {
		b, _ := hex.DecodeString(v.Template)
		tp, err := template.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		effort, _ := template.ParseEffort(v.Effort)
		if r, s := tp.Thoughts(template.Conversation{Effort: effort}).Split(v.Text); r != v.Reasoning || s != v.Said {
			t.Errorf("%s: %q and %q, want %q and %q", v.Name, r, s, v.Reasoning, v.Said)
		}
	}
	shared(t, formsFile, formVectors())
	shared(t, answersFile, answerVectors(t))
}

// shared compares vectors with their file.
func shared(t *testing.T, file string, v any) {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	if *update {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, b) {
		t.Errorf("vectors differ from %s (%v): go test ./compute/template -run SharedVectors -update, and say why", file, err)
	}
}
