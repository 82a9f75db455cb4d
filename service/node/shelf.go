package node

import (
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
)

// Shelf has models beyond those of Options.Models, which come and go while the node runs. It is safe
// for concurrent use, and a Model that it returned stays what it is.
type Shelf interface {
	// Offered are the models that jobs are taken for now.
	Offered() []*Model
	// Held is the model of an id, offered or not, for a claim that was made with it; nil if there is
	// none any more.
	Held(id [32]byte) *Model
}

// offered are all models that jobs are taken for, those of the options first.
func (n *Node) offered() []*Model {
	out := make([]*Model, 0, len(n.o.Models))
	for i := range n.o.Models {
		out = append(out, &n.o.Models[i])
	}
	if n.o.Shelf == nil {
		return out
	}
	for _, m := range n.o.Shelf.Offered() {
		if _, ok := n.models[m.Manifest.ID()]; !ok && servable(m) == nil {
			out = append(out, m)
		}
	}
	return out
}

// model is the model that jobs of an id are computed with.
func (n *Node) model(id model32) (*Model, error) {
	if m, ok := n.models[id]; ok {
		return m, nil
	}
	for _, m := range n.offered() {
		if m.Manifest.ID() == id {
			return m, nil
		}
	}
	return nil, fmt.Errorf("%w: %x", ErrUnknownModel, id)
}

// stored is a claim of ours with its model, which may take no jobs any more.
func (n *Node) stored(id claim.Hash) (*receipt.Receipt, *Model, error) {
	r, err := n.receipt(id)
	if err != nil {
		return nil, nil, err
	}
	m := n.models[r.Request.Model]
	if m == nil && n.o.Shelf != nil {
		m = n.o.Shelf.Held(r.Request.Model)
	}
	if m == nil || servable(m) != nil {
		return nil, nil, fmt.Errorf("%w: %x", ErrUnknownModel, r.Request.Model)
	}
	return r, m, nil
}
