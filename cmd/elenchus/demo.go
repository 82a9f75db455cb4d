package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"elenchus/app"

	"github.com/spf13/cobra"
)

func demoCommand() *cobra.Command {
	var o app.DemoOptions
	var asJSON bool
	c := &cobra.Command{
		Use: "demo", Short: "Play a complete story: an answer, a cheat, the challenge, the slash", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			exe, err := os.Executable()
			if err != nil {
				return err
			}
			o.Exe = []string{exe}
			if !asJSON {
				o.Story = c.OutOrStdout()
			}
			ctx, stop := untilStopped(c)
			defer stop()
			r, err := app.Demo(ctx, o)
			if err != nil {
				return err
			}
			if asJSON {
				return errorsJoin(json.NewEncoder(c.OutOrStdout()).Encode(r), r.Failure())
			}
			return r.Failure()
		},
	}
	p := c.Flags()
	p.StringVar(&o.Attack, "attack", "model-swap", "one of "+strings.Join(app.Attacks(), ", "))
	p.Uint64Var(&o.Seed, "seed", 1, "seed of the attack byte")
	p.StringVar(&o.Model, "model", "default", "model that every node serves")
	p.StringVar(&o.Answer, "answer", "native", "how the last move is answered: native, or zk: by a proof about the model as a confidential one (development keys)")
	p.StringVar(&o.System, "proof-system", "", "of answers by proof, with --answer zk: one of "+strings.Join(app.CircuitSystems(), ", ")+"; default: the first")
	p.BoolVar(&o.Cluster, "cluster", false, "with --answer zk: settle a whole tensor by one proof where the game has come to its stage")
	p.StringVar(&o.Dir, "dir", "", "state directory; default: a new one that is removed at the end")
	p.BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func errorsJoin(a, b error) error {
	if a != nil {
		return fmt.Errorf("%w", a)
	}
	return b
}
