package app

import (
	"context"
	"errors"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"

	"github.com/ethereum/go-ethereum/common"
)

// ErrNoAudits: the deployment has no audits.
var ErrNoAudits = errors.New("the deployment has no audits")

// AuditMoney is what an account has in audits, in token units. SPEC 11 §1.
type AuditMoney struct {
	Account   string `json:"account"`
	Credit    string `json:"credit"`              // what can be withdrawn
	Deposit   string `json:"deposit"`             // behind its seats
	Fees      string `json:"fees"`                // paid in advance for audits of its batches
	Withdrawn string `json:"withdrawn,omitempty"` // just now
}

// AuditMoney reads what audits owe an account.
func (l *ChainLookup) AuditMoney(ctx context.Context, account common.Address) (*AuditMoney, error) {
	k, _, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	defer k.Client().Close()
	m, _, err := auditMoney(ctx, k, claim.Address(account))
	return m, err
}

func auditMoney(ctx context.Context, k *chain.Contracts, who claim.Address) (*AuditMoney, claim.Amount, error) {
	if !k.HasAudits() {
		return nil, claim.Amount{}, ErrNoAudits
	}
	credit, err1 := k.AuditCredit(ctx, who)
	deposit, err2 := k.AuditDeposit(ctx, who)
	fees, err3 := k.AuditFees(ctx, who)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, credit, err
	}
	return &AuditMoney{Account: common.Address(who).Hex(), Credit: credit.String(), Deposit: deposit.String(), Fees: fees.String()}, credit, nil
}

// WithdrawAudits pays out all that audits owe the account of a key, and says what is left.
func (l *ChainLookup) WithdrawAudits(ctx context.Context, file KeyFile) (*AuditMoney, error) {
	k, _, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	defer k.Client().Close()
	key, err := file.Read()
	if err != nil {
		return nil, err
	}
	who := claim.AddressOf(key)
	m, credit, err := auditMoney(ctx, k, who)
	if err != nil || credit.IsZero() {
		return m, err
	}
	s, err := chain.NewSigner(key)
	if err != nil {
		return nil, err
	}
	i, err := k.WithdrawAudits("withdraw from audits", credit)
	if err != nil {
		return nil, err
	}
	if err := k.Once(ctx, s, i); err != nil {
		return nil, err
	}
	if m, _, err = auditMoney(ctx, k, who); err != nil {
		return nil, err
	}
	m.Withdrawn = credit.String()
	return m, nil
}

// AuditsOwe compares what audits hold with what they owe, in token units. SPEC 11 §1.4.
type AuditsOwe struct {
	Holds string `json:"holds"`
	Owes  string `json:"owes"` // deposits, fees, what open places lock, credits, and what is burned
}

// auditBook is who may be owed something, and what open places lock.
type auditBook struct {
	people map[claim.Address]bool
	open   uint64 // places
	closed map[claim.Hash]bool
}

func (b *auditBook) note(f ledger.Fact) error {
	switch e := f.Event.(type) {
	case ledger.AuditFeesPaid:
		b.people[e.Node] = true
	case ledger.SeatTaken:
		b.people[e.Owner] = true
	case ledger.AuditEntered:
		b.people[e.Node] = true
		b.open += sampling.Places * uint64(e.Drawn)
	case ledger.AuditClosed:
		b.people[e.Auditor], b.people[e.Winner] = true, true
		if !b.closed[e.Audit] { // an attestation that is refuted after it was paid is closed twice
			b.closed[e.Audit] = true
			b.open--
		}
	}
	return nil
}

// audits says what audits hold and owe at a block, and whether that is enough.
func (s *ChainStatus) audits(ctx context.Context, l *ChainLookup, k *chain.Contracts, head uint64) error {
	if !k.HasAudits() {
		return nil
	}
	b := &auditBook{people: map[claim.Address]bool{}, closed: map[claim.Hash]bool{}}
	if err := l.each(ctx, k, head, b.note); err != nil {
		return err
	}
	p, _, _, err1 := k.AuditTerms(ctx)
	place, err2 := p.Fee.Add(p.Reward)
	owes, err3 := place.Mul(b.open)
	burned, err4 := k.AuditsBurned(ctx)
	holds, err5 := k.TokenBalance(ctx, claim.Address(k.Addresses().Audits))
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	owes, err := owes.Add(burned)
	for who := range b.people {
		has, failed := k.AuditHoldings(ctx, who)
		if err = errors.Join(err, failed); err != nil {
			return err
		}
		owes, err = owes.Add(has)
	}
	if err != nil {
		return err
	}
	s.Audits = &AuditsOwe{Holds: holds.String(), Owes: owes.String()}
	if now, err := k.Client().Head(ctx); err == nil && now.Number == head && holds.Cmp(owes) < 0 {
		s.Problems = append(s.Problems, fmt.Sprintf("audits hold %s token units and owe %s", holds, owes))
	}
	return nil
}
