package worker

import "os"

// yield offers this process first where the machine runs out of memory: whoever started it goes on without.
func yield() {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0o600) // where this is not allowed nothing is lost
}
