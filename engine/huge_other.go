//go:build !linux

package engine

// adviseHuge does nothing: this system is not asked for large pages.
func adviseHuge([]int8) {}
