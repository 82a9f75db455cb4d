package template_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"elenchus/compute/template"
)

// Dates are those of the calendar, and their texts those of the C locale, for every day of 1970 to 2100.
func TestDatesAreThoseOfTheCalendar(t *testing.T) {
	const ours = "%Y %y %m %-m %d %-d %e %j %B %b %A %a %F %%"
	for day := time.Unix(0, 0).UTC(); day.Year() <= 2100; day = day.AddDate(0, 0, 1) {
		d := template.FromUnix(uint64(day.Unix() + 86399))
		want := day.Format("2006 06 01 1 02 2 _2 002 January Jan Monday Mon 2006-01-02") + " %"
		if got, err := d.Format(ours); err != nil || got != want || d.String() != day.Format(time.DateOnly) {
			t.Fatalf("%s: %q, %v, want %q", day, got, err, want)
		}
		if back, err := template.ParseDate(d.String()); err != nil || back != d {
			t.Fatalf("%s reads as %v, %v", d, back, err)
		}
	}
	if got := template.FromUnix(1<<64 - 1).String(); got != "9999-12-31" {
		t.Errorf("the end of time is %s", got)
	}
	first, err := template.ParseDate("0001-01-01")
	if text, _ := first.Format("%A"); err != nil || text != "Monday" {
		t.Errorf("the first day is %s, %v", text, err)
	}
	for _, bad := range []string{"", "2026-1-1", "2026-13-01", "2026-02-29", "2026-00-10", "2026-01-00", "0000-01-01", "20261-01-1", "2026/01/01", "+026-01-01", "2026-01-01 "} {
		if d, err := template.ParseDate(bad); err == nil {
			t.Errorf("%q is %v", bad, d)
		}
	}
	for _, bad := range []string{"%H", "%", "%-", "%-B", "%s", "%Q", "%%%"} {
		if text, err := first.Format(bad); !errors.Is(err, template.ErrTemplate) {
			t.Errorf("%q gives %q, %v", bad, text, err)
		}
	}
}

// Templates with blanks that no date would fill are refused.
func TestDatedTemplatesRefuse(t *testing.T) {
	blank := template.Blank(0)
	for name, c := range map[string]struct {
		turns   template.Turns
		tools   *template.Tools
		formats []string
	}{
		"no format":        {template.Turns{Begin: "x"}, nil, nil},
		"five formats":     {template.Turns{}, nil, []string{"%Y", "%m", "%d", "%B", "%b"}},
		"a clock":          {template.Turns{}, nil, []string{"%H"}},
		"a long format":    {template.Turns{}, nil, []string{strings.Repeat("x", 65)}},
		"another blank":    {template.Turns{Begin: template.Blank(1)}, nil, []string{"%Y"}},
		"half a blank":     {template.Turns{Generation: "x\x00"}, nil, []string{"%Y"}},
		"a date that cuts": {template.Turns{Cut: blank}, nil, []string{"%Y"}},
		"tools inside":     {template.Turns{}, &template.Tools{Turns: template.Turns{Begin: blank}, At: [template.LiteralCount]uint16{1, 0, 0, 0, 0, 0}}, []string{"%Y"}},
		"calls":            {template.Turns{}, &template.Tools{HasCalls: true, CallsEnd: blank}, []string{"%Y"}},
	} {
		if _, err := template.NewDated(c.turns, c.tools, c.formats); !errors.Is(err, template.ErrTemplate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d, err := template.NewDated(template.Turns{Begin: "<" + blank + "|" + blank + ">"}, nil, []string{"%Y"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := template.Parse(d.Encode())
	if err != nil || string(again.Encode()) != string(d.Encode()) || again.Form() != template.Dated {
		t.Errorf("reads back as %v, %v", again, err)
	}
	if got := render(t, d, template.Conversation{Date: template.Date{Year: 2026, Month: 1, Day: 2}}); got != "<2026|2026>" {
		t.Errorf("%q", got)
	}
}
