package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"elenchus/app"
	"elenchus/network/chain"

	"github.com/spf13/cobra"
)

// stateDir is where state lives unless --dir says otherwise.
func stateDir(sub string) (string, error) {
	base := os.Getenv("XDG_DATA_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no home directory: give --dir: %w", err)
		}
		base = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(base, "elenchus", sub), nil
}

func upCommand() *cobra.Command {
	cfg := app.NetworkConfig{Params: chain.DevnetParams()}
	c := &cobra.Command{
		Use: "up", Short: "Run a whole network on this machine: chain, contracts, nodes, challenger, gateway", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			exe, err := os.Executable()
			if err != nil {
				return err
			}
			cfg.Exe = []string{exe}
			if cfg.Dir == "" {
				if cfg.Dir, err = stateDir("devnet"); err != nil {
					return err
				}
			}
			ctx, stop := untilStopped(c)
			defer stop()
			n, err := app.StartNetwork(ctx, cfg)
			if err != nil {
				return err
			}
			n.Announce(c.OutOrStdout())
			err = n.Wait(ctx)
			if e := n.Close(); err == nil {
				err = e
			}
			return err
		},
	}
	p := c.Flags()
	p.StringSliceVar(&cfg.Models, "model", []string{"default"}, "model that every node serves: a name, alias or id, default, .elm or .gguf file (repeatable)")
	p.BoolVar(&cfg.Store, "store", true, storeUsage)
	p.StringVar(&cfg.Dir, "dir", "", "state directory (default: the user's data directory)")
	p.StringVar(&cfg.Listen, "listen", "127.0.0.1:8080", "address of the gateway; another port is taken when it is in use")
	p.BoolVar(&cfg.AllowPull, "allow-pull", false, "let clients of the gateway have models of a hub (HF_ENDPOINT) fetched: POST /api/pull")
	p.BoolVar(&cfg.Audits, "audits", true, "pay a watcher for audits that a beacon of this machine draws")
	p.StringVar(&cfg.Beacon, "beacon", "", "with audits: drand or drand:URL[,URL...], whose rounds are fetched (default: a beacon of this machine)")
	p.Uint64Var(&cfg.Plant, "plant", 64, "with audits: nodes plant a fault in one of so many claims, for the watcher to find; 0: none")
	p.StringVar(&cfg.ProofSystem, "proof-system", "", "by which answers about confidential models are proven: "+strings.Join(app.CircuitSystems(), ", ")+" (default: plonk with --srs, else groth16)")
	p.StringVar(&cfg.SRS, "srs", "", "public reference string from which keys follow: a .ptau file of snarkjs, or gnark's own (default: development keys are made)")
	p.StringVar(&cfg.SRSDigest, "srs-digest", "", "SHA-256 of that file, hex, as its ceremony published it")
	p.BoolVar(&cfg.Cluster, "cluster", false, clusterUsage)
	c.MarkFlagsRequiredTogether("srs", "srs-digest")
	p.IntVar(&cfg.Nodes, "nodes", 3, "number of nodes")
	p.StringVar(&cfg.LogFormat, "log-format", "text", "of the roles' logs in --dir: text, or json: one object a line")
	p.StringVar(&cfg.Fork, "fork", "osaka", "rules of the embedded chain: osaka or amsterdam")
	return c
}
