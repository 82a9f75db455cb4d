package grammar

import "strings"

// maxDigits bounds the digits of a bound of integers.
const maxDigits = 30

// integers are those from lo to hi, in decimal digits without zeros before them; "" is no bound.
func integers(lo, hi string) part {
	low, below := strings.CutPrefix(lo, "-")
	high, above := strings.CutPrefix(hi, "-")
	var out []part
	if !above {
		from := "0"
		if lo != "" && !below {
			from = low
		}
		out = append(out, naturals(from, high))
	}
	if lo == "" || below {
		from, to := "1", low
		if above {
			from = high
		}
		out = append(out, seq(literal("-"), naturals(from, to)))
	}
	return either(out...)
}

// naturals are those from lo to hi; hi "" is no bound.
func naturals(lo, hi string) part {
	if hi != "" && (len(lo) > len(hi) || len(lo) == len(hi) && lo > hi) {
		return never
	}
	if hi == "" {
		n := len(lo)
		longer := seq(digits(1, 9), times(digits(0, 9), n, n), many(digits(0, 9)))
		return either(between(lo, strings.Repeat("9", n)), longer)
	}
	var out []part
	for n := len(lo); n <= len(hi); n++ {
		from, to := "1"+strings.Repeat("0", n-1), strings.Repeat("9", n)
		if n == len(lo) {
			from = lo
		}
		if n == len(hi) {
			to = hi
		}
		out = append(out, between(from, to))
	}
	return either(out...)
}

// between are the texts of digits from lo to hi, all of one length.
func between(lo, hi string) part {
	n := len(lo)
	if n == 0 {
		return nothing
	}
	a, z := lo[0]-'0', hi[0]-'0'
	if a == z {
		return seq(digits(a, a), between(lo[1:], hi[1:]))
	}
	var out []part
	if strings.Trim(lo[1:], "0") != "" {
		out = append(out, seq(digits(a, a), between(lo[1:], strings.Repeat("9", n-1))))
		a++
	}
	if strings.Trim(hi[1:], "9") != "" {
		out = append(out, seq(digits(z, z), between(strings.Repeat("0", n-1), hi[1:])))
		z--
	}
	if a <= z {
		out = append(out, seq(digits(a, z), times(digits(0, 9), n-1, n-1)))
	}
	return either(out...)
}
