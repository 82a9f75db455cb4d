package template

import (
	"fmt"
	"strconv"
	"strings"
)

// Date is a day of the Gregorian calendar, years 1 to 9999. The zero value is no date.
type Date struct{ Year, Month, Day int }

// ParseDate reads a date written as 2006-01-02, and no other way.
func ParseDate(text string) (Date, error) {
	var d Date
	bad := fmt.Errorf("date %.32q is none like 2006-01-02", text)
	if len(text) != 10 || text[4] != '-' || text[7] != '-' {
		return Date{}, bad
	}
	for _, f := range []struct {
		to   *int
		text string
	}{{&d.Year, text[:4]}, {&d.Month, text[5:7]}, {&d.Day, text[8:]}} {
		for _, c := range []byte(f.text) {
			if c < '0' || c > '9' {
				return Date{}, bad
			}
			*f.to = 10**f.to + int(c-'0')
		}
	}
	if d.Year < 1 || d.Month < 1 || d.Month > 12 || d.Day < 1 || d.Day > daysOf(d.Year, d.Month) {
		return Date{}, fmt.Errorf("date %s is not in the calendar", text)
	}
	return d, nil
}

// String is the date as ParseDate reads it.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// FromUnix is the UTC date of a time in unix seconds, from 1970 to 9999; later ones are the last day.
func FromUnix(seconds uint64) Date {
	days := int(min(seconds/86400, 2932896)) // 9999-12-31
	d := Date{1970, 1, 1}
	for n := 365 + leap(d.Year); days >= n; n = 365 + leap(d.Year) {
		days, d.Year = days-n, d.Year+1
	}
	for n := daysOf(d.Year, d.Month); days >= n; n = daysOf(d.Year, d.Month) {
		days, d.Month = days-n, d.Month+1
	}
	d.Day += days
	return d
}

func leap(year int) int {
	if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 1
	}
	return 0
}

func daysOf(year, month int) int {
	switch month {
	case 2:
		return 28 + leap(year)
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// dayOfYear counts from 1.
func (d Date) dayOfYear() int {
	n := d.Day
	for m := 1; m < d.Month; m++ {
		n += daysOf(d.Year, m)
	}
	return n
}

// weekday is 0 on Sundays: 0001-01-01 was a Monday.
func (d Date) weekday() int {
	y := d.Year - 1
	return (365*y + y/4 - y/100 + y/400 + d.dayOfYear()) % 7
}

const (
	monthNames = "January February March April May June July August September October November December"
	dayNames   = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday"
)

// directive is what stands for one of strftime's, in the C locale; ok is false for those that are not of
// a date.
func (d Date) directive(name string) (text string, ok bool) {
	month, day := func() string { return strings.Fields(monthNames)[d.Month-1] }, func() string { return strings.Fields(dayNames)[d.weekday()] }
	switch name {
	case "Y":
		return fmt.Sprintf("%04d", d.Year), true
	case "y":
		return fmt.Sprintf("%02d", d.Year%100), true
	case "m":
		return fmt.Sprintf("%02d", d.Month), true
	case "-m":
		return strconv.Itoa(d.Month), true
	case "d":
		return fmt.Sprintf("%02d", d.Day), true
	case "-d":
		return strconv.Itoa(d.Day), true
	case "e":
		return fmt.Sprintf("%2d", d.Day), true
	case "j":
		return fmt.Sprintf("%03d", d.dayOfYear()), true
	case "B":
		return month(), true
	case "b":
		return month()[:3], true
	case "A":
		return day(), true
	case "a":
		return day()[:3], true
	case "F":
		return d.String(), true
	case "%":
		return "%", true
	}
	return "", false
}

// Format writes the date by a format of strftime: %Y %y %m %-m %d %-d %e %j %B %b %A %a %F %%. It fails
// with ErrTemplate for other directives, those of times of day among them. SPEC 04 §4.2.7.
func (d Date) Format(format string) (string, error) {
	var out strings.Builder
	for rest := format; ; {
		before, after, found := strings.Cut(rest, "%")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		n := min(1, len(after))
		if strings.HasPrefix(after, "-") {
			n = min(2, len(after))
		}
		text, ok := d.directive(after[:n])
		if !ok {
			return "", fmt.Errorf("%w: %q in the date format %.64q has no form", ErrTemplate, "%"+after[:n], format)
		}
		out.WriteString(text)
		rest = after[n:]
	}
}

// Bounds of the formats of a template.
const (
	maxFormats = 4
	maxFormat  = 64
)

// Blank is what stands in literals for the date in format i: a NUL and a digit.
func Blank(i int) string { return "\x00" + string(rune('0'+i)) }

// checkBlanks says why a text holds something else than blanks of n formats where a NUL is, or nil.
func checkBlanks(s string, n int) error {
	for i := 0; i < len(s); i++ {
		if s[i] != 0 {
			continue
		}
		if i+1 == len(s) || s[i+1] < '0' || int(s[i+1]-'0') >= n {
			return fmt.Errorf("%w: a NUL in %.64q that is no blank of %d date formats", ErrTemplate, s, n)
		}
	}
	return nil
}

// fill puts the date into the blanks of a literal.
func fill(s string, dates []string) string {
	for i, d := range dates {
		s = strings.ReplaceAll(s, Blank(i), d)
	}
	return s
}
