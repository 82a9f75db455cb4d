package app

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestWhatDoesNotFitIsRefusedWithBothNumbers(t *testing.T) {
	if _, err := diskFree("."); err != nil {
		t.Skip("this system does not tell its free disk")
	}
	err := checkRoom("the model", 0, t.TempDir(), math.MaxInt64)
	if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "the model needs 8796093022208 MiB of disk in") || !strings.Contains(err.Error(), "MiB are free") {
		t.Errorf("error %v", err)
	}
	if _, err := memoryFree(); err != nil {
		t.Skip("this system does not tell its free memory")
	}
	err = checkRoom("the model", math.MaxInt64, "", 0)
	if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "the model needs 8796093022208 MiB of memory, ") {
		t.Errorf("error %v", err)
	}
	if err := checkRoom("nothing", 1, t.TempDir(), 1); err != nil {
		t.Error(err)
	}
}

func TestMemoryOfTheSystemIsRead(t *testing.T) {
	for _, c := range []struct {
		text string
		want uint64
		ok   bool
	}{
		{"MemTotal:       24000000 kB\nMemAvailable:   1000 kB\n", 1000 << 10, true},
		{"MemTotal: 1 kB\n", 0, false},
		{"MemAvailable: x kB\n", 0, false},
	} {
		if got, ok := meminfo(c.text); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %d %v", c.text, got, ok)
		}
	}
	for _, c := range []struct {
		limit, used, stat string
		want              uint64
		ok                bool
	}{
		{"max\n", "5\n", "", 0, false},
		{"100\n", "60\n", "anon 1\ninactive_file 20\n", 60, true},
		{"100\n", "160\n", "", 0, true},
		{"100\n", "?\n", "", 0, false},
	} {
		if got, ok := groupFree(c.limit, c.used, c.stat); got != c.want || ok != c.ok {
			t.Errorf("%+v: %d %v", c, got, ok)
		}
	}
}

// TestAFolderKeepsTheDotsOfItsName where the name of a file loses its extension.
func TestAFolderKeepsTheDotsOfItsName(t *testing.T) {
	for path, want := range map[string]string{"a/Some-3.2-1B": "Some-3.2-1B", "a/Some-3.2-1B/": "Some-3.2-1B", "m.gguf": "m", "x/model.safetensors": "model", "m.elm": "m"} {
		if got := title(path); got != want {
			t.Errorf("%q is called %q, want %q", path, got, want)
		}
	}
}
