package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/compute/model"
	"elenchus/network/peer"
	"elenchus/service/challenger"
	"elenchus/settlement/dispute"
)

// closeWithin is how long a demand waits for its game to be resolved once its data are there.
const closeWithin = 3 * time.Minute

// Demand asks the chain for the ids of a claim that a receipt names and does not hold, and returns the
// whole receipt: of a public claim as the role's account, of a claim of parties as the request's user. The
// role's model is the claim's, its Stake the most that the bond may be. A node that stays silent is
// refuted; that is an error here, and the slash is the account's. SPEC 08 §4.12.
func (r *Role) Demand(ctx context.Context, named *receipt.Receipt) (*receipt.Receipt, error) {
	man, _, err := LoadModel(r.Models[0])
	if err != nil {
		return nil, err
	}
	if claim.Hash(man.ID()) != named.Request.Model {
		return nil, fmt.Errorf("the claim is about model %x, --model names %s", named.Request.Model, man.ID())
	}
	l, err := r.link(ctx)
	if err != nil {
		return nil, err
	}
	defer l.Close() //nolint:errcheck // the process ends
	key, err := r.key()
	if err != nil {
		return nil, err
	}
	type outcome struct {
		r   *receipt.Receipt
		err error
	}
	ended := make(chan outcome, 1)
	c, err := challenger.New(challenger.Options{
		Account: l.account, Domain: l.Contracts.Domain(), Chain: l, Source: peer.New(http.DefaultClient), Dir: r.Dir, MaxBond: r.Stake,
		Log: r.Log, DataOnly: true, Key: key, Secret: claim.Keccak([]byte("elenchus/demand/1"), crypto.FromECDSA(key)),
		Collected: func(whole *receipt.Receipt, err error) {
			select {
			case ended <- outcome{whole, err}:
			default: // another demand of this directory
			}
		},
	})
	if err != nil {
		return nil, err
	}
	defer c.Close() //nolint:errcheck // the process ends
	var got outcome
	err = together(ctx, l.Run, c.Run, func(ctx context.Context) error {
		if err := errors.Join(l.answerable(ctx, named, man, r.Stake), l.holdCredit(ctx, r.Stake)); err != nil {
			return err
		}
		game, err := c.Demand(ctx, named, man)
		if err != nil {
			return err
		}
		select {
		case got = <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
		return l.closed(ctx, game)
	})
	if err == nil && got.r == nil && got.err == nil {
		err = ctx.Err()
	}
	if err == nil && got.err != nil {
		err = fmt.Errorf("node %x did not give the data of claim %x and is refuted: %w", named.Claim.Node, named.ID(), got.err)
	}
	return got.r, err
}

// answerable says why the arena would refuse a demand for the data of a claim with a bond of so much, before it
// costs anything: the window that is over, or the bond.
func (l *Link) answerable(ctx context.Context, named *receipt.Receipt, man *manifest.Manifest, most claim.Amount) error {
	head, err := l.Contracts.Client().Head(ctx)
	if err != nil {
		return err
	}
	if head.Time > named.Claim.ChallengeUntil {
		return fmt.Errorf("the window of claim %x ended at %d, the chain is at %d: nobody can demand its data any more",
			named.ID(), named.Claim.ChallengeUntil, head.Time)
	}
	data := dispute.OpenMove{T: dispute.Published, Header: man.Header, Request: named.Request, Claim: named.Claim, Lists: named.Lists()}
	if man.Kind == model.KindGraph {
		if data.Ends, err = dispute.EndsOf(man, int(man.Layers)); err != nil {
			return err
		}
	}
	bond, err := l.Contracts.DataBond(ctx, named.Claim.Node, data.Pieces())
	if err != nil {
		return err
	}
	if bond.Cmp(most) > 0 {
		return fmt.Errorf("the bond of a demand for %d pieces of data is %s token units, --stake allows %s: give it at least that, and some more as bonds follow the price of gas",
			data.Pieces(), bond, most)
	}
	return nil
}

// closed waits until a game is resolved, or for as long as that may take.
func (l *Link) closed(ctx context.Context, game claim.Hash) error {
	ctx, cancel := context.WithTimeout(ctx, closeWithin)
	defer cancel()
	for {
		slot, err := l.Contracts.Slot(ctx, game)
		if ctx.Err() != nil || err == nil && slot.Empty() {
			return nil // who resolves it later does it for the opener, too
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}
