package node

import (
	"context"
	"slices"
	"time"

	"elenchus/commitment/claim"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// include answers a demand with the batch in which the claim is. While that is not on the chain, it is
// posted, and ok is false: the answer comes with a later block. SPEC 08 §4.10.
func (n *Node) include(ctx context.Context, g ledger.Game, o ledger.Move) (_ ledger.Order, ok bool, err error) {
	job, err := dispute.DecodeJob(g.Job)
	if err != nil {
		return nil, false, err
	}
	root, ids, until, err := n.batchWith(g.ClaimID)
	if err != nil {
		return nil, false, err
	}
	if len(ids) == 0 { // it is pending still
		return nil, false, n.Flush(ctx)
	}
	if !n.onChain(root) {
		return nil, false, n.post(ctx, root, max(until, n.now()+3*uint64(n.o.Window/time.Second)), ids)
	}
	leaves := make([]claim.Hash, len(ids))
	for i, id := range ids {
		r, err := n.receipt(id)
		if err != nil {
			return nil, false, err
		}
		leaves[i] = r.Claim.Digest(n.o.Domain)
	}
	at := slices.Index(ids, g.ClaimID)
	m := dispute.Include{Job: job, Root: root, Index: uint16(at), Path: claim.NewTree(leaves).Path(at)}
	o.Kind, o.Payload = uint8(m.Kind()), m.Encode()
	return o, true, nil
}

// batchWith is the batch that holds a claim; ids is empty if none does.
func (n *Node) batchWith(id claim.Hash) (root claim.Hash, ids []claim.Hash, until uint64, err error) {
	err = n.store.batches(func(r claim.Hash, end uint64, all []claim.Hash) error {
		if slices.Contains(all, id) {
			root, ids, until = r, all, end
		}
		return nil
	})
	return root, ids, until, err
}
