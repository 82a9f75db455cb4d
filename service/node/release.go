package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"elenchus/commitment/claim"
	"elenchus/settlement/ledger"
)

// reserve is the stake that a batch holds until its window is over and somebody releases it.
type reserve struct {
	until    uint64
	released bool
}

// onChain says whether the chain has a batch of this node.
func (n *Node) onChain(root claim.Hash) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.posted[root]
	return ok
}

// noteBatch keeps track of the own batches on the chain; the caller holds mu.
func (n *Node) noteBatch(f ledger.Fact) {
	switch e := f.Event.(type) {
	case ledger.BatchPosted:
		if e.Node != n.addr {
			return
		}
		if f.Removed {
			delete(n.posted, e.Root)
			return
		}
		n.posted[e.Root] = reserve{until: e.Until}
	case ledger.BatchReleased:
		if b, ok := n.posted[e.Root]; ok && e.Node == n.addr {
			b.released = !f.Removed
			n.posted[e.Root] = b
		}
	}
}

// release frees the stake of every batch half a window after its end. A node that did not would run
// out of free stake, and could post nothing any more. SPEC 09 §2.2.
func (n *Node) release(ctx context.Context, now uint64) error {
	half := uint64(n.o.Window/time.Second) / 2
	for root, b := range n.posted {
		o := ledger.ReleaseBatch{Root: root}
		if b.released || now <= b.until+half || n.played[o.Key()] {
			continue
		}
		if err := n.o.Chain.Submit(ctx, o); err != nil {
			if errors.Is(err, context.Canceled) {
				return err
			}
			n.o.Log.Error("batch not released", "root", fmt.Sprintf("%x", root), "err", err)
			continue
		}
		n.played[o.Key()] = true
		n.o.Log.Info("release", "root", fmt.Sprintf("%x", root))
	}
	return nil
}
