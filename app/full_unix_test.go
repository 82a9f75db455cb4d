//go:build unix

package app

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPullWithoutRoom: where the kernel lets files grow no more, a pull ends with the reason and leaves nothing that
// is listed; with room again the same pull goes on and ends well.
func TestPullWithoutRoom(t *testing.T) {
	const mark = "ELENCHUS_TEST_LIMITED"
	if os.Getenv(mark) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPullWithoutRoom$", "-test.v")
		cmd.Env = append(os.Environ(), mark+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestPullWithoutRoom") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ) // so that the kernel's answer is EFBIG
	h, o := newHub(t)
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	whole := uint64(len(h.files["who/tiny"]["tiny-Q8_0.gguf"]))
	for name, most := range map[string]uint64{"half the download": whole / 2, "half the model": whole + whole/20} {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: most, Max: was.Max}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Pull(t.Context(), "who/tiny:Q8_0", o); !errors.Is(err, syscall.EFBIG) {
			t.Errorf("%s: %v", name, err)
		}
		if all, err := s.List(); err != nil || len(all) != 0 {
			t.Errorf("%s: %v is listed, %v", name, all, err)
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Pull(t.Context(), "who/tiny:Q8_0", o); err != nil || m.Name != "tiny" {
		t.Errorf("with room again: %+v, %v", m, err)
	}
}
