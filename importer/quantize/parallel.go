package quantize

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Each calls do for 0..n-1 on as many goroutines as GOMAXPROCS allows and returns when all are done.
// Calls begin in ascending order, and none begins after one has failed, so the error of the least
// number that fails is the same whatever the number of goroutines: Each returns that one.
func Each(n int, do func(i int) error) error {
	var (
		next   atomic.Int64
		failed atomic.Bool
		all    sync.WaitGroup
		mu     sync.Mutex
		least  = n   // guarded by mu
		first  error // guarded by mu, of least
	)
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				err := do(i)
				if err == nil {
					continue
				}
				failed.Store(true)
				mu.Lock()
				if i < least {
					least, first = i, err
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return first
}
