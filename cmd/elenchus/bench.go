package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"elenchus/app"

	"github.com/spf13/cobra"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "Measure what things cost"}
	c.AddCommand(benchGasCommand(),
		benchSpeedCommand("decode", "Time tokens drawn one after the other, on synthetic weights of a shape", []int{0, 512, 2048}, 1),
		benchSpeedCommand("prefill", "Time the positions of a prompt, on synthetic weights of a shape", []int{128, 512}, 0))
	return c
}

func benchGasCommand() *cobra.Command {
	var shape string
	var asJSON bool
	c := &cobra.Command{
		Use: "gas", Short: "Play the dearest element of each operation through the contracts, on synthetic weights", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !slices.Contains(app.GasShapes(), shape) {
				return fmt.Errorf("%w: shape %q: use one of %s", errUsage, shape, strings.Join(app.GasShapes(), ", "))
			}
			ctx, stop := untilStopped(c)
			defer stop()
			r, err := app.BenchGas(ctx, shape)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(r)
			}
			return app.WriteGas(c.OutOrStdout(), shape, r)
		},
	}
	c.Flags().StringVar(&shape, "shape", app.GasShapes()[0], "one of "+strings.Join(app.GasShapes(), ", "))
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// benchSpeedCommand is bench decode or, without a number of tokens to draw, bench prefill.
func benchSpeedCommand(name, short string, contexts []int, least int) *cobra.Command {
	o := app.SpeedOptions{Prefill: least == 0}
	var asJSON, wait bool
	c := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if slices.Min(o.Contexts) < 0 || o.Tokens < least || slices.Max(o.Contexts) > 1<<17 || slices.Min(o.Threads) < 0 || o.Batch < 1 || o.Turns < 1 || o.Requests < 1 || o.Requests > 256 {
				return fmt.Errorf("%w: --context %v, --threads %v, --batch %d, --turns %d, --requests %d: want 0 to 131072, at least 0, at least 1, at least 1, 1 to 256",
					errUsage, o.Contexts, o.Threads, o.Batch, o.Turns, o.Requests)
			}
			if wait {
				takeTurns(c, &o)
			}
			ctx, stop := untilStopped(c)
			defer stop()
			bar := newBar(c, "measurements")
			o.Progress = bar.set
			r, err := app.BenchSpeed(ctx, o)
			bar.end()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(r)
			}
			return app.WriteSpeed(c.OutOrStdout(), r)
		},
	}
	p := c.Flags()
	p.StringVar(&o.Shape, "shape", app.SpeedShapes()[0], "one of "+strings.Join(app.SpeedShapes(), ", "))
	p.StringVar((*string)(&o.Class), "class", app.SpeedClasses()[0], "of the weights: one of "+strings.Join(app.SpeedClasses(), ", "))
	p.StringSliceVar(&o.Kernels, "kernel", []string{""}, kernelUsage())
	p.IntSliceVar(&o.Threads, "threads", []int{0}, "numbers of threads; 0: one for each processor")
	p.IntSliceVar(&o.Contexts, "context", contexts, "positions before what is timed; for prefill, positions of the prompt")
	p.IntVar(&o.Batch, "batch", 64, "prompt positions per pass, of each request")
	p.IntVar(&o.Requests, "requests", 1, "answers, or prompts, that share each pass")
	p.IntVar(&o.Turns, "turns", 1, "how often to measure everything, in turns; medians are printed")
	p.BoolVar(&wait, "wait", false, "read a line before each measurement and print it as a line of JSON, for who measures something else in turns")
	p.BoolVar(&asJSON, "json", false, "print one JSON object")
	if least > 0 {
		p.IntVar(&o.Tokens, "tokens", 32, "tokens to draw")
	}
	return c
}

// takeTurns lets each measurement begin with a line of the standard input and end with one of output.
func takeTurns(c *cobra.Command, o *app.SpeedOptions) {
	in, out := bufio.NewReader(c.InOrStdin()), json.NewEncoder(c.OutOrStdout())
	o.Begin = func() error {
		_, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%w: --wait wants a line for each measurement: %w", errUsage, err)
		}
		return nil
	}
	o.End = func(r app.SpeedRow) error { return out.Encode(r) }
}
