package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"sync"

	"elenchus"
	"elenchus/app"
	"elenchus/commitment/manifest"

	"github.com/spf13/cobra"
)

// compareFlags say what is asked of whom.
type compareFlags struct {
	local
	model, prompt, temperature, seed string
	names, keys                      []string
	tokens                           uint32
	threads                          int
}

func compareCommand() *cobra.Command {
	f := &compareFlags{}
	c := &cobra.Command{
		Use: "compare URL...", Short: "First token at which OpenAI-compatible hosts leave the exact run of a model",
		Long: `Ask each host once and run the model here, exactly. For each host the first different token is shown,
with the nats by which the exact run prefers its own: near 0 the two were all but tied, and floats
may round either way; far from 0 the host runs another model, a coarser one, or another prompt.

Exit codes: 0 all are equal, 1 some differ, 2 a host did not answer or the model is not here.`,
		Example: "  elenchus compare --model tiny.gguf http://127.0.0.1:8080 http://127.0.0.1:11434",
		Args:    cobra.RangeArgs(1, 8),
		RunE:    f.compare,
	}
	f.add(c)
	p := c.Flags()
	p.StringVar(&f.model, "model", "default", "the reference: name, id, .gguf or .elm file, or default")
	p.StringSliceVar(&f.names, "name", nil, "what the hosts call the model: one for all or one for each (default: as --model)")
	p.StringSliceVar(&f.keys, "key-env", nil, "environment variables that hold API keys: one for all or one for each host")
	p.StringVar(&f.prompt, "prompt", "Once upon a time", "content of the user's message")
	p.StringVar(&f.temperature, "temperature", "0", "0 to 2; above 0 only hosts that draw as elenchus does can be equal")
	p.StringVar(&f.seed, "seed", "0", "seed of the draws")
	p.Uint32Var(&f.tokens, "tokens", 64, "most tokens to compare")
	p.IntVar(&f.threads, "threads", 0, "threads; 0: one for each processor. They change no bit")
	return c
}

// oneEach spreads a value for all, or takes one for each.
func oneEach(flag string, values []string, hosts int, other string) (func(i int) string, error) {
	switch len(values) {
	case 0:
		return func(int) string { return other }, nil
	case 1:
		return func(int) string { return values[0] }, nil
	case hosts:
		return func(i int) string { return values[i] }, nil
	}
	return nil, fmt.Errorf("%w: %d values of --%s for %d hosts: give one, or one for each", errUsage, len(values), flag, hosts)
}

func (f *compareFlags) options() (o app.CompareOptions, err error) {
	if o.Temperature, err = elenchus.ParseTemperature(f.temperature); err != nil {
		return o, fmt.Errorf("--temperature: %w", err)
	}
	if o.Seed, err = elenchus.ParseSeed(f.seed); err != nil {
		return o, fmt.Errorf("--seed: %w", err)
	}
	o.Prompt, o.MaxNew, o.Threads = f.prompt, f.tokens, f.threads
	return o, nil
}

func (f *compareFlags) compare(c *cobra.Command, hosts []string) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	clients, requests, err := f.clients(hosts, o)
	if err != nil {
		return err
	}
	man, err := f.reference()
	if err != nil {
		return err
	}
	ctx, stop := untilStopped(c)
	defer stop()
	answers, err := askAll(ctx, clients, requests)
	if err != nil {
		return fmt.Errorf("%w: %w", app.ErrCannot, err)
	}
	r, err := app.Compare(ctx, man, o, answers)
	if err != nil {
		return err
	}
	if err := f.print(c, r, func(w io.Writer) { printComparison(w, r) }); err != nil {
		return err
	}
	for _, h := range r.Hosts {
		if !h.Equal {
			return exitError(exitFailed)
		}
	}
	return nil
}

func (f *compareFlags) reference() (*manifest.Manifest, error) {
	s, err := f.store()
	if err != nil {
		return nil, err
	}
	man, _, err := s.Load(f.model)
	return man, err
}

// clients are the hosts with what each is asked.
func (f *compareFlags) clients(hosts []string, o app.CompareOptions) ([]*elenchus.Client, []elenchus.ChatRequest, error) {
	name, err := oneEach("name", f.names, len(hosts), f.model)
	if err != nil {
		return nil, nil, err
	}
	key, err := oneEach("key-env", f.keys, len(hosts), "")
	if err != nil {
		return nil, nil, err
	}
	var clients []*elenchus.Client
	var requests []elenchus.ChatRequest
	for i, h := range hosts {
		u, err := url.Parse(h)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, nil, fmt.Errorf("%w: host %q: want http://HOST:PORT, without /v1", errUsage, h)
		}
		secret := ""
		if key(i) != "" {
			if secret = os.Getenv(key(i)); secret == "" {
				return nil, nil, fmt.Errorf("%w: --key-env %s: the variable is empty or not set", errUsage, key(i))
			}
		}
		clients = append(clients, &elenchus.Client{BaseURL: h, Key: secret})
		requests = append(requests, elenchus.ChatRequest{
			Model: name(i), Messages: []elenchus.Message{{Role: "user", Content: o.Prompt}},
			MaxTokens: o.MaxNew, Temperature: json.Number(f.temperature), Seed: &o.Seed,
		})
	}
	return clients, requests, nil
}

// askAll asks the hosts at once and fails if one does.
func askAll(ctx context.Context, clients []*elenchus.Client, requests []elenchus.ChatRequest) ([]app.HostAnswer, error) {
	answers, errs := make([]app.HostAnswer, len(clients)), make([]error, len(clients))
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() {
			a, err := c.Chat(ctx, requests[i])
			if err != nil {
				errs[i] = fmt.Errorf("host %s: %w", c.BaseURL, err)
				return
			}
			answers[i] = app.HostAnswer{URL: c.BaseURL, Text: a.Text}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return answers, nil
}

func printComparison(w io.Writer, r *app.Comparison) {
	fmt.Fprintf(w, "exact run of %s: %d tokens, finish %s\n  %q\n", r.ModelID, r.Tokens, r.Finish, r.Text)
	for _, h := range r.Hosts {
		fmt.Fprintf(w, "%s\n  %q\n  %s\n", h.URL, h.Text, h.Summary())
	}
}
