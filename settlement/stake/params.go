package stake

import (
	"fmt"

	"elenchus/commitment/claim"
)

// Profile is the kind of chain of a deployment: it sets the ranges of the other parameters. SPEC 09
// §6.
type Profile uint8

// The profiles. The zero value is Devnet.
const (
	Devnet Profile = 0 // one operator, clocks of seconds
	L2     Profile = 1 // a sequencer that may be down or refuse, and a way around it
	L1     Profile = 2 // no sequencer
)

var profileNames = [...]string{"devnet", "l2", "l1"}

// String is the name of the profile in commands and documents.
func (p Profile) String() string {
	if int(p) >= len(profileNames) {
		return fmt.Sprintf("profile(%d)", uint8(p))
	}
	return profileNames[p]
}

// Params are those of an arena, fixed at its deployment, so that every game is played under those
// that were there when it was opened. The zero value is refused by Check.
type Params struct {
	Profile         Profile
	Unbonding       uint64 // U in seconds: from announcement to payment of stake
	Reserve         Amount // r: stake behind every claim of a batch
	Window          uint64 // W in seconds
	ReplyTime       uint64 // D0 in seconds
	Grace           uint64 // seconds from D1 to D2
	ForcedInclusion uint64 // seconds after which the chain takes what its sequencer refuses
	Rate            uint64 // positions per second that a node must recompute
	SpaceRate       uint64 // gas per second of block space that one side can count on
	RewardDelay     uint64 // D3 in seconds
	PriceCap        uint64 // wei per gas that bonds assume at least
	TipCap          uint64 // wei per gas above the base fee that is repaid
	TokenPerEther   Amount // token units per 10^18 wei
	WorstGas        uint64 // gas of all replies in the longest branch
	WorkFee         Amount // token units per position of work
	RefundFactor    uint64 // K
}

const (
	hour = 60 * 60
	day  = 24 * hour
)

// maxFactor is 10^30, the most token units per ether and per position; maxReserve is 2^96-1.
var (
	maxFactor, _ = claim.ParseAmount("1000000000000000000000000000000")
	maxReserve   = claim.Amount{Hi: 1<<32 - 1, Lo: 1<<64 - 1}
)

// limit is the range of one parameter.
type limit struct {
	name         string
	v, low, high Amount
}

func seconds(name string, v, low, high uint64) limit {
	return limit{name, claim.Units(v), claim.Units(low), claim.Units(high)}
}

// Check says ErrParams for the first parameter that the arena's constructor refuses. SPEC 09 §6.
func (p *Params) Check() error {
	for _, l := range append(p.clocks(), p.prices()...) {
		if l.v.Cmp(l.low) < 0 || l.v.Cmp(l.high) > 0 {
			return fmt.Errorf("%w: %s is %s, want %s..%s", ErrParams, l.name, l.v, l.low, l.high)
		}
	}
	return nil
}

// public is high on a chain of strangers, low on a devnet.
func (p *Params) public(low, high uint64) uint64 {
	if p.Profile == Devnet {
		return low
	}
	return high
}

// clocks are the ranges of times and rates. The sums are of values below 2^64 that the ranges before
// them bound by a year: where one of those fails, Check names that one.
func (p *Params) clocks() []limit {
	inclusion := uint64(0)
	if p.Profile == L2 {
		inclusion = hour
	}
	window, forced := min(p.Window, 366*day), min(p.ForcedInclusion, 366*day)
	longest := 2*window + min(p.ReplyTime, 366*day) + min(p.Grace, 366*day)
	return []limit{
		seconds("profile", uint64(p.Profile), 0, uint64(L1)),
		{"reserve", p.Reserve, claim.Units(1), maxReserve},
		seconds("window", p.Window, p.public(4, hour), 365*day),
		seconds("replyTime", p.ReplyTime, p.public(1, hour), 90*day),
		seconds("forcedInclusion", p.ForcedInclusion, inclusion, 7*day),
		seconds("grace", p.Grace, max(p.public(1, day), 2*forced), 90*day),
		seconds("rate", p.Rate, 1, 1<<32-1),
		seconds("spaceRate", p.SpaceRate, 1e4, 1e10),
		seconds("rewardDelay", p.RewardDelay, p.public(1, 7*day), 365*day),
		seconds("unbonding", p.Unbonding, max(p.public(1, 14*day), longest), 365*day),
	}
}

func (p *Params) prices() []limit {
	return []limit{
		seconds("priceCap", p.PriceCap, 1, 1e15),
		seconds("tipCap", p.TipCap, 0, 1e15),
		{"tokenPerEther", p.TokenPerEther, claim.Units(1), maxFactor},
		seconds("worstGas", p.WorstGas, 100_000, 100_000_000),
		{"workFee", p.WorkFee, Amount{}, maxFactor},
		seconds("refundFactor", p.RefundFactor, 1, 1000),
	}
}

// ParamsOf are the parameters that a deployment of the profile starts from, for a token with 18
// decimals of which 3,000 are worth an ether; what they are and why is SPEC 09 §6. An unknown profile
// gives the zero value.
func ParamsOf(p Profile) Params {
	switch p {
	case Devnet:
		return Params{Profile: Devnet, Unbonding: 900, Reserve: tokens(100), Window: 90, ReplyTime: 8, Grace: 8, Rate: 100,
			SpaceRate: 30e6, RewardDelay: 60, PriceCap: 4e9, TipCap: 1e9, TokenPerEther: tokens(3000), WorstGas: 2_500_000,
			WorkFee: claim.Units(1e15), RefundFactor: 3}
	case L2:
		return Params{Profile: L2, Unbonding: 30 * day, Reserve: tokens(500), Window: 6 * hour, ReplyTime: 6 * hour, Grace: 2 * day,
			ForcedInclusion: day, Rate: 50, SpaceRate: 1e6, RewardDelay: 14 * day, PriceCap: 1e8, TipCap: 1e7,
			TokenPerEther: tokens(4500), WorstGas: 2_500_000, WorkFee: claim.Units(1e14), RefundFactor: 3}
	case L1:
		return Params{Profile: L1, Unbonding: 30 * day, Reserve: tokens(5000), Window: 6 * hour, ReplyTime: 6 * hour, Grace: 3 * day,
			Rate: 50, SpaceRate: 250_000, RewardDelay: 14 * day, PriceCap: 2e10, TipCap: 1e9,
			TokenPerEther: tokens(4500), WorstGas: 2_500_000, WorkFee: claim.Units(1e14), RefundFactor: 3}
	}
	return Params{}
}

// tokens is n times 10^18 token units.
func tokens(n uint64) Amount {
	a, _ := claim.Units(1e18).Mul(n) // below 2^128 for every n
	return a
}

// MoveGas is what one move of a side takes of the block space at most. SPEC 09 §6.2.
const MoveGas = 345_000

// Space is how many seconds a deadline is longer for a side that may have to move in so many open
// games: what a largest move in each of them takes of the block space, at most 2^32 games. SPEC 08 §5.5.
func (p *Params) Space(games uint64) uint64 {
	if p.SpaceRate == 0 {
		return 0
	}
	return (games*MoveGas + p.SpaceRate - 1) / p.SpaceRate
}
