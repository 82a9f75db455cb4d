package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"elenchus"
	"elenchus/app"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func runCommand() *cobra.Command {
	l, o := &local{}, app.RunOptions{}
	var temperature, seed string
	var withTrace bool
	c := &cobra.Command{
		Use: "run MODEL PROMPT", Short: "Generate on this machine: MODEL is a name, an id, a .gguf or .elm file, or default",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.Temperature, err = elenchus.ParseTemperature(temperature); err != nil {
				return fmt.Errorf("--temperature: %w", err)
			}
			if o.Seed, err = elenchus.ParseSeed(seed); err != nil {
				return fmt.Errorf("--seed: %w", err)
			}
			o.Prompt = args[1]
			return generate(c, l, args[0], o, withTrace)
		},
	}
	l.add(c)
	p := c.Flags()
	p.StringVar(&temperature, "temperature", "0", "0 to 2, as decimal text that is read exactly; 0 is greedy")
	p.StringVar(&seed, "seed", "0", "seed of the draws: the same seed gives the same answer everywhere")
	p.Uint32Var(&o.MaxNew, "max-tokens", 128, "most tokens to produce")
	p.IntVar(&o.Threads, "threads", 0, "threads; 0: one for each processor. They change no bit")
	p.IntVar(&o.Batch, "batch", 16, "prompt positions per pass. They change no bit")
	p.StringVar(&o.Kernel, "kernel", "", kernelUsage())
	p.BoolVar(&withTrace, "trace", false, "print what a claim about this answer would commit to")
	return c
}

// kernelUsage describes a flag --kernel.
func kernelUsage() string {
	return strings.Join(app.KernelNames(), ", ") + ": they change no bit; without it " + app.KernelVariable + " decides, then auto"
}

func generate(c *cobra.Command, l *local, model string, o app.RunOptions, withTrace bool) error {
	s, err := l.store()
	if err != nil {
		return err
	}
	man, _, err := s.Load(model)
	if err != nil {
		return err
	}
	ctx, stop := untilStopped(c)
	defer stop()
	out := c.OutOrStdout()
	f, isFile := out.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd()))
	emit := func(text string) error {
		if terminal {
			text = tame(text) // a file has what the model said, byte for byte
		}
		_, err := io.WriteString(out, text)
		return err
	}
	if l.asJSON {
		emit = nil
	}
	r, err := app.Generate(ctx, man, o, emit)
	if err != nil {
		return err
	}
	if !withTrace {
		r.States = nil
	}
	return l.print(c, r, func(w io.Writer) {
		if !strings.HasSuffix(r.Text, "\n") {
			fmt.Fprintln(w)
		}
		if withTrace {
			printTrace(w, r)
		}
	})
}

func printTrace(w io.Writer, r *app.RunResult) {
	fmt.Fprintf(w, "\nmodel        %s\nprompt root  %s (%d ids)\noutput root  %s (%d ids)\nstate root   %s\nfinish       %d %s\n\n",
		r.ModelID, r.PromptRoot, len(r.PromptIDs), r.OutputRoot, r.Count, r.StateRoot, r.FinishCode, r.Finish)
	for _, s := range r.States {
		fmt.Fprintf(w, "S_%-4d token %-6d state %s kv %s\n", s.Step, s.Token, s.State, s.KV)
	}
}
