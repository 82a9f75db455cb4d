package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/network/chain"
	"elenchus/network/peer"
	"elenchus/proving/beacon"
	"elenchus/service/auditor"
	"elenchus/service/challenger"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"
	"elenchus/settlement/stake"

	"github.com/ethereum/go-ethereum/crypto"
)

// rounds is a local beacon as auditors ask for it.
type rounds struct{ *beacon.Local }

// Point is x and y of a round's signature.
func (r rounds) Point(_ context.Context, round uint64) ([]byte, error) {
	s, err := r.Sign(round)
	if err != nil {
		return nil, err
	}
	p := s.Point()
	return p[:], nil
}

// covered says whether somebody has free stake, or the deposit of an auditor, that a claim outside every
// batch can cost.
func covered(ctx context.Context, k *chain.Contracts, who claim.Address) bool {
	a, err := k.Account(ctx, who)
	if err == nil && a.Free().Cmp(k.Params().Reserve) >= 0 {
		return true
	}
	if !k.HasAudits() {
		return false
	}
	d, err := k.AuditDeposit(ctx, who)
	return err == nil && !d.IsZero()
}

// AuditDraw reads a draw; see auditor.Chain.
func (l *Link) AuditDraw(ctx context.Context, p ledger.AuditPlace) (uint32, claim.Address, error) {
	return l.Contracts.AuditDraw(ctx, p)
}

// served reads whom a place fell to for the node that serves its claim: nobody, where the batch was not
// entered or has no such place.
func (l *Link) served(ctx context.Context, p ledger.AuditPlace) (uint32, claim.Address, error) {
	index, who, err := l.Contracts.AuditDraw(ctx, p)
	var revert *chain.RevertError
	if errors.As(err, &revert) {
		return 0, claim.Address{}, nil
	}
	return index, who, err
}

// drawOf is how a node asks for draws; nil where the deployment has no audits.
func (l *Link) drawOf() func(context.Context, ledger.AuditPlace) (uint32, claim.Address, error) {
	if !l.Contracts.HasAudits() {
		return nil
	}
	return l.served
}

// AuditFees reads what a node has paid in advance; see auditor.Chain.
func (l *Link) AuditFees(ctx context.Context, node claim.Address) (claim.Amount, error) {
	return l.Contracts.AuditFees(ctx, node)
}

// auditPeriod is how far the rounds of a local beacon are apart, in seconds.
const auditPeriod = 3

// localBeacon is the beacon of a key file: for a network on one machine. SPEC 11 §2.4.
func localBeacon(path string, genesis, period uint64) (rounds, error) {
	key, err := ReadKey(path)
	if err != nil {
		return rounds{}, err
	}
	l, err := beacon.NewLocal([32]byte(crypto.FromECDSA(key)), genesis, period)
	return rounds{l}, err
}

// addAudits adds audits under the network's beacon to its contracts.
func (n *Network) addAudits(ctx context.Context, c *chain.Client, s *chain.Signer) error {
	b := beacon.Quicknet()
	if _, ok := isDrand(n.beacon()); !ok {
		if _, err := NewKey(n.keyFile(beaconKey)); err != nil {
			return err
		}
		head, err := c.Head(ctx)
		if err != nil {
			return err
		}
		local, err := localBeacon(n.keyFile(beaconKey), head.Time, auditPeriod)
		if err != nil {
			return err
		}
		b = local.Chain
	}
	var err error
	n.Addresses, err = deployAudits(ctx, c, s, n.Addresses, b, n.cfg.Params.Profile)
	return err
}

// deployAudits adds beacon and audits with the terms of a profile to a deployment.
func deployAudits(ctx context.Context, c *chain.Client, s *chain.Signer, at chain.Addresses, b beacon.Chain, p stake.Profile) (chain.Addresses, error) {
	words, err := b.Words()
	if err != nil {
		return at, err
	}
	return chain.DeployAudits(ctx, c, s, at, chain.BeaconKey{Words: words, Genesis: b.Genesis, Period: b.Period}, sampling.ParamsOf(p))
}

// beacon is that of the network: drand, or the local one's key file.
func (n *Network) beacon() string {
	if n.cfg.Beacon != "" {
		return n.cfg.Beacon
	}
	return n.keyFile(beaconKey)
}

// beaconKey names the file with the secret of a network's local beacon.
const beaconKey = "beacon"

// auditor is the auditor of a watcher, nil where it has no beacon or the deployment no audits.
func (r *Role) auditor(ctx context.Context, l *Link, judge *challenger.Options, accuse func(*receipt.Receipt, *dispute.Inclusion) error) (*auditor.Auditor, error) {
	if r.Beacon == "" || !l.Contracts.HasAudits() {
		return nil, nil //nolint:nilnil // there is none
	}
	p, genesis, period, err := l.Contracts.AuditTerms(ctx)
	if err != nil {
		return nil, err
	}
	b, err := beaconOf(r.Beacon, r.BeaconWithin, genesis, period)
	if err != nil {
		return nil, fmt.Errorf("--beacon %s: %w", r.Beacon, err)
	}
	key, err := r.key()
	if err != nil {
		return nil, err
	}
	o := auditor.Options{Key: key, Domain: l.Contracts.Domain(), Chain: l, Source: peer.New(httpClient()).As(key, l.Contracts.Domain()), Beacon: b,
		Dir: filepath.Join(r.Dir, "audits"), Params: p, Window: l.Contracts.Params().Window, Log: r.Log}
	o.Accuse = func(x *receipt.Receipt, at *dispute.Inclusion) {
		if err := accuse(x, at); err != nil {
			r.Log.Warn("receipt not checked", "err", err)
		}
	}
	o.Models, o.Find = judged(judge)
	return auditor.New(o)
}

// judged are the models of a challenger that an auditor judges, perhaps none; find is never nil.
func judged(by *challenger.Options) (models []auditor.Model, find func(id [32]byte) *auditor.Model) {
	for i := range by.Models {
		if m := audited(&by.Models[i]); m != nil {
			models = append(models, *m)
		}
	}
	return models, func(id [32]byte) *auditor.Model {
		if by.Find == nil {
			return nil
		}
		return audited(by.Find(id))
	}
}

// audited is a challenger's model as an auditor holds it.
func audited(m *challenger.Model) *auditor.Model {
	if m == nil || m.Manifest.Class == manifest.Private { // what an auditor says of one, no game could refute
		return nil
	}
	return &auditor.Model{Manifest: m.Manifest, Computer: m.Computer, Whole: m.Whole}
}

// holdSeat takes a seat among the auditors unless the account has one.
func (l *Link) holdSeat(ctx context.Context) error {
	have, err1 := l.Contracts.AuditDeposit(ctx, l.account)
	p, _, _, err2 := l.Contracts.AuditTerms(ctx)
	if err := errors.Join(err1, err2); err != nil || !have.IsZero() {
		return err
	}
	seat := uint64(0)
	for ; ; seat++ {
		if s, ok, err := l.Contracts.Seat(ctx, seat); err != nil {
			return err
		} else if !ok || s.Owner == (claim.Address{}) {
			break
		}
	}
	return l.bringAudits(ctx, "seat", p.Deposit, func(key string) (chain.Intent, error) { return l.Contracts.JoinAudits(key, seat) })
}

// holdFees brings what the account has paid in advance for its audits up to least.
func (l *Link) holdFees(ctx context.Context, least claim.Amount) error {
	if least.IsZero() || !l.Contracts.HasAudits() {
		return nil
	}
	have, err := l.Contracts.AuditFees(ctx, l.account)
	missing := least.Less(have)
	if err != nil || missing.IsZero() {
		return err
	}
	return l.bringAudits(ctx, "fees", missing, func(key string) (chain.Intent, error) { return l.Contracts.PayAuditFees(key, l.account, missing) })
}

// bringAudits puts an amount where audits look for it.
func (l *Link) bringAudits(ctx context.Context, what string, amount claim.Amount, put func(key string) (chain.Intent, error)) error {
	return l.bringTo(ctx, "audits/"+what, amount, l.Contracts.ApproveAudits,
		func(key string, _ claim.Amount) (chain.Intent, error) { return put(key) })
}
