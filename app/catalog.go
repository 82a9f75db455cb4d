package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"elenchus/network/peer"
	"elenchus/service/gateway"
)

// surveyEvery is how often a gateway asks its nodes which models they serve, and looks into the store.
const surveyEvery = time.Second

// surveyWithin is how long a node may take to say so.
const surveyWithin = 2 * time.Second

// catalog keeps a gateway's list of models: those of the store that some node of the gateway serves come
// to it and go from it while it runs.
type catalog struct {
	b     *Backend
	shelf *shelf // nil: the models that the gateway was started with are all
	log   *slog.Logger

	mu   sync.Mutex // guards what follows
	read map[string]*catalogued
}

// catalogued is a model of the store whose text side was read, under all its names.
type catalogued struct {
	file  fileMark
	names []string
	all   []*backendModel
	err   error
}

// newCatalog looks into the user's store if the role does.
func newCatalog(b *Backend, r *Role) (*catalog, error) {
	c := &catalog{b: b, log: r.Log, read: map[string]*catalogued{}}
	if !r.Store {
		return c, nil
	}
	store, err := OpenStore("")
	if err != nil {
		return nil, err
	}
	c.shelf = newShelf(store, &residents{log: r.Log}, nil, r.Log.Debug) // nodes say what is wrong with a file
	return c, nil
}

// run follows nodes and store until ctx ends.
func (c *catalog) run(ctx context.Context) error {
	tick := time.NewTicker(surveyEvery)
	defer tick.Stop()
	for {
		c.refresh(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// refresh asks the nodes and looks into the store once.
func (c *catalog) refresh(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.b.survey(ctx)
	if c.shelf == nil {
		return
	}
	aliases, err := c.shelf.store.Aliases()
	if err != nil {
		c.log.Warn("aliases not read", "err", err)
	}
	var list []*backendModel
	for _, m := range c.shelf.offered() {
		if c.b.fixed(m.id) || !c.b.offered(m.id) {
			continue
		}
		names := append([]string{m.title}, slices.DeleteFunc(namesOf(aliases, m.id), func(a string) bool { return a == m.title })...)
		list = append(list, c.of(m, names)...)
	}
	c.b.setStored(list)
}

// of is a model of the store under its names; the caller holds mu.
func (c *catalog) of(m *shelved, names []string) []*backendModel {
	known := c.read[m.id]
	if known != nil && known.file == m.file && (known.err != nil || slices.Equal(known.names, names)) {
		return known.all
	}
	known = &catalogued{file: m.file, names: names}
	c.read[m.id] = known
	man, _, err := c.shelf.store.Load(m.id)
	for _, name := range names {
		if err == nil {
			var one *backendModel
			one, err = newBackendModel(name, man)
			known.all = append(known.all, one)
		}
	}
	if err != nil {
		c.log.Warn("model of the store not listed", "model", m.title, "err", err)
		known.all, known.err = nil, err
		return nil
	}
	c.log.Info("model listed", "model", m.title, "id", m.id, "names", strings.Join(names, " "))
	return known.all
}

// takeUpWithin is how long a client that had a model fetched waits for a node to take it up.
const takeUpWithin = 20 * time.Second

// await waits until a model is listed, and says whether it is.
func (c *catalog) await(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, takeUpWithin)
	defer cancel()
	for ctx.Err() == nil {
		c.refresh(ctx)
		if _, err := c.b.find(id); err == nil {
			return true
		}
		select {
		case <-ctx.Done():
		case <-time.After(surveyEvery / 4):
		}
	}
	return false
}

// pull fetches a model for a client and, where nodes follow the store, waits until one serves it.
func (c *catalog) pull(ctx context.Context, name string, report func(gateway.PullStep)) error {
	m, err := pullFromHub(ctx, name, report)
	if err != nil {
		return err
	}
	say := fmt.Sprintf("stored as %s; it answers once node, watch and gateway run with --model %s, or with --store", m.Name, m.Name)
	if c.shelf != nil {
		report(gateway.PullStep{Status: "waiting for a node that serves " + m.Name})
		say = fmt.Sprintf("stored as %s; no node of this gateway serves it yet: do they run with --store, on this machine?", m.Name)
		if c.await(ctx, m.ID) {
			say = fmt.Sprintf("stored as %s; it can be asked", m.Name)
		}
	}
	report(gateway.PullStep{Status: say})
	return ctx.Err()
}

// survey asks every node which models it serves; what a node that does not answer said before stays.
func (b *Backend) survey(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, surveyWithin)
	defer cancel()
	var all sync.WaitGroup
	for _, node := range b.Nodes {
		all.Go(func() {
			if info, err := b.Peers.Info(ctx, node); err == nil {
				b.heard(node, &info)
			}
		})
	}
	all.Wait()
}

// heard notes what a node says of itself.
func (b *Backend) heard(node string, info *peer.Info) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.host(node)
	h.address, h.models = info.Address, map[string]bool{}
	for _, m := range info.Models {
		h.models[m.ID] = true
	}
}

// lacks notes that a node does not serve a model.
func (b *Backend) lacks(node, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h := b.host(node); h.models != nil {
		delete(h.models, id)
	}
}

// offered says whether a node said that it serves a model.
func (b *Backend) offered(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.Nodes, func(node string) bool { return b.host(node).models[id] })
}

// fixed says whether the gateway was started with a model.
func (b *Backend) fixed(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.models, func(m *backendModel) bool { return m.man.ID().String() == id })
}

// fromStore is the id of a model of the store that is listed, or nothing.
func (b *Backend) fromStore(id string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.ContainsFunc(b.stored, func(m *backendModel) bool { return m.man.ID().String() == id }) {
		return []string{id}
	}
	return nil
}

// setStored replaces the models of the store.
func (b *Backend) setStored(list []*backendModel) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stored = list
}

// list are all models, those that the gateway was started with first.
func (b *Backend) list() []*backendModel {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Concat(b.models, b.stored)
}
