//go:build !linux && !darwin

package app

import "errors"

// diskFree is unknown here.
func diskFree(string) (uint64, error) { return 0, errors.ErrUnsupported }
