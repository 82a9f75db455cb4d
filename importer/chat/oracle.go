// Package chat turns a model's own chat template, a Jinja program, into the declarative template
// that belongs to a model id, and checks the one against the other.
//
// It stands in the importer, off the serving path. The program is run by a library on probing
// conversations; what stands between their markers gives the literals; then a battery of other
// conversations must come out the same from both, or the model is imported without it. A program
// is hostile: it is bounded in size, has no files and no unbounded loops, and callers that read
// strangers' files run it in a process of its own (Sandbox). SPEC 04 §4.
//
//	d, err := chat.Derive(ctx, chat.Source{Text: jinja, BOS: "<s>", EOS: "</s>"}, chat.Run)
package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
)

// Bounds of a program and of what it prints.
const (
	maxSource = 1 << 16
	maxOutput = 1 << 20
)

// Source is a program and the texts that it may print for special tokens.
type Source struct {
	Text string `json:"text"`
	BOS  string `json:"bos"`
	EOS  string `json:"eos"`
}

// Probe is a conversation for the program.
type Probe struct {
	Messages []Message `json:"messages"`
	Tools    []any     `json:"tools,omitempty"`
	Date     string    `json:"date,omitempty"` // of strftime_now, as 2006-01-02; empty: blanks

	Set map[string]any `json:"set,omitempty"` // variables, such as enable_thinking
}

// Message is a turn of a probe.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
	Calls   []Call `json:"calls,omitempty"`

	Reasoning string `json:"reasoning,omitempty"`
}

// Call is a call of a tool; the arguments are one object.
type Call struct {
	Name      string         `json:"name"`
	Arguments map[string]any `json:"arguments"`
}

// Result is what the program prints, or why it does not.
type Result struct {
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
}

// Runner runs a program on probes: one result each, or an error if the program cannot be run at all.
type Runner func(ctx context.Context, s Source, probes []Probe) ([]Result, error)

// ErrSource marks a program that cannot be read or run.
var ErrSource = errors.New("chat template")

// banned are constructs that reach files, or run for ever, which no chat template needs.
var banned = regexp.MustCompile(`\{%-?\+?\s*(include|import|extends|from)\b|\b(lipsum|cycler|joiner|range)\s*\(|\*\*|\{%-?\s*for\b[^%]*\brecursive\b`)

// Run runs a program in this process.
func Run(ctx context.Context, s Source, probes []Probe) ([]Result, error) {
	if len(s.Text) > maxSource {
		return nil, fmt.Errorf("%w: %d bytes, the most is %d", ErrSource, len(s.Text), maxSource)
	}
	if at := banned.FindStringIndex(s.Text); at != nil {
		return nil, fmt.Errorf("%w: byte %d: %q is not allowed", ErrSource, at[0], s.Text[at[0]:at[1]])
	}
	if err := macros(s.Text); err != nil {
		return nil, err
	}
	t, err := parse(s.Text)
	if err != nil {
		return nil, err
	}
	out := make([]Result, len(probes))
	for i, p := range probes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out[i] = render(t, s, p)
	}
	return out, nil
}

var macro = regexp.MustCompile(`\{%-?\s*macro\s+(\w+)`)

// macros refuses macros that call themselves or later ones: they could do so for ever.
func macros(text string) error {
	at := macro.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		end := strings.Index(text[m[1]:], "endmacro")
		if end < 0 {
			end = len(text) - m[1]
		}
		body := text[m[1] : m[1]+end]
		for _, later := range at[i:] {
			name := text[later[2]:later[3]]
			if regexp.MustCompile(`\b` + name + `\s*\(`).MatchString(strings.TrimPrefix(body, "(")) {
				return fmt.Errorf("%w: macro %q calls %q, which is not defined before it", ErrSource, text[m[2]:m[3]], name)
			}
		}
	}
	return nil
}

var generation = regexp.MustCompile(`\{%-?\s*(end)?generation\s*-?%\}`)

func parse(text string) (t *exec.Template, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrSource, r)
		}
	}()
	c := config.New()
	c.TrimBlocks, c.LeftStripBlocks = true, true
	text = choices(generation.ReplaceAllString(text, ""))
	loader, err := loaders.NewMemoryLoader(map[string]string{"/chat": text})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	filters := exec.NewFilterSet(map[string]exec.FilterFunction{"tojson": toJSON})
	if t, err = exec.NewTemplate("/chat", c, loader, &exec.Environment{
		Context: exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables).
			Update(exec.NewContext(map[string]any{choose: choice})),
		Filters: exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters).Update(filters), Tests: builtins.Tests,
		ControlStructures: builtins.ControlStructures, Methods: builtins.Methods,
	}); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrSource, tail(err.Error()))
	}
	return t, nil
}

// tail is the end of a library's error, which repeats the whole program before it says what is wrong.
func tail(s string) string {
	if len(s) > 200 {
		return "..." + s[len(s)-200:]
	}
	return s
}

// render runs the program on one probe.
func render(t *exec.Template, s Source, p Probe) (r Result) {
	defer func() {
		if f := recover(); f != nil {
			r = Result{Error: fmt.Sprint(f)}
		}
	}()
	raised := ""
	data := map[string]any{
		"messages": plain(p.Messages), "bos_token": s.BOS, "eos_token": s.EOS, "add_generation_prompt": true,
		"raise_exception": func(text string) (string, error) {
			raised = text
			return "", errors.New(text)
		},
	}
	if strings.Contains(s.Text, "strftime_now") {
		data["strftime_now"] = today(formats(s.Text), p.Date)
	}
	if len(p.Tools) > 0 {
		data["tools"] = p.Tools
	}
	maps.Copy(data, p.Set)
	out := &bounded{}
	if err := t.Execute(out, exec.NewContext(data)); err != nil {
		if raised == "" {
			raised = err.Error()
		}
		return Result{Error: clip(raised, 300)}
	}
	return Result{Text: out.String()}
}

// plain are messages as templates expect them.
func plain(messages []Message) []any {
	out := make([]any, len(messages))
	for i, m := range messages {
		turn := map[string]any{"role": m.Role, "content": m.Content}
		if len(m.Calls) > 0 {
			calls := make([]any, len(m.Calls))
			for k, c := range m.Calls {
				calls[k] = map[string]any{"id": fmt.Sprintf("call%05d", k), "type": "function", "function": map[string]any{"name": c.Name, "arguments": c.Arguments}}
			}
			turn["tool_calls"] = calls
		}
		if m.Reasoning != "" {
			for _, name := range reasoningNames() {
				turn[name] = m.Reasoning
			}
		}
		if m.Role == "tool" {
			turn["tool_call_id"] = "call00000"
		}
		out[i] = turn
	}
	return out
}

// bounded is a text that does not grow for ever.
type bounded struct{ strings.Builder }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxOutput {
		return 0, fmt.Errorf("it prints more than %d bytes", maxOutput)
	}
	return b.Builder.Write(p)
}

func (b *bounded) WriteString(s string) (int, error) { return b.Write([]byte(s)) }

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}

// order is that of the keys of probes, which a Go map forgets.
var order = []string{"type", "function", "name", "description", "parameters", "properties", "required", "arguments"}

// toJSON is the filter as model authors know it: members in their order, nothing escaped for HTML.
func toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	indent := 0
	if v, ok := params.KwArgs["indent"]; ok && v.IsInteger() {
		indent = min(max(v.Integer(), 0), 8)
	}
	var b strings.Builder
	writeJSON(&b, in.ToGoSimpleType(false), indent, 1)
	return exec.AsSafeValue(b.String())
}

func writeJSON(b *strings.Builder, v any, indent, depth int) {
	line := func(depth int, between bool) {
		if indent > 0 {
			b.WriteString("\n" + strings.Repeat(" ", indent*depth))
		} else if between {
			b.WriteByte(' ')
		}
	}
	list := func(open, end string, n int, member func(i int)) {
		b.WriteString(open)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			line(depth, i > 0)
			member(i)
		}
		if n > 0 {
			line(depth-1, false)
		}
		b.WriteString(end)
	}
	switch v := v.(type) {
	case map[string]any:
		keys := slices.SortedFunc(maps.Keys(v), func(x, y string) int {
			return slices.Index(order, x)*1000 - slices.Index(order, y)*1000 + strings.Compare(x, y)
		})
		list("{", "}", len(keys), func(i int) {
			writeJSON(b, keys[i], indent, depth+1)
			b.WriteString(": ")
			writeJSON(b, v[keys[i]], indent, depth+1)
		})
	case []any:
		list("[", "]", len(v), func(i int) { writeJSON(b, v[i], indent, depth+1) })
	default:
		var text strings.Builder
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		if e.Encode(v) != nil {
			text.WriteString("null")
		}
		b.WriteString(strings.TrimSuffix(text.String(), "\n"))
	}
}

// Deadline is the most time that a program may take in all.
const Deadline = 20 * time.Second

var _ io.Writer = (*bounded)(nil)
