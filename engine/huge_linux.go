package engine

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// adviseHuge asks for large pages; where there are none, all is as before.
func adviseHuge(b []int8) {
	if len(b) >= hugePage {
		_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(b))), len(b)), unix.MADV_HUGEPAGE)
	}
}
