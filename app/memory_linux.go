package app

import (
	"errors"
	"os"
)

// memoryFree is the number of bytes that programs may still take without swapping, of the machine
// and of the control group that this one is in.
func memoryFree() (uint64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	free, ok := meminfo(string(text))
	if !ok {
		return 0, errors.New("/proc/meminfo does not tell MemAvailable")
	}
	const group = "/sys/fs/cgroup/memory."
	limit, err1 := os.ReadFile(group + "max")
	used, err2 := os.ReadFile(group + "current")
	stat, err3 := os.ReadFile(group + "stat")
	if err1 == nil && err2 == nil && err3 == nil {
		if n, ok := groupFree(string(limit), string(used), string(stat)); ok {
			free = min(free, n)
		}
	}
	return free, nil
}
