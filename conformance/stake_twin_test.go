package conformance_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/core/vm/runtime"

	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/settlement/stake"
)

// logUniform is an integer whose bit length is uniform, at most bits.
func logUniform(g *rand.Rand, bits int) *big.Int {
	v := new(big.Int).Lsh(new(big.Int).SetUint64(g.Uint64()), 64)
	v.Add(v, new(big.Int).SetUint64(g.Uint64()))
	return v.Rsh(v, uint(128-g.IntN(bits+1)))
}

func someParams(g *rand.Rand) stake.Params {
	units := func() claim.Amount {
		a, _ := claim.AmountFromBig(logUniform(g, 90))
		return a
	}
	p := stake.Params{Window: 90, ReplyTime: 8, Grace: 8, Rate: 1 + g.Uint64N(1000), RewardDelay: 30, PriceCap: 1 + logUniform(g, 49).Uint64(),
		TipCap: logUniform(g, 49).Uint64(), TokenPerEther: units(), WorstGas: 100_000 + g.Uint64N(90_000_000), WorkFee: units(), RefundFactor: 1 + g.Uint64N(1000)}
	if p.TokenPerEther.IsZero() {
		p.TokenPerEther = claim.Units(1)
	}
	return p
}

// Bonds and the division of a slash are the same numbers on both sides. SPEC 08 §6.
func TestMoneyOnChain(t *testing.T) {
	j := newJudge(t)
	g := rand.New(rand.NewPCG(9, 8))
	for range 20 {
		p := someParams(g)
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		face, at := j.deploy(t, "DisputeArena", chain.ArenaArguments(j.step, chain.DeployParams{Unbonding: 1, Reserve: claim.Units(1),
			Window: p.Window, ReplyTime: p.ReplyTime, Grace: p.Grace, Rate: p.Rate, RewardDelay: p.RewardDelay, PriceCap: p.PriceCap,
			TipCap: p.TipCap, TokenPerEther: p.TokenPerEther, WorstGas: p.WorstGas, WorkFee: p.WorkFee, RefundFactor: p.RefundFactor},
			j.step, j.step, j.step, j.step)...)
		ask := func(method string, args ...any) []any {
			input, err := face.Pack(method, args...)
			if err != nil {
				t.Fatal(err)
			}
			out, _, err := runtime.Call(at, input, j.cfg)
			if err != nil {
				t.Fatalf("%s%v: %s", method, args, refusal(out, face))
			}
			v, err := face.Unpack(method, out)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		same := func(what string, got claim.Amount, err error, want any) {
			t.Helper()
			// An amount above 2^128-1 is an error in Go, and no account of the chain can pay it.
			if w := want.(*big.Int); (err != nil) != (w.BitLen() > 128) || err == nil && got.Big().Cmp(w) != 0 {
				t.Fatalf("%s with %+v: Go says %s, %v, the chain %s", what, p, got, err, w)
			}
		}
		half, err := p.CommitBond()
		same("commitBond", half, err, ask("commitBond")[0])
		for range 40 {
			games, work := g.Uint64N(400), g.Uint64N(1<<30)
			j.cfg.BaseFee = logUniform(g, 60)
			bond, err := p.Bond(games, work, j.cfg.BaseFee.Uint64())
			same("bondOf", bond, err, ask("bondOf", new(big.Int).SetUint64(games), new(big.Int).SetUint64(work))[0])
			slashed, cost, price := logUniform(g, 110), logUniform(g, 110), logUniform(g, 110)
			amount := func(v *big.Int) claim.Amount { a, _ := claim.AmountFromBig(v); return a }
			cut := p.Split(amount(slashed), amount(cost), amount(price))
			want := ask("split", slashed, cost, price)
			same("costs", cut.Costs, nil, want[0])
			same("refund", cut.Refund, nil, want[1])
			same("reward", cut.Reward, nil, want[2])
		}
	}
}
