package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"elenchus/app"

	"github.com/spf13/cobra"
)

func modelCommand() *cobra.Command {
	c := &cobra.Command{Use: "model", Short: "Import, pull, list, show, name, publish and remove models"}
	c.AddCommand(modelImport(), modelPull(), modelList(), modelShow(), modelAlias(), modelPublish(), modelRemove())
	return c
}

func modelImport() *cobra.Command {
	l, o := &local{}, app.ImportOptions{}
	c := &cobra.Command{
		Use: "import PATH", Short: "Turn a model (a GGUF file or a Hugging Face folder) into an integer model and print its id", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkImport(&o); err != nil {
				return err
			}
			s, err := l.store()
			if err != nil {
				return err
			}
			b := newBar(c, "import")
			var notes []string
			o.Progress, o.Notes = b.set, func(line string) { notes = append(notes, line) }
			m, err := s.Import(args[0], o)
			b.end()
			return l.printImport(c, m, notes, err)
		},
	}
	l.add(c)
	importFlags(c, &o)
	c.Flags().BoolVar(&o.Confidential, "confidential", false, "a model whose disputes are answered by proofs: no leaf of it is shown on a chain; PATH may be a model of the store or default")
	c.Flags().BoolVar(&o.Private, "private", false, "a model whose id tells nothing of its weights; disputes about its answers cannot be played")
	c.Flags().StringVar(&o.Secret, "secret", "", "with --private: file of the secret that hides the weights; a new one is made where there is none")
	c.MarkFlagsMutuallyExclusive("confidential", "private")
	return c
}

// importFlags say how a file becomes a model.
func importFlags(c *cobra.Command, o *app.ImportOptions) {
	c.Flags().StringVar(&o.Name, "name", "", "name in the store (default: that of the file)")
	c.Flags().IntVar(&o.Bits, "bits", 0, "bits of a weight: 8, 16, or 0 to let the size of the model decide")
	c.Flags().StringVar(&o.Class, "class", app.AutoClass, "weights: r8, r16 (rows), b (blocks as in the file), g4 (blocks of 4 bits); auto chooses, measures where the model is small, and says what it costs")
	c.Flags().StringVar(&o.Text, "calibration", "", "text file that auto measures on (default: a text of ours)")
	c.Flags().StringVar(&o.Template, "template", "auto", "chat template: auto derives it from the model's own, concat joins the messages")
	c.Flags().IntVar(&o.Context, "context", 0, "positions; 0: what the file says, at least 512")
}

// checkImport refuses flags that no import knows.
func checkImport(o *app.ImportOptions) error {
	if o.Bits != 0 && o.Bits != 8 && o.Bits != 16 {
		return fmt.Errorf("%w: --bits %d: 8, 16, or 0 to let the size of the model decide", errUsage, o.Bits)
	}
	if o.Class != app.AutoClass && !slices.Contains(app.Classes(), o.Class) {
		return fmt.Errorf("%w: --class %s: auto or one of %v", errUsage, o.Class, app.Classes())
	}
	if o.Secret != "" && !o.Private {
		return fmt.Errorf("%w: --secret %s hides the weights of a private model: add --private", errUsage, o.Secret)
	}
	return nil
}

// printImport says what became of an import.
func (l *local) printImport(c *cobra.Command, m app.StoredModel, notes []string, err error) error {
	for _, line := range notes {
		fmt.Fprintln(c.ErrOrStderr(), "note:", line)
	}
	if err != nil {
		return err
	}
	return l.print(c, m, func(w io.Writer) { fmt.Fprintln(w, m.ID) })
}

func modelList() *cobra.Command {
	l := &local{}
	c := &cobra.Command{
		Use: "list", Short: "List the imported models", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := l.store()
			if err != nil {
				return err
			}
			all, err := s.List()
			if err != nil {
				return err
			}
			return l.print(c, map[string]any{"models": all}, func(w io.Writer) {
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				for _, m := range all {
					fmt.Fprintf(t, "%s\t%s\t%d MiB\tcontext %d", m.Name, m.ID, (m.Bytes+1<<20-1)>>20, m.Context)
					if m.Confidential {
						fmt.Fprint(t, "\tconfidential")
					}
					if m.Private {
						fmt.Fprint(t, "\tprivate")
					}
					if len(m.Aliases) > 0 {
						fmt.Fprintf(t, "\talso %s", strings.Join(m.Aliases, ", "))
					}
					fmt.Fprintln(t)
				}
				_ = t.Flush() // a writer that fails says so at the next print
			})
		},
	}
	l.add(c)
	return c
}

func modelShow() *cobra.Command {
	l := &local{}
	c := &cobra.Command{
		Use: "show MODEL", Short: "Describe a model: a name, an id, a file or default", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := l.store()
			if err != nil {
				return err
			}
			d, err := s.Describe(args[0])
			if err != nil {
				return err
			}
			return l.print(c, d, func(w io.Writer) {
				fmt.Fprintf(w, "name          %s\nid            %s\nkind          %s\narchitecture  %s\nparameters    %s\nclass         %s\nsize          %s\nmemory        about %s to serve it\naliases       %s\nvocabulary    %d\ncontext       %d\ngraph         %s\ntokenizer     %s\ntemplate      %s\nend ids       %v\n",
					d.Name, d.ID, d.Kind, d.Architecture, inMillions(d.Parameters), d.Class, inMiB(d.WeightBytes), inMiB(d.MemoryBytes), cmp.Or(strings.Join(d.Aliases, ", "), "none"), d.Vocab, d.Context, d.Graph, d.Tokenizer, d.Template, d.EndIDs)
			})
		},
	}
	l.add(c)
	return c
}

// modelPublish registers a model on a chain; weights and secret stay where they are.
func modelPublish() *cobra.Command {
	l := &local{}
	c := governing("publish NAME", "Register a model on a chain by its header: id and class, no weights", cobra.ExactArgs(1),
		func(ctx context.Context, k *app.ChainLookup, key app.KeyFile, args []string) error {
			s, err := l.store()
			if err != nil {
				return err
			}
			man, _, err := s.Load(args[0])
			if err != nil {
				return err
			}
			return k.PublishModel(ctx, key, &man.Header)
		})
	c.Flags().StringVar(&l.dir, "dir", "", "state directory (default: in the user's data directory)")
	return c
}

func modelRemove() *cobra.Command {
	l := &local{}
	c := &cobra.Command{
		Use: "rm MODEL", Short: "Remove an imported model", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := l.store()
			if err != nil {
				return err
			}
			m, err := s.Remove(args[0])
			if err != nil {
				return err
			}
			if m.Private {
				fmt.Fprintf(c.ErrOrStderr(), "note: its secret stays at %s: no other copy of the model can be read without it; delete it if there is none\n", m.SecretPath())
			}
			return l.print(c, m, func(w io.Writer) { fmt.Fprintln(w, "removed", m.Name, m.ID) })
		},
	}
	l.add(c)
	return c
}

// inMillions is a number of parameters for people.
func inMillions(n int64) string {
	if n < 10_000_000 {
		return fmt.Sprintf("%d", n)
	}
	return fmt.Sprintf("%d million", (n+500_000)/1_000_000)
}

// inMiB is a size for people.
func inMiB(n int64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%d KiB", (n+1<<10-1)>>10)
	}
	return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20)
}
