package virtual_test

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/conformance/virtual"
)

// number is a count that the environment names, or what is played otherwise.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func fixture(t *testing.T) *virtual.Fixture {
	t.Helper()
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	f, err := virtual.NewFixture(man, decode.Job{Prompt: []int32{5, 17, 290, 4, 44}, MaxNew: 6, Temperature: 1 << 16, Seed: 11})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// play plays seeds from first on, and gives each result to judge.
func play(t *testing.T, lim virtual.Limits, first, count uint64, judge func(virtual.Result)) {
	t.Helper()
	workers := uint64(min(runtime.GOMAXPROCS(0), 8))
	var wg sync.WaitGroup
	var mu sync.Mutex
	for k := range workers {
		f := fixture(t)
		wg.Go(func() {
			for seed := first + k; seed < first+count && !t.Failed(); seed += workers {
				r, err := virtual.Run(f, lim, seed)
				mu.Lock()
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
				} else {
					judge(r)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// Whatever happens to the chain and to the parties within law 3: nobody honest is poorer by a token
// unit, gas included, and every false claim that a watcher can compute again ends refuted. The failing
// seed is printed; ELENCHUS_SEED=n plays it alone, ELENCHUS_SCHEDULES=n plays n, from ELENCHUS_FIRST on. GAME law 3.
func TestSchedulesTakeNothingFromTheHonest(t *testing.T) {
	count, first := number(t, "ELENCHUS_SCHEDULES", 1000), number(t, "ELENCHUS_FIRST", 0)
	if seed := os.Getenv("ELENCHUS_SEED"); seed != "" {
		first, count = number(t, "ELENCHUS_SEED", 0), 1
	}
	var sum virtual.Result
	play(t, virtual.Law3(), first, count, func(r virtual.Result) {
		if !r.NodeLost.IsZero() && r.Honest || !r.WatchLost.IsZero() || !r.UserLost.IsZero() || r.Stands {
			t.Errorf("ELENCHUS_SEED=%d: %+v", r.Seed, r)
		}
		sum.Games, sum.Refuted, sum.Lost, sum.Voided = sum.Games+r.Games, sum.Refuted+r.Refuted, sum.Lost+r.Lost, sum.Voided+r.Voided
		sum.Moves, sum.Reverts, sum.Reorgs, sum.Crashes = sum.Moves+r.Moves, sum.Reverts+r.Reverts, sum.Reorgs+r.Reorgs, sum.Crashes+r.Crashes
		// A reorganisation has every order of the blocks that it takes back come again, ahead of what they build on.
		if sum.Wasted += r.Wasted; r.Wasted > uint64(max(r.Reorgs, 1)*max(r.Games, 1))*1_000_000*10*(1e7) {
			t.Errorf("ELENCHUS_SEED=%d: %d wei were sent in vain in %d games over %d reorganisations", r.Seed, r.Wasted, r.Games, r.Reorgs)
		}
		sum.Mangled, sum.Passed, sum.Demands, sum.Equivocations = sum.Mangled+r.Mangled, sum.Passed+r.Passed, sum.Demands+r.Demands, sum.Equivocations+r.Equivocations
		sum.Blocks, sum.Seconds = sum.Blocks+r.Blocks, max(sum.Seconds, r.Seconds)
	})
	if count > 100 && (sum.Refuted == 0 || sum.Lost == 0 || sum.Reorgs == 0 || sum.Crashes == 0 || sum.Reverts == 0 || sum.Voided == 0 ||
		sum.Mangled == 0 || sum.Demands == 0 || sum.Equivocations == 0) {
		t.Errorf("the schedules decide nothing: %+v", sum)
	}
	t.Logf("%d malformed moves, %d legal by luck, %d demands, %d times two stories", sum.Mangled, sum.Passed, sum.Demands, sum.Equivocations)
	t.Logf("%d schedules: %d games (%d refuted, %d lost, %d void), %d moves in %d blocks, %d reverted, %d reorganisations, %d crashes, the longest %d h; reorganisations made the honest waste %d wei of gas",
		count, sum.Games, sum.Refuted, sum.Lost, sum.Voided, sum.Moves, sum.Blocks, sum.Reverts, sum.Reorgs, sum.Crashes, sum.Seconds/3600, sum.Wasted)
}

// Two parties refute one claim, and the second one closes his game in the block in which an honest one does: the honest
// order names what the case held before, reverts, and is sent again. Its gas alone is lost, counted apart. 09 §4.5.
func TestAnOvertakenResolveCostsItsGasAlone(t *testing.T) {
	play(t, virtual.Law3(), 40371, 1, func(r virtual.Result) {
		if r.Wasted == 0 || r.Wasted > 60_000*10*(1e7) || r.Reorgs != 3 || !r.WatchLost.IsZero() || r.Refuted != 2 {
			t.Errorf("%+v", r)
		}
	})
}

// Each assumption of law 3, broken on purpose, costs what the trust table says and nothing else: the
// second suite shows that the first one could fail. SPEC 09 §9.
func TestBrokenAssumptionsCostWhatTheTableSays(t *testing.T) {
	const node, watch, stands, open = "node", "watch", "stands", "open"
	for _, c := range []struct {
		name  string
		broke func(*virtual.Limits)
		costs []string // what may be lost; each is, in some schedule
		count uint64   // of schedules; 400 of each with ELENCHUS_SOAK
	}{
		{"off the chain beyond D2", func(l *virtual.Limits) { l.Late = 86_400 }, []string{node, watch, stands}, 120},
		{"sends nothing twice", func(l *virtual.Limits) { l.Once = true }, []string{watch, stands, open}, 400},
		{"state directory lost", func(l *virtual.Limits) { l.Lost = true }, []string{node, watch, stands}, 120},
		{"nobody looks", func(l *virtual.Limits) { l.Away, l.Griefer = true, 0 }, []string{stands}, 60},
		{"fees beyond what bonds assume", func(l *virtual.Limits) { l.Spike = 2000 }, []string{node, watch}, 80},
		{"a stake of one reserve, and no batch", func(l *virtual.Limits) { l.Bare = true }, []string{watch}, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			lim := virtual.Law3()
			c.broke(&lim)
			lost, count := map[string]uint64{}, c.count
			if os.Getenv("ELENCHUS_SOAK") != "" {
				count = 400
			}
			play(t, lim, 0, count, func(r virtual.Result) {
				if r.Honest && !r.NodeLost.IsZero() {
					lost[node]++
				}
				if !r.WatchLost.IsZero() || !r.UserLost.IsZero() {
					lost[watch]++
				}
				if r.Stands {
					lost[stands]++
				}
				if r.Open > 0 {
					lost[open]++
				}
			})
			for _, what := range c.costs {
				if lost[what] == 0 {
					t.Errorf("%s is never lost: %v", what, lost)
				}
			}
			for what := range lost {
				if !slices.Contains(c.costs, what) {
					t.Errorf("%s is lost in %d schedules: the table does not say so", what, lost[what])
				}
			}
			t.Logf("of %d schedules: %v", count, lost)
		})
	}
}
