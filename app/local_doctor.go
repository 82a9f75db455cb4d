package app

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"elenchus/commitment/manifest"
	"elenchus/importer"
	"elenchus/models"

	"golang.org/x/sys/cpu"
)

// Finding is one thing that Doctor looked at.
type Finding struct {
	Name   string `json:"name"`
	State  string `json:"state"` // ok, note or problem
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"` // what to do about a note or a problem
}

// States of a finding.
const (
	stateOK      = "ok"
	stateNote    = "note"
	stateProblem = "problem"
)

// Problem says whether anything keeps elenchus from working.
func Problem(fs []Finding) bool {
	for _, f := range fs {
		if f.State == stateProblem {
			return true
		}
	}
	return false
}

// Least amounts below which Doctor has something to say, in bytes.
const (
	wantMemory = 2 << 30
	wantDisk   = 2 << 30
	needDisk   = 64 << 20
)

// DoctorOptions say where Doctor looks.
type DoctorOptions struct {
	Dir   string // state directory
	Ports []int  // that commands would like to have

	// What a role of a network would use; empty: not looked at.
	Model, RPC, Deployment, Key string
}

// Doctor looks at what this machine can do and what is missing.
func Doctor(ctx context.Context, o DoctorOptions) []Finding {
	out := []Finding{findBuild(), findProcessor(), findMemory(), findDisk(o.Dir), findState(o.Dir)}
	for _, p := range o.Ports {
		out = append(out, findPort(ctx, p))
	}
	if o.Key != "" {
		out = append(out, findKey(o.Key))
	}
	out = append(out, findChain(ctx, &o)...)
	if o.Model != "" {
		out = append(out, findModel(&o))
	}
	man, f := defaultModel()
	out = append(out, f)
	if man != nil {
		out = append(out, selfTest(ctx, man))
	}
	return out
}

// Build says by which Go and for what this program was built, and from which commit where that is known.
func Build() string {
	detail := fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" || s.Key == "CGO_ENABLED" {
				detail += fmt.Sprintf(", %s %s", s.Key, s.Value)
			}
		}
	}
	return detail
}

func findBuild() Finding { return Finding{Name: "build", State: stateOK, Detail: Build()} }

// features are the extensions of this processor that kernels use.
func features() []string {
	has := []string{}
	for _, f := range []struct {
		name string
		on   bool
	}{
		{"avx2", cpu.X86.HasAVX2}, {"avx512", cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW}, {"avx512vnni", cpu.X86.HasAVX512VNNI},
		{"amx-int8", cpu.X86.HasAMXInt8}, {"neon", cpu.ARM64.HasASIMD}, {"dotprod", cpu.ARM64.HasASIMDDP},
	} {
		if f.on {
			has = append(has, f.name)
		}
	}
	return has
}

func findProcessor() Finding {
	has := features()
	if len(has) == 0 {
		has = []string{"no vector extensions that elenchus knows"}
	}
	used := []string{}
	for _, k := range []string{"generic", "avx2", "avx512", "amx", "neon", "sdot"} {
		if CheckKernel(k) == nil {
			used = append(used, k)
		}
	}
	f := Finding{Name: "processor", State: stateOK, Detail: fmt.Sprintf("%d threads, %s; kernels of this build: %s",
		runtime.GOMAXPROCS(0), strings.Join(has, " "), strings.Join(used, " "))}
	if want := os.Getenv(KernelVariable); want != "" && CheckKernel(want) != nil {
		f.State, f.Detail = stateProblem, fmt.Sprintf("%s; %s names %q", f.Detail, KernelVariable, want)
		f.Fix = "set " + KernelVariable + " to one of them, or unset it"
	} else if len(used) == 1 && len(has) > 0 {
		f.State, f.Fix = stateNote, "this processor could do more than the kernels of this build: build for it without the tag purego"
	}
	return f
}

// available reads /proc/meminfo.
func available() (uint64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // read only
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		w := strings.Fields(lines.Text())
		if len(w) == 3 && w[0] == "MemAvailable:" {
			kib, err := strconv.ParseUint(w[1], 10, 54)
			return kib << 10, err
		}
	}
	return 0, errors.New("there is no line MemAvailable")
}

func findMemory() Finding {
	free, err := available()
	f := Finding{Name: "memory", State: stateOK, Detail: fmt.Sprintf("%d MiB available", free>>20)}
	if err != nil {
		f.Detail = "unknown on this system"
	} else if free < wantMemory {
		f.State, f.Fix = stateNote, fmt.Sprintf("a whole local network takes up to %d MiB: close other programs, or run single roles", wantMemory>>20)
	}
	return f
}

func findDisk(dir string) Finding {
	free, err := diskFree(existing(dir))
	f := Finding{Name: "disk", State: stateOK, Detail: fmt.Sprintf("%d MiB free for %s", free>>20, dir)}
	switch {
	case err != nil:
		f.Detail = "unknown on this system"
	case free < needDisk:
		f.State, f.Fix = stateProblem, "free some space, or name another state directory with --dir"
	case free < wantDisk:
		f.State, f.Fix = stateNote, "the embedded chain grows: free some space, or name another state directory with --dir"
	}
	return f
}

// existing is the nearest folder at or above dir that exists.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func findState(dir string) Finding {
	f := Finding{Name: "state", State: stateOK, Detail: dir + " is writable"}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		var probe *os.File
		if probe, err = os.CreateTemp(dir, ".doctor-*"); err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err != nil {
		f.State, f.Detail, f.Fix = stateProblem, err.Error(), "make the directory writable, or name another one with --dir"
	}
	return f
}

func findPort(ctx context.Context, p int) Finding {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(p))
	f := Finding{Name: "port " + strconv.Itoa(p), State: stateOK, Detail: addr + " is free"}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		f.State, f.Detail = stateNote, err.Error()
		f.Fix = "nothing to do: another port is taken and printed; or stop the program that listens there"
		return f
	}
	_ = ln.Close() // nothing came in
	return f
}

func defaultModel() (*manifest.Manifest, Finding) {
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		return nil, Finding{Name: "default model", State: stateProblem, Detail: err.Error(), Fix: rebuild}
	}
	return man, Finding{Name: "default model", State: stateOK, Detail: fmt.Sprintf("%s, %s", man.ID(), importer.Describe(man))}
}

const rebuild = "this binary is damaged or was built from a changed tree: build it again from a clean checkout"

// The self-test runs the default model as every other machine did before, and must give this.
const (
	selfTestPrompt = "Once upon a time"
	selfTestTokens = 8
	selfTestDigest = "426d5d3aa6b05b5e4f7eca39cab1f9e22dc3c9c2e631b775ba8064eed8f9513a"
)

func selfTest(ctx context.Context, man *manifest.Manifest) Finding {
	f := Finding{Name: "self-test", State: stateOK, Detail: "the default model gives the same bits here as everywhere"}
	d, err := EvalDigest(ctx, man, DigestOptions{Prompt: selfTestPrompt, Tokens: selfTestTokens, Kernel: "auto", Batch: 16})
	switch {
	case err != nil:
		f.State, f.Detail, f.Fix = stateProblem, err.Error(), rebuild
	case hex.EncodeToString(d[:]) != selfTestDigest:
		f.State, f.Fix = stateProblem, "do not stake on this machine: its memory or processor may be faulty, or "+rebuild
		f.Detail = fmt.Sprintf("digest %x, want %s", d, selfTestDigest)
	}
	return f
}
