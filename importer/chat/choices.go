package chat

import (
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// choose is the name of the function that stands for a conditional expression in parentheses.
const choose = "zqchoose"

// choice is what it does.
func choice(condition, yes, no any) any {
	if exec.AsValue(condition).IsTrue() {
		return yes
	}
	return no
}

// choices writes "(x if c else y)" as a call: the library knows such expressions only where no
// parentheses stand around them.
func choices(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		i := strings.IndexByte(text, '(')
		if i < 0 {
			break
		}
		end := closing(text, i)
		if end < 0 || i > 0 && callable(text[i-1]) {
			out.WriteString(text[:i+1])
			text = text[i+1:]
			continue
		}
		inside := text[i+1 : end]
		yes, rest, ok1 := split(inside, " if ")
		condition, no, ok2 := split(rest, " else ")
		if !ok1 || !ok2 {
			out.WriteString(text[:i+1])
			text = text[i+1:]
			continue
		}
		out.WriteString(text[:i] + choose + "(" + choices(condition) + ", " + choices(yes) + ", " + choices(no) + ")")
		text = text[end+1:]
	}
	return out.String() + text
}

func callable(c byte) bool {
	return c == '_' || c == ']' || c == ')' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// closing is the place of the parenthesis that closes the one at i, or -1 if there is none before
// the end of the expression.
func closing(text string, i int) int {
	depth := 0
	for ; i < len(text); i++ {
		switch c := text[i]; c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		case '\'', '"':
			if i = quoted(text, i); i < 0 {
				return -1
			}
		case '%', '}':
			if i+1 < len(text) && text[i+1] == '}' {
				return -1
			}
		}
	}
	return -1
}

// quoted is the place of the quote that ends the string at i, or -1.
func quoted(text string, i int) int {
	quote := text[i]
	for i++; i < len(text); i++ {
		if text[i] == '\\' {
			i++
		} else if text[i] == quote {
			return i
		}
	}
	return -1
}

// split cuts an expression at a word that stands outside strings and parentheses.
func split(text, word string) (before, after string, ok bool) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '(':
			if i = closing(text, i); i < 0 {
				return text, "", false
			}
		case c == '\'' || c == '"':
			if i = quoted(text, i); i < 0 {
				return text, "", false
			}
		case strings.HasPrefix(text[i:], word):
			return text[:i], text[i+len(word):], true
		}
	}
	return text, "", false
}
