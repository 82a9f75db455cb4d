package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"sync"

	"elenchus/app"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

func modelPull() *cobra.Command {
	l, o := &local{}, app.PullOptions{}
	c := &cobra.Command{
		Use: "pull MODEL", Short: "Fetch a model and import it: OWNER/NAME[@REVISION][:FILE] of a hub, an https address, or a path",
		Long: `Fetch a model and import it. MODEL is OWNER/NAME of a hub (Hugging Face unless --hub or HF_ENDPOINT says
otherwise), with @REVISION for a branch, tag or commit and :FILE for a GGUF file or a part of its name
such as Q8_0; or an https address of a .gguf or .elm file; or a path.

What is interrupted goes on when the same command is run again. HF_TOKEN is sent to the hub alone.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkImport(&o.Import); err != nil {
				return err
			}
			s, err := l.store()
			if err != nil {
				return err
			}
			o.Hub, o.Token = cmp.Or(o.Hub, os.Getenv("HF_ENDPOINT")), os.Getenv("HF_TOKEN")
			ctx, stop := untilStopped(c)
			defer stop()
			files := newBytesBars(c)
			o.Progress = files.set
			b := &bar{}
			var begin sync.Once
			o.Import.Progress = func(done, all int) {
				begin.Do(func() {
					files.end()
					*b = *newBar(c, "import")
				})
				b.set(done, all)
			}
			var notes []string
			o.Import.Notes = func(line string) { notes = append(notes, line) }
			m, err := s.Pull(ctx, args[0], o)
			files.end()
			b.end()
			return l.printImport(c, m, notes, err)
		},
	}
	l.add(c)
	importFlags(c, &o.Import)
	c.Flags().StringVar(&o.Hub, "hub", "", "base URL that answers names as Hugging Face does (default: HF_ENDPOINT, else "+app.DefaultHub+")")
	c.Flags().StringVar(&o.SHA256, "sha256", "", "digest that the file at an address must have; files of a hub are checked against its listing")
	c.Flags().BoolVar(&o.Keep, "keep", false, "keep the downloaded files beside the model")
	return c
}

func modelAlias() *cobra.Command {
	l := &local{}
	var remove bool
	c := &cobra.Command{
		Use: "alias NAME [MODEL]", Short: "Give a model one more name, or forget one with --remove", Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if remove != (len(args) == 1) {
				return fmt.Errorf("%w: give NAME and MODEL, or NAME and --remove", errUsage)
			}
			s, err := l.store()
			if err != nil {
				return err
			}
			if remove {
				return s.RemoveAlias(args[0])
			}
			id, err := s.SetAlias(args[0], args[1])
			if err != nil {
				return err
			}
			return l.print(c, map[string]string{"alias": args[0], "id": id}, func(w io.Writer) { fmt.Fprintln(w, args[0], id) })
		},
	}
	l.add(c)
	c.Flags().BoolVar(&remove, "remove", false, "forget the name")
	return c
}

// bytesBars show how files come, one bar each, on a terminal.
type bytesBars struct {
	all   *mpb.Progress
	mu    sync.Mutex // guards bars
	bars  map[string]*mpb.Bar
	ended bool // no bar comes any more
}

func newBytesBars(c *cobra.Command) *bytesBars {
	f, ok := c.ErrOrStderr().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &bytesBars{}
	}
	return &bytesBars{all: mpb.New(mpb.WithOutput(f), mpb.WithWidth(40)), bars: map[string]*mpb.Bar{}}
}

func (b *bytesBars) set(file string, done, all int64) {
	if b.all == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.bars[file]
	if one == nil {
		one = b.all.AddBar(max(all, 0), mpb.PrependDecorators(decor.Name(file+" ")),
			mpb.AppendDecorators(decor.CountersKibiByte("% .1f of % .1f "), decor.AverageSpeed(decor.SizeB1024(0), "% .1f ")))
		b.bars[file] = one
	}
	if all >= 0 {
		one.SetTotal(all, false)
	}
	one.SetCurrent(done)
}

func (b *bytesBars) end() {
	if b.all == nil || b.ended {
		return
	}
	b.ended = true
	for _, one := range b.bars {
		one.Abort(false)
	}
	b.all.Wait()
}
