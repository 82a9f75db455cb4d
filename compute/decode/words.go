package decode

import (
	"fmt"
	"strconv"
	"strings"
)

// Words says what settings do, for people: "top-k 40, top-p 0.9, stop strings ["END"]"; "none" for those that do nothing.
// Numbers are rounded to five digits after the point.
func (s *Sampler) Words() string {
	var out []string
	add := func(there bool, format string, args ...any) {
		if there {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	add(s.TopK != 0, "top-k %d", s.TopK)
	add(s.TopP != 0, "top-p %s", Fixed(int64(s.TopP), 30))
	add(s.MinP != 0, "min-p %s", Fixed(int64(s.MinP), 30))
	add(s.Repetition != 0, "repetition penalty %s", Fixed(int64(s.Repetition), 16))
	add(s.Presence != 0, "presence penalty %s", Fixed(int64(s.Presence), 16))
	add(s.Frequency != 0, "frequency penalty %s", Fixed(int64(s.Frequency), 16))
	add(len(s.Bias) > 0, "bias of %s", biases(s))
	add(len(s.Stops) > 0, "stop strings %q", s.Stops)
	if s.Grammar != nil {
		out = append(out, fmt.Sprintf("the grammar %x", s.Grammar.Root))
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

// biases are the first of the biased tokens.
func biases(s *Sampler) string {
	const most = 4
	var b strings.Builder
	for i, t := range s.Bias {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(s.Bias)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "token %d by %s", t.ID, Fixed(int64(t.Value), 16))
	}
	return b.String()
}

// Fixed is v / 2^bits as a decimal of at most five digits after the point, rounded half away from 0. bits is at most 40, v below
// 2^40 in magnitude.
func Fixed(v int64, bits uint) string {
	const scale = 100_000
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	whole, rest := v>>bits, v&(1<<bits-1)
	parts := (rest*scale + 1<<bits>>1) >> bits // below 2^57
	if parts == scale {
		whole, parts = whole+1, 0
	}
	if whole == 0 && parts == 0 {
		sign = ""
	}
	text := sign + strconv.FormatInt(whole, 10)
	if parts == 0 {
		return text
	}
	return text + "." + strings.TrimRight(fmt.Sprintf("%05d", parts), "0")
}
