package main

import "testing"

// Nothing that somebody else wrote steers a terminal; letters of every script stay what they are.
func TestTamedTextSteersNothing(t *testing.T) {
	for given, want := range map[string]string{
		"": "",
		"two\nlines\tof \u00e9\u4e2d\U0001f469\u200d\U0001f680": "two\nlines\tof \u00e9\u4e2d\U0001f469\u200d\U0001f680",
		"\x1b[2Jred\x07\r":  `\u001b[2Jred\u0007\u000d`,
		"a\u009b31mb\x7f":   `a\u009b31mb\u007f`,
		"user\u202egpj.exe": `user\u202egpj.exe`,
		"cut \xc3":          `cut \xc3`,
		"\ufffd":            "\ufffd",
	} {
		if got := tame(given); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
