//go:build amd64 || arm64

package engine

// pause does nothing n times, n > 0, and leaves what a core shares to its other thread meanwhile.
//
//go:noescape
func pause(n uint32)
