package chain

import (
	"fmt"
	"math/big"
	"math/bits"

	"github.com/ethereum/go-ethereum/common"

	"elenchus/commitment/claim"
	"elenchus/settlement/dispute"
)

// DeployParams are the parameters of a deployment. Times are seconds, prices wei per gas, amounts
// token units. None can change afterwards. SPEC 08 §5, §6.
type DeployParams struct {
	Token         common.Address // the ERC-20 of all stakes; zero deploys a test token that anyone may mint
	Registrar     common.Address // may add evaluators for new operations; zero: nobody
	Unbonding     uint64         // from announcement to payment of stake, 1..365 days
	Reserve       claim.Amount   // stake behind every claim of a batch, 1..2^96-1
	Window        uint64         // W, 4 s..365 days
	ReplyTime     uint64         // D0, 1 s..90 days
	Grace         uint64         // D2 - D1, 1 s..90 days
	Rate          uint64         // positions per second that a node must re-execute, 1..2^32-1
	RewardDelay   uint64         // D3, 1 s..365 days
	PriceCap      uint64         // gas price that bonds assume at least, 1..1e15
	TipCap        uint64         // tip that is repaid, 0..1e15
	TokenPerEther claim.Amount   // token units per 1e18 wei, 1..1e30
	WorstGas      uint64         // of all replies in the longest game, 1e5..1e8
	WorkFee       claim.Amount   // per position of re-execution, 0..1e30
	RefundFactor  uint64         // K: the user of a refuted claim gets at most K prices, 1..1000
}

// DevnetParams are the parameters of a development chain: W 90 s, D0 8 s, grace 8 s (SPEC 08 §5.4),
// a token with 18 decimals of which 3,000 are worth an ether.
func DevnetParams() DeployParams {
	return DeployParams{
		Unbonding: 600, Reserve: tokens(100), Window: 90, ReplyTime: 8, Grace: 8, Rate: 100, RewardDelay: 60,
		PriceCap: 4e9, TipCap: 1e9, TokenPerEther: tokens(3000), WorstGas: 2_500_000, WorkFee: claim.Units(1e15), RefundFactor: 3,
	}
}

// tokens is n times 10^18 token units.
func tokens(n uint64) claim.Amount {
	hi, lo := bits.Mul64(n, 1e18)
	return claim.Amount{Hi: hi, Lo: lo}
}

const day = 24 * 60 * 60

// Check reports the first parameter that the constructors refuse.
func (p DeployParams) Check() error {
	max30 := claim.Amount{Hi: 54210108624, Lo: 5076944270305263616} // 10^30
	one := claim.Units(1)
	for _, r := range []struct {
		name         string
		v, low, high claim.Amount
	}{
		{"unbonding", claim.Units(p.Unbonding), one, claim.Units(365 * day)},
		{"reserve", p.Reserve, one, claim.Amount{Hi: 1<<32 - 1, Lo: 1<<64 - 1}},
		{"window", claim.Units(p.Window), claim.Units(4), claim.Units(365 * day)},
		{"reply time", claim.Units(p.ReplyTime), one, claim.Units(90 * day)},
		{"grace", claim.Units(p.Grace), one, claim.Units(90 * day)},
		{"rate", claim.Units(p.Rate), one, claim.Units(1<<32 - 1)},
		{"reward delay", claim.Units(p.RewardDelay), one, claim.Units(365 * day)},
		{"price cap", claim.Units(p.PriceCap), one, claim.Units(1e15)},
		{"tip cap", claim.Units(p.TipCap), claim.Amount{}, claim.Units(1e15)},
		{"token per ether", p.TokenPerEther, one, max30},
		{"worst gas", claim.Units(p.WorstGas), claim.Units(1e5), claim.Units(1e8)},
		{"work fee", p.WorkFee, claim.Amount{}, max30},
		{"refund factor", claim.Units(p.RefundFactor), one, claim.Units(1000)},
	} {
		if r.v.Cmp(r.low) < 0 || r.v.Cmp(r.high) > 0 {
			return fmt.Errorf("%s %v is out of range: use %v to %v", r.name, r.v, r.low, r.high)
		}
	}
	return nil
}

// Clocks are the parameters that the twin of the arena needs.
func (p DeployParams) Clocks() dispute.Params {
	return dispute.Params{D0: p.ReplyTime, Grace: p.Grace}
}

// base is what the replies of the longest game cost at 1.5 times a price in wei, in token units.
func (p DeployParams) base(price *big.Int) *big.Int {
	v := new(big.Int).SetUint64(p.WorstGas)
	v.Mul(v, price).Mul(v, big.NewInt(3)).Mul(v, p.TokenPerEther.Big())
	return v.Div(v, big.NewInt(2e18))
}

// bond is the arena's bondOf at a base fee.
func (p DeployParams) bond(games, work uint64, baseFee *big.Int) (claim.Amount, error) {
	price := new(big.Int).SetUint64(p.PriceCap)
	if baseFee != nil {
		if four := new(big.Int).Lsh(baseFee, 2); four.Cmp(price) > 0 {
			price = four
		}
	}
	const maxDoublings = 32
	v := p.base(price)
	v.Lsh(v, uint(min(games/8, maxDoublings)))
	fee := new(big.Int).SetUint64(work)
	return claim.AmountFromBig(v.Add(v, fee.Mul(fee, p.WorkFee.Big())))
}

// commitBond is the arena's commitBond.
func (p DeployParams) commitBond() (claim.Amount, error) {
	v := p.base(new(big.Int).SetUint64(p.PriceCap))
	return claim.AmountFromBig(v.Rsh(v, 1))
}
