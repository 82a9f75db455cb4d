package app

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A pull onto a disk that fills while it runs ends with the kernel's reason, lists nothing and goes on when there is
// room; where the room is short from the start it says so before it begins.
func TestPullOntoAFullDisk(t *testing.T) {
	_, o := newHub(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("a small disk of its own takes the rights to mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s, err := OpenStore(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	fill := func() {
		f, err := os.Create(ballast)
		for err == nil {
			_, err = f.Write(bytes.Repeat([]byte{1}, 4096))
		}
		if !errors.Is(err, syscall.ENOSPC) || f.Close() != nil {
			t.Fatal(err)
		}
	}
	fill()
	if _, err := s.Pull(t.Context(), "who/tiny:Q8_0", o); err == nil || errors.Is(err, syscall.ENOSPC) {
		t.Errorf("onto a full disk: %v", err) // said before anything was written
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	full := false
	o.Progress = func(string, int64, int64) { // it is on its way
		if !full {
			full = true
			fill()
		}
	}
	if _, err := s.Pull(t.Context(), "who/tiny:Q8_0", o); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("onto a disk that fills: %v", err)
	}
	if all, err := s.List(); err != nil || len(all) != 0 {
		t.Errorf("%v is listed, %v", all, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Pull(t.Context(), "who/tiny:Q8_0", o); err != nil || m.Name != "tiny" {
		t.Errorf("with room again: %+v, %v", m, err)
	}
}
