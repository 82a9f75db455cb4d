//go:build unix

package node_test

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"elenchus/commitment/claim"
	"elenchus/service/node"
)

// limited runs a test again in a process of its own, where it may limit what files it writes.
func limited(t *testing.T, inside func(t *testing.T, limit func(bytes uint64))) {
	t.Helper()
	const mark = "ELENCHUS_TEST_LIMITED"
	if os.Getenv(mark) != t.Name() {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), mark+"="+t.Name())
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ) // so that the kernel's answer is EFBIG
	inside(t, func(bytes uint64) {
		var now unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &now); err != nil {
			t.Fatal(err)
		}
		now.Cur = min(bytes, now.Max)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &now); err != nil {
			t.Fatal(err)
		}
	})
}

// Where the kernel lets the store of a node grow no more, each answer either has a receipt that is kept or none at
// all; what was kept stays, and with room again the node goes on. SPEC 15 §3.4.
func TestNoRoomForClaims(t *testing.T) {
	limited(t, func(t *testing.T, limit func(bytes uint64)) {
		w := newWorld(t)
		n := w.start()
		files, err := filepath.Glob(filepath.Join(w.o.Dir, "*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		size := int64(0)
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				size = max(size, info.Size())
			}
		}
		limit(uint64(size))
		fills(t, w, n, func() { limit(1 << 62) })
	})
}

// fills has a node answer until its store takes no more, and then gives it room.
func fills(t *testing.T, w *world, n *node.Node, room func()) {
	t.Helper()
	var kept []claim.Hash
	seed := uint64(1)
	for ; ; seed++ {
		r, err := n.Serve(t.Context(), w.job(seed), nil)
		if err != nil {
			if r != nil || !strings.Contains(err.Error(), "keep claim") {
				t.Fatalf("with %+v: %v", r, err)
			}
			break
		}
		if kept = append(kept, r.Claim.ID(domain)); seed > 5000 {
			t.Fatal("the store never fills")
		}
	}
	if last := lastLine(t, n, w.job(seed)); last.Receipt != "" || !strings.Contains(last.Error, "keep claim") {
		t.Errorf("over HTTP it ends with %+v", last)
	}
	room()
	if last := lastLine(t, n, w.job(seed)); last.Receipt == "" {
		t.Errorf("with room again: %+v", last)
	}
	w.close(n)
	n = w.start()
	defer w.close(n)
	if load, err := n.Load(); err != nil || load.Pending != len(kept)+1 {
		t.Errorf("%d claims were handed out, and %+v is kept: %v", len(kept)+1, load, err)
	}
}
