package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of JSON: how deep it may be nested, and how many bytes a value, or the list of tools, may
// take as it is printed. An indent makes hundreds of bytes of one.
const (
	maxDepth   = 64
	maxPrinted = 1 << 22
)

// item is the JSON of a tool as the template shows it.
func (t *Tools) item(text string) (string, error) {
	if !t.Whole {
		var tool struct {
			Function json.RawMessage `json:"function"`
		}
		if err := json.Unmarshal([]byte(text), &tool); err != nil {
			return "", err
		}
		if tool.Function == nil {
			return "", errors.New(`it has no "function"`)
		}
		text = string(tool.Function)
	}
	return reprint(text, int(t.Indent))
}

// reprint prints a JSON object in the one way that prompts have it: members in their order, ", "
// and ": " between them or, with an indent, lines of their own; characters stand for themselves
// but for quotes, backslashes and controls; numbers stay as they are written. SPEC 04 §4.
func reprint(text string, indent int) (string, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	p := &jsonPrinter{d: d, indent: indent}
	if err := p.value(0); err != nil {
		return "", err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("something follows the JSON value")
	}
	if p.out.Len() > maxPrinted {
		return "", errTooLong
	}
	if s := p.out.String(); s[0] == '{' {
		return s, nil
	}
	return "", errors.New("it is no JSON object")
}

var errTooLong = fmt.Errorf("JSON takes more than %d bytes as the model would see it: shorten it", maxPrinted)

type jsonPrinter struct {
	d      *json.Decoder
	indent int
	out    strings.Builder
}

func (p *jsonPrinter) value(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("JSON nested more than %d deep", maxDepth)
	}
	if p.out.Len() > maxPrinted {
		return errTooLong
	}
	token, err := p.d.Token()
	if err != nil {
		return err
	}
	switch v := token.(type) {
	case json.Delim:
		return p.inside(v, depth+1)
	case string:
		p.text(v)
	case json.Number:
		p.out.WriteString(v.String())
	case bool:
		p.out.WriteString(map[bool]string{true: "true", false: "false"}[v])
	default:
		p.out.WriteString("null")
	}
	return nil
}

// inside prints the members of an object or array whose opening was read.
func (p *jsonPrinter) inside(open json.Delim, depth int) error {
	p.out.WriteRune(rune(open))
	n := 0
	for ; p.d.More(); n++ {
		if n > 0 {
			p.out.WriteByte(',')
		}
		p.line(depth, n > 0)
		if open == '{' {
			if err := p.value(depth); err != nil {
				return err
			}
			p.out.WriteString(": ")
		}
		if err := p.value(depth); err != nil {
			return err
		}
	}
	if n > 0 {
		p.line(depth-1, false)
	}
	end, err := p.d.Token()
	if err != nil {
		return err
	}
	p.out.WriteRune(rune(end.(json.Delim)))
	return nil
}

// line goes to the next line, or without an indent puts a space where one belongs.
func (p *jsonPrinter) line(depth int, between bool) {
	if p.indent > 0 {
		p.out.WriteString("\n" + strings.Repeat(" ", p.indent*depth))
	} else if between {
		p.out.WriteByte(' ')
	}
}

func (p *jsonPrinter) text(s string) {
	p.out.WriteByte('"')
	for _, r := range s {
		switch r {
		case '"', '\\':
			p.out.WriteByte('\\')
			p.out.WriteRune(r)
		case '\n':
			p.out.WriteString(`\n`)
		case '\r':
			p.out.WriteString(`\r`)
		case '\t':
			p.out.WriteString(`\t`)
		case '\b':
			p.out.WriteString(`\b`)
		case '\f':
			p.out.WriteString(`\f`)
		default:
			if r < ' ' {
				fmt.Fprintf(&p.out, `\u%04x`, r)
			} else {
				p.out.WriteRune(r)
			}
		}
	}
	p.out.WriteByte('"')
}
