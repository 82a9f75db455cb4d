package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"elenchus/app"

	"github.com/spf13/cobra"
)

// chainFlags name a deployment to ask.
type chainFlags struct{ rpc, deployment string }

func (f *chainFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.rpc, "rpc", "", "JSON-RPC address of a chain to ask")
	c.Flags().StringVar(&f.deployment, "deployment", "", "file with the addresses of the contracts (default: that of elenchus up)")
}

// lookup is the deployment that was named; dir is the state directory.
func (f *chainFlags) lookup(dir string) (*app.ChainLookup, error) {
	path := f.deployment
	if path == "" {
		var err error
		if path, err = app.DefaultDeployment(dir); err != nil {
			return nil, err
		}
	}
	at, err := app.ReadDeployment(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w: name the file with --deployment", errUsage, err)
	}
	if err != nil {
		return nil, err
	}
	return &app.ChainLookup{RPC: f.rpc, At: at}, nil
}

func explainCommand() *cobra.Command {
	l, f := &local{}, &chainFlags{}
	c := &cobra.Command{
		Use: "explain [ID]", Short: "Say why a claim was disputed and how it ended: ID is a game, a claim or an account; without it all games",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			k, err := f.lookup(l.dir)
			if err != nil {
				return err
			}
			ctx, stop := untilStopped(c)
			defer stop()
			var all []app.Dispute
			if len(args) == 0 {
				all, err = k.Disputes(ctx)
			} else {
				all, err = k.Explain(ctx, args[0])
			}
			if err != nil {
				return err
			}
			return l.print(c, map[string]any{"disputes": all}, func(w io.Writer) {
				for _, d := range all {
					fmt.Fprintf(w, "game    %s\nclaim   %s\nnode    %s\nopener  %s\nmoves   %s\n        %s\n\n", d.Game, d.Claim, d.Node, d.Opener, strings.Join(d.Moves, " "), d.Why)
				}
			})
		},
	}
	l.add(c)
	f.add(c)
	_ = c.MarkFlagRequired("rpc") // it exists
	return c
}
