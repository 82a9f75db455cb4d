// Package main is the elenchus command: flags and configuration, nothing else.
//
// It stands at the top of the house: app does the work, the root package verifies. Exit codes: 0
// done or holds, 1 failed or false, 2 wrong usage or cannot be done here, 3 pending.
//
//	elenchus run default "Once upon a time"
package main

import (
	"errors"
	"fmt"
	"os"

	"elenchus"
	"elenchus/app"

	"github.com/spf13/cobra"
)

// commands make the subcommands, in the order of the help text.
func commands() []*cobra.Command {
	return []*cobra.Command{
		upCommand(), demoCommand(), modelCommand(), runCommand(), evalCommand(), verifyCommand(), doctorCommand(), configCommand(), explainCommand(), mcpCommand(),
		compareCommand(), nodeCommand(), watchCommand(), gatewayCommand(), chainCommand(), benchCommand(),
		circuitCommand(), proveCommand(), keyCommand(), demandCommand(),
	}
}

// Exit codes; those of verify are app.VerifyExit.
const (
	exitFailed = 1
	exitCannot = 2 // also wrong usage
)

// exitError ends the command with a code after everything has been said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// errUsage marks a wrong value on the command line.
var errUsage = errors.New("wrong usage")

func main() {
	app.Child()
	os.Exit(run())
}

func run() int {
	root := &cobra.Command{
		Use: "elenchus", Short: "Verifiable inference: answers that anyone can check, and stake behind them",
		SilenceUsage: true, SilenceErrors: true, Version: app.Build(),
	}
	root.AddCommand(commands()...)
	root.PersistentFlags().String("config", "", "file of settings; see: elenchus config --help")
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return configure(c) }
	root.CompletionOptions.HiddenDefaultCmd = true
	started := false
	mark(root, &started)
	c, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	var exit exitError
	if errors.As(err, &exit) {
		return int(exit)
	}
	fmt.Fprintln(os.Stderr, "elenchus:", tame(err.Error()))
	if !started || errors.Is(err, errUsage) {
		fmt.Fprintf(os.Stderr, "see: %s --help\n", c.CommandPath())
		return exitCannot
	}
	if errors.Is(err, app.ErrCannot) || errors.Is(err, app.ErrNoModel) || errors.Is(err, elenchus.ErrInput) {
		return exitCannot
	}
	return exitFailed
}

// mark notes when a command begins to work: errors before that are about flags and arguments.
func mark(c *cobra.Command, started *bool) {
	if work := c.RunE; work != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			*started = true
			return work(c, args)
		}
	} else if c.Run == nil {
		c.Args = cobra.NoArgs
		c.RunE = func(c *cobra.Command, _ []string) error {
			if err := c.Help(); err != nil || c.Parent() == nil {
				return err
			}
			return exitError(exitCannot)
		}
	}
	for _, sub := range c.Commands() {
		mark(sub, started)
	}
}
