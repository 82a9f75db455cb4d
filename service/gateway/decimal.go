package gateway

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// Bounds on the text of a number; every float64 that a client prints fits with room to spare.
const (
	maxDecimalText     = 64  // bytes
	maxDecimalExponent = 400 // absolute value
)

var errDecimal = errors.New("not a decimal number of at most 64 characters with an exponent within 400")

// decimal is an exact number: mantissa * 10^-scale.
type decimal struct {
	mantissa *big.Int
	scale    int
}

// parseDecimal reads a JSON number exactly. It accepts nothing that JSON does not.
func parseDecimal(text string) (decimal, error) {
	if len(text) > maxDecimalText {
		return decimal{}, errDecimal
	}
	number, exponentText, hasExponent := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, hasFraction := strings.Cut(number, ".")
	digits := strings.TrimPrefix(whole, "-")
	if !allDigits(digits) || (len(digits) > 1 && digits[0] == '0') || (hasFraction && !allDigits(fraction)) {
		return decimal{}, errDecimal
	}
	exponent := 0
	if hasExponent {
		unsigned := strings.TrimPrefix(strings.TrimPrefix(exponentText, "+"), "-")
		if len(exponentText)-len(unsigned) > 1 || !allDigits(unsigned) {
			return decimal{}, errDecimal
		}
		var err error
		exponent, err = strconv.Atoi(exponentText)
		if err != nil || exponent > maxDecimalExponent || exponent < -maxDecimalExponent {
			return decimal{}, errDecimal
		}
	}
	mantissa, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return decimal{}, errDecimal
	}
	return decimal{mantissa, len(fraction) - exponent}, nil
}

// allDigits reports whether s is one or more ASCII digits.
func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// ratio returns the number as numerator and positive denominator.
func (d decimal) ratio() (num, den *big.Int) {
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(d.scale, -d.scale))), nil)
	if d.scale < 0 {
		return power.Mul(power, d.mantissa), big.NewInt(1)
	}
	return d.mantissa, power
}

// compare returns the sign of d - n.
func (d decimal) compare(n int64) int {
	num, den := d.ratio()
	return num.Cmp(den.Mul(den, big.NewInt(n)))
}

// q16 returns floor(d*65536 + 1/2). The caller has bounded d so that the result fits.
func (d decimal) q16() int64 {
	num, den := d.ratio()
	twice := new(big.Int).Lsh(num, 17) // 2*65536*num
	twice.Add(twice, den)
	// Div is Euclidean, hence a floor for the positive divisor 2*den.
	return twice.Div(twice, new(big.Int).Lsh(den, 1)).Int64()
}
