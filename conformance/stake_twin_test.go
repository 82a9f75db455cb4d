package conformance_test

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/core/vm/runtime"

	"elenchus/commitment/claim"
	"elenchus/contracts"
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
	p := stake.Params{Unbonding: 600, Reserve: claim.Units(1), Window: 90, ReplyTime: 8, Grace: 8, Rate: 1 + g.Uint64N(1000), SpaceRate: 1e6, RewardDelay: 30, PriceCap: 1 + logUniform(g, 49).Uint64(),
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
		face, at := j.deploy(t, "DisputeArena", chain.ArenaArguments(j.step, chain.DeployParams{Params: p}, j.step, j.step, j.step, j.step)...)
		ask := func(method string, args ...any) []any {
			input, err := face.Pack(method, args...)
			if err != nil {
				t.Fatal(err)
			}
			out, _, err := j.call(at, input)
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
			more, err := p.ProofBond(j.cfg.BaseFee.Uint64())
			same("proofBond", more, err, ask("proofBond")[0])
			slashed, cost, price := logUniform(g, 110), logUniform(g, 110), logUniform(g, 110)
			amount := func(v *big.Int) claim.Amount { a, _ := claim.AmountFromBig(v); return a }
			left := logUniform(g, 110)
			cut := p.Split(&stake.Held{Slashed: amount(slashed), Cost: amount(cost), Left: amount(left), Price: amount(price)})
			want := ask("split", slashed, cost, left, price)
			same("refund", cut.Refund, nil, want[0])
			same("reward", cut.Reward, nil, want[1])
		}
	}
}

// The constructor of the arena takes the parameters that Go takes, at both ends of every range and in
// every profile. SPEC 09 §6.
func TestRangesOnChain(t *testing.T) {
	j := newJudge(t)
	fields := []func(p *stake.Params) *uint64{
		func(p *stake.Params) *uint64 { return &p.Unbonding }, func(p *stake.Params) *uint64 { return &p.Window },
		func(p *stake.Params) *uint64 { return &p.ReplyTime }, func(p *stake.Params) *uint64 { return &p.Grace },
		func(p *stake.Params) *uint64 { return &p.ForcedInclusion }, func(p *stake.Params) *uint64 { return &p.Rate },
		func(p *stake.Params) *uint64 { return &p.SpaceRate }, func(p *stake.Params) *uint64 { return &p.RewardDelay },
		func(p *stake.Params) *uint64 { return &p.PriceCap }, func(p *stake.Params) *uint64 { return &p.TipCap },
		func(p *stake.Params) *uint64 { return &p.WorstGas }, func(p *stake.Params) *uint64 { return &p.RefundFactor },
	}
	const day = 24 * 60 * 60
	ends := []uint64{0, 1, 4, 1000, 3600, 1e4, 1e5, day, 7 * day, 14 * day, 90 * day, 365 * day, 1e8, 1 << 32, 1e10, 1e15, 1 << 63}
	text, creation, err := contracts.Artifact("DisputeArena")
	if err != nil {
		t.Fatal(err)
	}
	face, err := abi.JSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	taken, refused := 0, 0
	try := func(p stake.Params) {
		t.Helper()
		err := p.Check()
		args, packErr := face.Pack("", chain.ArenaArguments(j.step, chain.DeployParams{Params: p}, j.step, j.step, j.step, j.step)...)
		if packErr != nil { // an amount above its type: the constructor cannot even be asked
			return
		}
		_, _, _, createErr := runtime.Create(append(bytes.Clone(creation), args...), j.cfg)
		got := createErr == nil
		if got != (err == nil) {
			t.Fatalf("%+v: the chain takes it: %t, Go: %v", p, got, err)
		}
		if got {
			taken++
		} else {
			refused++
		}
	}
	for _, profile := range []stake.Profile{stake.Devnet, stake.L2, stake.L1} {
		for _, field := range fields {
			for _, end := range ends {
				for _, v := range []uint64{end - 1, end, end + 1} {
					p := stake.ParamsOf(profile)
					*field(&p) = v
					try(p)
				}
			}
		}
		p := stake.ParamsOf(profile)
		p.Unbonding = 2*p.Window + p.ReplyTime + p.Grace // the least where no profile wants more
		try(p)
		p.Unbonding--
		try(p)
		p = stake.ParamsOf(profile)
		for _, bad := range []claim.Amount{{}, claim.MaxAmount} {
			p.Reserve = bad
			try(p)
			p = stake.ParamsOf(profile)
			p.TokenPerEther = bad
			try(p)
			p = stake.ParamsOf(profile)
			p.WorkFee = bad
			try(p)
			p = stake.ParamsOf(profile)
		}
	}
	p := stake.ParamsOf(stake.L1)
	p.Profile = 3
	try(p)
	if taken == 0 || refused == 0 {
		t.Fatalf("%d taken, %d refused: the test decides nothing", taken, refused)
	}
}
