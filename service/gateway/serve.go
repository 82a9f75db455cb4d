package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ErrOpenListener says that a gateway without API keys was given a listener that other machines can reach.
var ErrOpenListener = errors.New("a gateway without API keys listens on loopback only: add a key or listen on 127.0.0.1")

const (
	headerTimeout   = 10 * time.Second
	connectionIdle  = 2 * time.Minute
	maxHeaderBytes  = 32 << 10
	closeAfterDrain = time.Second // for handlers to notice that their connections were closed
)

// Serve answers on ln, which it closes, until ctx ends. Then it stops accepting, gives the answers in the making the
// time Options.Drain, cuts what is left, and returns nil.
func (g *Gateway) Serve(ctx context.Context, ln net.Listener) error {
	if tcp, ok := ln.Addr().(*net.TCPAddr); ok && len(g.keys) == 0 && g.options.Cashier == nil && !tcp.IP.IsLoopback() {
		_ = ln.Close()
		return fmt.Errorf("%w (it was given %s)", ErrOpenListener, tcp)
	}
	base, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	server := &http.Server{
		Handler:           g,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       connectionIdle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	patience, done := context.WithTimeout(base, g.options.Drain)
	defer done()
	if server.Shutdown(patience) != nil {
		cut(errShutdown) // ends every job that is left; their handlers say so and return
		last, done := context.WithTimeout(context.WithoutCancel(base), closeAfterDrain)
		defer done()
		_ = server.Shutdown(last)
		_ = server.Close()
	}
	<-served
	return nil
}
