package main

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"elenchus/app"

	"github.com/spf13/cobra"
)

// gameFlags are those of prove that only a game needs.
type gameFlags struct {
	chainFlags
	key, passphrase, keys, srs, digest string
	whole, submit                      bool
}

func (f *gameFlags) add(c *cobra.Command, game *string) {
	p := c.Flags()
	p.StringVar(game, "game", "", "with --rpc: id of a game (at least 8 digits): prove what is in dispute there")
	f.chainFlags.add(c)
	p.BoolVar(&f.whole, "whole", false, "with --game: prove all of the tensor in hand, also where one element is asked for")
	p.StringVar(&f.key, "key", "", "with --game: file with the key of the account that sends the answer, and that asks the node as a party")
	p.StringVar(&f.passphrase, "passphrase-file", "", "file whose first line is the passphrase of an encrypted key (default: asked at a terminal)")
	p.StringVar(&f.keys, "proof-keys", "", "with --game: folder with the other halves of the keys that the chain has (default: proof-keys beside the deployment's file)")
	p.StringVar(&f.srs, "srs", "", "with --game: public reference string from which the chain's keys follow")
	p.StringVar(&f.digest, "srs-digest", "", "SHA-256 of that file, hex, as its ceremony published it")
	p.BoolVar(&f.submit, "submit", false, "with --game and --key: send the answer, too")
	c.MarkFlagsRequiredTogether("srs", "srs-digest")
	for _, alone := range []string{"prompt", "position", "stage", "tensor", "element", "change", "cluster", "state", "chain", "verifier"} {
		c.MarkFlagsMutuallyExclusive("game", alone)
	}
}

// only refuses flags that mean nothing without a game: who forgot to name it would believe that an answer was sent.
func (f *gameFlags) only(c *cobra.Command, game string) error {
	for _, name := range []string{"rpc", "deployment", "key", "passphrase-file", "proof-keys", "srs", "whole", "submit"} {
		if game == "" && c.Flags().Changed(name) {
			return fmt.Errorf("%w: --%s is about a game: name it with --game ID", errUsage, name)
		}
	}
	return nil
}

// proveGame proves what is in dispute in the game that was named.
func (f *proveFlags) proveGame(ctx context.Context, c *cobra.Command, s app.Store) (*app.ProveReport, error) {
	g := &f.onGame
	if g.rpc == "" {
		return nil, fmt.Errorf("%w: --game %s is read from a chain: name it with --rpc URL; to bind a proof to the hash of a state use --state", errUsage, f.game)
	}
	k, err := g.lookup(f.dir)
	if err != nil {
		return nil, err
	}
	o := app.GameProofOptions{Chain: k, Game: f.game, Receipt: f.Receipt, Whole: g.whole, Prover: f.Prover, Progress: f.Progress}
	if c.Flags().Changed("model") {
		o.Model = f.model
	}
	if c.Flags().Changed("system") {
		o.System = f.System
	}
	if o.Keys, err = g.folder(f.dir); err != nil {
		return nil, err
	}
	o.SRS, o.SRSDigest = g.srs, g.digest
	if o.Key, err = g.account(); err != nil {
		return nil, err
	}
	if g.submit {
		if o.Outbox, err = f.outbox(); err != nil {
			return nil, err
		}
	}
	return s.ProveGame(ctx, o)
}

// outbox is where answers on their way are kept.
func (f *proveFlags) outbox() (string, error) {
	dir := f.dir
	if dir == "" {
		var err error
		if dir, err = app.StateDir(); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "prove"), nil
}

// folder is where the keys lie.
func (f *gameFlags) folder(dir string) (string, error) {
	path := f.deployment
	if f.keys != "" {
		return f.keys, nil
	}
	if path == "" {
		var err error
		if path, err = app.DefaultDeployment(dir); err != nil {
			return "", err
		}
	}
	return filepath.Join(filepath.Dir(path), "proof-keys"), nil
}

// account is the key that was named, or nil.
func (f *gameFlags) account() (*ecdsa.PrivateKey, error) {
	if f.key == "" {
		return nil, nil //nolint:nilnil // none was named
	}
	return app.KeyFile{Path: f.key, Passphrase: f.passphrase, Ask: app.AskPassphrase(false)}.Read()
}

// standing asks the chain about the game that a proof file was made for.
func (f *verifyFlags) standing(c *cobra.Command, r *app.ProofReport) error {
	k, err := (&chainFlags{f.rpc, f.deployment}).lookup(f.dir)
	if err != nil {
		return err
	}
	ctx, stop := untilStopped(c)
	defer stop()
	return k.Standing(ctx, r)
}

// printBinding says what a proof was made for.
func printBinding(w io.Writer, r *app.ProofReport) {
	if strings.Trim(r.Game, "0") == "" && r.Chain == 0 {
		fmt.Fprintln(w, "made for no game")
	}
	if r.Of != "" {
		fmt.Fprintf(w, "made for game %s, as the file says\n", r.Of)
	}
	fmt.Fprintf(w, "state %s chain %d verifier %s prover %s\n", r.Game, r.Chain, r.Verifier, r.Prover)
	if r.Now != "" {
		fmt.Fprintln(w, r.Now)
	}
}
