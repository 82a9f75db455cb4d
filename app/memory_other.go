//go:build !linux

package app

import "errors"

// memoryFree is unknown here.
func memoryFree() (uint64, error) { return 0, errors.ErrUnsupported }
