package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/settlement/ledger"
)

// batchLoop posts what is pending every BatchEvery, and whatever the chain does not have yet: left by
// an earlier life, or refused while the stake was not free.
func (n *Node) batchLoop(ctx context.Context) error {
	tick := time.NewTicker(n.o.BatchEvery)
	defer tick.Stop()
	for {
		if err := n.repost(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := n.Flush(ctx); err != nil {
			return err
		}
	}
}

// repost submits every batch that is neither on the chain nor out of time. The chain takes it once.
func (n *Node) repost(ctx context.Context) error {
	return n.store.batches(func(root claim.Hash, until uint64, ids []claim.Hash) error {
		if until < n.now() || n.onChain(root) || ctx.Err() != nil {
			return ctx.Err()
		}
		return n.post(ctx, root, until, ids)
	})
}

// Flush makes a batch of the pending claims and submits it, if there are any.
func (n *Node) Flush(ctx context.Context) error {
	ids, err := n.store.pending(claim.MaxBatch)
	if err != nil || len(ids) == 0 {
		return err
	}
	leaves := make([]claim.Hash, len(ids))
	until := n.now() + 3*uint64(n.o.Window/time.Second)
	for i, id := range ids {
		r, err := n.receipt(id)
		if err != nil {
			return err
		}
		leaves[i] = r.Claim.Digest(n.o.Domain)
	}
	root := claim.TreeRoot(leaves)
	if err := n.store.batch(root, until, ids); err != nil {
		return err
	}
	n.crash("batch recorded, not sent")
	n.o.Log.Info("batch", "root", fmt.Sprintf("%x", root), "claims", len(ids))
	return n.post(ctx, root, until, ids)
}

func (n *Node) receipt(id claim.Hash) (*receipt.Receipt, error) {
	raw, err := n.store.get(id)
	if err != nil {
		return nil, err
	}
	return receipt.Decode(raw)
}

func (n *Node) post(ctx context.Context, root claim.Hash, until uint64, ids []claim.Hash) error {
	cover := claim.Amount{} // of each claim: the highest value among them
	for _, id := range ids {
		r, err := n.receipt(id)
		if err != nil {
			return err
		}
		if r.Claim.Value.Cmp(cover) > 0 {
			cover = r.Claim.Value
		}
	}
	err := n.o.Chain.Submit(ctx, ledger.PostBatch{Root: root, Count: uint32(len(ids)), Cover: cover, Until: until})
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("post batch %x of %d claims: %w", root, len(ids), err)
	}
	return err
}
