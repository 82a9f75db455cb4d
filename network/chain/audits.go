package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"elenchus/commitment/claim"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"
)

// Names of the artifacts of audits, which a deployment may lack.
const (
	beaconName = "Beacon"
	auditsName = "Audits"
)

// ErrNoAudits: the deployment has no contract for audits.
var ErrNoAudits = errors.New("the deployment has no audits")

// BeaconKey is the beacon of a deployment: its public key as 256 bytes, and when its rounds are due.
// SPEC 11 §2.
type BeaconKey struct {
	Words           [256]byte
	Genesis, Period uint64 // unix seconds of round 1, seconds
}

// DeployAudits adds beacon and audits to a deployment and returns its addresses with them. The
// account of s must not send anything else meanwhile.
func DeployAudits(ctx context.Context, c *Client, s *Signer, at Addresses, b BeaconKey, p sampling.Params) (Addresses, error) {
	k, err := Load(ctx, c, at)
	if err != nil {
		return at, err
	}
	terms := k.Params()
	if err := p.Check(terms.Window, terms.ReplyTime+terms.Grace, b.Period); err != nil {
		return at, err
	}
	d := &deployer{c: c, s: s, bind: k.bind}
	if d.nonce, err = c.eth.PendingNonceAt(ctx, s.addr); err != nil {
		return at, fmt.Errorf("read the nonce of %v: %w", s.addr, err)
	}
	var words [8][32]byte
	for i := range words {
		words[i] = [32]byte(b.Words[32*i:])
	}
	number := func(v uint64) *big.Int { return new(big.Int).SetUint64(v) }
	at.Beacon = d.create(ctx, beaconName, words, number(b.Genesis), number(b.Period))
	d.wait(ctx)
	at.Audits = d.create(ctx, auditsName, at.Arena, at.Beacon, auditArguments(p))
	d.wait(ctx)
	if d.err != nil {
		return at, d.err
	}
	if _, err := Load(ctx, c, at); err != nil {
		return at, fmt.Errorf("check the deployment: %w", err)
	}
	return at, nil
}

// auditArguments are the terms in the order of the contract's structure.
func auditArguments(p sampling.Params) any {
	return struct {
		Delay, CommitTime, RevealTime, GameTime, Unbonding, Every uint64
		Fee, Reward, Deposit, Forfeit                             *big.Int
	}{p.Delay, p.CommitTime, p.RevealTime, p.GameTime, p.Unbonding, p.Every, p.Fee.Big(), p.Reward.Big(), p.Deposit.Big(), p.Forfeit.Big()}
}

// HasAudits says whether the deployment has audits.
func (k *Contracts) HasAudits() bool { return k.at.Audits != common.Address{} }

// AuditTerms are the terms of the deployment's audits and when its beacon's rounds are due. The error
// matches ErrNoAudits where there are none.
func (k *Contracts) AuditTerms(ctx context.Context) (p sampling.Params, genesis, period uint64, err error) {
	if !k.HasAudits() {
		return p, 0, 0, ErrNoAudits
	}
	for _, f := range []struct {
		method string
		into   *uint64
	}{
		{"DELAY", &p.Delay}, {"COMMIT_TIME", &p.CommitTime}, {"REVEAL_TIME", &p.RevealTime}, {"GAME_TIME", &p.GameTime},
		{"UNBONDING", &p.Unbonding}, {"EVERY", &p.Every}, {"GENESIS", &genesis}, {"PERIOD", &period},
	} {
		v, err := k.amount(ctx, auditsName, k.at.Audits, f.method)
		if err != nil {
			return p, 0, 0, err
		}
		*f.into = v.Lo
	}
	for method, into := range map[string]*claim.Amount{"FEE": &p.Fee, "REWARD": &p.Reward, "DEPOSIT": &p.Deposit, "FORFEIT": &p.Forfeit} {
		if *into, err = k.amount(ctx, auditsName, k.at.Audits, method); err != nil {
			return p, 0, 0, err
		}
	}
	return p, genesis, period, nil
}

// AuditDraw is whom a place of a draw has fallen to, and the claim's index in the batch; the auditor is
// zero while nobody is to audit. The batch must be entered.
func (k *Contracts) AuditDraw(ctx context.Context, p ledger.AuditPlace) (index uint32, auditor claim.Address, err error) {
	var v struct {
		Index, Seat *big.Int
		Auditor     common.Address
	}
	err = k.readStruct(ctx, &v, auditsName, k.at.Audits, "drawOf", common.Address(p.Node), p.Root, draw(p), place(p))
	if err != nil {
		return 0, auditor, err
	}
	return uint32(v.Index.Uint64()), claim.Address(v.Auditor), nil
}

// AuditStatus is what stands in the slot of a place: 0, 16 for a commit, a verdict, 4 paid, 5 done.
func (k *Contracts) AuditStatus(ctx context.Context, p ledger.AuditPlace) (uint8, error) {
	id := sampling.ID(sampling.BatchKey(p.Node, p.Root), p.Draw, p.Place)
	v, err := read[*big.Int](ctx, k, auditsName, k.at.Audits, "places", id)
	if err != nil {
		return 0, err
	}
	return uint8(v.Uint64()), nil
}

// RevealData are opening and proof out of the calldata of a reveal; ok is false for other calldata.
func (k *Contracts) RevealData(data []byte) (open, proof []byte, ok bool) {
	m := k.bind.of[auditsName].Methods["reveal"]
	if len(data) < 4 || [4]byte(data[:4]) != [4]byte(m.ID) {
		return nil, nil, false
	}
	v, err := m.Inputs.Unpack(data[4:])
	if err != nil || len(v) != 9 {
		return nil, nil, false
	}
	open, ok1 := v[7].([]byte)
	proof, ok2 := v[8].([]byte)
	return open, proof, ok1 && ok2
}

// AuditHoldings are what an account has in audits: its seats' deposits, its credit, and its fees that no
// place locks, in token units.
func (k *Contracts) AuditHoldings(ctx context.Context, who claim.Address) (claim.Amount, error) {
	sum, err1 := k.AuditCredit(ctx, who)
	fees, err2 := k.AuditFees(ctx, who)
	if err := errors.Join(err1, err2); err != nil {
		return sum, err
	}
	deposit, err := k.AuditDeposit(ctx, who)
	if err == nil {
		sum, err = sum.Add(fees)
	}
	if err != nil {
		return sum, err
	}
	return sum.Add(deposit)
}

// AuditDeposit is what stands behind the seats of an account, in token units.
func (k *Contracts) AuditDeposit(ctx context.Context, who claim.Address) (sum claim.Amount, err error) {
	for i := uint64(0); err == nil; i++ {
		s, ok, failed := k.Seat(ctx, i)
		if failed != nil || !ok {
			return sum, failed
		}
		if s.Owner == who {
			sum, err = sum.Add(s.Deposit)
		}
	}
	return sum, err
}

// AuditFees are what a node has paid in advance for audits, in token units.
func (k *Contracts) AuditFees(ctx context.Context, node claim.Address) (claim.Amount, error) {
	return k.amount(ctx, auditsName, k.at.Audits, "fees", common.Address(node))
}

// AuditCredit is what an account can withdraw from audits, in token units.
func (k *Contracts) AuditCredit(ctx context.Context, who claim.Address) (claim.Amount, error) {
	return k.amount(ctx, auditsName, k.at.Audits, "credits", common.Address(who))
}

// AuditsBurned is what audits hold and nobody can move any more, in token units.
func (k *Contracts) AuditsBurned(ctx context.Context) (claim.Amount, error) {
	return k.amount(ctx, auditsName, k.at.Audits, "burned")
}

// Seat is a seat of auditors. Times are unix seconds; To is 0 while it is held.
type Seat struct {
	Owner    claim.Address
	From, To uint64
	Deposit  claim.Amount
}

// Seat reads a seat; ok is false beyond the last.
func (k *Contracts) Seat(ctx context.Context, number uint64) (s Seat, ok bool, err error) {
	var v struct {
		Owner          common.Address
		Born, From, To uint32
		Deposit        *big.Int
	}
	err = k.readStruct(ctx, &v, auditsName, k.at.Audits, "seats", new(big.Int).SetUint64(number))
	var revert *RevertError
	if errors.As(err, &revert) {
		return s, false, nil
	}
	if err != nil {
		return s, false, err
	}
	s = Seat{Owner: claim.Address(v.Owner), From: uint64(v.From), To: uint64(v.To)}
	s.Deposit, err = claim.AmountFromBig(v.Deposit)
	return s, true, err
}

func draw(p ledger.AuditPlace) *big.Int  { return big.NewInt(int64(p.Draw)) }
func place(p ledger.AuditPlace) *big.Int { return big.NewInt(int64(p.Place)) }

// auditIntent is the transaction of an order about audits or the beacon; ok is false for others.
func (k *Contracts) auditIntent(o ledger.Order) (i Intent, ok bool, err error) {
	if !k.HasAudits() {
		return i, false, nil
	}
	send := func(contract string, to common.Address, method string, args ...any) (Intent, bool, error) {
		i, err := k.intent(o.Key(), auditGas, contract, to, method, args...)
		i.Gas = 0 // with a trial run: whoever is second costs nothing
		return i, true, err
	}
	switch o := o.(type) {
	case ledger.PostRound:
		return send(beaconName, k.at.Beacon, "post", new(big.Int).SetUint64(o.Round), present(o.Point))
	case ledger.EnterAudits:
		return send(auditsName, k.at.Audits, "enter", common.Address(o.Node), o.Root)
	case ledger.CommitAudit:
		return send(auditsName, k.at.Audits, "commit", common.Address(o.Node), o.Root, draw(o.AuditPlace), place(o.AuditPlace), o.Hash)
	case ledger.RevealAudit:
		return send(auditsName, k.at.Audits, "reveal", common.Address(o.Node), o.Root, draw(o.AuditPlace), place(o.AuditPlace),
			o.Verdict, o.Salted, o.Nonce, present(o.Open), present(o.Proof))
	case ledger.CloseAudit:
		return send(auditsName, k.at.Audits, "close", common.Address(o.Node), o.Root, draw(o.AuditPlace), place(o.AuditPlace), o.Case, present(o.Held))
	}
	return i, false, nil
}

// auditGas is a shape only: these intents are estimated.
var auditGas = gasOf{1_000_000, 130}

// JoinAudits takes a seat for the sender, whose deposit it has approved.
func (k *Contracts) JoinAudits(key string, seat uint64) (Intent, error) {
	return k.intent(key, auditGas, auditsName, k.at.Audits, "join", new(big.Int).SetUint64(seat))
}

// QuitAudits ends a seat of the sender.
func (k *Contracts) QuitAudits(key string, seat uint64) (Intent, error) {
	return k.intent(key, auditGas, auditsName, k.at.Audits, "quit", new(big.Int).SetUint64(seat))
}

// PayAuditFees pays for audits of a node in advance, out of what the sender has approved.
func (k *Contracts) PayAuditFees(key string, node claim.Address, amount claim.Amount) (Intent, error) {
	return k.intent(key, auditGas, auditsName, k.at.Audits, "payFees", common.Address(node), amount.Big())
}

// WithdrawAudits pays the sender's credit of audits out.
func (k *Contracts) WithdrawAudits(key string, amount claim.Amount) (Intent, error) {
	return k.intent(key, auditGas, auditsName, k.at.Audits, "withdraw", amount.Big())
}

// ApproveAudits lets the contract of audits pull up to amount tokens of the sender.
func (k *Contracts) ApproveAudits(key string, amount claim.Amount) (Intent, error) {
	return k.intent(key, plainGas, tokenName, k.at.Token, "approve", k.at.Audits, amount.Big())
}

// plantIntent is the transaction of an order about planted faults; ok is false for others.
func (k *Contracts) plantIntent(o ledger.Order) (i Intent, ok bool, err error) {
	switch o := o.(type) {
	case ledger.LayVeils:
		raw := make([][32]byte, len(o.Veils))
		for j, v := range o.Veils {
			raw[j] = v
		}
		i, err = k.intent(o.Key(), auditGas, registryName, k.at.Registry, "plant", raw)
	case ledger.ShowPlant:
		i, err = k.intent(o.Key(), auditGas, registryName, k.at.Registry, "showPlant", k.at.Arena, o.Root, o.Claim, o.Salt)
	default:
		return i, false, nil
	}
	i.Gas = 0
	return i, true, err
}

// auditDecoders read the events of audits and beacon that are facts.
var auditDecoders = map[string]func(*fields) ledger.Event{
	"Round": func(r *fields) ledger.Event {
		h := r.hash()
		return ledger.BeaconRound{Round: new(big.Int).SetBytes(h[:]).Uint64(), Seed: next[[32]byte](r)}
	},
	"Planted": func(r *fields) ledger.Event {
		return ledger.PlantVeiled{Node: r.address(), Veil: next[[32]byte](r)}
	},
	"PlantShown": func(r *fields) ledger.Event {
		return ledger.PlantShown{Node: r.address(), Arena: r.address(), Case: r.hash(), Claim: next[[32]byte](r)}
	},
	"FeesPaid": func(r *fields) ledger.Event {
		return ledger.AuditFeesPaid{Node: r.address(), Amount: r.amount()}
	},
	"Joined": func(r *fields) ledger.Event {
		h := r.hash()
		return ledger.SeatTaken{Seat: new(big.Int).SetBytes(h[:]).Uint64(), Owner: r.address()}
	},
	"Entered": func(r *fields) ledger.Event {
		return ledger.AuditEntered{Node: r.address(), Root: r.hash(), Drawn: uint16(r.uint())}
	},
	"Revealed": func(r *fields) ledger.Event {
		return ledger.AuditRevealed{Audit: r.hash(), Auditor: r.address(), Node: r.address(), Root: next[[32]byte](r), Draw: uint16(r.uint()),
			Verdict: next[uint8](r), Case: next[[32]byte](r), Signature: next[[]byte](r)}
	},
	"Closed": func(r *fields) ledger.Event {
		return ledger.AuditClosed{Audit: r.hash(), Auditor: r.address(), Paid: r.amount(), Burned: r.amount(),
			Winner: claim.Address(next[common.Address](r)), Bounty: r.amount()}
	},
}
