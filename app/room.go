package app

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"elenchus/engine"
)

// ErrNoRoom marks a model that needs more memory or disk than there is.
var ErrNoRoom = errors.New("not enough room")

// checkRoom refuses what needs more than there is; what the system does not tell is not checked.
func checkRoom(what string, memory int64, dir string, disk int64) error {
	if free, err := memoryFree(); err == nil && uint64(memory) > free {
		return fmt.Errorf("%w: %s needs %d MiB of memory, %d MiB are available", ErrNoRoom, what, mib(memory), free>>20)
	}
	if disk == 0 {
		return nil
	}
	if free, err := diskFree(existing(dir)); err == nil && uint64(disk) > free {
		return fmt.Errorf("%w: %s needs %d MiB of disk in %s, %d MiB are free", ErrNoRoom, what, mib(disk), dir, free>>20)
	}
	return nil
}

// servingBytes is about the memory that serving a model file of that size takes: the weights in the
// order of the kernels, some for their roots, and, where files are not mapped, the weights as they are.
func servingBytes(file int64) int64 {
	if engine.Maps {
		return file + file/8
	}
	return 2*file + file/8
}

func mib(n int64) int64 { return n>>20 + 1 }

// meminfo reads MemAvailable of /proc/meminfo.
func meminfo(text string) (free uint64, ok bool) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "MemAvailable:" && f[2] == "kB" {
			n, err := strconv.ParseUint(f[1], 10, 54)
			return n << 10, err == nil
		}
	}
	return 0, false
}

// groupFree is what a control group leaves: its limit less what is used and cannot be dropped. ok is
// false if there is no limit.
func groupFree(limit, used, stat string) (free uint64, ok bool) {
	top, err1 := strconv.ParseUint(strings.TrimSpace(limit), 10, 63)
	n, err2 := strconv.ParseUint(strings.TrimSpace(used), 10, 63)
	if err1 != nil || err2 != nil || top == math.MaxInt64 {
		return 0, false
	}
	for line := range strings.Lines(stat) {
		f := strings.Fields(line)
		if len(f) == 2 && f[0] == "inactive_file" {
			if cache, err := strconv.ParseUint(f[1], 10, 63); err == nil {
				n -= min(n, cache)
			}
		}
	}
	return top - min(top, n), true
}

// prefixCache makes a cache of mib mebibytes for the rows of prompts: for 0 of a sixteenth of the
// memory that is free, at most 4 GiB, or 256 MiB where the system does not tell; none below 0.
func prefixCache(mib int) *engine.PrefixCache {
	switch {
	case mib < 0:
		return nil
	case mib > 0:
		return engine.NewPrefixCache(int64(mib) << 20)
	}
	free, err := memoryFree()
	if err != nil {
		free = 4 << 30
	}
	return engine.NewPrefixCache(int64(min(free/16, 4<<30)))
}

// rowsOf bounds the rows of answers in the making: so many MiB, 0: half of the memory that is free beside
// models that take load bytes when they are loaded, below 0 or where it is not known: nothing.
func rowsOf(mib int, load int64) *engine.Rows {
	if mib > 0 {
		return engine.NewRows(int64(mib) << 20)
	}
	free, err := memoryFree()
	if mib < 0 || err != nil {
		return nil
	}
	return engine.NewRows(int64(max((free-min(free, uint64(load)))/2, 1<<20)))
}

// loadBytes is about what models take that are not loaded yet; those that are not known by their files count nothing.
func loadBytes(names []string) (sum int64) {
	store, err := OpenStore("")
	if err != nil {
		return 0
	}
	for _, name := range names {
		if p, err := store.peek(name); err == nil {
			sum += servingBytes(p.bytes)
		}
	}
	return sum
}
