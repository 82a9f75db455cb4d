package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/network/chain"
	"elenchus/service/gateway"
	"elenchus/web"
)

// mostWeights bounds a model file that is handed to a browser, in bytes: it is held there several times.
const mostWeights = 256 << 20

// browser is what a gateway over these models offers to people's browsers; rpc is the chain that is
// asked about receipts.
func (b *Backend) browser(models []string, rpc string, at chain.Addresses) gateway.Browser {
	lookup := &ChainLookup{RPC: rpc, At: at}
	return gateway.Browser{
		Pages: web.Handler(&web.Modules{}),
		Weights: func(_ context.Context, id string) (io.ReadCloser, int64, error) {
			return weights(append(slices.Clone(models), b.fromStore(id)...), id)
		},
		Chain: lookup.word,
	}
}

// weights writes the file of the model with an id, one of those with these names.
func weights(models []string, id string) (io.ReadCloser, int64, error) {
	for _, name := range models {
		man, title, err := LoadModel(name)
		if err != nil {
			return nil, 0, err
		}
		if man.ID().String() != id {
			continue
		}
		if man.Class != manifest.Public {
			return nil, 0, fmt.Errorf("%w: this model is %s: its file is handed to nobody", gateway.ErrInvalid, man.Class)
		}
		var size length
		if err := man.Encode(&size, title); err != nil {
			return nil, 0, err
		}
		if size > mostWeights {
			return nil, 0, fmt.Errorf("%w: this model has %d MiB, too many for a browser: use elenchus verify", gateway.ErrInvalid, size>>20)
		}
		return written(man, title), int64(size), nil
	}
	return nil, 0, gateway.ErrModelNotFound
}

// written is a model file as it is written; closing it ends the writing.
func written(man *manifest.Manifest, title string) io.ReadCloser {
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(man.Encode(w, title)) }() // ends with its reader
	return r
}

// length is the number of bytes that were written to it.
type length int64

func (c *length) Write(p []byte) (int, error) {
	*c += length(len(p))
	return len(p), nil
}

// word is what the chain says about a receipt, for whoever trusts this gateway, and the path that
// leads others to the root that they can ask for themselves.
func (l *ChainLookup) word(ctx context.Context, text string) (*gateway.ChainWord, error) {
	r, err := receipt.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", gateway.ErrInvalid, err)
	}
	c, err := l.Lookup(ctx, r)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: the chain cannot be asked", gateway.ErrUnavailable), ctx.Err())
	}
	out := &gateway.ChainWord{}
	for _, k := range receipt.Verify(r, receipt.Facts{Chain: c}).Checks {
		if k.Name == "inclusion" || k.Name == "window" || k.Name == "verdict" {
			out.Checks = append(out.Checks, gateway.ChainCheck{Name: k.Name, Outcome: k.Outcome.String(), Detail: k.Detail})
		}
	}
	if b := c.Batch; b != nil {
		out.Batch = &gateway.ChainPlace{Root: fmt.Sprintf("%x", b.Root), Count: b.Count, Index: b.Index, Path: []string{}}
		for _, h := range b.Path {
			out.Batch.Path = append(out.Batch.Path, fmt.Sprintf("%x", h))
		}
	}
	return out, nil
}
