package decode

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Bounds on the text of a number; every float64 that a client prints fits with room to spare.
const (
	maxDecimalText     = 64  // bytes
	maxDecimalExponent = 400 // absolute value
)

// ErrDecimal marks a text that is no decimal number, or one too long to be worth reading.
var ErrDecimal = errors.New("not a decimal number of at most 64 characters with an exponent within 400")

// Decimal is an exact number: mantissa * 10^-scale. It is made by ParseDecimal.
type Decimal struct {
	mantissa *big.Int
	scale    int
}

// ParseDecimal reads a JSON number exactly. It accepts nothing that JSON does not; the error is
// ErrDecimal.
func ParseDecimal(text string) (Decimal, error) {
	if len(text) > maxDecimalText {
		return Decimal{}, ErrDecimal
	}
	number, exponentText, hasExponent := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, hasFraction := strings.Cut(number, ".")
	digits := strings.TrimPrefix(whole, "-")
	if !allDigits(digits) || (len(digits) > 1 && digits[0] == '0') || (hasFraction && !allDigits(fraction)) {
		return Decimal{}, ErrDecimal
	}
	exponent := 0
	if hasExponent {
		unsigned := strings.TrimPrefix(strings.TrimPrefix(exponentText, "+"), "-")
		if len(exponentText)-len(unsigned) > 1 || !allDigits(unsigned) {
			return Decimal{}, ErrDecimal
		}
		var err error
		exponent, err = strconv.Atoi(exponentText)
		if err != nil || exponent > maxDecimalExponent || exponent < -maxDecimalExponent {
			return Decimal{}, ErrDecimal
		}
	}
	mantissa, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return Decimal{}, ErrDecimal
	}
	return Decimal{mantissa, len(fraction) - exponent}, nil
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
func (d Decimal) ratio() (num, den *big.Int) {
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(d.scale, -d.scale))), nil)
	if d.scale < 0 {
		return power.Mul(power, d.mantissa), big.NewInt(1)
	}
	return d.mantissa, power
}

// Compare returns the sign of d - n.
func (d Decimal) Compare(n int64) int {
	num, den := d.ratio()
	return num.Cmp(den.Mul(den, big.NewInt(n)))
}

// Q16 returns floor(d*65536 + 1/2). The caller has bounded d so that the result fits.
func (d Decimal) Q16() int64 { return d.Fixed(16) }

// Fixed returns floor(d*2^bits + 1/2). The caller has bounded d so that the result fits.
func (d Decimal) Fixed(bits uint) int64 {
	num, den := d.ratio()
	twice := new(big.Int).Lsh(num, bits+1) // 2 * 2^bits * num
	twice.Add(twice, den)
	// Div is Euclidean, hence a floor for the positive divisor 2*den.
	return twice.Div(twice, new(big.Int).Lsh(den, 1)).Int64()
}

// ParseTemperature reads a temperature from 0 to 2 from its decimal text into Q16, rounding half up.
// The error matches ErrDecimal or ErrJob.
func ParseTemperature(text string) (uint32, error) {
	d, err := ParseDecimal(text)
	if err != nil {
		return 0, err
	}
	if d.Compare(0) < 0 || d.Compare(2) > 0 {
		return 0, fmt.Errorf("%w: the temperature must be from 0 to 2", ErrJob)
	}
	return uint32(d.Q16()), nil
}
