//go:build !linux || !amd64

package engine

// lacksUnits says that programs have no leave to use matrix units here.
func lacksUnits() string { return "AMX on Linux" }
