package chat_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"elenchus/compute/template"
	"elenchus/importer/chat"
)

// Programs of our own in the manner of the families that people run.
var programs = map[string]string{
	"chatml": `{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}` +
		`{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`,
	"default system": `{%- for m in messages %}
    {%- if loop.first and m.role != 'system' %}
        {{- '<|im_start|>system\nYou help.<|im_end|>\n' }}
    {%- endif %}
    {{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}`,
	"tags with tools": `{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\n\n' }}
    {%- endif %}
    {{- "# Tools\n\nYou may call:\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n<tool_call> {\"name\": ..., \"arguments\": ...} </tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == 'assistant' %}
        {%- set content = message.content %}
        {%- if '</think>' in content %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\n' + content }}
        {%- if message.tool_calls %}
            {%- for call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\n' }}
                {%- endif %}
                {{- '<tool_call>\n{"name": "' }}
                {{- call.function.name }}
                {{- '", "arguments": ' }}
                {{- call.function.arguments | tojson }}
                {{- '}\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.first or (messages[loop.index0 - 1].role != 'tool') %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' + message.content + '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != 'tool') %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}`,
	"headers": `{{ bos_token }}{% for m in messages %}{{ '<|start|>' + m['role'] + '<|end|>\n\n' + m['content'] | trim + '<|eot|>' }}{% endfor %}` +
		`{% if add_generation_prompt %}{{ '<|start|>assistant<|end|>\n\n' }}{% endif %}`,
	"dated system": `{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] | trim %}{%- set messages = messages[1:] %}{%- else %}{%- set system = "" %}{%- endif %}
{{- "<|start|>system<|end|>\n\nCutoff: 2023\n\n" }}{{- system }}{{- "<|eot|>" }}
{%- if tools is defined and tools is not none %}
    {%- set first = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
    {{- '<|start|>user<|end|>\n\nFunctions:\n\n' }}
    {%- for t in tools %}{{- t | tojson(indent=4) }}{{- "\n\n" }}{%- endfor %}
    {{- first + "<|eot|>" }}
{%- endif %}
{%- for m in messages %}{{- '<|start|>' + m['role'] + '<|end|>\n\n' + m['content'] | trim + '<|eot|>' }}{%- endfor %}
{{- '<|start|>assistant<|end|>\n\n' }}`,
	"today": `{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] | trim %}{%- set messages = messages[1:] %}{%- else %}{%- set system = "" %}{%- endif %}
{{- "<|start|>system<|end|>\n\nCutoff: December 2023\nToday Date: " + date_string + "\n\n" }}{{- system }}{{- "<|eot|>" }}
{%- for m in messages %}{{- '<|start|>' + m['role'] + '<|end|>\n\n' + m['content'] | trim + '<|eot|>' }}{%- endfor %}
{{- '<|start|>assistant<|end|>\n\n' }}`,
	"today by default": `{%- set today = strftime_now("%Y-%m-%d") %}
{%- set default_system_message = "You are a model.\nThe current date is " + today + ".\n\nToday is a " + strftime_now('%A, %B %-d') + "." %}
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}{%- set loop_messages = messages[1:] %}
{%- else %}{%- set system_message = default_system_message %}{%- set loop_messages = messages %}{%- endif %}
{{- '[SYSTEM_PROMPT]' + system_message + '[/SYSTEM_PROMPT]' }}
{%- for message in loop_messages %}
    {%- if message['role'] == 'user' %}{{- '[INST]' + message['content'] + '[/INST]' }}
    {%- elif message['role'] == 'assistant' %}{{- message['content'] + eos_token }}
    {%- else %}{{- raise_exception('Only user and assistant roles are supported!') }}{%- endif %}
{%- endfor %}`,
	"inst": `{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}` +
		`{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}` +
		`{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}` +
		`{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}` +
		`{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}` +
		`{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}`,
	"last user": `{%- if messages[0]["role"] == "system" %}{%- set system_message = messages[0]["content"] %}{%- set loop_messages = messages[1:] %}
{%- else %}{%- set loop_messages = messages %}{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message["role"] == "user") != (loop.index0 % 2 == 0) %}{{- raise_exception("roles must alternate") }}{%- endif %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and loop.last %}
            {{- "[TOOLS] [" }}
            {%- for tool in tools %}{{- tool | tojson }}{%- if not loop.last %}{{- ", " }}{%- endif %}{%- endfor %}
            {{- "][/TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] + eos_token }}
    {%- endif %}
{%- endfor %}`,
	"turn of model": `{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}` +
		`{%- set loop_messages = messages[1:] -%}{%- else -%}{%- set first_user_prefix = "" -%}{%- set loop_messages = messages -%}{%- endif -%}` +
		`{%- for message in loop_messages -%}{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception("roles must alternate") }}{%- endif -%}` +
		`{%- if (message['role'] == 'assistant') -%}{%- set role = "model" -%}{%- else -%}{%- set role = message['role'] -%}{%- endif -%}` +
		`{{ '<turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}{{ message['content'] | trim }}{{ '<end>\n' }}{%- endfor -%}` +
		`{%- if add_generation_prompt -%}{{'<turn>model\n'}}{%- endif -%}`,
	"no system": `{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}` +
		`{% if m['role'] == 'user' %}{{ '<|user|>\n' + m['content'] + '<|end|>\n<|assistant|>\n' }}{% else %}{{ m['content'] + '<|end|>\n' }}{% endif %}{% endfor %}`,
	"tag lines": `{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'user' %}{{'<|user|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>
' + message['content'] + '<|end|>
'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>
' }}{% else %}{{ eos_token }}{% endif %}`,
}

func derive(t *testing.T, text string) (*chat.Derived, error) {
	t.Helper()
	return chat.Derive(context.Background(), chat.Source{Text: text, BOS: "<s>", EOS: "</s>"}, chat.Run)
}

// Every family has a form, and the form says what it cannot do.
func TestFamiliesHaveAForm(t *testing.T) {
	wants := map[string]string{"tags with tools": "tools, calls", "dated system": "tools", "last user": "tools"}
	for name, text := range programs {
		t.Run(name, func(t *testing.T) {
			d, err := derive(t, text)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("without %s", strings.Join(d.Without, "; "))
			if want := strings.Contains(wants[name], "tools"); d.Template.HasTools() != want {
				t.Errorf("tools: %v, want %v", d.Template.HasTools(), want)
			}
			if want := strings.Contains(wants[name], "calls"); d.Template.HasCalls() != want {
				t.Errorf("calls: %v, want %v", d.Template.HasCalls(), want)
			}
			again, err := template.Parse(d.Template.Encode())
			if err != nil || string(again.Encode()) != string(d.Template.Encode()) {
				t.Errorf("the form does not read back: %v", err)
			}
		})
	}
}

// A program that prints today's date has a form with blanks, which a date fills; without one nothing is
// rendered. SPEC 04 §4.2.7.
func TestDatesFillBlanks(t *testing.T) {
	for _, c := range []struct{ name, date, want string }{
		{"today", "2026-11-05", "<s><|start|>system<|end|>\n\nCutoff: December 2023\nToday Date: 05 Nov 2026\n\n<|eot|><|start|>user<|end|>\n\nhi<|eot|><|start|>assistant<|end|>\n\n"},
		{"today by default", "2024-02-29", "<s>[SYSTEM_PROMPT]You are a model.\nThe current date is 2024-02-29.\n\nToday is a Thursday, February 29.[/SYSTEM_PROMPT][INST]hi[/INST]"},
	} {
		d, err := derive(t, programs[c.name])
		if err != nil {
			t.Fatal(err)
		}
		talk := template.Conversation{Messages: []template.Message{{Role: template.User, Content: "hi"}}}
		if _, err := d.Template.Render(talk); !d.Template.HasDate() || !errors.Is(err, template.ErrConversation) {
			t.Errorf("%s: without a date: %v", c.name, err)
		}
		if talk.Date, err = template.ParseDate(c.date); err != nil {
			t.Fatal(err)
		}
		parts, err := d.Template.Render(talk)
		if got := template.Text(parts); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
	d, err := derive(t, programs["headers"])
	if err != nil || d.Template.HasDate() {
		t.Errorf("a program without dates: %v, date %v", err, d.Template.HasDate())
	}
}

// What a program does that no form can do is refused, with the conversation that shows it.
func TestProgramsWithoutAForm(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		err  error
	}{
		"counts":   {`{% for m in messages %}{{ loop.index }}: {{ m.content }}{% endfor %}`, chat.ErrForm},
		"upper":    {`{% for m in messages %}{{ m.content | upper }}{% endfor %}`, chat.ErrForm},
		"deaf":     {`Hello!`, chat.ErrForm},
		"raises":   {`{{ raise_exception("never") }}`, chat.ErrForm},
		"syntax":   {`{% for m in messages %}`, chat.ErrSource},
		"files":    {`{% include "/etc/passwd" %}`, chat.ErrSource},
		"loop":     {`{% for i in range(1000000000) %}x{% endfor %}`, chat.ErrSource},
		"cycle":    {`{% macro a(x) %}{{ a(x) }}{% endmacro %}{{ a(1) }}`, chat.ErrSource},
		"two":      {`{% macro a(x) %}{{ b(x) }}{% endmacro %}{% macro b(x) %}{{ a(x) }}{% endmacro %}{{ a(1) }}`, chat.ErrSource},
		"large":    {strings.Repeat("x", 1<<17), chat.ErrSource},
		"loud":     {`{% for m in messages %}{% for c in messages %}` + strings.Repeat("x", 60000) + `{% endfor %}{% endfor %}`, chat.ErrForm},
		"clock":    {`{% for m in messages %}{{ strftime_now("%H:%M") + m.content }}{% endfor %}`, chat.ErrForm},
		"shouted":  {`{% for m in messages %}{{ strftime_now("%B") | upper }}{{ m.content }}{% endfor %}`, chat.ErrForm},
		"computed": {`{% set f = "%Y" %}{% for m in messages %}{{ strftime_now(f) + m.content }}{% endfor %}`, chat.ErrForm},
		"leap":     {`{% for m in messages %}{% if strftime_now("%d") == "29" %}!{% endif %}{{ m.content }}{% endfor %}`, chat.ErrForm},
		"unclosed": {`{{ messages[0].content`, chat.ErrSource},
	} {
		if _, err := derive(t, c.text); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}

func TestMain(m *testing.M) {
	chat.Child()
	m.Run()
}

// A program that doubles a text for ever ends with an error, not with this process.
func TestSandboxHolds(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := chat.Source{Text: programs["tags with tools"], BOS: "<s>", EOS: "</s>"}
	inside, err := chat.Derive(t.Context(), s, chat.Sandbox(exe))
	if err != nil {
		t.Fatal(err)
	}
	if outside, err := chat.Derive(t.Context(), s, chat.Run); err != nil || string(outside.Template.Encode()) != string(inside.Template.Encode()) {
		t.Errorf("another process gives another form (%v)", err)
	}
	bomb := `{% set ns = namespace(x='zqbombz') %}` + strings.Repeat(`{% set ns.x = ns.x ~ ns.x %}`, 60) + `{{ ns.x }}`
	if _, err := chat.Derive(t.Context(), chat.Source{Text: bomb}, chat.Sandbox(exe)); !errors.Is(err, chat.ErrSource) {
		t.Errorf("a bomb: %v", err)
	} else {
		t.Log(err)
	}
}
