package main

import (
	"fmt"
	"io"

	"elenchus/app"

	"github.com/spf13/cobra"
)

func doctorCommand() *cobra.Command {
	l, o := &local{}, app.DoctorOptions{}
	ports, ready := []int{8080, 8545}, ""
	c := &cobra.Command{
		Use: "doctor", Short: "Say what this machine can do, what is missing and how to fix it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if ready != "" {
				return app.AskReady(c.Context(), ready)
			}
			o.Dir, o.Ports = l.dir, ports
			if o.Dir == "" {
				var err error
				if o.Dir, err = app.StateDir(); err != nil {
					return err
				}
			}
			if o.RPC != "" && o.Deployment == "" {
				var err error
				if o.Deployment, err = app.DefaultDeployment(l.dir); err != nil {
					return err
				}
			}
			found := app.Doctor(c.Context(), o)
			bad := app.Problem(found)
			err := l.print(c, map[string]any{"ok": !bad, "findings": found}, func(w io.Writer) {
				for _, f := range found {
					fmt.Fprintf(w, "%-8s %-14s %s\n", f.State, f.Name, tame(f.Detail))
					if f.Fix != "" {
						fmt.Fprintf(w, "%23s %s\n", "fix:", tame(f.Fix))
					}
				}
			})
			if err == nil && bad {
				err = exitError(exitFailed)
			}
			return err
		},
	}
	l.add(c)
	c.Flags().IntSliceVar(&ports, "port", ports, "ports on 127.0.0.1 that should be free (repeatable)")
	c.Flags().StringVar(&ready, "ready", "", "base URL of a role's --metrics or of a gateway: ask it alone whether it is ready, for health checks")
	c.Flags().StringVar(&o.Model, "model", "", "model that a node here would serve: is it there, does it fit")
	c.Flags().StringVar(&o.RPC, "rpc", "", "JSON-RPC address of a chain: does it answer, does its clock agree with this one")
	c.Flags().StringVar(&o.Deployment, "deployment", "", "file with the addresses of the contracts (default: that of elenchus up)")
	c.Flags().StringVar(&o.Key, "key", "", "file with an account's key: is it safe, does the account have what it needs")
	return c
}
