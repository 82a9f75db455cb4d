package app

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"elenchus/service/gateway"
)

// host is what the gateway has seen of a node.
type host struct {
	address string          // 0x and 40 hex digits; empty until the node has said it
	models  map[string]bool // ids that it serves; nil until the node has said it
	first   time.Duration   // to the first token, smoothed; 0 before the first answer
	rate    float64         // tokens per second, smoothed; 0 before the first whole answer
	failed  time.Time       // when it last did; zero since it answered
}

// smooth is the part that the newest measurement has in an average.
const smooth = 0.2

// avoid is how long a node that failed is asked after the others.
const avoid = 10 * time.Second

// host is the record of a node; the caller holds mu.
func (b *Backend) host(node string) *host {
	if b.hosts == nil {
		b.hosts = make(map[string]*host)
	}
	h := b.hosts[node]
	if h == nil {
		h = &host{}
		b.hosts[node] = h
	}
	return h
}

// answered notes how long a node took to its first token; below 0: it failed.
func (b *Backend) answered(node string, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.host(node)
	if took < 0 {
		h.failed = time.Now()
		return
	}
	h.failed = time.Time{}
	if h.first == 0 {
		h.first = took
	}
	h.first += time.Duration(smooth * float64(took-h.first))
}

// completed notes how fast a node made an answer.
func (b *Backend) completed(node string, tokens int, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rate := float64(tokens) / max(took, time.Microsecond).Seconds()
	h := b.host(node)
	if h.rate == 0 {
		h.rate = rate
	}
	h.rate += smooth * (rate - h.rate)
}

// order lists the nodes that a route allows, those to ask first first: all in turn, unless the route says more. Nodes
// that failed a moment ago come after the others, and those that are known not to serve the model are left out.
func (b *Backend) order(ctx context.Context, r *gateway.Route, model string) ([]string, error) {
	nodes := b.able(model)
	if len(nodes) == 0 && len(b.Nodes) > 0 {
		return nil, fmt.Errorf("%w: none of the %d nodes of this gateway serves model %s now", gateway.ErrUnavailable, len(b.Nodes), model)
	}
	if len(r.Order)+len(r.Only)+len(r.Ignore) > 0 {
		b.learnNames(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	named := func(list []string, node string) int {
		return slices.IndexFunc(list, func(name string) bool { return b.goesBy(node, name) })
	}
	nodes = slices.DeleteFunc(nodes, func(node string) bool {
		return len(r.Only) > 0 && named(r.Only, node) < 0 || named(r.Ignore, node) >= 0
	})
	slices.SortStableFunc(nodes, func(x, y string) int { return b.rank(r.Sort, x) - b.rank(r.Sort, y) })
	if len(r.Order) > 0 {
		place := func(node string) int {
			if at := named(r.Order, node); at >= 0 {
				return at
			}
			return len(r.Order)
		}
		slices.SortStableFunc(nodes, func(x, y string) int { return place(x) - place(y) })
		if r.NoFallbacks {
			nodes = slices.DeleteFunc(nodes, func(node string) bool { return place(node) == len(r.Order) })
		}
	} else if r.NoFallbacks {
		nodes = nodes[:min(len(nodes), 1)]
	}
	if len(nodes) == 0 && len(b.Nodes) > 0 {
		return nil, fmt.Errorf("%w: provider leaves none of the %d nodes of this gateway: name them by their address or host", gateway.ErrInvalid, len(b.Nodes))
	}
	return nodes, nil
}

// able are the nodes that may serve a model, in turn.
func (b *Backend) able(model string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	nodes := slices.DeleteFunc(slices.Clone(b.Nodes), func(node string) bool {
		h := b.host(node)
		return h.models != nil && !h.models[model]
	})
	if n := len(nodes); n > 0 {
		first := int(b.turn.Add(1)-1) % n
		nodes = slices.Concat(nodes[first:], nodes[:first])
	}
	return nodes
}

// rank is where a node stands by a sort, in microseconds or tokens per second; the caller holds mu. All nodes have the
// same price.
func (b *Backend) rank(sort string, node string) int {
	h := b.host(node)
	last := 0
	if time.Since(h.failed) < avoid {
		last = 1 << 40
	}
	switch sort {
	case "latency":
		return last + int(h.first.Microseconds())
	case "throughput":
		return last - int(h.rate)
	}
	return last
}

// goesBy says whether a name is a node's base URL, its host, or its address; the caller holds mu.
func (b *Backend) goesBy(node, name string) bool {
	u, err := url.Parse(node)
	return node == name || err == nil && (u.Host == name || u.Hostname() == name) || strings.EqualFold(b.host(node).address, name)
}

// learnNames asks nodes for their addresses, once each; who does not answer is asked again after a while.
func (b *Backend) learnNames(ctx context.Context) {
	for _, node := range b.Nodes {
		b.mu.Lock()
		h := b.host(node)
		skip := h.address != "" || time.Since(h.failed) < avoid
		b.mu.Unlock()
		if skip {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		info, err := b.Peers.Info(ctx, node)
		cancel()
		if err != nil {
			b.answered(node, -1)
			continue
		}
		b.mu.Lock()
		b.host(node).address = info.Address
		b.mu.Unlock()
	}
}
