package engine

import "unsafe"

// hugePage is the size of a large page of amd64 and, mostly, arm64.
const hugePage = 2 << 20

// slab is the memory that is taken at once for packed weights, in bytes.
const slab = 64 << 20

// huge gives memory for packed weights, so many bytes in all, side by side in large pages where the
// system has them: a token reads all of it, and with pages of 4 KiB the processor looks as long for the
// pages as for what is in them (docs/engine.md). Memory is given back to Go when the model is.
func huge(all int64) func(n int) []int8 {
	var free []int8
	left := int(all)
	return func(n int) []int8 {
		size := (n + 63) / 64 * 64
		if size > len(free) {
			free = aligned(max(size, min(left+left/64, slab)))
			adviseHuge(free)
		}
		out := free[:n:n]
		free, left = free[size:], max(0, left-n)
		return out
	}
}

// aligned is memory that begins at a large page, if it is at least one.
func aligned(n int) []int8 {
	if n < hugePage {
		return make([]int8, n)
	}
	b := make([]int8, n+hugePage)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % hugePage
	return b[skip:][:n:n]
}
