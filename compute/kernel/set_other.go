//go:build !amd64 && !arm64

package kernel

// Sets are the families of this build, the fastest first.
func Sets() []Set { return []Set{{}} }
