package challenger

import (
	"bytes"
	"container/heap"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
)

// awaited is a receipt whose batch is to come.
type awaited struct {
	*receipt.Receipt
	bytes int
}

// waiting keeps receipts whose batch is to come, by digest, and for each node the order in which they are
// forgotten. The zero value is empty.
type waiting struct {
	of    map[claim.Hash]awaited
	piles map[claim.Address]*pile
	bytes int
}

// pile are the receipts of one node. Entries of receipts that left stay until they come up or are the most.
type pile struct {
	bytes, live int
	order       ranks
}

// add keeps a receipt that is not kept yet; the lowest rank of a node's is forgotten first.
func (w *waiting) add(digest, rank claim.Hash, r *receipt.Receipt, size int) {
	if w.of == nil {
		w.of, w.piles = map[claim.Hash]awaited{}, map[claim.Address]*pile{}
	}
	p := w.piles[r.Claim.Node]
	if p == nil {
		p = &pile{}
		w.piles[r.Claim.Node] = p
	}
	w.of[digest] = awaited{r, size}
	w.bytes += size
	p.bytes += size
	p.live++
	heap.Push(&p.order, ranked{rank, digest})
}

// remove lets a receipt go, and says whether it was there.
func (w *waiting) remove(digest claim.Hash) bool {
	r, ok := w.of[digest]
	if !ok {
		return false
	}
	delete(w.of, digest)
	p := w.piles[r.Claim.Node]
	w.bytes -= r.bytes
	p.bytes -= r.bytes
	p.live--
	switch {
	case p.live == 0:
		delete(w.piles, r.Claim.Node)
	case len(p.order) > 2*p.live+16:
		p.order.keep(func(x ranked) bool { _, ok := w.of[x.digest]; return ok })
	}
	return true
}

// first is the receipt to forget first: of the node that has the most bytes the one of the lowest rank.
// Something must be kept.
func (w *waiting) first() (node claim.Address, digest claim.Hash) {
	most := 0
	for a, p := range w.piles {
		if p.bytes > most || p.bytes == most && bytes.Compare(a[:], node[:]) < 0 {
			node, most = a, p.bytes
		}
	}
	p := w.piles[node]
	for {
		if _, ok := w.of[p.order[0].digest]; ok {
			return node, p.order[0].digest
		}
		heap.Pop(&p.order)
	}
}

// ranked is a receipt's place in the order of a pile.
type ranked struct{ rank, digest claim.Hash }

// ranks is a heap: the lowest rank first. See container/heap.
type ranks []ranked

func (r ranks) Len() int           { return len(r) }
func (r ranks) Less(i, j int) bool { return bytes.Compare(r[i].rank[:], r[j].rank[:]) < 0 }
func (r ranks) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }

// Push is for container/heap.
func (r *ranks) Push(x any) { *r = append(*r, x.(ranked)) }

// Pop is for container/heap.
func (r *ranks) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

// keep lets go what stays says nothing of.
func (r *ranks) keep(stays func(ranked) bool) {
	out := (*r)[:0]
	for _, x := range *r {
		if stays(x) {
			out = append(out, x)
		}
	}
	*r = out
	heap.Init(r)
}
