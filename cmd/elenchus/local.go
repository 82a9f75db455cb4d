package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"elenchus/app"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// local are the flags of commands that work on this machine alone.
type local struct {
	dir    string
	asJSON bool
}

func (l *local) add(c *cobra.Command) {
	c.Flags().StringVar(&l.dir, "dir", "", "state directory (default: elenchus in the user's data directory)")
	c.Flags().BoolVar(&l.asJSON, "json", false, "print one JSON object")
}

func (l *local) store() (app.Store, error) { return app.OpenStore(l.dir) }

// print writes v as JSON, or calls text.
func (l *local) print(c *cobra.Command, v any, text func(w io.Writer)) error {
	if !l.asJSON {
		text(c.OutOrStdout())
		return nil
	}
	e := json.NewEncoder(c.OutOrStdout())
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// bar is a progress bar on a terminal and nothing elsewhere. Its end must be called.
type bar struct {
	all *mpb.Progress
	one *mpb.Bar
}

func newBar(c *cobra.Command, what string) *bar {
	f, ok := c.ErrOrStderr().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &bar{}
	}
	b := &bar{all: mpb.New(mpb.WithOutput(f), mpb.WithWidth(40))}
	b.one = b.all.AddBar(0, mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Name(what+" ")),
		mpb.AppendDecorators(decor.CountersNoUnit("%d of %d "), decor.Percentage()))
	return b
}

// set shows done of all steps.
func (b *bar) set(done, all int) {
	if b.one != nil {
		b.one.SetTotal(int64(all), false)
		b.one.SetCurrent(int64(done))
	}
}

func (b *bar) end() {
	if b.one != nil {
		b.one.Abort(true)
		b.all.Wait()
	}
}

// readInput reads a file, standard input for "-", of at most top bytes.
func readInput(c *cobra.Command, path string, top int64) ([]byte, error) {
	in := c.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		defer f.Close() //nolint:errcheck // read only
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, top+1))
	if err == nil && int64(len(b)) > top {
		err = fmt.Errorf("%s has more than %d bytes", path, top)
	}
	return b, err
}
