package grammar

import (
	"fmt"
	"math/big"
	"strings"
)

// formats are those that are supported, as regular expressions. Dates have no 29th of February, which is
// not one in most years.
var formats = []struct{ name, pattern string }{
	{"date", `^` + date + `$`},
	{"time", `^` + clock + `$`},
	{"date-time", `^` + date + `T` + clock + `$`},
	{"uuid", `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`},
	{"ipv4", `^` + octet + `(\.` + octet + `){3}$`},
	{"email", `^[a-z0-9]+([._+-][a-z0-9]+)*@[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*\.[a-z]{2,}$`},
	{"uri", `^https?://[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*(/[A-Za-z0-9._~-]*)*$`},
}

const (
	date  = `\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))`
	clock = `([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)`
	octet = `(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`
)

// stringOf is a string by its length, its pattern or its format, of which only one may be given.
func stringOf(v *value) (part, error) {
	least, most, err := bounds(v, "minLength", "maxLength")
	if err != nil {
		return nil, err
	}
	expression, format := v.get("pattern"), v.get("format")
	switch {
	case expression == nil && format == nil:
		return text(least, most), nil
	case least > 0 || most >= 0 || expression != nil && format != nil:
		return nil, fmt.Errorf("of lengths, pattern and format only one is supported")
	case format == nil:
		if expression.kind != '"' {
			return nil, fmt.Errorf("pattern is a string")
		}
		return pattern(expression.text)
	}
	var names []string
	for _, f := range formats {
		if f.name == format.text && format.kind == '"' {
			return pattern(f.pattern)
		}
		names = append(names, f.name)
	}
	return nil, fmt.Errorf("format %s is not supported, only %s", quote(format.text), strings.Join(names, ", "))
}

// integerOf is an integer by its bounds.
func integerOf(v *value) (part, error) {
	var lo, hi *big.Int
	for _, k := range []struct {
		name string
		to   **big.Int
		step int64
		less int // what a bound that is there must be compared with this one
	}{{"minimum", &lo, 0, 1}, {"exclusiveMinimum", &lo, 1, 1}, {"maximum", &hi, 0, -1}, {"exclusiveMaximum", &hi, -1, -1}} {
		x := v.get(k.name)
		if x == nil {
			continue
		}
		n, ok := new(big.Int).SetString(x.text, 10)
		if !ok || x.kind != 0 || len(x.text) > maxDigits {
			return nil, fmt.Errorf("%s %s is not an integer of at most %d digits", k.name, quote(x.text), maxDigits)
		}
		if n.Add(n, big.NewInt(k.step)); *k.to == nil || n.Cmp(*k.to) == k.less {
			*k.to = n
		}
	}
	switch {
	case lo == nil && hi == nil:
		return whole(), nil
	case lo == nil:
		return integers("", hi.String()), nil
	case hi == nil:
		return integers(lo.String(), ""), nil
	}
	return integers(lo.String(), hi.String()), nil
}
