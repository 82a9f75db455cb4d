package app

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"path/filepath"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/network/chain"
	"elenchus/network/peer"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
)

// ChainLookup asks a deployment what it says about receipts. It needs no key.
type ChainLookup struct {
	RPC   string
	At    chain.Addresses
	Peers *peer.Client // nil: one of its own
}

// open dials the chain and checks the deployment; the caller closes the client.
func (l *ChainLookup) open(ctx context.Context) (*chain.Contracts, chain.Head, error) {
	c, err := chain.Dial(ctx, l.RPC, l.At.ChainID)
	if err != nil {
		return nil, chain.Head{}, err
	}
	k, err := chain.Load(ctx, c, l.At)
	if err != nil {
		c.Close()
		return nil, chain.Head{}, err
	}
	head, err := c.Head(ctx)
	if err != nil {
		c.Close()
		return nil, chain.Head{}, err
	}
	return k, head, nil
}

// DefaultDeployment is the file that `up` writes below a state directory, "" being the user's.
func DefaultDeployment(state string) (string, error) {
	var err error
	if state == "" {
		state, err = StateDir()
	}
	return filepath.Join(state, "devnet", "deployment.json"), err
}

// lookupRange is the number of blocks of one query for logs.
const lookupRange = 2000

// Lookup reads head, verdict and, from the batches that the node posted since the claim was issued,
// the one with the claim. Claims of a batch come from the node's registered address and are
// believed only if they lead to the root on the chain.
func (l *ChainLookup) Lookup(ctx context.Context, r *receipt.Receipt) (*receipt.Chain, error) {
	k, head, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	defer k.Client().Close()
	out := &receipt.Chain{Domain: k.Domain(), Now: head.Time, Window: k.Params().Window}
	if out.Domain != r.Domain {
		return out, nil
	}
	seen, err := l.postedBy(ctx, k, r, head.Number)
	if err != nil {
		return nil, err
	}
	for _, id := range seen.cases {
		v, err := k.Verdict(ctx, id)
		if err != nil {
			return nil, err
		}
		out.Refuted, out.Voided = out.Refuted || v.Refuted, out.Voided || v.Voided
	}
	return out, l.find(ctx, r, seen.batches, seen.url, out)
}

// history is what the logs say about a claim and its node.
type history struct {
	batches []posted     // that may hold the claim
	url     string       // the node's last registered address
	cases   []claim.Hash // of games about the claim
}

// posted is a batch with the time of its block.
type posted struct {
	ledger.BatchPosted
	at uint64
}

// postedBy reads the logs.
func (l *ChainLookup) postedBy(ctx context.Context, k *chain.Contracts, r *receipt.Receipt, head uint64) (h history, err error) {
	err = l.each(ctx, k, head, func(f ledger.Fact) error { return h.note(ctx, k, r, f) })
	return h, err
}

// each visits the facts of a deployment up to a block.
func (l *ChainLookup) each(ctx context.Context, k *chain.Contracts, head uint64, visit func(ledger.Fact) error) error {
	at := k.Addresses()
	of := []common.Address{at.Arena, at.Registry}
	if k.HasAudits() {
		of = append(of, at.Audits)
	}
	for from := at.Block; from <= head; from += lookupRange {
		logs, err := k.Client().Backend().FilterLogs(ctx, ethereum.FilterQuery{
			FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(min(head, from+lookupRange-1)),
			Addresses: of,
		})
		if err != nil {
			return fmt.Errorf("read logs from block %d on: %w", from, err)
		}
		for _, log := range logs {
			f, ok, err := k.Fact(log)
			if err == nil && ok {
				err = visit(f)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// note keeps a fact that concerns the claim or its node.
func (h *history) note(ctx context.Context, k *chain.Contracts, r *receipt.Receipt, f ledger.Fact) error {
	switch e := f.Event.(type) {
	case ledger.Endpoint:
		if e.Node == r.Claim.Node {
			h.url = e.URL
		}
	case ledger.Opened:
		if e.ClaimID != r.ID() {
			return nil
		}
		s, err := dispute.DecodeState(e.State)
		h.cases = append(h.cases, s.Case)
		return err
	case ledger.BatchPosted:
		if e.Node != r.Claim.Node {
			return nil
		}
		at, err := timeOf(ctx, k, &f)
		if err == nil && at >= r.Claim.Issued {
			h.batches = append(h.batches, posted{e, at})
		}
		return err
	}
	return nil
}

// timeOf is the time of a fact's block, which some nodes do not send with logs.
func timeOf(ctx context.Context, k *chain.Contracts, f *ledger.Fact) (uint64, error) {
	if f.Time != 0 {
		return f.Time, nil
	}
	h, err := k.Client().HeadAt(ctx, new(big.Int).SetUint64(f.Block))
	return h.Time, err
}

// find looks for the claim in batches, the oldest first; what cannot be read is noted, not an error.
func (l *ChainLookup) find(ctx context.Context, r *receipt.Receipt, batches []posted, url string, out *receipt.Chain) error {
	peers := l.Peers
	if peers == nil {
		peers = peer.New(&http.Client{Timeout: 30 * time.Second})
	}
	want := r.Claim.Digest(r.Domain)
	for _, b := range batches {
		if url == "" {
			out.Unread = fmt.Sprintf("node 0x%x has registered no address", r.Claim.Node)
			return nil
		}
		rs, err := peers.Batch(ctx, url, b.Root)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			out.Unread = fmt.Sprintf("batch %x is not served by %s: %v", b.Root, url, err)
			continue
		}
		at, digests := placeOf(rs, r.Domain, want)
		if len(rs) != int(b.Count) || claim.TreeRoot(digests) != b.Root {
			out.Unread = fmt.Sprintf("the %d claims that %s serves are not batch %x", len(rs), url, b.Root)
			continue
		}
		if at >= 0 {
			out.Batch = &receipt.Inclusion{
				Root: b.Root, Count: b.Count, Index: uint32(at), Path: claim.NewTree(digests).Path(at), Posted: b.at, Until: b.Until,
			}
			return nil
		}
	}
	return nil
}

// placeOf is the index of a claim among receipts, -1 without it, and the digests of all.
func placeOf(rs []receipt.Place, d claim.Domain, want claim.Hash) (at int, digests []claim.Hash) {
	at, digests = -1, make([]claim.Hash, len(rs))
	for i, x := range rs {
		if digests[i] = x.Digest(d); digests[i] == want {
			at = i
		}
	}
	return at, digests
}
