package claim

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
)

// Amount is a number of token units in 0..2^128-1. The zero value is 0.
type Amount struct{ Hi, Lo uint64 }

// Units is the amount of n token units.
func Units(n uint64) Amount { return Amount{Lo: n} }

// MaxAmount is 2^128-1.
var MaxAmount = Amount{Hi: 1<<64 - 1, Lo: 1<<64 - 1}

// Cmp is -1, 0 or 1 as a is less than, equal to or greater than b.
func (a Amount) Cmp(b Amount) int {
	switch {
	case a == b:
		return 0
	case a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo:
		return -1
	}
	return 1
}

// IsZero says whether a is 0.
func (a Amount) IsZero() bool { return a == Amount{} }

// Min is the smaller of a and b.
func (a Amount) Min(b Amount) Amount {
	if a.Cmp(b) <= 0 {
		return a
	}
	return b
}

// Add is a + b, or ErrAmount above 2^128-1.
func (a Amount) Add(b Amount) (Amount, error) {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, over := bits.Add64(a.Hi, b.Hi, carry)
	if over != 0 {
		return Amount{}, fmt.Errorf("%w: %s + %s", ErrAmount, a, b)
	}
	return Amount{hi, lo}, nil
}

// Sub is a - b, or ErrAmount below 0.
func (a Amount) Sub(b Amount) (Amount, error) {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	hi, under := bits.Sub64(a.Hi, b.Hi, borrow)
	if under != 0 {
		return Amount{}, fmt.Errorf("%w: %s - %s", ErrAmount, a, b)
	}
	return Amount{hi, lo}, nil
}

// Less is a - b, or 0 where b is larger.
func (a Amount) Less(b Amount) Amount {
	if d, err := a.Sub(b); err == nil {
		return d
	}
	return Amount{}
}

// Mul is a * n, or ErrAmount above 2^128-1.
func (a Amount) Mul(n uint64) (Amount, error) {
	c1, lo := bits.Mul64(a.Lo, n)
	over, hi := bits.Mul64(a.Hi, n)
	hi, carry := bits.Add64(hi, c1, 0)
	if over != 0 || carry != 0 {
		return Amount{}, fmt.Errorf("%w: %s * %d", ErrAmount, a, n)
	}
	return Amount{hi, lo}, nil
}

// Div is floor(a / n); n must not be 0.
func (a Amount) Div(n uint64) Amount {
	hi := a.Hi / n
	lo, _ := bits.Div64(a.Hi%n, a.Lo, n)
	return Amount{hi, lo}
}

// Bytes is the 16-byte big-endian form.
func (a Amount) Bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	return b
}

// AmountFrom reads the 16-byte big-endian form.
func AmountFrom(b [16]byte) Amount {
	return Amount{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// Big is a as a newly allocated integer.
func (a Amount) Big() *big.Int {
	b := a.Bytes()
	return new(big.Int).SetBytes(b[:])
}

// AmountFromBig reads an integer, or fails with ErrAmount outside 0..2^128-1.
func AmountFromBig(v *big.Int) (Amount, error) {
	if v == nil || v.Sign() < 0 || v.BitLen() > 128 {
		return Amount{}, fmt.Errorf("%w: %v", ErrAmount, v)
	}
	var b [16]byte
	v.FillBytes(b[:])
	return AmountFrom(b), nil
}

// String is the decimal form.
func (a Amount) String() string { return a.Big().String() }

// ParseAmount reads a decimal number of token units: digits only, without leading zeros.
func ParseAmount(s string) (Amount, error) {
	v, ok := new(big.Int), len(s) > 0 && len(s) <= 39
	if ok {
		v, ok = v.SetString(s, 10)
	}
	if !ok || v.String() != s {
		return Amount{}, fmt.Errorf("%w: %q is not a decimal number of token units", ErrAmount, s)
	}
	return AmountFromBig(v)
}

// MarshalText is the decimal form, so that JSON carries amounts as strings.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the decimal form.
func (a *Amount) UnmarshalText(b []byte) error {
	v, err := ParseAmount(string(b))
	if err == nil {
		*a = v
	}
	return err
}
