package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"elenchus/app"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/spf13/cobra"
)

func chainCommand() *cobra.Command {
	r, logs := &app.ChainRole{}, logFlags{}
	var fund, fundKeys []string
	c := &cobra.Command{
		Use: "chain", Short: "Run the embedded chain; deploy contracts to any chain and look after them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, a := range fund {
				if !common.IsHexAddress(a) {
					return fmt.Errorf("--fund %q is not an address", a)
				}
				r.Alloc = append(r.Alloc, common.HexToAddress(a))
			}
			for _, path := range fundKeys {
				key, err := app.NewKey(path)
				if err != nil {
					return fmt.Errorf("--fund-key: %w", err)
				}
				r.Alloc = append(r.Alloc, crypto.PubkeyToAddress(key.PublicKey))
			}
			var err error
			if r.Log, err = logs.log(c); err != nil {
				return err
			}
			r.Ready = c.OutOrStdout()
			ctx, stop := untilStopped(c)
			defer stop()
			return r.Run(ctx)
		},
	}
	c.Flags().StringVar(&r.Dir, "dir", "", "data directory")
	c.Flags().Uint16Var(&r.Port, "port", 0, "port of the JSON-RPC server on 127.0.0.1; 0 picks one")
	c.Flags().StringVar(&r.Fork, "fork", "osaka", "rules of the chain: osaka or amsterdam")
	c.Flags().StringVar(&r.Metrics, "metrics", "", metricsUsage)
	logs.add(c)
	c.Flags().StringSliceVar(&fund, "fund", nil, "address that owns ether at genesis (repeatable)")
	c.Flags().StringSliceVar(&fundKeys, "fund-key", nil, "key file whose account owns ether at genesis, made if it is not there (repeatable)")
	_ = c.MarkFlagRequired("dir") // it exists
	c.AddCommand(chainDeployCommand(), chainStatusCommand(), chainPauseCommand(), chainAnnounceCommand(), chainChangeCommand(), chainAuditsCommand())
	return c
}

// addressVar is a flag that takes an address.
type addressVar struct{ at *common.Address }

func (v addressVar) String() string {
	if v.at == nil || *v.at == (common.Address{}) {
		return ""
	}
	return v.at.Hex()
}

func (v addressVar) Type() string { return "address" }

func (v addressVar) Set(text string) error {
	if !common.IsHexAddress(text) {
		return fmt.Errorf("%q is not an address: 40 hex digits", text)
	}
	*v.at = common.HexToAddress(text)
	return nil
}

// saltVar is a flag that takes up to 32 bytes of hex.
type saltVar struct{ salt *[32]byte }

func (v saltVar) String() string {
	if v.salt == nil || *v.salt == [32]byte{} {
		return ""
	}
	return hex.EncodeToString(v.salt[:])
}

func (v saltVar) Type() string { return "hex" }

func (v saltVar) Set(text string) error {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(b) > 32 {
		return fmt.Errorf("%q is not hex of up to 32 bytes", text)
	}
	*v.salt = [32]byte{}
	copy(v.salt[:], b)
	return nil
}

// payingFlags are those of commands that send a transaction.
func payingFlags(c *cobra.Command, rpc *string, key *app.KeyFile) {
	c.Flags().StringVar(rpc, "rpc", "http://127.0.0.1:8545", "JSON-RPC address of the chain")
	c.Flags().StringVar(&key.Path, "key", "", "file with the key of the account that sends and pays")
	passphraseFlag(c, key)
}

func chainDeployCommand() *cobra.Command {
	l, o := &local{}, app.DeployOptions{}
	delay := time.Duration(0)
	c := &cobra.Command{
		Use: "deploy", Short: "Put the contracts on a chain, or say what would be put where", Args: cobra.NoArgs,
		Long: `Addresses follow from what is deployed (CREATE2 through the deterministic deployment proxy): the same
release with the same parameters and salt is the same deployment on every chain. What is there is not sent again,
so that a deployment that broke off goes on where it ended. Parameters are those of a profile (docs/spec/09-money.md,
section 6), changed by --set.`,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Params.Delay, o.Key.Ask = uint64(max(delay, 0)/time.Second), app.AskPassphrase(false)
			if !o.Only && o.Key.Path == "" {
				return fmt.Errorf("%w: --key names the file of the account that pays; --dry-run needs none", errUsage)
			}
			ctx, stop := untilStopped(c)
			defer stop()
			d, err := app.Deploy(ctx, o)
			if err != nil {
				return err
			}
			return l.print(c, d, func(w io.Writer) { printDeployed(w, d, o.Out) })
		},
	}
	payingFlags(c, &o.RPC, &o.Key)
	f := c.Flags()
	f.StringVar(&o.Profile, "profile", "devnet", "devnet, l2 or l1: parameters and their ranges")
	f.StringArrayVar(&o.Set, "set", nil, "NAME=VALUE of a parameter, in the units of the specification (repeatable)")
	f.Var(addressVar{&o.Params.Token}, "token", "ERC-20 of all stakes (default: a test token, on devnet only)")
	f.Var(addressVar{&o.Params.Registrar}, "registrar", "who may add evaluators of new operations and keys of proofs (default: nobody)")
	f.Var(addressVar{&o.Params.Guardian}, "guardian", "who may hold up new claims, for 7 days at most (default: nobody)")
	f.Var(addressVar{&o.Params.Governor}, "governor", "who announces later arenas in a directory (default: there is none)")
	f.DurationVar(&delay, "delay", 0, "least time from an announcement to the change; never less than the unbonding time")
	f.Var(saltVar{&o.Params.Salt}, "salt", "keeps deployments of the same parameters apart")
	f.StringVar(&o.Out, "out", "deployment.json", "file to write the addresses to")
	f.BoolVar(&o.Audits, "audits", false, "also beacon and audits, drawn by drand's quicknet (docs/spec/11-audits.md)")
	f.BoolVar(&o.Only, "dry-run", false, "send nothing: test the chain, print addresses and cost")
	f.BoolVar(&l.asJSON, "json", false, "print one JSON object")
	return c
}

func printDeployed(w io.Writer, d *app.Deployed, out string) {
	fmt.Fprintf(w, "chain %d\n", d.ChainID)
	printProbes(w, d.Probes)
	for _, p := range d.Contracts {
		state := "missing"
		if p.There {
			state = "there"
		}
		if d.Addresses != nil && !p.There {
			state = "deployed"
		}
		fmt.Fprintf(w, "%-9s %-20s %v\n", state, p.Name, p.Address)
	}
	if d.Addresses == nil {
		fmt.Fprintf(w, "at most about %s wei at today's fees; nothing was sent\n", d.Cost)
		return
	}
	fmt.Fprintf(w, "addresses in %s; check it at any time: elenchus chain status --deployment %s\n", out, out)
}

func printProbes(w io.Writer, probes []app.Probe) {
	for _, p := range probes {
		if p.Error == "" {
			fmt.Fprintf(w, "%-9s %s\n", "ok", p.Name)
		} else {
			fmt.Fprintf(w, "%-9s %s, for %s: %s\n", "missing", p.Name, p.For, p.Error)
		}
	}
}

func chainStatusCommand() *cobra.Command {
	l, f := &local{}, &chainFlags{}
	c := &cobra.Command{
		Use: "status", Short: "Check a deployment: code, wiring, parameters, pause, announced changes", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			k, err := f.lookup(l.dir)
			if err != nil {
				return err
			}
			ctx, stop := untilStopped(c)
			defer stop()
			s, err := k.Status(ctx)
			if err != nil {
				return err
			}
			if err := l.print(c, s, func(w io.Writer) { printStatus(w, s) }); err != nil || s.OK {
				return err
			}
			return exitError(exitFailed)
		},
	}
	l.add(c)
	f.add(c)
	_ = c.MarkFlagRequired("rpc") // it exists
	return c
}

func printStatus(w io.Writer, s *app.ChainStatus) {
	fmt.Fprintf(w, "chain %d, block %d, %s, base fee %s wei\n", s.ChainID, s.Block, s.Time, s.BaseFee)
	fmt.Fprintf(w, "arena %s, profile %s, code and wiring as expected, burned %s\n", s.Arena, s.Profile, s.Burned)
	for _, name := range s.Names {
		fmt.Fprintf(w, "  %-16s %s\n", name, s.Params[name])
	}
	for _, line := range [][2]string{
		{"guardian", s.Guardian}, {"paused until", s.Paused}, {"governor", s.Governor}, {"current arena", s.Current},
		{"next arena", s.Next}, {"after", s.Due},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "%-15s %s\n", line[0], line[1])
		}
	}
	if s.Audits != nil {
		fmt.Fprintf(w, "%-15s %s, and owe %s\n", "audits hold", s.Audits.Holds, s.Audits.Owes)
	}
	printProbes(w, s.Probes)
	for _, p := range s.Problems {
		fmt.Fprintf(w, "%-9s %s\n", "mind", p)
	}
}

// governing is a command that sends one transaction of guardian, governor or anybody.
func governing(use, short string, args cobra.PositionalArgs, does func(context.Context, *app.ChainLookup, app.KeyFile, []string) error) *cobra.Command {
	l, f, key := &local{}, &chainFlags{}, app.KeyFile{}
	c := &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(c *cobra.Command, args []string) error {
			k, err := f.lookup(l.dir)
			if err != nil {
				return err
			}
			key.Ask = app.AskPassphrase(false)
			ctx, stop := untilStopped(c)
			defer stop()
			if err := does(ctx, k, key, args); err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "mined")
			return err
		},
	}
	payingFlags(c, &f.rpc, &key)
	c.Flags().StringVar(&f.deployment, "deployment", "deployment.json", "file with the addresses of the contracts")
	_ = c.MarkFlagRequired("key") // it exists
	return c
}

func chainPauseCommand() *cobra.Command {
	last, end := 24*time.Hour, false
	c := governing("pause", "Hold up new claims as the guardian, or end that; games, payouts and exits go on", cobra.NoArgs,
		func(ctx context.Context, k *app.ChainLookup, key app.KeyFile, _ []string) error {
			if end {
				return k.Pause(ctx, key, 0)
			}
			if last < time.Second || last > app.MaxPause {
				return fmt.Errorf("%w: --for %v: a pause lasts from a second to %v", errUsage, last, app.MaxPause)
			}
			return k.Pause(ctx, key, last)
		})
	c.Flags().DurationVar(&last, "for", last, "how long, 7 days at most from its beginning")
	c.Flags().BoolVar(&end, "end", false, "end the pause now")
	return c
}

func chainAnnounceCommand() *cobra.Command {
	back := false
	c := governing("announce [ARENA]", "Announce the next arena as the governor, or take that back", cobra.MaximumNArgs(1),
		func(ctx context.Context, k *app.ChainLookup, key app.KeyFile, args []string) error {
			if back == (len(args) == 1) {
				return fmt.Errorf("%w: name an arena, or take the announcement back with --withdraw", errUsage)
			}
			if back {
				return k.Withdraw(ctx, key)
			}
			var arena common.Address
			if err := (addressVar{&arena}).Set(args[0]); err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			return k.Announce(ctx, key, arena)
		})
	c.Flags().BoolVar(&back, "withdraw", false, "take the announcement back")
	return c
}

func chainChangeCommand() *cobra.Command {
	return governing("change", "Put an announced arena into use once it is due; anybody may", cobra.NoArgs,
		func(ctx context.Context, k *app.ChainLookup, key app.KeyFile, _ []string) error {
			return k.Change(ctx, key)
		})
}
