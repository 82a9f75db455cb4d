package app

import (
	"context"
	"io"
	"os"
)

// childEnv marks a process that a network started: it ends when its standard input does.
const childEnv = "ELENCHUS_CHILD"

// IsChild says whether a network started this process.
func IsChild() bool { return os.Getenv(childEnv) != "" }

// WithParent returns a context that ends when the parent process does, if there is one.
func WithParent(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if os.Getenv(childEnv) == "" {
		return ctx, cancel
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx, cancel
}
