package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"elenchus/app"
	"elenchus/commitment/claim"

	"github.com/spf13/cobra"
)

// roleFlags are what the roles of a network share.
type roleFlags struct {
	app.Role
	stake string
	fees  string // for audits
	users []string
	logFlags
}

// logFlags say what is logged and how.
type logFlags struct{ level, format string }

func (f *logFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.level, "log-level", "info", "debug, info, warn or error")
	c.Flags().StringVar(&f.format, "log-format", "text", "text, or json: one object a line")
}

// log makes the logger of a role, which writes to standard error.
func (f *logFlags) log(c *cobra.Command) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return nil, fmt.Errorf("%w: --log-level %q is none of debug, info, warn, error", errUsage, f.level)
	}
	o := &slog.HandlerOptions{Level: level}
	switch f.format {
	case "text":
		return slog.New(slog.NewTextHandler(c.ErrOrStderr(), o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(c.ErrOrStderr(), o)), nil
	}
	return nil, fmt.Errorf("%w: --log-format %q is neither text nor json", errUsage, f.format)
}

// metricsUsage describes the flag --metrics.
const metricsUsage = "address for metrics, liveness and readiness, such as 127.0.0.1:9100; port 0 picks one (default: none)"

// storeUsage describes the flag --store.
const storeUsage = "the models of this user's store, too: what is pulled, imported or removed meanwhile is noticed, and loaded when it is asked for"

func (f *roleFlags) add(c *cobra.Command, listen string) {
	p := c.Flags()
	p.StringVar(&f.RPC, "rpc", "http://127.0.0.1:8545", "JSON-RPC address of the chain")
	p.StringVar(&f.Deployment, "deployment", "deployment.json", "file with the addresses of the contracts")
	p.StringVar(&f.Key, "key", "", "file with the account's key: a keystore (elenchus key new), or 64 hex digits")
	p.StringVar(&f.Passphrase, "passphrase-file", "", "file whose first line is the passphrase of an encrypted key (default: asked at a terminal)")
	p.StringVar(&f.Dir, "dir", "", "state directory of this role")
	p.StringVar(&f.Listen, "listen", listen, "address to serve on")
	p.StringSliceVar(&f.Models, "model", []string{"default"}, "model to serve or to check: a name, alias or id, default, .elm or .gguf file (repeatable)")
	p.BoolVar(&f.Store, "store", false, storeUsage)
	p.StringVar(&f.Metrics, "metrics", "", metricsUsage)
	f.logFlags.add(c)
	p.StringVar(&f.Attack, "attack", "", "experiment: what this role does wrong")
	p.Uint64Var(&f.Seed, "seed", 0, "experiment: seed of the attack")
	for _, name := range []string{"attack", "seed"} {
		_ = p.MarkHidden(name) // it exists
	}
	_ = c.MarkFlagRequired("key") // it exists
}

func (f *roleFlags) finish(c *cobra.Command) error {
	var err error
	if f.Log, err = f.log(c); err != nil {
		return err
	}
	f.Ready = c.OutOrStdout()
	if f.fees != "" {
		if f.AuditFees, err = claim.ParseAmount(f.fees); err != nil {
			return fmt.Errorf("--audit-fees %q: %w", f.fees, err)
		}
	}
	if err := f.PlantFor(f.users); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if f.Plant == 1 {
		return fmt.Errorf("%w: --plant 1: one of 2 claims at most can be planted", errUsage)
	}
	if f.stake == "" {
		return nil
	}
	if f.Stake, err = claim.ParseAmount(f.stake); err != nil {
		return fmt.Errorf("--stake %q: %w", f.stake, err)
	}
	return nil
}

// untilStopped is a context that ends with an interrupt, or with the parent process.
func untilStopped(c *cobra.Command) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := app.WithParent(ctx)
	return ctx, func() { cancel(); stop() }
}

// addScrub adds the flag of roles that compute.
func (f *roleFlags) addScrub(c *cobra.Command) {
	c.Flags().Int64Var(&f.Scrub, "scrub", 32, "MiB of each model's packed weights that are compared with their checksums a second; 0: none")
}

func (f *roleFlags) checkScrub() error {
	if f.Scrub < 0 || f.Scrub > 1<<20 {
		return fmt.Errorf("%w: --scrub %d: want 0 to %d MiB a second", errUsage, f.Scrub, 1<<20)
	}
	return nil
}

// clusterUsage describes the flag --cluster.
const clusterUsage = "development: keys of whole tensors are made and registered, too, beside the games: one proof then ends what else takes one for each element"

// addProofs adds the flags of roles that answer about confidential models.
func (f *roleFlags) addProofs(c *cobra.Command) {
	c.Flags().StringVar(&f.ProofKeys, "proof-keys", "", "folder of the keys by which answers about confidential models are proven (default: one in --dir)")
	c.Flags().StringVar(&f.ProofSystem, "proof-system", "", "by which they are proven: "+strings.Join(app.CircuitSystems(), ", ")+" (default: plonk with --srs, else groth16)")
	c.Flags().StringVar(&f.SRS, "srs", "", "public reference string from which keys follow: a .ptau file of snarkjs, or gnark's own (default: development keys are made)")
	c.Flags().StringVar(&f.SRSDigest, "srs-digest", "", "SHA-256 of that file, hex, as its ceremony published it")
	c.MarkFlagsRequiredTogether("srs", "srs-digest")
	c.Flags().BoolVar(&f.Cluster, "cluster", false, clusterUsage)
	c.Flags().StringVar(&f.Registrar, "registrar", "", "development: key file of the deployment's registrar, by which keys of proofs are made and registered when they are needed")
}

func nodeCommand() *cobra.Command {
	f := &roleFlags{}
	c := &cobra.Command{
		Use: "node", Short: "Serve inference, sign and post claims, defend them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.finish(c); err != nil {
				return err
			}
			if !(f.Recheck >= 0 && f.Recheck <= 1) {
				return fmt.Errorf("%w: --recheck %v: want 0 to 1", errUsage, f.Recheck)
			}
			if err := f.checkScrub(); err != nil {
				return err
			}
			ctx, stop := untilStopped(c)
			defer stop()
			return f.Node(ctx)
		},
	}
	f.add(c, "127.0.0.1:9001")
	_ = c.MarkFlagRequired("dir") // it exists
	c.Flags().StringVar(&f.stake, "stake", "0", "token units of stake to hold before serving")
	f.addProofs(c)
	f.addScrub(c)
	c.Flags().StringVar(&f.fees, "audit-fees", "0", "token units to have paid in advance for audits of the own batches")
	c.Flags().Uint64Var(&f.Plant, "plant", 0, "plant a fault in one of so many claims, for auditors to find: 64 is usual; 0: none")
	c.Flags().StringSliceVar(&f.users, "plant-user", nil, "account of your own, such as your gateway's, whose requests plants look like (repeatable; default: of nobody)")
	c.Flags().DurationVar(&f.KeepAlive, "keep-alive", -1, "how long a model stays in memory after its last use; then it is loaded when it is asked for. Below 0: loaded at the start, for ever")
	c.Flags().IntVar(&f.PrefixMiB, "prefix-cache", 0, "MiB for rows of prompts that later prompts may begin with; 0: a sixteenth of the free memory, below 0: none")
	c.Flags().IntVar(&f.RowsMiB, "rows", 0, "MiB that the rows of all answers in the making may take; those that do not fit wait, one that never fits is refused; 0: half of what is free beside the models, below 0: unbounded")
	c.Flags().Float64Var(&f.Recheck, "recheck", 0.01, "share of answers, 0 to 1, that are computed again up to a random step before they are signed")
	return c
}

func watchCommand() *cobra.Command {
	f := &roleFlags{}
	c := &cobra.Command{
		Use: "watch", Short: "Re-compute claims and challenge the false ones", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.finish(c); err != nil {
				return err
			}
			if err := f.checkScrub(); err != nil {
				return err
			}
			ctx, stop := untilStopped(c)
			defer stop()
			if f.Attack == "impostor" {
				return f.Impostor(ctx)
			}
			return f.Watch(ctx)
		},
	}
	f.add(c, "127.0.0.1:9101")
	_ = c.MarkFlagRequired("dir") // it exists
	f.addProofs(c)
	f.addScrub(c)
	c.Flags().StringVar(&f.Beacon, "beacon", "", "key file of a local beacon, or drand, or drand:URL[,URL...]: take a seat and audit what it draws (default: do not audit)")
	c.Flags().DurationVar(&f.BeaconWithin, "beacon-within", 5*time.Second, "how long to wait for one address of drand before the next is asked")
	c.Flags().StringVar(&f.stake, "stake", "0", "token units of credit to hold for bonds; also the most to lock in one game")
	return c
}

func gatewayCommand() *cobra.Command {
	f := &roleFlags{}
	var nodes, watchers []string
	var o app.GatewayOptions
	var pay app.PayOptions
	keyFile := ""
	c := &cobra.Command{
		Use: "gateway", Short: "Serve the OpenAI API over nodes", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.finish(c); err != nil {
				return err
			}
			if len(nodes) == 0 {
				return fmt.Errorf("no node to ask: give at least one --node URL")
			}
			ctx, stop := untilStopped(c)
			defer stop()
			var err error
			if o.Accounts, err = app.ReadKeys(keyFile); err != nil {
				return fmt.Errorf("--api-keys: %w", err)
			}
			return f.Gateway(ctx, nodes, watchers, o, pay)
		},
	}
	f.add(c, "127.0.0.1:8080")
	c.Flags().StringSliceVar(&nodes, "node", nil, "base URL of a node to ask (repeatable)")
	c.Flags().StringSliceVar(&watchers, "watcher", nil, "base URL of a challenger that gets each receipt (repeatable)")
	c.Flags().StringSliceVar(&o.Keys, "api-key", nil, "API key to accept (repeatable); none: any, on loopback")
	c.Flags().StringVar(&keyFile, "api-keys", "", "file of API keys to accept, as SHA-256, with limits of requests and tokens")
	c.Flags().StringVar(&pay.Price, "price", "", "units of a token that an answer costs who has no key: others get 402 with x402 terms; needs --rpc and --dir (default: nothing)")
	c.Flags().StringVar(&pay.Token, "pay-token", "", "address of the token to be paid in, with transferWithAuthorization (default: the deployment's)")
	c.Flags().StringVar(&pay.To, "pay-to", "", "address to be paid at, no other gateway's (default: the account of --key)")
	c.Flags().BoolVar(&f.AllowPull, "allow-pull", false, "let clients have models of a hub (HF_ENDPOINT) fetched into this user's store: POST /api/pull")
	c.Flags().BoolVar(&o.Strict, "strict", false, "refuse requests with unknown fields instead of ignoring and listing them")
	return c
}
