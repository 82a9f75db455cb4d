package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

const (
	maxBody    = 4 << 20 // bytes of a request body
	maxDepth   = 32      // nesting of arrays and objects in a request
	maxMembers = 128     // members of one object that is read member by member
)

// checkText refuses what encoding/json would repair in silence: bytes that are not UTF-8, escapes that are not
// characters, and nesting beyond maxDepth. It does not check the grammar.
func checkText(body []byte) *failure {
	if !utf8.Valid(body) {
		return badBody("the body is not valid UTF-8")
	}
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			n := escapeLen(body[i:])
			if n == 0 {
				return badBody(fmt.Sprintf("byte %d starts half of a \\u surrogate pair", i))
			}
			i += n - 1
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return badBody(fmt.Sprintf("the body is nested more than %d deep", maxDepth))
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// escapeLen returns how many bytes the escape at the start of b takes, 0 if it is half of a surrogate pair.
// Malformed escapes are left for the grammar to reject.
func escapeLen(b []byte) int {
	unit, ok := unicodeEscape(b)
	if !ok {
		return min(2, len(b))
	}
	if unit < 0xD800 || unit > 0xDFFF {
		return 6
	}
	low, ok := unicodeEscape(b[6:])
	if unit > 0xDBFF || !ok || low < 0xDC00 || low > 0xDFFF {
		return 0
	}
	return 12
}

// unicodeEscape reads \uXXXX at the start of b.
func unicodeEscape(b []byte) (uint64, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return unit, err == nil
}

// member is one name and value of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// null reports whether the value is JSON null, which means "not given" throughout the dialect.
func (m member) null() bool { return string(m.value) == "null" }

// members splits an object into its members in order. A name that occurs twice is refused: two readers of the same
// request could disagree on what it says. where names the object in messages.
func members(object []byte, where string) ([]member, *failure) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, badBody(where + " must be a JSON object")
	}
	var out []member
	seen := make(map[string]bool)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, badBody(where + " is not valid JSON" + reason(err))
		}
		if seen[name] {
			return nil, badBody(where + " has the member " + strconv.Quote(clip(name, 64)) + " twice")
		}
		seen[name] = true
		if len(out) == maxMembers {
			return nil, badBody(fmt.Sprintf("%s has more than %d members", where, maxMembers))
		}
		m := member{name: name}
		if err := d.Decode(&m.value); err != nil {
			return nil, badBody(where + " is not valid JSON" + reason(err))
		}
		out = append(out, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, badBody(where + " is not valid JSON" + reason(err))
	}
	if len(bytes.TrimSpace(object[d.InputOffset():])) != 0 {
		return nil, badBody(where + " is followed by more text")
	}
	return out, nil
}

// each visits the elements of the list m in order until visit fails.
func each(m member, visit func(i int, element json.RawMessage) *failure) *failure {
	d := json.NewDecoder(bytes.NewReader(m.value))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return badParam(m.name, m.name+" must be a list")
	}
	for i := 0; d.More(); i++ {
		var element json.RawMessage
		if err := d.Decode(&element); err != nil {
			return badBody(m.name + " is not valid JSON" + reason(err))
		}
		if f := visit(i, element); f != nil {
			return f
		}
	}
	return nil
}

// reason renders a decoding error as the end of a message.
func reason(err error) string {
	if err == nil {
		return ""
	}
	return ": " + clip(err.Error(), 120)
}

// kind returns the first byte of a JSON value, which tells its type.
func kind(v json.RawMessage) byte {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

// readString reads a JSON string of at most limit bytes.
func readString(m member, limit int) (string, *failure) {
	var s string
	if kind(m.value) != '"' || json.Unmarshal(m.value, &s) != nil {
		return "", badParam(m.name, m.name+" must be a string")
	}
	if len(s) > limit {
		return "", badParam(m.name, fmt.Sprintf("%s must be at most %d bytes, not %d", m.name, limit, len(s)))
	}
	return s, nil
}

// readBool reads true or false.
func readBool(m member) (bool, *failure) {
	switch string(m.value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, badParam(m.name, m.name+" must be true or false")
}

// readInt reads an integer in [low, high] written without fraction or exponent.
func readInt(m member, low, high int64) (int64, *failure) {
	n, err := strconv.ParseInt(string(m.value), 10, 64)
	if err != nil || n < low || n > high {
		return 0, badParam(m.name, fmt.Sprintf("%s must be an integer from %d to %d, not %s",
			m.name, low, high, clip(string(m.value), 40)))
	}
	return n, nil
}
