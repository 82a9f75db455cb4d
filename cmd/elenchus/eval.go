package main

import (
	"fmt"
	"io"

	"elenchus/app"

	"github.com/spf13/cobra"
)

// maxText bounds texts that eval reads, in bytes.
const maxText = 1 << 30

func evalCommand() *cobra.Command {
	c := &cobra.Command{Use: "eval", Short: "Measure a model: by the very program that a claim commits to"}
	c.AddCommand(evalPerplexity(), evalDigest(), evalTokenizer())
	return c
}

func evalPerplexity() *cobra.Command {
	l := &local{}
	var model, text string
	var threads int
	c := &cobra.Command{
		Use: "perplexity", Short: "Mean loss per predicted token over stories, 256 tokens of each", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b, err := readInput(c, text, maxText)
			if err != nil {
				return err
			}
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
			bar := newBar(c, "stories")
			r, err := app.EvalPerplexity(ctx, man, string(b), threads, bar.set)
			bar.end()
			if err != nil {
				return err
			}
			return l.print(c, r, func(w io.Writer) {
				fmt.Fprintf(w, "%.8f nats per token over %d predicted tokens, model %s\n", r.NLL, r.Tokens, r.ModelID)
			})
		},
	}
	l.add(c)
	c.Flags().StringVar(&model, "model", "default", "name, id, .gguf or .elm file, or default")
	c.Flags().StringVar(&text, "text", "", "file of stories, separated by <|endoftext|>; - reads standard input")
	c.Flags().IntVar(&threads, "threads", 0, "threads; 0: one for each processor")
	_ = c.MarkFlagRequired("text") // it exists
	return c
}

func evalDigest() *cobra.Command {
	l, o := &local{}, app.DigestOptions{}
	var model string
	c := &cobra.Command{
		Use: "digest", Short: "One hash of all tokens, KV roots and logits: the same for all kernels, threads and batches", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Threads < 0 || o.Batch < 1 {
				return fmt.Errorf("%w: --threads %d, --batch %d: want at least 0 and 1", errUsage, o.Threads, o.Batch)
			}
			if err := app.CheckKernel(o.Kernel); err != nil {
				return err
			}
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
			d, err := app.EvalDigest(ctx, man, o)
			if err != nil {
				return err
			}
			text := fmt.Sprintf("%x", d)
			return l.print(c, map[string]string{"digest": text}, func(w io.Writer) { fmt.Fprintln(w, text) })
		},
	}
	l.add(c)
	p := c.Flags()
	p.StringVar(&model, "model", "default", "name, id, .gguf or .elm file, or default")
	p.StringVar(&o.Prompt, "prompt", "", "prompt")
	p.Uint32Var(&o.Tokens, "tokens", 32, "most tokens to produce")
	p.StringVar(&o.Kernel, "kernel", "", kernelUsage())
	p.IntVar(&o.Threads, "threads", 0, "threads; 0: one for each processor")
	p.IntVar(&o.Batch, "batch", 16, "prompt positions per pass")
	return c
}

func evalTokenizer() *cobra.Command {
	l := &local{}
	var model, input string
	c := &cobra.Command{
		Use: "tokenizer [FILE...]", Short: "Token ids of each line, or test vectors FILE.inp and FILE.out of vocabularies",
		Long: `With --input, prints the ids of each line, without beginning or end of sequence.
With FILEs, vocabularies (.gguf, tokenizer.json) with texts in FILE.inp and ids in FILE.out as llama.cpp keeps them, compares; exit code 1 if any text has other ids.`,
		RunE: func(c *cobra.Command, files []string) error {
			s, err := l.store()
			if err != nil {
				return err
			}
			if (len(files) == 0) == (input == "") {
				return fmt.Errorf("%w: name FILEs with test vectors, or --input with lines to encode", errUsage)
			}
			if len(files) > 0 {
				return l.vectors(c, s, files)
			}
			return l.lines(c, s, model, input)
		},
	}
	l.add(c)
	c.Flags().StringVar(&model, "model", "default", "name, id, .elm, .gguf (vocabulary-only will do) or tokenizer.json file, or default")
	c.Flags().StringVar(&input, "input", "", "file of lines to encode; - reads standard input")
	return c
}

// lines prints the ids of each line of an input.
func (l *local) lines(c *cobra.Command, s app.Store, model, input string) error {
	b, err := readInput(c, input, maxText)
	if err != nil {
		return err
	}
	tok, err := s.OpenTokenizer(model)
	if err != nil {
		return err
	}
	ids := app.EvalTokenizer(tok, string(b))
	return l.print(c, map[string]any{"ids": ids}, func(w io.Writer) {
		for _, line := range ids {
			fmt.Fprintln(w, line)
		}
	})
}

// vectors compares vocabularies with their test vectors.
func (l *local) vectors(c *cobra.Command, s app.Store, files []string) error {
	var all []app.TokenizerVectors
	same := true
	for _, file := range files {
		v, err := s.EvalVectors(file)
		if err != nil {
			return err
		}
		all, same = append(all, v), same && v.Same == v.Texts
	}
	err := l.print(c, map[string]any{"files": all}, func(w io.Writer) {
		for _, v := range all {
			fmt.Fprintf(w, "%s: %d of %d texts have the expected ids\n", v.File, v.Same, v.Texts)
			if v.First != "" {
				fmt.Fprintln(w, " ", v.First)
			}
		}
	})
	if err == nil && !same {
		return exitError(exitFailed)
	}
	return err
}
