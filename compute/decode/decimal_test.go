package decode_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"testing"

	"elenchus/compute/decode"
)

// TestDecimalIsExact compares Q16 with rational arithmetic, and pins values that a float would round otherwise.
func TestDecimalIsExact(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "0.0": 0, "1": 65536, "2": 131072, "2.000": 131072, "0.8": 52429, "8e-1": 52429, "0.08E+1": 52429,
		"0.7": 45875, "1e0": 65536, "0.5": 32768, "5e-324": 0, "0.00000762939453125": 1, "0.00000762939453124": 0,
		"0.0000228881835937500000000000000000001": 2, "0.00002288818359374999999999999999999": 1, "1.9999923706054687": 131071, "1.9999923706054688": 131072,
	} {
		d, err := decode.ParseDecimal(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := d.Q16(); got != want {
			t.Errorf("%s: got %d, want %d", text, got, want)
		}
	}
	for _, text := range []string{"", "-", ".5", "5.", "1e", "1e+", "1e+-1", "+1", "01", "0x1", "1_0", "NaN", "1e401", "1e-401", " 1", "1 ", "--1", "1.2.3", "1e1e1", "٣"} {
		if _, err := decode.ParseDecimal(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"0.8", "8e-1", "-0.0", "1e400", "00", "2.0000000000000001", "1E+2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := decode.ParseDecimal(text)
		if err != nil {
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q is not a JSON number", text)
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is not a number", text)
		}
		if got, want := d.Compare(2), exact.Cmp(big.NewRat(2, 1)); got != want {
			t.Fatalf("compare(%q, 2) = %d, want %d", text, got, want)
		}
		if d.Compare(0) < 0 || d.Compare(2) > 0 {
			return
		}
		// |q16 - 65536 x| <= 1/2, and halves go up
		diff := new(big.Rat).Sub(big.NewRat(d.Q16(), 1), exact.Mul(exact, big.NewRat(65536, 1)))
		if diff.Cmp(big.NewRat(1, 2)) > 0 || diff.Cmp(big.NewRat(-1, 2)) <= 0 {
			t.Fatalf("%q became %d", text, d.Q16())
		}
	})
}

// TestTemperatureIsFromZeroToTwo: both ends belong to it, and the two ways of being wrong are told apart.
func TestTemperatureIsFromZeroToTwo(t *testing.T) {
	for text, want := range map[string]uint32{"0": 0, "-0": 0, "0.7": 45875, "2": decode.MaxTemperature, "20E-1": decode.MaxTemperature} {
		if got, err := decode.ParseTemperature(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]error{
		"2.0000000000000001": decode.ErrJob, "-0.0001": decode.ErrJob, "1e400": decode.ErrJob, "": decode.ErrDecimal, "warm": decode.ErrDecimal, "1/2": decode.ErrDecimal,
	} {
		if got, err := decode.ParseTemperature(text); !errors.Is(err, want) {
			t.Errorf("%q: %d, %v, want %v", text, got, err, want)
		}
	}
}
