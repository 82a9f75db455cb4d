package engine_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The work of matrix units, done for a process by its parent: an instruction that the processor does
// not know stops the thread, the parent reads it, does to tiles of its own and to memory what the
// manual of the instruction says, and lets the thread go on behind it. Faults that the manual names are
// errors. Intel SDM volume 2, LDTILECFG, TILELOADD, TILESTORED, TDPBUSD, TILEZERO,
// TILERELEASE.

// tiles are the matrix registers of a thread.
type tiles struct {
	live       bool
	rows, cols [8]int
	data       [8][16][64]uint8
}

// tracer does the work for the threads of a process.
type tracer struct {
	mem     *os.File
	threads map[int]*tiles
	done    map[string]int // instructions
}

// emulateUnits runs the calling test as a process of its own.
func emulateUnits(t *testing.T) {
	runtime.LockOSThread() // the thread that starts a process traces it
	defer runtime.UnlockOSThread()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	c.Env, c.Stdout, c.Stderr = append(os.Environ(), emulated+"=amx"), out, out
	c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := c.Start(); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Skipf("this processor has no matrix units and programs may not be traced here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	tr := &tracer{threads: map[int]*tiles{}, done: map[string]int{}}
	code, err := tr.run(c.Process.Pid)
	said, _ := os.ReadFile(out.Name())
	if err != nil || code != 0 {
		_ = c.Process.Kill()
		t.Fatalf("exit %d, %v:\n%s", code, err, said)
	}
	t.Logf("emulated: %v", tr.done)
	if tr.done["tdpbusd"] == 0 || tr.done["tilezero"] == 0 || tr.done["ldtilecfg"] != tr.done["tilerelease"] {
		t.Errorf("the work was not done with matrix units, or tiles were left: %v\n%s", tr.done, said)
	}
}

// run follows a process and all its threads to its end.
func (tr *tracer) run(pid int) (code int, err error) {
	if tr.mem, err = os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0); err != nil {
		return 0, err
	}
	defer tr.mem.Close()
	const options, all = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL, unix.WALL | unix.WNOTHREAD
	for started := false; ; {
		var s unix.WaitStatus
		id, err := unix.Wait4(-1, &s, all, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, err
		case s.Exited() && id == pid:
			return s.ExitStatus(), nil
		case s.Signaled() && id == pid:
			return -1, fmt.Errorf("ended by %v", s.Signal())
		case !s.Stopped():
			continue
		case !started:
			started = true
			if err := unix.PtraceSetOptions(id, options); err != nil {
				return 0, err
			}
		}
		signal, err := tr.stopped(id, s.StopSignal())
		if err != nil {
			return 0, err
		}
		if err := unix.PtraceCont(id, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return 0, err
		}
	}
}

// stopped handles a stop of a thread and says which signal it gets.
func (tr *tracer) stopped(id int, s syscall.Signal) (int, error) {
	switch s {
	case unix.SIGILL:
		return 0, tr.instruction(id)
	case unix.SIGTRAP, unix.SIGSTOP: // the start of a process, of a thread
		return 0, nil
	}
	return int(s), nil
}

// instruction does one instruction for a thread.
func (tr *tracer) instruction(id int) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(id, &r); err != nil {
		return err
	}
	var code [16]uint8
	if _, err := tr.mem.ReadAt(code[:], int64(r.Rip)); err != nil {
		return err
	}
	if tr.threads[id] == nil {
		tr.threads[id] = &tiles{}
	}
	n, err := tr.do(tr.threads[id], &r, code[:])
	if err != nil {
		return fmt.Errorf("% x: %w", code, err)
	}
	r.Rip += uint64(n)
	return unix.PtraceSetRegs(id, &r)
}

var errNotOurs = errors.New("not an instruction of matrix units, or one that would fault")

// do decodes VEX.128 of map 0F38, W0, and returns the length of the instruction.
func (tr *tracer) do(u *tiles, r *unix.PtraceRegs, c []uint8) (int, error) {
	if c[0] != 0xc4 || c[1]&0x1f != 2 || c[2]&0x84 != 0 {
		return 0, errNotOurs
	}
	pp, vvvv, op, mod, reg, rm := c[2]&3, int(^c[2]>>3&15), c[3], c[4]>>6, int(c[4]>>3&7), int(c[4]&7)
	switch {
	case op == 0x49 && pp == 0 && c[4] == 0xc0 && vvvv == 0:
		tr.done["tilerelease"]++
		*u = tiles{}
		return 5, nil
	case op == 0x49 && pp == 3 && mod == 3 && rm == 0 && vvvv == 0:
		tr.done["tilezero"]++
		return 5, u.zero(reg)
	case op == 0x49 && pp == 0 && mod == 0 && reg == 0 && rm != 4 && rm != 5 && vvvv == 0:
		tr.done["ldtilecfg"]++
		return 5, tr.configure(u, register(r, rm|int(^c[1]>>5&1)<<3))
	case op == 0x4b && (pp == 3 || pp == 2) && mod != 3 && rm == 4 && vvvv == 0:
		return tr.move(u, r, c, pp == 3)
	case op == 0x5e && pp == 1 && mod == 3 && vvvv < 8:
		tr.done["tdpbusd"]++
		return 5, u.multiply(reg, rm, vvvv)
	}
	return 0, errNotOurs
}

// register is the value of a general register by its number.
func register(r *unix.PtraceRegs, n int) uint64 {
	return [16]uint64{r.Rax, r.Rcx, r.Rdx, r.Rbx, r.Rsp, r.Rbp, r.Rsi, r.Rdi, r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15}[n]
}

// configure is LDTILECFG with palette 1.
func (tr *tracer) configure(u *tiles, at uint64) error {
	var c [64]uint8
	if _, err := tr.mem.ReadAt(c[:], int64(at)); err != nil {
		return err
	}
	*u = tiles{live: true}
	if c[0] != 1 || c[1] != 0 {
		return errNotOurs
	}
	for i := range c {
		if (i >= 2 && i < 16 || i >= 32 && i < 48 || i >= 56) && c[i] != 0 {
			return errNotOurs
		}
	}
	for i := range 8 {
		u.cols[i], u.rows[i] = int(binary.LittleEndian.Uint16(c[16+2*i:])), int(c[48+i])
		if u.cols[i] > 64 || u.rows[i] > 16 || (u.cols[i] == 0) != (u.rows[i] == 0) {
			return errNotOurs
		}
	}
	return nil
}

// move is TILELOADD or TILESTORED: base + index * scale + displacement, where the index is the stride.
func (tr *tracer) move(u *tiles, r *unix.PtraceRegs, c []uint8, load bool) (int, error) {
	i, sib := int(c[4]>>3&7), c[5]
	base, index := int(sib&7|^c[1]>>5&1<<3), int(sib>>3&7|^c[1]>>6&1<<3)
	at, n := register(r, base), 6
	switch mod := c[4] >> 6; {
	case mod == 1:
		at, n = at+uint64(int64(int8(c[6]))), 7
	case mod == 2:
		at, n = at+uint64(int64(int32(binary.LittleEndian.Uint32(c[6:])))), 10
	case base&7 == 5:
		return 0, errNotOurs
	}
	if !u.live || u.rows[i] == 0 || index == 4 {
		return 0, errNotOurs
	}
	stride := register(r, index) << (sib >> 6)
	if load {
		tr.done["tileloadd"]++
		u.data[i] = [16][64]uint8{}
	} else {
		tr.done["tilestored"]++
	}
	for row := range u.rows[i] {
		part, where := u.data[i][row][:u.cols[i]], int64(at+uint64(row)*stride)
		var err error
		if load {
			_, err = tr.mem.ReadAt(part, where)
		} else {
			_, err = tr.mem.WriteAt(part, where)
		}
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// zero is TILEZERO.
func (u *tiles) zero(i int) error {
	if !u.live || u.rows[i] == 0 {
		return errNotOurs
	}
	u.data[i] = [16][64]uint8{}
	return nil
}

// multiply is TDPBUSD: to each 32-bit sum of dst, of a row m and a column n, it adds four products of
// an unsigned byte of row m of a and a signed byte of b, for each row of b.
func (u *tiles) multiply(dst, a, b int) error {
	if !u.live || dst == a || dst == b || a == b || u.rows[dst] == 0 || u.cols[dst] == 0 ||
		u.rows[dst] != u.rows[a] || u.cols[dst] != u.cols[b] || u.cols[a] != 4*u.rows[b] || u.cols[b]%4 != 0 {
		return errNotOurs
	}
	for m := range u.rows[dst] {
		for n := 0; n < u.cols[dst]; n += 4 {
			sum := int32(binary.LittleEndian.Uint32(u.data[dst][m][n:]))
			for k := range u.rows[b] {
				for i := range 4 {
					sum += int32(u.data[a][m][4*k+i]) * int32(int8(u.data[b][k][n+i]))
				}
			}
			binary.LittleEndian.PutUint32(u.data[dst][m][n:], uint32(sum))
		}
	}
	return nil
}
