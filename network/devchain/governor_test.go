package devchain

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(s float64) time.Time {
	return time.Unix(1_800_000_000, 0).Add(time.Duration(s * float64(time.Second)))
}

func stamp(s int64) uint64 { return uint64(1_800_000_000 + s) }

func TestGovernorTable(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		name string
		gov  governor
		v    view
		seal bool
		wait time.Duration
	}{
		{"nothing to do", governor{}, view{now: at(5), head: stamp(1)}, false, never},
		{"first transaction after an idle second", governor{},
			view{now: at(5.25), head: stamp(4), sinceSeal: 300 * ms, pending: true}, true, 0},
		{"second transaction in the same second", governor{},
			view{now: at(5.25), head: stamp(5), sinceSeal: 250 * ms, pending: true}, false, 750 * ms},
		{"head ahead of the clock waits a real second", governor{},
			view{now: at(5), head: stamp(60), sinceSeal: 400 * ms, pending: true}, false, 600 * ms},
		{"head ahead of the clock is not stuck", governor{},
			view{now: at(5), head: stamp(60), sinceSeal: time.Second, pending: true}, true, 0},
		{"on demand does not wait", governor{mode: OnDemand},
			view{now: at(5), head: stamp(60), pending: true}, true, 0},
		{"on demand does not spin on what no block takes", governor{mode: OnDemand},
			view{now: at(5), head: stamp(60), sinceSeal: 100 * ms, pending: true, barren: true}, false, 900 * ms},
		{"idle block is late in its second", governor{idle: time.Second},
			view{now: at(5), head: stamp(4)}, false, 900 * ms},
		{"idle block is due", governor{idle: time.Second}, view{now: at(5.9), head: stamp(4)}, true, 0},
		{"idle time grows with the quiet time", governor{idle: time.Second, most: time.Minute},
			view{now: at(5), head: stamp(4), quiet: 80 * time.Second}, false, 9900 * ms},
		{"idle time grows to its limit", governor{idle: time.Second, most: time.Minute},
			view{now: at(5), head: stamp(5), quiet: 24 * time.Hour}, false, 60900 * ms},
		{"no idle block on a head ahead of the clock", governor{idle: time.Second},
			view{now: at(5), head: stamp(9), sinceSeal: time.Hour}, false, 5900 * ms},
	} {
		t.Run(tc.name, func(t *testing.T) {
			seal, wait := tc.gov.next(tc.v)
			if seal != tc.seal || wait != tc.wait {
				t.Fatalf("got %v, %v; want %v, %v", seal, wait, tc.seal, tc.wait)
			}
		})
	}
}

// GAME rule 35: whatever arrives when, no block leads the clock by more than the
// block before it did (or zero), and a pending transaction waits at most a second.
func TestGovernedClockIsNeverRunAheadByABurst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gov := governor{idle: time.Duration(rapid.IntRange(0, 3).Draw(t, "idle")) * time.Second}
		start := time.Unix(1_800_000_000, rapid.Int64Range(0, 999_999_999).Draw(t, "phase"))
		now, sealed := start, start
		head := start.Unix() + rapid.Int64Range(-5, 5).Draw(t, "lead")
		lead := max(0, head-now.Unix())
		waiting := time.Duration(0)
		for i := 0; i < 200; i++ {
			step := time.Duration(rapid.IntRange(0, 400).Draw(t, "ms")) * time.Millisecond
			now = now.Add(step)
			pending := waiting > 0 || rapid.Bool().Draw(t, "tx")
			seal, wait := gov.next(view{now: now, head: uint64(head), sinceSeal: now.Sub(sealed), pending: pending})
			if !seal && wait <= 0 {
				t.Fatalf("neither sealed nor waiting: %v", wait)
			}
			if seal {
				head, sealed, waiting = max(head+1, now.Unix()), now, 0
				if got := head - now.Unix(); got > lead {
					t.Fatalf("a block leads the clock by %d s, the one before by %d s", got, lead)
				}
				lead = max(0, head-now.Unix())
			} else if pending {
				if wait > time.Second {
					t.Fatalf("a pending transaction waits %v", wait)
				}
				waiting += step
			}
		}
	})
}
