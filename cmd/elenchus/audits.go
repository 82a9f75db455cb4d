package main

import (
	"fmt"
	"io"

	"elenchus/app"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"
)

// chainAuditsCommand says what audits owe an account, and pays it out.
func chainAuditsCommand() *cobra.Command {
	l, f, key := &local{}, &chainFlags{}, app.KeyFile{}
	var account common.Address
	pay := false
	c := &cobra.Command{
		Use: "audits", Short: "What audits owe an account; --withdraw pays it out", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if pay == (account != common.Address{}) || pay && key.Path == "" {
				return fmt.Errorf("%w: name an account with --account, or withdraw what the account of --key is owed with --withdraw", errUsage)
			}
			k, err := f.lookup(l.dir)
			if err != nil {
				return err
			}
			key.Ask = app.AskPassphrase(false)
			ctx, stop := untilStopped(c)
			defer stop()
			var m *app.AuditMoney
			if pay {
				m, err = k.WithdrawAudits(ctx, key)
			} else {
				m, err = k.AuditMoney(ctx, account)
			}
			if err != nil {
				return err
			}
			return l.print(c, m, func(w io.Writer) { printAuditMoney(w, m) })
		},
	}
	payingFlags(c, &f.rpc, &key)
	c.Flags().StringVar(&f.deployment, "deployment", "deployment.json", "file with the addresses of the contracts")
	c.Flags().Var(addressVar{&account}, "account", "whose money to look at")
	c.Flags().BoolVar(&pay, "withdraw", false, "pay all credit of the key's account out to it")
	c.Flags().BoolVar(&l.asJSON, "json", false, "print one JSON object")
	return c
}

func printAuditMoney(w io.Writer, m *app.AuditMoney) {
	fmt.Fprintf(w, "account %s\n", m.Account)
	for _, line := range [][2]string{{"withdrawn", m.Withdrawn}, {"credit", m.Credit}, {"deposit", m.Deposit}, {"fees", m.Fees}} {
		if line[1] != "" {
			fmt.Fprintf(w, "%-10s %s\n", line[0], line[1])
		}
	}
}
