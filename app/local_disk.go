//go:build linux || darwin

package app

import "golang.org/x/sys/unix"

// diskFree is the number of bytes that a user may still write below dir.
func diskFree(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil //nolint:unconvert // the type differs between systems
}
