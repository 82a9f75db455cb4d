package chat_test

import (
	"strings"
	"testing"

	"elenchus/compute/template"
)

// Programs of our own in the manner of models that reason.
var reasoners = map[string]string{
	"switch": `{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
    {{- "<tools>" }}
    {%- for tool in tools %}{{- "\n" }}{{- tool | tojson }}{%- endfor %}
    {{- "\n</tools><|im_end|>\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{%- endif %}
{%- endif %}
{%- set ns = namespace(last=-1) %}
{%- for m in messages %}{%- if m.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == 'assistant' %}
        {%- set content = message.content %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}{{- '\n' }}{%- endif %}
                {{- '<tool_call>\n{"name": "' }}{{- call.function.name }}{{- '", "arguments": ' }}{{- call.function.arguments | tojson }}{{- '}\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.first or (messages[loop.index0 - 1].role != 'tool') %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\n<tool_response>\n' + message.content + '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != 'tool') %}{{- '<|im_end|>\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
{%- endif %}`,
	"opened": `{{ bos_token }}{%- for m in messages %}{%- if m['role'] == 'system' %}{{ m['content'] }}{%- elif m['role'] == 'user' %}{{ '<User>' + m['content'] }}` +
		`{%- elif m['role'] == 'assistant' %}{%- set content = m['content'] %}{%- if '</think>' in content %}{%- set content = content.split('</think>')[-1] %}{%- endif %}` +
		`{{ '<Assistant>' + content + '<end>' }}{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{ '<Assistant><think>\n' }}{%- endif %}`,
	"efforts": `{%- set effort = reasoning_effort | default('medium') %}{{- '<|start|>system<|message|>Reasoning: ' + effort + '<|end|>' }}` +
		`{%- for m in messages %}{%- if m.role == 'system' %}{{- '<|start|>developer<|message|>' + m.content + '<|end|>' }}` +
		`{%- elif m.role == 'user' %}{{- '<|start|>user<|message|>' + m.content + '<|end|>' }}` +
		`{%- else %}{%- if m.thinking and false %}{{- '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}{%- endif %}` +
		`{{- '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}{%- endif %}{%- endfor %}{{- '<|start|>assistant' }}`,
	"asked": `{%- if thinking %}{{- '<|sys|>Think between <think> and </think>.<|end|>' }}{%- else %}{{- '<|sys|>Answer.<|end|>' }}{%- endif %}` +
		`{%- for m in messages %}{{- '<|' + m.role + '|>' + m.content + '<|end|>' }}{%- endfor %}{{- '<|assistant|>' }}`,
}

// A program of a model that reasons gives the marks, the efforts that it tells apart, and what it prints for each.
func TestReasoningIsDerived(t *testing.T) {
	for _, c := range []struct {
		name, answer, thought, said string
		ends                        map[template.Effort]string // of the prompt; "": refused
		vague                       []template.Effort          // not told from others
	}{
		{"switch", "<think>\nwell\n</think>\n\nyes", "well", "yes", map[template.Effort]string{
			template.Unsaid: "<|im_start|>assistant\n", template.MediumEffort: "<|im_start|>assistant\n",
			template.NoEffort: "<|im_start|>assistant\n<think>\n\n</think>\n\n", template.Quiet: "</think>\n\n",
		}, []template.Effort{template.LowEffort, template.HighEffort}},
		{"opened", "well\n</think>\n\nyes", "well", "yes", map[template.Effort]string{
			template.Unsaid: "<Assistant><think>\n", template.Quiet: "<Assistant><think>\n", template.NoEffort: "",
		}, []template.Effort{template.LowEffort}},
		{
			"efforts", "<|channel|>analysis<|message|>well<|end|><|start|>assistant<|channel|>final<|message|>yes", "well", "yes",
			map[template.Effort]string{template.Unsaid: "<|start|>assistant", template.HighEffort: "<|start|>assistant", template.NoEffort: ""}, nil,
		},
		{"asked", "<think>well</think>yes", "well", "yes", map[template.Effort]string{template.Unsaid: "<|assistant|>", template.NoEffort: "<|assistant|>"}, nil},
	} {
		d, err := derive(t, reasoners[c.name])
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		t.Logf("%s: without %s", c.name, strings.Join(d.Without, "; "))
		for effort, end := range c.ends {
			parts, err := d.Template.Render(template.Conversation{Messages: []template.Message{{Role: template.User, Content: "hi"}}, Effort: effort})
			if got := template.Text(parts); (err != nil) != (end == "") || !strings.HasSuffix(got, end) {
				t.Errorf("%s with effort %d: %q, %v, want %q at the end", c.name, effort, got, err, end)
			}
		}
		for _, e := range c.vague {
			if ok, own := d.Template.Effort(e); !ok || own {
				t.Errorf("%s tells effort %d from others (%v, %v)", c.name, e, ok, own)
			}
		}
		thought, said := d.Template.Thoughts(template.Conversation{}).Split(c.answer)
		if thought != c.thought || said != c.said {
			t.Errorf("%s: %q is read as %q and %q", c.name, c.answer, thought, said)
		}
	}
}

// Each effort that a program tells apart is printed in its own words.
func TestEffortsAreShown(t *testing.T) {
	for name, wants := range map[string]map[template.Effort]string{
		"efforts": {template.LowEffort: "Reasoning: low", template.Unsaid: "Reasoning: medium", template.HighEffort: "Reasoning: high"},
		"asked":   {template.Unsaid: "Answer.", template.MediumEffort: "Think between"},
	} {
		d, err := derive(t, reasoners[name])
		if err != nil {
			t.Fatal(err)
		}
		for effort, want := range wants {
			parts, err := d.Template.Render(template.Conversation{Messages: []template.Message{{Role: template.User, Content: "hi"}}, Effort: effort})
			if got := template.Text(parts); err != nil || !strings.Contains(got, want) {
				t.Errorf("%s with effort %d: %q, %v, want %q in it", name, effort, got, err, want)
			}
		}
	}
}

// Reasoning before calls stays in the prompt until the user speaks again, as the program prints it.
func TestReasoningBeforeCallsIsShown(t *testing.T) {
	d, err := derive(t, reasoners["switch"])
	if err != nil {
		t.Fatal(err)
	}
	calling := template.Message{Role: template.Assistant, Reasoning: "why", Calls: []template.Call{{Name: "f", Arguments: `{}`}}}
	c := template.Conversation{Tools: []string{`{"type": "function", "function": {"name": "f"}}`}, Messages: []template.Message{
		{Role: template.User, Content: "a"}, calling, {Role: template.Tool, Content: "1"},
	}}
	parts, err := d.Template.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := template.Text(parts), "<think>\nwhy\n</think>\n\n<tool_call>\n{\"name\": \"f\""; !strings.Contains(got, want) {
		t.Errorf("%q, want %q in it", got, want)
	}
	c.Messages = append(c.Messages, template.Message{Role: template.User, Content: "b"})
	if parts, err = d.Template.Render(c); err != nil || strings.Contains(template.Text(parts), "why") {
		t.Errorf("%q, %v: the reasoning is still there", template.Text(parts), err)
	}
}
