// Package cputest has benchmarks report processor time, which other programs on the machine disturb less
// than wall time.
//
// It exists for tests of all floors and stands beside them. Invariant: what it reports, cpu-ns/op, is the
// time that all threads of the process have had, including what a benchmark does while its timer is stopped.
//
//	defer cputest.Report(b)()
//	for b.Loop() {
//		work()
//	}
package cputest

import "testing"

// Report begins to measure; what it returns is called after the last iteration and reports cpu-ns/op, where
// the system tells processor time.
func Report(b *testing.B) (end func()) {
	b.Helper()
	begin, ok := spent()
	return func() {
		if now, _ := spent(); ok && b.N > 0 {
			b.ReportMetric(float64(now-begin)/float64(b.N), "cpu-ns/op")
		}
	}
}
