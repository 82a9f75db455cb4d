package elenchus

import (
	"encoding/json"
	"fmt"
	"slices"

	"elenchus/commitment/receipt"
	"elenchus/compute/grammar"
)

// What a request wants of the form of its answer: JSON of a schema, calls of tools. SPEC 16 §3.8 to §3.11.

// format reads response_format. SPEC 16 §3.8.
func (f fields) format(a *receipt.Asked) error {
	var format struct {
		Type   string `json:"type"`
		Schema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	}
	if err := f.read("response_format", &format); err != nil {
		return err
	}
	asked := &grammar.Format{}
	switch format.Type {
	case "", "text":
		return nil
	case "json_object":
	case "json_schema":
		if asked.Schema = string(format.Schema.Schema); asked.Schema == "" {
			return fmt.Errorf("%w: request: response_format of the type json_schema without a schema", ErrInput)
		}
	default:
		return fmt.Errorf("%w: request: response_format of the type %.64q", ErrInput, format.Type)
	}
	if _, err := (&grammar.Use{Format: asked}).Automaton(nil); err != nil {
		return fmt.Errorf("%w: request: response_format: %w", ErrInput, err)
	}
	a.Use.Format = asked
	return nil
}

// tools reads the tools that the model was shown.
func (f fields) tools(a *receipt.Asked) error {
	var choice string
	if json.Unmarshal(f["tool_choice"], &choice) == nil && choice == "none" {
		return nil
	}
	var all []json.RawMessage
	if err := f.read("tools", &all); err != nil {
		return err
	}
	allowed, err := f.allowed()
	if err != nil {
		return err
	}
	for _, t := range all {
		if allowed == nil || allowed[nameOf(t)] {
			a.Tools = append(a.Tools, string(t))
		}
	}
	return f.use(a)
}

// use reads which calls the request wants: of any tool, of one, or one at most; strict are the names of tools that
// are strict where templates do not see it. SPEC 16 §3.11.
func (f fields) use(a *receipt.Asked, strict ...string) (err error) {
	if len(a.Tools) == 0 {
		return nil
	}
	if a.Use.Tools, err = grammar.ReadTools(a.Tools); err != nil {
		return fmt.Errorf("%w: request: tools: %w", ErrInput, err)
	}
	for i := range a.Use.Tools {
		t := &a.Use.Tools[i]
		t.Strict = t.Strict || slices.Contains(strict, t.Name)
	}
	many := true
	if err := f.read("parallel_tool_calls", &many); err != nil {
		return err
	}
	a.Use.Single = !many
	choice := f["tool_choice"]
	switch {
	case string(choice) == `"required"`:
		a.Use.Forced = true
	case len(choice) > 0 && choice[0] == '{':
		return f.calls(a)
	}
	return nil
}

// calls reads a tool_choice that is an object, in the words of any dialect.
func (f fields) calls(a *receipt.Asked) error {
	var c struct {
		Type    string `json:"type"`
		Name    string `json:"name"`
		Mode    string `json:"mode"`
		Single  bool   `json:"disable_parallel_tool_use"`
		Allowed struct {
			Mode string `json:"mode"`
		} `json:"allowed_tools"`
	}
	if err := f.read("tool_choice", &c); err != nil {
		return err
	}
	a.Use.Single = a.Use.Single || c.Single
	switch c.Type {
	case "function":
		if a.Use.Named = c.Name; c.Name == "" {
			a.Use.Named = nameOf(f["tool_choice"])
		}
		a.Use.Forced = true
	case "tool":
		a.Use.Named, a.Use.Forced = c.Name, true
	case "any":
		a.Use.Forced = true
	default:
		a.Use.Forced = c.Mode == "required" || c.Allowed.Mode == "required"
	}
	return nil
}

// nameOf is the name of a function that a model may be shown.
func nameOf(tool json.RawMessage) string {
	var t struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	_ = json.Unmarshal(tool, &t) // without a name it is none of those that are allowed
	return t.Function.Name
}

// allowed are the names of the tools that the request lets the model see; nil: all.
func (f fields) allowed() (map[string]bool, error) {
	if raw := f["tool_choice"]; len(raw) == 0 || raw[0] != '{' {
		return nil, nil
	}
	var choice struct {
		Type    string `json:"type"`
		Allowed struct {
			Tools []json.RawMessage `json:"tools"`
		} `json:"allowed_tools"`
	}
	if err := f.read("tool_choice", &choice); err != nil || choice.Type != "allowed_tools" {
		return nil, err
	}
	names := make(map[string]bool)
	for _, t := range choice.Allowed.Tools {
		names[nameOf(t)] = true
	}
	return names, nil
}
