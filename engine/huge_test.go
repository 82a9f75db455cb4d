package engine

import (
	"testing"
	"unsafe"
)

// Packed weights get memory of their own, zeroed and on cache lines, side by side in blocks.
func TestRoomOfPackedWeightsIsApart(t *testing.T) {
	room := huge(3 << 20)
	var all [][]int8
	for _, n := range []int{1, 1 << 20, 63, 65, 2 << 20, 80 << 20, 7} {
		b := room(n)
		if len(b) != n || cap(b) != n {
			t.Fatalf("%d bytes of room %d for %d", len(b), cap(b), n)
		}
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(b))); at%64 != 0 {
			t.Errorf("room for %d begins %d bytes after a cache line", n, at%64)
		}
		for i, v := range b {
			if v != 0 {
				t.Fatalf("byte %d of %d is %d: it belongs to room that was given before", i, n, v)
			}
			b[i] = -1
		}
		all = append(all, b)
	}
	if len(all[0]) != 1 || all[0][0] != -1 {
		t.Error("room was given twice")
	}
}
