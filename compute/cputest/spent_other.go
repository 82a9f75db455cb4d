//go:build !unix

package cputest

import "time"

func spent() (time.Duration, bool) { return 0, false }
