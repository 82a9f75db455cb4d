package conformance_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)(?:\s+"[^"]*")?\)`)
	citation = regexp.MustCompile(`SPEC ((?:[0-9]{2}(?: §[0-9]+(?:\.[0-9]+)*)?(?:,? (?:and|to) §[0-9]+(?:\.[0-9]+)*)*(?:, |; | and )?)+)`)
	chapter  = regexp.MustCompile(`([0-9]{2})((?: §[0-9]+(?:\.[0-9]+)*|,? (?:and|to) §[0-9]+(?:\.[0-9]+)*)*)`)
	section  = regexp.MustCompile(`§([0-9]+(?:\.[0-9]+)*)`)
	anchor   = regexp.MustCompile(`(?m)^(?:#+ )?§([0-9]+(?:\.[0-9]+)*)`)
)

// chapters are the sections of each chapter of the specification, by its two digits.
func chapters(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	files, err := filepath.Glob(filepath.Join(root, "docs/spec/[0-9][0-9]-*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no specification: %v", err)
	}
	for _, f := range files {
		n := filepath.Base(f)[:2]
		if out[n] != nil {
			t.Errorf("two chapters %s", n)
		}
		out[n] = []string{""}
		for _, m := range anchor.FindAllStringSubmatch(read(t, f), -1) {
			out[n] = append(out[n], m[1])
		}
	}
	return out
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// cited lists "nn" and "nn §x" of a text.
func cited(text string) [][2]string {
	var out [][2]string
	for _, m := range citation.FindAllStringSubmatch(text, -1) {
		for _, c := range chapter.FindAllStringSubmatch(m[1], -1) {
			sections := section.FindAllStringSubmatch(c[2], -1)
			if len(sections) == 0 {
				out = append(out, [2]string{c[1], ""})
			}
			for _, s := range sections {
				out = append(out, [2]string{c[1], s[1]})
			}
		}
	}
	return out
}

// Each section that Go and Solidity cite exists. STYLE 7.
func TestCitedSectionsExist(t *testing.T) {
	spec := chapters(t)
	count := 0
	walk(t, func(file string) {
		if ext := path.Ext(file); ext != ".go" && ext != ".sol" {
			return
		}
		for _, c := range cited(read(t, filepath.Join(root, file))) {
			count++
			if !slices.Contains(spec[c[0]], c[1]) {
				t.Errorf("%s cites SPEC %s §%s, which does not exist", file, c[0], c[1])
			}
		}
	})
	if count < 50 {
		t.Errorf("only %d citations found", count)
	}
}

// The citations of a sentence are read as people read them.
func TestCitationsAreRead(t *testing.T) {
	got := cited("SPEC 02 §4.1. As in SPEC 01 §3.6, 02 §4 and SPEC 08.")
	want := [][2]string{{"02", "4.1"}, {"01", "3.6"}, {"02", "4"}, {"08", ""}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Each relative link of a document leads somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	walk(t, func(file string) {
		if path.Ext(file) != ".md" {
			return
		}
		for _, m := range link.FindAllStringSubmatch(read(t, filepath.Join(root, file)), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, path.Dir(file), target)); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, m[1])
			}
		}
	})
}

// traces are signs of the machine that something was written on, and of secrets.
var traces = []struct {
	what string
	re   *regexp.Regexp
}{
	{"a path of a machine", regexp.MustCompile(`(^|[\s"'(=` + "`" + `])(/work/|/root/|/home/[a-z]|/Users/[A-Za-z]|C:\\Users)`)},
	{"a temporary folder of one system", regexp.MustCompile(`["'` + "`" + `]/tmp/`)},
	{"a private key", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)},
	{"an access token", regexp.MustCompile(`\b(ghp_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9]{32,}|AKIA[0-9A-Z]{16}|xox[bp]-[A-Za-z0-9-]{20,})`)},
}

// Nothing that is committed names this machine or holds a secret. Tests may use temporary folders.
func TestNothingNamesThisMachine(t *testing.T) {
	t.Parallel()
	text := []string{".go", ".sol", ".md", ".mjs", ".js", ".json", ".toml", ".yml", ".yaml", ".py", ".sh", ".html", ".css", ".txt", ".mod", ""}
	walk(t, func(file string) {
		if !slices.Contains(text, path.Ext(file)) || strings.HasSuffix(file, "_test.go") || strings.Contains(file, "package-lock") {
			return
		}
		info, err := os.Stat(filepath.Join(root, file))
		if err != nil || info.Size() > 1<<22 {
			return
		}
		body := read(t, filepath.Join(root, file))
		for _, m := range traces {
			if hit := m.re.FindString(body); hit != "" {
				t.Errorf("%s holds %s: %q", file, m.what, hit)
			}
		}
	})
}
