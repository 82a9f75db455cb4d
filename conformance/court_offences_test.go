package conformance_test

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/network/chain"
	"elenchus/settlement/dispute"
	"elenchus/settlement/stake"
)

func whoAndWhen() []offence {
	return []offence{
		{"NotParty", func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.at(t, "row", g.IntN(10))
			m := x.moves[0]
			return c.call(t, stranger, methods[dispute.Kind(m.Move)], [32]byte(x.key), x.state.Encode(), fromHex(t, m.Payload), []byte{})
		}},
		{"NotKey", func(t testing.TB, c *bar, g *rand.Rand) string {
			h := hash(g)
			h[0] &= 0x7f
			key, err := crypto.ToECDSA(h[:])
			if err != nil {
				t.Fatal(err)
			}
			return c.opens(t, c.claimed(t, g, key, func(m *dispute.OpenMove) { m.Key = claim.AddressOf(key) }))
		}},
		{"NotRegistrar", func(t testing.TB, c *bar, g *rand.Rand) string {
			_, name := c.send(t, stranger, c.step, c.registry, "register", uint16(2), uint8(1+g.IntN(200)), c.step)
			return name
		}},
		{"BadSignature", func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.at(t, "row", g.IntN(10))
			m := x.moves[0]
			signature := bytes.Repeat([]byte{byte(g.Uint32())}, 1+g.IntN(64)+65*g.IntN(2)) // never 65
			if g.IntN(2) == 0 {
				signature = make([]byte, 65)
				signature[64] = byte(29 + g.IntN(200))
			}
			return c.call(t, c.mover(&x.state), methods[dispute.Kind(m.Move)], [32]byte(x.key), x.state.Encode(), fromHex(t, m.Payload), signature)
		}},
		{"Taken", func(t testing.TB, c *bar, g *rand.Rand) string {
			key := hash(g)
			c.call(t, c.opener, "commit", key)
			c.wait(g.Uint64N(100))
			return c.call(t, stranger, "commit", key)
		}},
		{"NoCommit", func(t testing.TB, c *bar, g *rand.Rand) string { return c.call(t, stranger, "expire", hash(g)) }},
		{"OutOfTime", func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.claimed(t, g, nodeKey(t), nil)
			c.cfg.Time = x.commitTime()
			c.call(t, stranger, "commit", [32]byte(x.key))
			if g.IntN(2) == 0 {
				c.wait(c.p.Window/2 + 1 + g.Uint64N(100))
			}
			return c.call(t, c.opener, "open", x.payload, []byte{})
		}},
		{"WindowOver", func(t testing.TB, c *bar, g *rand.Rand) string {
			c.cfg.Time = c.games[0].open.Claim.ChallengeUntil + 1 + g.Uint64N(100)
			return c.opens(t, c.claimed(t, g, nodeKey(t), nil))
		}},
		{"TooLate", func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.at(t, "row", g.IntN(10))
			c.cfg.Time = max(x.state.Deadline, x.state.Last) + 1 + g.Uint64N(100)
			return c.play(t, x, func(p []byte) []byte { return p })
		}},
		{"TooEarly", func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.at(t, "row", g.IntN(10))
			c.cfg.Time += g.Uint64N(x.state.Deadline - c.cfg.Time + 1)
			return c.try(t, x, stranger, dispute.KindTimeout, x.job.Encode())
		}},
		{"WrongState", func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.at(t, "row", g.IntN(10))
			s, m := x.state.Encode(), x.moves[0]
			if s[g.IntN(len(s))] ^= 1 << g.IntN(8); g.IntN(3) == 0 {
				s = s[:g.IntN(len(s))]
			}
			return c.call(t, c.mover(&x.state), methods[dispute.Kind(m.Move)], [32]byte(x.key), s, fromHex(t, m.Payload), []byte{})
		}},
		{"WrongPhase", func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.at(t, "row", g.IntN(10))
			for {
				if k := dispute.Kind(3 + g.IntN(11)); k != dispute.Kind(x.moves[0].Move) {
					return c.try(t, x, c.mover(&x.state), k, fromHex(t, x.moves[0].Payload))
				}
			}
		}},
		{"WrongJob", func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.at(t, "row", g.IntN(10))
			job := x.job.Encode()
			job[g.IntN(len(job))] ^= 1 << g.IntN(8)
			c.wait(g.Uint64N(200))
			return c.try(t, x, stranger, dispute.KindTimeout, job)
		}},
	}
}

func openings() []offence {
	return []offence{
		{"BadClaim", plainly(func(m *dispute.OpenMove, g *rand.Rand) {
			m.Claim.Finish = []uint8{0, uint8(7 + g.IntN(249))}[g.IntN(2)]
			if g.IntN(2) == 0 {
				m.Claim.Finish, m.Claim.Count = 1, m.Request.MaxNew+1+g.Uint32N(1000)
			}
		})},
		{"BadHeader", plainly(func(m *dispute.OpenMove, g *rand.Rand) {
			h := &m.Header
			switch g.IntN(5) {
			case 0:
				h.Kind = uint16(3 + g.IntN(100))
			case 1:
				h.Layers = 0
			case 2:
				h.DPos = uint8(33 + g.IntN(100))
			case 3:
				h.DRow = uint8(33 + g.IntN(100))
			case 4:
				h.DLayer = uint8(33 + g.IntN(100))
			}
		})},
		{"BadHeader", func(t testing.TB, c *bar, g *rand.Rand) string {
			const header = 391 // in the payload: magic (16), version of numerics (2), ..., positions are u8 at 24
			x := c.claimed(t, g, nodeKey(t), nil)
			x.payload[header+[]int{g.IntN(18), 24}[g.IntN(2)]] ^= byte(1 + g.IntN(255))
			return c.opens(t, x)
		}},
		{"BadHeader", plainly(func(m *dispute.OpenMove, g *rand.Rand) { m.Header.Class = manifest.Class(3 + g.IntN(200)) })},
		{"PrivateModel", plainly(func(m *dispute.OpenMove, g *rand.Rand) {
			m.Header.Class = manifest.Private
			m.T = []uint32{0, m.T, dispute.AnyState, dispute.AnyOutput, g.Uint32N(dispute.Delivered), dispute.Delivered - 1}[g.IntN(6)]
		})},
		{"BadStep", plainly(func(m *dispute.OpenMove, g *rand.Rand) {
			m.T = dispute.OnItsFace
			if g.IntN(2) == 0 {
				m.T = m.Request.PromptCount + m.Claim.Count - 1 + g.Uint32N(1000)
			}
		})},
		{"NoEvidence", func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.claimed(t, g, nodeKey(t), nil)
			x.open.Claim.Value = claim.Units(8 + g.Uint64N(1000)) // what was signed is another claim
			x.payload = x.open.Encode()
			return c.opens(t, x)
		}},
		{"NoContradiction", func(t testing.TB, c *bar, g *rand.Rand) string {
			return c.opens(t, c.claimed(t, g, nodeKey(t), func(m *dispute.OpenMove) {
				m.T = dispute.Contradicts
				d := claim.Domain{ChainID: vectorChain, Arena: claim.Address(c.arenaAt)}
				_, own := m.Sealed(d)
				m.Second = &dispute.Second{Claim: m.Claim}
				var err error
				if m.Second.Signature, err = claim.Sign(own.Digest(d), nodeKey(t)); err != nil {
					t.Fatal(err)
				}
			}))
		}},
		{"BondTooHigh", plainly(func(m *dispute.OpenMove, g *rand.Rand) { m.MaxBond = claim.Units(g.Uint64N(1000)) })},
		{"TooManyGames", func(t testing.TB, c *bar, g *rand.Rand) string {
			c.crowd(t)
			return c.opens(t, c.claimed(t, g, nodeKey(t), nil))
		}},
	}
}

func payloads() []offence {
	game := func(name string, first, count int, change func(p []byte, g *rand.Rand) []byte) func(testing.TB, *bar, *rand.Rand) string {
		return func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.at(t, name, first+g.IntN(count))
			return c.play(t, x, func(p []byte) []byte { return change(p, g) })
		}
	}
	return []offence{
		{"PayloadLength", game("row", 0, 11, func(p []byte, g *rand.Rand) []byte {
			return append(p, bytes.Repeat([]byte{1}, 1+g.IntN(99))...)
		})},
		{"NotOpened", game("row", 0, 2, func(p []byte, g *rand.Rand) []byte {
			p[8+g.IntN(24)] ^= 1 << g.IntN(8) // of a hash, or of the job
			return p
		})},
		{"OutOfRange", game("row", 5, 1, func(_ []byte, g *rand.Rand) []byte {
			return []byte{0xff, byte(g.IntN(256))}
		})},
		{"BadPadding", func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.at(t, "outputs", 2)
			leaf := fromHex(t, x.moves[0].Payload)
			leaf[len(leaf)-1-g.IntN(8)] = byte(1 + g.IntN(255))
			x.state.Subtree = merkle.Leaf(leaf)
			c.place(x)
			return c.try(t, x, c.node, dispute.KindRaw, leaf)
		}},
		{"BadStage", func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.at(t, "row", 6)
			d := opset.Descriptor{Op: opset.Code(g.IntN(256)), Type: 3, Leaf: 64}
			d.P[0] = []int64{0, 1, 129, 130 + g.Int64N(1<<30)}[g.IntN(4)]
			if d.Op != opset.Input {
				d.P[0] = 5
			} else if d.P[0] >= 2 && d.P[0] <= 128 {
				d.P[0] = 1
			}
			m := x.moves[0]
			payload, path := c.describe(t, x, &d, 0)
			return c.try(t, x, c.node, dispute.Kind(m.Move), slices.Concat(payload, path, make([]byte, 32*130)))
		}},
		{"Contradiction", func(t testing.TB, c *bar, g *rand.Rand) string {
			x := c.at(t, "outputs", 4)
			return c.try(t, x, c.node, dispute.KindReveal, fromHex(t, x.refused[0].Payload))
		}},
		{"BadRead", func(t testing.TB, c *bar, g *rand.Rand) string {
			return c.answers(t, c.questions[0], func(d *opset.Descriptor) {
				for i := range d.Src {
					d.Src[i].Kind = min(d.Src[i].Kind, 1) * uint8(11+g.IntN(200))
				}
			})
		}},
		{"BadTarget", func(t testing.TB, c *bar, g *rand.Rand) string {
			return c.answers(t, c.questions[g.IntN(len(c.questions))], func(d *opset.Descriptor) {
				d.Type = []tensor.DType{0, tensor.DType(5 + g.IntN(250))}[g.IntN(2)]
			})
		}},
		{"ProofWanted", func(t testing.TB, c *bar, g *rand.Rand) string {
			x, payload, _ := c.asked(t, c.questions[g.IntN(len(c.questions))])
			x.state.Class = 1
			c.place(x)
			return c.call(t, stranger, "answer", [32]byte(x.key), x.state.Encode(), payload)
		}},
		{"RangeOutside", func(t testing.TB, c *bar, g *rand.Rand) string {
			x, m := c.demanded(t, g)
			m.Index = uint16(1 + g.IntN(1000))
			return c.call(t, stranger, "include", [32]byte(x.key), x.state.Encode(), m.Encode())
		}},
		{"SiblingsMissing", game("row", 6, 1, func(p []byte, g *rand.Rand) []byte { return p[:192+32*g.IntN(3)+g.IntN(32)] })},
		{"HashFailed", func(t testing.TB, c *bar, g *rand.Rand) string {
			// A 64th of the gas stays with the caller of a precompile that runs out: enough to say so behind a large leaf.
			s := dispute.State{Phase: dispute.Raw, Leaf: 60_000, Total: 60_000, Type: 1}
			input, err := c.game.Pack("step", uint8(dispute.KindRaw), s.Encode(), make([]byte, s.Leaf))
			if err != nil {
				t.Fatal(err)
			}
			name := ""
			for c.cfg.GasLimit = 20_000 + g.Uint64N(5_000); name != "HashFailed" && c.cfg.GasLimit < 1_000_000; c.cfg.GasLimit += 5_000 {
				_, name = c.raw(stranger, c.gameAt, input)
			}
			return name
		}},
		{"NotPosted", func(t testing.TB, c *bar, g *rand.Rand) string {
			x, m := c.demanded(t, g)
			m.Root = hash(g)
			return c.try(t, x, stranger, dispute.KindInclude, m.Encode())
		}},
	}
}

func money() []offence {
	return []offence{
		{"Insufficient", func(t testing.TB, c *bar, g *rand.Rand) string {
			method := []string{"withdraw", "requestUnbond"}[g.IntN(2)]
			return c.call(t, c.node, method, new(big.Int).Add(rich, among(g, 1, 1<<40)))
		}},
		{"TransferFailed", func(t testing.TB, c *bar, g *rand.Rand) string {
			method := []string{"deposit", "fund"}[g.IntN(2)]
			return c.call(t, stranger, method, among(g, 1, 1<<40)) // what he had approved he spent
		}},
		{"Locked", func(t testing.TB, c *bar, g *rand.Rand) string {
			c.call(t, c.node, "requestUnbond", among(g, 1, 1<<40))
			if g.IntN(2) == 0 {
				c.wait(g.Uint64N(c.p.Unbonding + 1))
				return c.call(t, c.node, "withdrawStake")
			}
			c.at(t, "row", 0)
			c.wait(c.p.Unbonding + 1)
			return c.call(t, c.node, "withdrawStake")
		}},
		{"Jailed", func(t testing.TB, c *bar, g *rand.Rand) string {
			c.convicted(t)
			return c.call(t, c.node, "postBatch", hash(g), among(g, 1, 99), among(g, 0, 9), among(g, c.cfg.Time+c.p.Window, 1<<39))
		}},
		{"NothingToSettle", func(t testing.TB, c *bar, g *rand.Rand) string {
			if g.IntN(2) == 0 {
				return c.call(t, stranger, "settle", hash(g), []byte{})
			}
			x, held := c.convicted(t)
			c.wait(g.Uint64N(c.p.RewardDelay + 1))
			return c.call(t, stranger, "settle", [32]byte(x.state.Case), held)
		}},
		{"WrongHeld", func(t testing.TB, c *bar, g *rand.Rand) string {
			x, held := c.convicted(t)
			c.wait(c.p.RewardDelay + 1)
			held = bytes.Clone(held)
			held[g.IntN(len(held))] ^= 1 << g.IntN(8)
			return c.call(t, stranger, "settle", [32]byte(x.state.Case), held)
		}},
	}
}

func batches() []offence {
	post := func(count, cover, until func(c *bar, g *rand.Rand) *big.Int) func(testing.TB, *bar, *rand.Rand) string {
		return func(t testing.TB, c *bar, g *rand.Rand) string {
			return c.call(t, c.node, "postBatch", hash(g), count(c, g), cover(c, g), until(c, g))
		}
	}
	some := func(_ *bar, g *rand.Rand) *big.Int { return among(g, 1, 8192) }
	soon := func(c *bar, g *rand.Rand) *big.Int { return among(g, c.cfg.Time+c.p.Window, 1<<40-1) }
	return []offence{
		{"BadCount", post(func(_ *bar, g *rand.Rand) *big.Int { return among(g, 8193, 1<<20) }, some, soon)},
		{"BadCount", post(func(*bar, *rand.Rand) *big.Int { return new(big.Int) }, some, soon)},
		{"BadBatch", post(some, some, func(_ *bar, g *rand.Rand) *big.Int { return among(g, 1<<40, 1<<50) })},
		{"BadBatch", post(some, func(_ *bar, g *rand.Rand) *big.Int { return new(big.Int).Lsh(big.NewInt(1), 128+uint(g.IntN(99))) }, soon)},
		{"WindowTooShort", post(some, some, func(c *bar, g *rand.Rand) *big.Int { return among(g, 0, c.cfg.Time+c.p.Window-1) })},
		{"AlreadyPosted", func(t testing.TB, c *bar, g *rand.Rand) string {
			root := hash(g)
			name := ""
			for range 2 {
				name = c.call(t, c.node, "postBatch", root, big.NewInt(1), some(c, g), soon(c, g))
			}
			return name
		}},
		{"NoBatch", func(t testing.TB, c *bar, g *rand.Rand) string {
			return c.call(t, stranger, "releaseBatch", c.node, hash(g))
		}},
		{"NotReleasable", func(t testing.TB, c *bar, g *rand.Rand) string {
			root, until := hash(g), c.cfg.Time+c.p.Window+g.Uint64N(1000)
			c.call(t, c.node, "postBatch", root, big.NewInt(1), some(c, g), new(big.Int).SetUint64(until))
			c.cfg.Time += g.Uint64N(until + c.p.Window/2 - c.cfg.Time + 1)
			return c.call(t, stranger, "releaseBatch", c.node, root)
		}},
		{"NotGuardian", func(t testing.TB, c *bar, g *rand.Rand) string {
			return c.call(t, []common.Address{c.node, c.opener, stranger, {}}[g.IntN(4)], "setPause", among(g, 0, 1<<39))
		}},
		{"BadPause", func(t testing.TB, c *bar, g *rand.Rand) string {
			c.cfg.Time += 1 << 24
			return c.call(t, guardian, "setPause", among(g, c.cfg.Time+7*86400+1, 1<<39))
		}},
		{"Paused", func(t testing.TB, c *bar, g *rand.Rand) string {
			c.cfg.Time += 1 << 24
			c.call(t, guardian, "setPause", among(g, c.cfg.Time+99, c.cfg.Time+7*86400))
			c.cfg.Time += g.Uint64N(100)
			return c.call(t, c.node, "postBatch", hash(g), big.NewInt(1), some(c, g), soon(c, g))
		}},
	}
}

func names() []offence {
	keys := func(t testing.TB, c *bar, method string, args ...any) string {
		t.Helper()
		_, name := c.send(t, c.node, c.keysAt, c.keys, method, args...)
		return name
	}
	return []offence{
		{"NotPlanted", func(t testing.TB, c *bar, g *rand.Rand) string {
			return keys(t, c, "showPlant", c.arenaAt, hash(g), hash(g), hash(g))
		}},
		{"BadURL", func(t testing.TB, c *bar, g *rand.Rand) string {
			return keys(t, c, "setEndpoint", string(make([]byte, []int{0, 513 + g.IntN(500)}[g.IntN(2)])))
		}},
		{"BadHeader", func(t testing.TB, c *bar, g *rand.Rand) string {
			h := c.games[0].open.Header.Encode()
			b := h[:]
			switch g.IntN(3) {
			case 0:
				b = append(b, make([]byte, 9)...)[:[]int{0, 223, 225, 232}[g.IntN(4)]]
			case 1:
				b[g.IntN(18)] ^= 1 << g.IntN(8) // of magic or version
			case 2:
				b[33] = byte(3 + g.IntN(253))
			}
			return keys(t, c, "registerModel", b)
		}},
		{"KeyUsed", func(t testing.TB, c *bar, g *rand.Rand) string {
			h := hash(g)
			key := common.Address(h[:20])
			keys(t, c, "addKey", key)
			if g.IntN(2) == 0 {
				keys(t, c, "retireKey", key)
			}
			return keys(t, c, "addKey", key)
		}},
		{"KeyUnused", func(t testing.TB, c *bar, g *rand.Rand) string {
			h := hash(g)
			return keys(t, c, "retireKey", common.Address(h[:20]))
		}},
	}
}

// evaluations ask evaluators directly.
func evaluations() []offence {
	all := len(opset.Codes()) - 1
	ask := func(ops int, change func(g *rand.Rand, d, x *[]byte, i *uint64, data *[]byte)) func(testing.TB, *bar, *rand.Rand) string {
		return func(t testing.TB, c *bar, g *rand.Rand) string {
			to := opset.Codes()[1+g.IntN(ops)]
			descriptor, context, index, data := sampled(t, g, to)
			change(g, &descriptor, &context, &index, &data)
			input, err := c.abi.Pack("evaluate", descriptor, context, index, data)
			if err != nil {
				t.Fatal(err)
			}
			_, name := c.raw(stranger, c.of[to], input)
			return name
		}
	}
	return []offence{
		{"DataLength", ask(all, func(g *rand.Rand, _, _ *[]byte, _ *uint64, data *[]byte) {
			*data = append(*data, make([]byte, 1+g.IntN(99))...)
		})},
		{"IndexOutOfRange", ask(all, func(g *rand.Rand, _, _ *[]byte, i *uint64, _ *[]byte) { *i = 1<<60 + g.Uint64N(1<<60) })},
		{"WrongLength", ask(all, func(g *rand.Rand, d, x *[]byte, _ *uint64, _ *[]byte) {
			if g.IntN(2) == 0 {
				*d = append(*d, make([]byte, 1+g.IntN(9))...)
			} else {
				*x = (*x)[:g.IntN(len(*x))]
			}
		})},
		{"UnknownOp", ask(all, func(g *rand.Rand, d, _ *[]byte, _ *uint64, _ *[]byte) {
			(*d)[0] = byte(200 + g.IntN(56))
		})},
		{"BadDescriptor", ask(1, func(g *rand.Rand, d, _ *[]byte, _ *uint64, _ *[]byte) {
			for i := range 8 { // no source at all
				(*d)[32+i] = 0
			}
		})},
		{"UnknownSystem", func(t testing.TB, c *bar, g *rand.Rand) string {
			_, name := c.send(t, stranger, c.step, c.registry, "proofsAt", uint16(1+g.IntN(9)), uint8(100+g.IntN(156)))
			return name
		}},
		{"SystemRegistered", func(t testing.TB, c *bar, g *rand.Rand) string {
			face, creation := artifactOf(t, "StepVerifier")
			packed, err := face.Pack("", stranger, []uint8{}, []common.Address{}, []common.Address{c.step})
			if err != nil {
				t.Fatal(err)
			}
			_, at, _, err := runtime.Create(append(creation, packed...), c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, name := c.send(t, stranger, at, c.registry, "registerSystem", uint16(1), uint8(1), c.gameAt)
			return name
		}},
		{"NotRegistered", func(t testing.TB, c *bar, g *rand.Rand) string {
			_, name := c.send(t, stranger, c.step, c.registry, "verifierAt", uint16(1+g.IntN(9)), uint8(200+g.IntN(56)))
			return name
		}},
	}
}

// deployments are constructors that refuse what they are given.
func deployments() []offence {
	arena := func(change func(p *chain.DeployParams, at *[5]common.Address, g *rand.Rand)) func(testing.TB, *bar, *rand.Rand) string {
		return func(t testing.TB, c *bar, g *rand.Rand) string {
			p := chain.DeployParams{Params: stake.ParamsOf(stake.Devnet)}
			at := [5]common.Address{c.tokenAt, c.keysAt, c.openAt, c.gameAt, c.answerAt}
			change(&p, &at, g)
			return c.create(t, "DisputeArena", chain.ArenaArguments(at[0], p, at[1], at[2], at[3], at[4])...)
		}
	}
	steps := func(what func(c *bar, g *rand.Rand) ([]uint8, []common.Address)) func(testing.TB, *bar, *rand.Rand) string {
		return func(t testing.TB, c *bar, g *rand.Rand) string {
			ops, at := what(c, g)
			return c.create(t, "StepVerifier", common.Address{}, ops, at, []common.Address{})
		}
	}
	op := func(g *rand.Rand) uint8 { return uint8(1 + g.IntN(255)) }
	return []offence{
		{"BadParameter", arena(func(p *chain.DeployParams, _ *[5]common.Address, g *rand.Rand) {
			p.Grace = 90*86400 + 1 + g.Uint64N(1<<30)
		})},
		{"BadParameter", arena(func(_ *chain.DeployParams, at *[5]common.Address, g *rand.Rand) {
			h := hash(g)
			at[0] = common.Address(h[:20])
		})},
		{"BadModule", arena(func(_ *chain.DeployParams, at *[5]common.Address, g *rand.Rand) {
			h := hash(g)
			at[1+g.IntN(4)] = common.Address(h[:20])
		})},
		{"InputHasNoVerifier", steps(func(c *bar, g *rand.Rand) ([]uint8, []common.Address) {
			return []uint8{op(g), 0}, []common.Address{c.step, c.step}
		})},
		{"AlreadyRegistered", steps(func(c *bar, g *rand.Rand) ([]uint8, []common.Address) {
			o := op(g)
			return []uint8{o, o}, []common.Address{c.step, c.gameAt}
		})},
		{"NoCode", steps(func(_ *bar, g *rand.Rand) ([]uint8, []common.Address) {
			h := hash(g)
			return []uint8{op(g)}, []common.Address{common.Address(h[:20])}
		})},
		{"LengthMismatch", steps(func(c *bar, g *rand.Rand) ([]uint8, []common.Address) {
			return make([]uint8, g.IntN(9)), make([]common.Address, 9+g.IntN(9))
		})},
	}
}
