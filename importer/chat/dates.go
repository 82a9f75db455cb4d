package chat

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"elenchus/compute/template"
)

// dated finds the formats in which a program asks for today's date.
var dated = regexp.MustCompile(`\bstrftime_now\s*\(\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*\)`)

// formats are the formats of a program's dates, each once, in the order of the program.
func formats(text string) []string {
	var out []string
	for _, m := range dated.FindAllStringSubmatch(text, -1) {
		if f := m[1] + m[2]; !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// today is the function that programs ask for the date. Without a date it gives the blank of the
// format, so that the literals of a template show where the date stands.
func today(all []string, date string) func(format string) (string, error) {
	return func(format string) (string, error) {
		i := slices.Index(all, format)
		if i < 0 {
			return "", fmt.Errorf("strftime_now(%q): only formats that the program spells out are known", clip(format, 64))
		}
		if date == "" {
			return template.Blank(i), nil
		}
		d, err := template.ParseDate(date)
		if err != nil {
			return "", err
		}
		return d.Format(format)
	}
}

// days are those on which a dated template is compared with its program: short and long names, one
// digit and two, the last day of a leap February.
func days() []string { return []string{"2024-02-29", "2025-05-04", "2031-12-19"} }

// dates makes a dated template of one whose literals have blanks. Whatever a program does with the date
// that it asks for, it is compared on several days.
func (d *deriver) dates(t template.Template, turns *template.Turns, tools *template.Tools) (template.Template, error) {
	all := formats(d.s.Text)
	if len(all) == 0 {
		return t, nil
	}
	form, err := t, error(nil)
	if t.HasBlanks() {
		if form, err = template.NewDated(*turns, tools, all); err != nil {
			return t, fmt.Errorf("%w: %w", ErrForm, err)
		}
	}
	for _, day := range days() {
		d.day = day
		err := d.battery(form, nil, turns.Flags)
		if tools != nil {
			err = errors.Join(err, d.battery(form, probeTools()[:2], tools.Flags))
		}
		if d.day = ""; err != nil {
			return t, fmt.Errorf("on %s: %w", day, err)
		}
	}
	return form, nil
}
