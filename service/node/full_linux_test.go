package node_test

import (
	"testing"

	"golang.org/x/sys/unix"
)

// The same on a disk without free blocks, where this process may mount one of its own. SPEC 15 §3.4.
func TestClaimsOnAFullDisk(t *testing.T) {
	w := newWorld(t)
	if err := unix.Mount("tmpfs", w.o.Dir, "tmpfs", 0, "size=160k"); err != nil {
		t.Skipf("a small disk of its own takes the rights to mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(w.o.Dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	fills(t, w, w.start(), func() {
		if err := unix.Mount("tmpfs", w.o.Dir, "tmpfs", unix.MS_REMOUNT, "size=64m"); err != nil {
			t.Fatal(err)
		}
	})
}
