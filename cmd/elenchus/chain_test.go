package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/app"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestChainScripts plays testdata/chain, each script on a chain of its own at $RPC, whose accounts of the keys 1, 2 and 3 own
// ether.
func TestChainScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "chain"), RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			url, stop, err := embedded(t.Context(), filepath.Join(e.WorkDir, "chain"))
			e.Defer(stop)
			e.Setenv("RPC", url)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code},
	})
}

// embedded runs a chain until stop, which waits for its end.
func embedded(ctx context.Context, dir string) (url string, stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	in, out := io.Pipe()
	r := app.ChainRole{Dir: dir, Fork: "osaka", Ready: out, Log: slog.New(slog.DiscardHandler)}
	for _, a := range []string{"0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf", "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF", "0x6813Eb9362372EEF6200f3b1dbC3f819671cBA69"} {
		r.Alloc = append(r.Alloc, common.HexToAddress(a))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		out.CloseWithError(r.Run(ctx))
	}()
	line, err := bufio.NewReader(in).ReadString('\n')
	go io.Copy(io.Discard, in) //nolint:errcheck // nobody reads on
	return strings.TrimSpace(strings.TrimPrefix(line, "chain ")), func() { cancel(); <-ended }, err
}
