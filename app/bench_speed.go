package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/compute/kernel"
	"elenchus/engine"
	"elenchus/importer"
)

// SpeedOptions say what BenchSpeed measures: each kernel with each number of threads at each context.
type SpeedOptions struct {
	Prefill  bool // positions of a prompt; else tokens drawn one after the other
	Shape    string
	Class    importer.Class // of the weights: ClassR8, ClassB or ClassG4; "" is ClassR8
	Kernels  []string       // see CheckKernel
	Threads  []int
	Contexts []int // decode: positions before the first token; prefill: positions of the prompt
	Tokens   int   // decode: tokens drawn, of each request
	Batch    int   // prompt positions per pass
	Requests int   // that share each pass; 0: one
	Turns    int   // how often everything is measured, in turns; 0: once
	Progress func(done, all int)
	// Begin, when set, is called before each measurement, and End with its row: whoever measures
	// something else in turns waits there.
	Begin func() error
	End   func(SpeedRow) error
}

// Speed is the result of BenchSpeed.
type Speed struct {
	Bench       string     `json:"bench"` // decode or prefill
	Shape       string     `json:"shape"`
	Class       string     `json:"class"`
	Weights     string     `json:"weights"` // what they are
	WeightBytes int64      `json:"weight_bytes"`
	Batch       int        `json:"batch"`
	Requests    int        `json:"requests"`
	CPU         []string   `json:"cpu"` // features that kernels use
	Rows        []SpeedRow `json:"rows"`
	FileBytes   int64      `json:"file_bytes"`     // of the model file, which is mapped
	PeakRSS     int64      `json:"peak_rss_bytes"` // from the opening of the file on, 0 where it is not known
}

// SpeedRow is one measurement, or the medians of several. Rates of decode are of the median pass, which draws
// a token for each request, the rate by processor time, of all threads together, of all tokens; bytes are the
// weights and the rows of the caches that a pass reads. What is timed commits to each position as a node does. The DRAM rate is
// measured between rows, reading 128 MiB a thread. The digest is of all logits and is the same for all
// kernels and threads; it is made where nothing is timed.
type SpeedRow struct {
	Kernel    string  `json:"kernel"`
	Threads   int     `json:"threads"`
	Context   int     `json:"context"`
	Tokens    int     `json:"tokens"`
	Rate      float64 `json:"tokens_per_second"`
	CPURate   float64 `json:"tokens_per_cpu_second"` // 0 where processor time is not known
	Commit    float64 `json:"commitment_share"`      // of the time
	GBs       float64 `json:"gb_per_second"`
	DRAM      float64 `json:"dram_gb_per_second"`
	DRAMShare float64 `json:"dram_share"`
	GOPs      float64 `json:"gop_per_second"` // of the matrices, a multiplication and an addition are two
	Digest    string  `json:"digest"`
}

// ErrDigest marks kernels that do not agree.
var ErrDigest = errors.New("kernels or threads give different digests")

// BenchSpeed measures a shape on drawn weights. It refuses with ErrCannot what does not fit memory.
func BenchSpeed(ctx context.Context, o SpeedOptions) (*Speed, error) {
	z, err := speedShapeOf(o.Shape)
	if err != nil {
		return nil, err
	}
	class, err := speedClassOf(o.Class)
	if err != nil {
		return nil, err
	}
	sets := make([]kernel.Set, len(o.Kernels))
	for i, name := range o.Kernels {
		if sets[i], err = kernelSet(name); err != nil {
			return nil, err
		}
	}
	positions := slices.Max(o.Contexts) + o.Tokens + 1
	if err := fits(class.need(&z, positions*max(1, o.Requests), o.Batch*max(1, o.Requests), len(sets))); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "elenchus-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder for temporary files
	man, size, err := mapped(dir, &z, max(positions, 512), class)
	if err != nil {
		return nil, err
	}
	s := &Speed{Bench: "decode", Shape: z.name, Class: string(class.name), Weights: "synthetic, " + class.weights, WeightBytes: class.bytes(&z),
		FileBytes: size, Batch: o.Batch, Requests: max(1, o.Requests), CPU: features()}
	if o.Prefill {
		s.Bench = "prefill"
	}
	err = s.measure(ctx, &z, man, sets, &o)
	s.PeakRSS = max(s.PeakRSS, peakRSS())
	return s, err
}

// mapped draws a model, writes it to a file in dir, and opens that as a node does.
func mapped(dir string, z *gasShape, context int, class *speedClass) (man *manifest.Manifest, size int64, err error) {
	if err := checkRoom("the drawn model", 0, dir, class.bytes(z)+class.bytes(z)/16); err != nil {
		return nil, 0, fmt.Errorf("%w: %w; TMPDIR names another place", ErrCannot, err)
	}
	if man, err = z.synthetic(context, class.name); err != nil {
		return nil, 0, err
	}
	path := filepath.Join(dir, "drawn"+modelExt)
	if err := writeModel(path, man, z.name); err != nil {
		return nil, 0, err
	}
	man = nil
	resetPeak()
	st, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	man, _, err = engine.Open(path)
	return man, st.Size(), err
}

// need is the memory of a run in bytes: weights, their packed form, cache and batch.
func (c *speedClass) need(z *gasShape, positions, batch, packed int) int64 {
	n := c.bytes(z) * int64(1+min(packed, 1))
	n += int64(z.layers) * int64(positions) * int64(4*z.kvHeads*z.headDim)
	return n + int64(batch)*int64(16*z.ff+8*z.heads*positions+32*z.dim) + 8*int64(z.vocab)*8 + 512<<20
}

// fits says ErrCannot and how much is missing.
func fits(need int64) error {
	free := freeMemory()
	if free > 0 && free < need {
		return fmt.Errorf("%w: this needs %d MiB of memory, %d MiB are free: %d MiB are missing", ErrCannot, need>>20, free>>20, (need-free)>>20)
	}
	return nil
}

// readRate is readRate beside which the peak of memory does not count.
func (s *Speed) readRate(threads int) float64 {
	s.PeakRSS = max(s.PeakRSS, peakRSS())
	rate := readRate(threads)
	resetPeak()
	return rate
}

// resetPeak lets peakRSS begin anew, where Linux allows it.
func resetPeak() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// readRate is the rate in GB/s at which threads read memory that no cache holds: the best of three.
func readRate(threads int) float64 {
	const size, page = 128 << 20, 4096
	buf := make([]byte, threads*size)
	for i := 0; i < len(buf); i += page {
		buf[i] = 2 // a page that nobody wrote to takes no memory
	}
	best := 0.0
	for range 4 {
		var all sync.WaitGroup
		start := time.Now()
		for i := range threads {
			all.Go(func() { runtime.KeepAlive(bytes.IndexByte(buf[i*size:(i+1)*size], 1)) })
		}
		all.Wait()
		best = max(best, float64(len(buf))/1e9/time.Since(start).Seconds())
	}
	return best
}

// freeMemory is what is available, 0 where it is not known.
func freeMemory() int64 {
	n, err := available()
	if err != nil {
		return 0
	}
	return int64(n)
}

// peakRSS is the most memory that the process had, 0 where it is not known.
func peakRSS() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kb int64
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if _, err := fmt.Sscan(rest, &kb); err == nil {
				return kb << 10
			}
		}
	}
	return 0
}

// WriteSpeed prints a table for people.
func WriteSpeed(w io.Writer, s *Speed) error {
	fmt.Fprintf(w, "%s of shape %s, %s, %.0f MB read per token; this processor has %s\n\n", s.Bench, s.Shape, s.Weights, float64(s.WeightBytes)/1e6, strings.Join(s.CPU, " "))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "kernel\tthreads\tcontext\ttokens/s\ta CPU second\tGOP/s\tGB/s\tDRAM GB/s\tshare\tcommitment\tdigest\t")
	for _, r := range s.Rows {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f\t%.1f\t%.0f\t%.1f\t%.1f\t%.0f%%\t%.2f%%\t%.8s\t\n", r.Kernel, r.Threads, r.Context,
			r.Rate, r.CPURate, r.GOPs, r.GBs, r.DRAM, 100*r.DRAMShare, 100*r.Commit, r.Digest)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\npeak memory %d MB, model file %d MB, ratio %.2f\n", s.PeakRSS/1e6, s.FileBytes/1e6, float64(s.PeakRSS)/float64(s.FileBytes))
	return err
}
