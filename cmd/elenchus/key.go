package main

import (
	"crypto/ecdsa"
	"fmt"
	"io"
	"os"

	"elenchus/app"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/spf13/cobra"
)

// keyCommand keeps keys of accounts in encrypted files.
func keyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "key", Short: "Make, import and show encrypted keys of accounts",
		Long: `Keys lie in files in the format that other wallets use (Web3 Secret Storage, version 3), encrypted
with a passphrase. Neither keys nor passphrases are ever arguments or variables: a passphrase is typed at the
terminal or read from the first line of a file.`,
	}
	c.AddCommand(keyNewCommand(), keyImportCommand(), keyShowCommand())
	return c
}

// passphraseFlag adds the flag that names a passphrase's file.
func passphraseFlag(c *cobra.Command, f *app.KeyFile) {
	c.Flags().StringVar(&f.Passphrase, "passphrase-file", "", "file whose first line is the passphrase (default: asked at the terminal)")
}

// writeKey encrypts a key into a new file and says whose it is.
func writeKey(c *cobra.Command, f app.KeyFile, k *ecdsa.PrivateKey) error {
	f.Ask = app.AskPassphrase(true)
	if err := f.Write(k); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), crypto.PubkeyToAddress(k.PublicKey))
	return err
}

func keyNewCommand() *cobra.Command {
	f := app.KeyFile{}
	c := &cobra.Command{
		Use: "new FILE", Short: "Make a key, encrypt it into a new file, print its address", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f.Path = args[0]
			k, err := crypto.GenerateKey()
			if err != nil {
				return err
			}
			return writeKey(c, f, k)
		},
	}
	passphraseFlag(c, &f)
	return c
}

func keyImportCommand() *cobra.Command {
	f, from := app.KeyFile{}, app.KeyFile{}
	c := &cobra.Command{
		Use: "import FILE", Short: "Encrypt the key of another file into a new one, print its address", Args: cobra.ExactArgs(1),
		Long: `Reads 64 hex digits or a keystore and encrypts the key anew; so it also changes a passphrase. The old
file stays: remove it once the new one works.`,
		RunE: func(c *cobra.Command, args []string) error {
			f.Path, from.Ask = args[0], app.AskPassphrase(false)
			k, err := from.Read()
			if err != nil {
				return err
			}
			return writeKey(c, f, k)
		},
	}
	passphraseFlag(c, &f)
	c.Flags().StringVar(&from.Path, "from", "", "file with the key: 64 hex digits, or a keystore")
	c.Flags().StringVar(&from.Passphrase, "from-passphrase-file", "", "file whose first line is the passphrase of --from")
	_ = c.MarkFlagRequired("from") // it exists
	return c
}

func keyShowCommand() *cobra.Command {
	l := &local{}
	c := &cobra.Command{
		Use: "show FILE", Short: "Print the address of a key file, without its passphrase", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := os.Stat(args[0]); err != nil {
				return err
			}
			at, err := app.KeyFile{Path: args[0]}.Address()
			if err != nil {
				return err
			}
			return l.print(c, map[string]any{"address": at}, func(w io.Writer) { fmt.Fprintln(w, at) })
		},
	}
	c.Flags().BoolVar(&l.asJSON, "json", false, "print one JSON object")
	return c
}
