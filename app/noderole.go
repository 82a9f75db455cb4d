package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"elenchus/app/meter"
	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/engine"
	"elenchus/service/adversary"
	"elenchus/service/node"
)

// serving is the computer of a model as a node uses it; prefix and rows may be nil.
func (r *Role) serving(man *manifest.Manifest, pool *engine.Pool, prefix *engine.PrefixCache, rows *engine.Rows) engine.Computer {
	c := *computer(man, pool)
	c.Prefix, c.Together, c.Rows = prefix, &engine.Together{}, rows
	if r.Recheck > 0 && r.Attack == "" { // who lies does not ask whether it is true
		c.Recheck = recheckAt(r.Recheck, rand.Float64)
	}
	c.Report = func(w decode.Work) {
		r.Log.Debug("computed", "passes", w.Passes, "positions", w.Positions, "adopted", w.Adopted, "drafted", w.Drafted, "accepted", w.Accepted)
	}
	return c
}

// recheckAt picks a step of so large a share of answers, by numbers of 0..1 that draw gives.
func recheckAt(share float64, draw func() float64) func(steps int) int {
	return func(steps int) int {
		if draw() >= share {
			return -1
		}
		return int(draw() * float64(steps))
	}
}

// Node runs a node until ctx ends.
func (r *Role) Node(ctx context.Context) error {
	l, err := r.link(ctx)
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // the process ends
	face := newOps(meter.Node)
	l.watchOver(face)
	pool := engine.NewPool(0)
	defer pool.Close()
	lie := &adversary.Attack{}
	if r.Attack != "" {
		if lie, err = adversary.New(r.Attack, r.Seed); err != nil {
			return err
		}
	}
	held := &shelfOfModels{role: r, pool: pool, prefix: prefixCache(r.PrefixMiB), rows: rowsOf(r.RowsMiB, loadBytes(r.Models)), lie: lie, meter: face.meter}
	held.set = &residents{keep: r.KeepAlive, log: r.Log, loaded: func() { face.meter.Add("elenchus_node_model_loads_total", 1) }}
	defer held.close()
	for _, name := range r.Models {
		if err := held.add(ctx, name); err != nil {
			return err
		}
	}
	prove, err := r.proving(ctx, l)
	if err != nil {
		return err
	}
	defer prove.close()
	o, err := r.nodeOptions(ctx, l, held)
	if err != nil {
		return err
	}
	o.Prove, o.Whole = prove.of(l.account), prove.whole(l.account)
	n, err := node.New(*o)
	if err != nil {
		return err
	}
	defer n.Close() //nolint:errcheck // the process ends
	ready := func(url string) error {
		if err := errors.Join(l.holdStake(ctx, r.Stake), l.holdFees(ctx, r.AuditFees)); err != nil {
			return err
		}
		i, err := l.Contracts.SetEndpoint("endpoint/"+url+"/"+fmt.Sprint(time.Now().UnixNano()), url)
		if err != nil {
			return err
		}
		return l.Do(ctx, i)
	}
	measureNode(face, n, held.set, l)
	return r.serve(ctx, "node", face, lie.Handler(n.Handler()), ready, append(prove.tasks, l.Run, n.Run, held.set.patrol(r.Scrub<<20))...)
}

// nodeOptions are those of a node that serves what is held.
func (r *Role) nodeOptions(ctx context.Context, l *Link, held *shelfOfModels) (*node.Options, error) {
	key, err := r.key()
	if err != nil {
		return nil, err
	}
	plants, err := r.plants(ctx, l, held.pool)
	if err != nil {
		return nil, err
	}
	o := &node.Options{
		Key: key, Domain: l.Contracts.Domain(), Chain: held.lie.Chain(l), Models: held.served, Dir: r.Dir, Plants: plants,
		Window: time.Duration(l.Contracts.Params().Window) * time.Second, Log: r.Log, CrashPoint: crashPoint(""),
		Draw: l.drawOf(),
	}
	if r.Store {
		o.Shelf, err = held.ofStore()
	}
	return o, err
}

// shelfOfModels opens the models of a node.
type shelfOfModels struct {
	role    *Role
	pool    *engine.Pool
	prefix  *engine.PrefixCache
	rows    *engine.Rows
	lie     *adversary.Attack
	meter   *meter.Set
	set     *residents
	served  []node.Model
	release []func()

	mu     sync.Mutex
	mapped map[string]mappedModel // by the name that they were asked for, or the key of a shelf
}

// ofStore is the user's store, as far as it is not served anyway.
func (h *shelfOfModels) ofStore() (*nodeShelf, error) {
	store, err := OpenStore("")
	if err != nil {
		return nil, err
	}
	s := newShelf(store, h.set, func(key, path string) (whole, error) {
		w, _, err := h.open(key, path)
		return w, err
	}, h.role.Log.Warn)
	h.release = append(h.release, s.close)
	return &nodeShelf{s, h.meter}, nil
}

// nodeShelf is a store as a node serves it: a node.Shelf.
type nodeShelf struct {
	shelf *shelf
	meter *meter.Set
}

// Offered is node.Shelf.
func (n *nodeShelf) Offered() []*node.Model {
	var out []*node.Model
	for _, m := range n.shelf.offered() {
		out = append(out, n.served(m))
	}
	return out
}

// Held is node.Shelf.
func (n *nodeShelf) Held(id [32]byte) *node.Model {
	m := n.shelf.model(id)
	if m == nil || m.run == nil {
		return nil
	}
	return n.served(m)
}

func (n *nodeShelf) served(m *shelved) *node.Model {
	return &node.Model{Name: m.title, Manifest: m.man, Computer: counting{m.run, n.meter}, Whole: m.run.manifest}
}

// mappedModel is a model whose weights lie in a mapped file. It takes little memory until it is made
// ready, and a file is mapped once, since mappings last as long as the program. ADR 0034.
type mappedModel struct {
	man   *manifest.Manifest
	title string
}

func (h *shelfOfModels) close() {
	h.set.close()
	for _, f := range h.release {
		f()
	}
}

// add takes in a model by name. Below a keep-alive of 0 it is loaded now, and so are models that are
// not in the store, since only their contents tell their id; others are loaded when they are asked for.
func (h *shelfOfModels) add(ctx context.Context, name string) error {
	open := func(context.Context) (whole, error) {
		w, _, err := h.open(name, name)
		return w, err
	}
	store, _ := OpenStore("") // without a home directory the default model and files still load
	var m node.Model
	var here *whole
	var bytes int64
	if p, err := store.peek(name); err == nil && h.role.KeepAlive >= 0 {
		m, bytes = node.Model{Name: p.title, Manifest: outline(p.header)}, servingBytes(p.bytes)
	} else {
		w, title, err := h.open(name, name)
		if err != nil {
			return err
		}
		m, here = node.Model{Name: title, Manifest: outline(w.man.Header)}, &w
		bytes = weightBytes(w.man) + engine.PackedBytes(w.man)
	}
	release, err := store.Hold(m.Manifest.ID().String())
	if err != nil {
		return err
	}
	h.release = append(h.release, release)
	r := h.set.add(m.Name, bytes, here, open)
	m.Computer, m.Whole = counting{r, h.meter}, r.manifest
	h.served = append(h.served, m)
	return ctx.Err()
}

// fetch opens a model, or takes the mapping that is known by a key.
func (h *shelfOfModels) fetch(key, name string) (*manifest.Manifest, string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m, ok := h.mapped[key]; ok {
		return m.man, m.title, nil
	}
	man, title, err := LoadModel(name)
	if err == nil && man.Backing != nil {
		if h.mapped == nil {
			h.mapped = map[string]mappedModel{}
		}
		h.mapped[key] = mappedModel{man, title}
	}
	return man, title, err
}

// open loads a model with what runs it, and says its name.
func (h *shelfOfModels) open(key, name string) (whole, string, error) {
	man, title, err := h.fetch(key, name)
	if err == nil {
		man, err = ready(man, "", h.pool)
	}
	if err != nil {
		return whole{}, "", err
	}
	c := h.role.serving(man, h.pool, h.prefix, h.rows)
	check := sealed(&c, man)
	return whole{man, h.lie.Computer(c), check}, title, nil
}
