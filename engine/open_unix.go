//go:build unix

package engine

import (
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"elenchus/commitment/manifest"
)

// Maps says whether Open maps files on this system.
const Maps = true

// mapping is a file in the address space, read only.
type mapping []byte

// Release implements manifest.Backing.
func (m mapping) Release() { _ = unix.Madvise(m, unix.MADV_DONTNEED) } // without it the memory is kept longer

func open(path string, secret *manifest.Secret) (*manifest.Manifest, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close() //nolint:errcheck // read only
	st, err := f.Stat()
	if err != nil {
		return nil, "", err
	}
	if !st.Mode().IsRegular() || st.Size() == 0 || st.Size() > math.MaxInt {
		return manifest.DecodeSecret(f, st.Size(), secret)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return manifest.DecodeSecret(f, st.Size(), secret)
	}
	man, name, err := manifest.DecodeBytes(b, int8s, secret)
	if err != nil {
		_ = unix.Munmap(b) // nobody has a tensor of it
		return nil, "", err
	}
	man.Backing = mapping(b)
	return man, name, nil
}

// int8s are bytes as the elements that they stand for.
func int8s(b []byte) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}
