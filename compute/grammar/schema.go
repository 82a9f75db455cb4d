package grammar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// How deep answers go where a schema does not say. SPEC 16 §3.8.
const (
	FreeDepth = 5 // levels of objects and lists in an answer that may be any object
	openDepth = 2 // levels in a value of which the schema says nothing
	Recursion = 4 // times that a $ref may stand in itself
)

// maxElements bounds minItems, maxItems, minLength and maxLength.
const maxElements = 1 << 13

// Object is the automaton of any object of JSON, FreeDepth levels deep.
func Object() (*Automaton, error) { return automaton(anyObject(anything(FreeDepth - 1))) }

// Schema is the automaton of the values of a JSON Schema as grammars write them: SPEC 16 §3.8 says what is
// supported and what is written. Anything else is refused with ErrGrammar, by its name and place.
func Schema(text []byte) (*Automaton, error) {
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	return automaton((&schema{root: root}).part(root, "#"))
}

// schema is a JSON Schema on its way to a part.
type schema struct {
	root *value
	open []string // references that are being followed
}

// annotations say nothing about a value. Of definitions those count that something refers to.
var annotations = []string{"title", "description", "default", "examples", "example", "$schema", "$id", "$comment", "deprecated",
	"readOnly", "writeOnly", "$defs", "definitions"}

// keywords by the kinds of values that they say something about.
var keywords = []struct{ kinds, names []string }{
	{[]string{"object"}, []string{"properties", "required", "additionalProperties"}},
	{[]string{"array"}, []string{"items", "prefixItems", "minItems", "maxItems"}},
	{[]string{"string"}, []string{"minLength", "maxLength", "pattern", "format"}},
	{[]string{"integer"}, []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}},
}

// part is what a schema describes; path is its place. It is written when the builder comes to it, so that
// schemas may refer to themselves.
func (s *schema) part(v *value, path string) part {
	return func(b *builder, from int32) int32 {
		p, err := s.read(v, path)
		if err != nil {
			b.fail("schema, %s: %w", path, err)
			return from
		}
		return p(b, from)
	}
}

func (s *schema) read(v *value, path string) (part, error) {
	switch v.kind {
	case 't':
		return anything(openDepth), nil
	case 'f':
		return never, nil
	case '{':
	default:
		return nil, fmt.Errorf("a schema is an object, true or false")
	}
	p, err := s.described(v, path)
	if n := v.get("nullable"); err == nil && n != nil && n.kind == 't' {
		p = either(p, null())
	}
	return p, err
}

// described reads a schema that is an object.
func (s *schema) described(v *value, path string) (part, error) {
	for _, whole := range []string{"$ref", "anyOf", "oneOf", "allOf", "const", "enum"} {
		x := v.get(whole)
		if x == nil {
			continue
		}
		if err := alone(v, whole); err != nil {
			return nil, err
		}
		switch whole {
		case "$ref":
			return s.reference(x)
		case "const":
			return constant(x), nil
		case "enum":
			return enum(v, x)
		}
		return s.union(whole, x, path)
	}
	kinds, err := kindsOfValues(v)
	if err != nil {
		return nil, err
	}
	if err := known(v, kinds); err != nil {
		return nil, err
	}
	var out []part
	for _, k := range kinds {
		p, err := s.kind(k, v, path)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return either(out...), nil
}

// alone says that nothing but annotations stands beside a keyword; beside enum and const the type may.
func alone(v *value, keyword string) error {
	for _, k := range v.keys {
		typed := k == "type" && (keyword == "enum" || keyword == "const")
		if k != keyword && !typed && k != "nullable" && !slices.Contains(annotations, k) {
			return fmt.Errorf("%s beside %s is not supported", quote(k), keyword)
		}
	}
	return nil
}

// known says that every keyword of a schema is one that is kept to.
func known(v *value, kinds []string) error {
	for _, name := range v.keys {
		if name == "type" || name == "nullable" || slices.Contains(annotations, name) || name == "uniqueItems" && v.get(name).kind == 'f' {
			continue
		}
		found := false
		for _, k := range keywords {
			found = found || slices.Contains(k.names, name)
		}
		if !found {
			return fmt.Errorf("%s is not supported", quote(name))
		}
		if slices.Contains(kinds, "number") && slices.Contains(keywords[len(keywords)-1].names, name) {
			return fmt.Errorf("%s of numbers is not supported, only of integers", name)
		}
	}
	return nil
}

// kindsOfValues are the types that a schema allows: those that it names, or those that its keywords are about,
// or all.
func kindsOfValues(v *value) (out []string, err error) {
	all := []string{"object", "array", "string", "number", "integer", "boolean", "null"}
	t := v.get("type")
	if t == nil {
		for _, k := range keywords {
			for _, name := range k.names {
				if v.get(name) != nil && !slices.Contains(out, k.kinds[0]) {
					out = append(out, k.kinds[0])
				}
			}
		}
		if len(out) == 0 {
			return []string{"any"}, nil
		}
		return out, nil
	}
	names := []*value{t}
	if t.kind == '[' {
		names = t.of
	}
	for _, n := range names {
		if n.kind != '"' || !slices.Contains(all, n.text) {
			return nil, fmt.Errorf("type %s is not one of %s", quote(n.text), strings.Join(all, ", "))
		}
		out = append(out, n.text)
	}
	return out, nil
}

func (s *schema) kind(name string, v *value, path string) (part, error) {
	switch name {
	case "any":
		return anything(openDepth), nil
	case "object":
		return s.object(v, path)
	case "array":
		return s.array(v, path)
	case "string":
		return stringOf(v)
	case "integer":
		return integerOf(v)
	case "number":
		return number(), nil
	case "boolean":
		return boolean(), nil
	}
	return null(), nil
}

// object has the properties that are named, in their order. Where none is, its members may have any name,
// unless additionalProperties is false.
func (s *schema) object(v *value, path string) (part, error) {
	rest := anything(openDepth - 1)
	extra := v.get("additionalProperties")
	if extra != nil && extra.kind == '{' {
		rest = s.part(extra, path+"/additionalProperties")
	} else if extra != nil && extra.kind != 't' && extra.kind != 'f' {
		return nil, fmt.Errorf("additionalProperties is a schema, true or false")
	}
	closed := extra != nil && extra.kind == 'f'
	var members []member
	if of := v.get("properties"); of != nil {
		if of.kind != '{' {
			return nil, fmt.Errorf("properties is an object")
		}
		for i, name := range of.keys {
			members = append(members, member{name: name, value: s.part(of.of[i], path+"/properties/"+name)})
		}
	}
	if need := v.get("required"); need != nil {
		for _, n := range need.of {
			at := slices.IndexFunc(members, func(m member) bool { return m.name == n.text })
			if at < 0 && closed {
				return never, nil
			}
			if at < 0 {
				at, members = len(members), append(members, member{name: n.text, value: rest})
			}
			members[at].needed = true
		}
	}
	if len(members) == 0 && !closed {
		return anyObject(rest), nil
	}
	return object(members), nil
}

func (s *schema) array(v *value, path string) (part, error) {
	least, most, err := bounds(v, "minItems", "maxItems")
	if err != nil {
		return nil, err
	}
	rest := anything(openDepth - 1)
	if items := v.get("items"); items != nil {
		switch items.kind {
		case '[':
			return nil, fmt.Errorf("a list of items is not supported; use prefixItems")
		case 'f':
			rest = nil
		default:
			rest = s.part(items, path+"/items")
		}
	}
	var first []part
	if p := v.get("prefixItems"); p != nil {
		for i, x := range p.of {
			first = append(first, s.part(x, path+"/prefixItems/"+strconv.Itoa(i)))
		}
	}
	if len(first) == 0 && rest != nil && least == 0 && most < 0 {
		return seq(literal("["), separated(rest), literal("]")), nil
	}
	return list(first, rest, least, most), nil
}

// bounds are two keywords of counts; the second is -1 without one.
func bounds(v *value, low, high string) (least, most int, err error) {
	most = -1
	for _, k := range []struct {
		name string
		to   *int
	}{{low, &least}, {high, &most}} {
		x := v.get(k.name)
		if x == nil {
			continue
		}
		n, err := strconv.ParseUint(x.text, 10, 31)
		if err != nil || x.kind != 0 || n > maxElements {
			return 0, 0, fmt.Errorf("%s %s is not a number from 0 to %d", k.name, quote(x.text), maxElements)
		}
		*k.to = int(n)
	}
	if most >= 0 && most < least {
		return 0, 0, fmt.Errorf("%s %d is above %s %d", low, least, high, most)
	}
	return least, most, nil
}

func (s *schema) union(name string, x *value, path string) (part, error) {
	if x.kind != '[' || len(x.of) == 0 {
		return nil, fmt.Errorf("%s is a list of schemas", name)
	}
	if name == "allOf" && len(x.of) > 1 {
		return nil, fmt.Errorf("allOf of more than one schema is not supported")
	}
	var out []part
	for i, of := range x.of {
		out = append(out, s.part(of, path+"/"+name+"/"+strconv.Itoa(i)))
	}
	return either(out...), nil
}

// reference follows a $ref within the schema. One that stands in itself too often describes nothing.
func (s *schema) reference(x *value) (part, error) {
	rest, ok := strings.CutPrefix(x.text, "#")
	if x.kind != '"' || !ok || rest != "" && rest[0] != '/' {
		return nil, fmt.Errorf("$ref %s does not begin with #/", quote(x.text))
	}
	to := s.root
	for _, key := range strings.Split(rest, "/")[1:] {
		key = strings.ReplaceAll(strings.ReplaceAll(key, "~1", "/"), "~0", "~")
		if to = to.get(key); to == nil {
			return nil, fmt.Errorf("$ref %s leads nowhere", quote(x.text))
		}
	}
	return func(b *builder, from int32) int32 {
		times := 0
		for _, o := range s.open {
			if o == x.text {
				times++
			}
		}
		if times > Recursion {
			return never(b, from)
		}
		if len(s.open) >= maxNested {
			b.fail("schema: references lie deeper than %d", maxNested)
			return from
		}
		s.open = append(s.open, x.text)
		end := s.part(to, x.text)(b, from)
		s.open = s.open[:len(s.open)-1]
		return end
	}, nil
}

// constant is a value as grammars write it: members in the order of the schema.
func constant(v *value) part {
	switch v.kind {
	case '"':
		return exactly(v.text)
	case '{':
		var members []member
		for i, k := range v.keys {
			members = append(members, member{k, constant(v.of[i]), true})
		}
		return object(members)
	case '[':
		var out []part
		for _, x := range v.of {
			out = append(out, constant(x))
		}
		return list(out, nil, len(out), len(out))
	}
	return literal(v.text)
}

// enum is one of some values, those that are of the type if one stands beside it.
func enum(v, of *value) (part, error) {
	if of.kind != '[' || len(of.of) == 0 {
		return nil, fmt.Errorf("enum is a list of values")
	}
	kinds, err := kindsOfValues(v)
	if err != nil {
		return nil, err
	}
	var out []part
	for _, x := range of.of {
		if slices.ContainsFunc(kinds, func(k string) bool { return k == "any" || isOf(x, k) }) {
			out = append(out, constant(x))
		}
	}
	return either(out...), nil
}

// isOf says whether a value is of a type.
func isOf(v *value, kind string) bool {
	switch v.kind {
	case '{':
		return kind == "object"
	case '[':
		return kind == "array"
	case '"':
		return kind == "string"
	case 't', 'f':
		return kind == "boolean"
	case 'n':
		return kind == "null"
	}
	return kind == "number" || kind == "integer" && !strings.ContainsAny(v.text, ".eE")
}
