package conformance_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"elenchus/commitment/claim"
	"elenchus/settlement/dispute"
)

// rules are the three contracts that hold the rules of the game.
type rules struct {
	*judge
	game, answer, open       abi.ABI
	gameAt, answerAt, openAt common.Address
	proofs, clusters         abi.ABI
	proofsAt                 common.Address
}

func newRules(t testing.TB) *rules {
	t.Helper()
	if staged != nil {
		r := *staged
		r.judge = staged.judge.copy()
		return &r
	}
	r := &rules{judge: newJudge(t)}
	_, poseidon := r.deploy(t, "Poseidon")
	r.game, r.gameAt = r.deploy(t, "GameRules", poseidon)
	r.proofs, r.proofsAt = r.deploy(t, "ProofRules", r.step, poseidon)
	var clusters common.Address
	r.clusters, clusters = r.deploy(t, "ClusterRules", r.step)
	r.answer, r.answerAt = r.deploy(t, "AnswerRules", r.step, r.proofsAt, clusters)
	r.open, r.openAt = r.deploy(t, "OpenRules")
	return r
}

// play asks the contracts for the state after a move; name is the custom error of a refusal.
func (r *rules) play(t testing.TB, move uint8, state, payload []byte) (next []byte, name string) {
	t.Helper()
	face, at, method, args := r.game, r.gameAt, "step", []any{move, state, payload}
	if move == uint8(dispute.KindAnswer) {
		face, at, method, args = r.answer, r.answerAt, "answer", []any{state, payload}
	}
	input, err := face.Pack(method, args...)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := r.call(at, input)
	if err != nil {
		return nil, refusal(out, face, r.proofs, r.clusters, r.verifier, r.abi, r.registry)
	}
	values, err := face.Unpack(method, out)
	if err != nil {
		t.Fatal(err)
	}
	return values[0].([]byte), ""
}

func refusal(out []byte, faces ...abi.ABI) string {
	for _, f := range faces {
		for _, e := range f.Errors {
			if len(out) >= 4 && bytes.Equal(out[:4], e.ID[:4]) {
				return e.Name
			}
		}
	}
	return "0x" + hex.EncodeToString(out)
}

func vectorsOf[T any](t testing.TB, file string) (v []T) {
	t.Helper()
	b, err := os.ReadFile("../testvectors/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type moveCase struct {
	Game, State, Payload, Next string
	Move                       uint8
	Errors                     []string
}

// moveCases are the moves of whole games and one answer for every operation.
func moveCases(t testing.TB) []moveCase {
	return append(vectorsOf[moveCase](t, "dispute/moves.json"), vectorsOf[moveCase](t, "dispute/answers.json")...)
}

// Every move of the shared games does on chain what its vector says. SPEC 08 §4, §7.
func TestRulesOfTheGameOnChain(t *testing.T) {
	r := newRules(t)
	for i, v := range moveCases(t) {
		next, name := r.play(t, v.Move, fromHex(t, v.State), fromHex(t, v.Payload))
		switch {
		case v.Next != "" && hex.EncodeToString(next) != v.Next:
			t.Errorf("vector %d, %s move %d: %s\n got %x\nwant %s", i, v.Game, v.Move, name, next, v.Next)
		case v.Next == "" && !slices.Contains(v.Errors, name):
			t.Errorf("vector %d, %s move %d: %q, want one of %v", i, v.Game, v.Move, name, v.Errors)
		}
	}
}

// twin is what the Go rules make of a payload, without clocks and money.
func twin(t testing.TB, move uint8, state, payload []byte) ([]byte, error) {
	t.Helper()
	s, err := dispute.DecodeState(state)
	if err != nil {
		t.Fatal(err)
	}
	m, err := dispute.DecodeMove(&s, dispute.Kind(move), payload)
	if err != nil {
		return nil, err
	}
	mover := s.Node
	if s.Phase.Turn() == dispute.Opener {
		mover = s.Opener
	}
	next, _, err := dispute.Apply(s, m, dispute.Env{Mover: mover})
	next.Deadline, next.Last, next.Cost = s.Deadline, s.Last, s.Cost
	return next.Encode(), err
}

// rounds is how often each payload is changed.
const rounds = 40

// Changed payloads are accepted by both sides or by neither, and lead both to the same state.
func TestTwinsAgreeOnChangedPayloads(t *testing.T) {
	r := newRules(t)
	g := rand.New(rand.NewPCG(20, 26))
	cases, accepted := moveCases(t), 0
	for i, v := range cases {
		state, payload := fromHex(t, v.State), fromHex(t, v.Payload)
		for range rounds {
			p := mutate(g, payload)
			want, err := twin(t, v.Move, state, p)
			got, name := r.play(t, v.Move, state, p)
			if (err == nil) != (name == "") || err == nil && !bytes.Equal(got, want) {
				t.Fatalf("vector %d, %s move %d: Go says %v, the chain %q\npayload %x\n got %x\nwant %x", i, v.Game, v.Move, err, name, p, got, want)
			}
			if err == nil {
				accepted++
			}
		}
	}
	if accepted == 0 || accepted == rounds*len(cases) {
		t.Fatalf("%d of %d payloads were accepted: the test decides nothing", accepted, rounds*len(cases))
	}
	t.Logf("%d of %d changed payloads were accepted by both", accepted, rounds*len(cases))
}

func mutate(g *rand.Rand, payload []byte) []byte {
	p := bytes.Clone(payload)
	switch g.IntN(6) {
	case 0:
		return append(p, byte(g.Uint32()))
	case 1:
		return p[:g.IntN(len(p))]
	case 2:
		p[g.IntN(len(p))] = byte(g.Uint32())
	default:
		p[g.IntN(min(len(p), 12))] ^= 1 << g.IntN(8)
	}
	return p
}

type openCase struct {
	Game, Arena, Batch, Payload, Key, ClaimID, State, Job, Error string
	ChainID, Work                                                uint64
	Count                                                        uint32
}

// opening is what the rules of open return.
type opening struct {
	Key       [32]byte
	ClaimId   [32]byte //nolint:revive // the name that abi gives
	WindowEnd *big.Int
	Value     *big.Int
	Work      *big.Int
	Keys      [2]common.Address
	Record    []byte
}

// What open makes of claim, request and evidence is the same on both sides. SPEC 08 §1, §2, §7.2.
func TestOpenOnChain(t *testing.T) {
	r := newRules(t)
	for _, v := range vectorsOf[openCase](t, "dispute/opens.json") {
		d := claim.Domain{ChainID: v.ChainID, Arena: claim.Address(fromHex(t, v.Arena))}
		input, err := r.open.Pack("open", [32]byte(d.Separator()), [32]byte(fromHex(t, v.Batch)), new(big.Int).SetUint64(uint64(v.Count)),
			fromHex(t, v.Payload))
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := r.call(r.openAt, input)
		if err != nil || v.Error != "" {
			if name := refusal(out, r.open); err == nil || name != v.Error {
				t.Errorf("%s: %v, %s, want %q", v.Game, err, name, v.Error)
			}
			continue
		}
		values, err := r.open.Unpack("open", out)
		if err != nil {
			t.Fatal(err)
		}
		o := *abi.ConvertType(values[0], new(opening)).(*opening)
		if got, want := hex.EncodeToString(o.Record), v.Job+v.State; got != want || hex.EncodeToString(o.Key[:]) != v.Key ||
			hex.EncodeToString(o.ClaimId[:]) != v.ClaimID || o.Work.Uint64() != v.Work {
			t.Errorf("%s: opened as\n%x\n%x\n%s, work %s\nwant\n%s\n%s\n%s, work %d", v.Game, o.Key, o.ClaimId, got, o.Work, v.Key, v.ClaimID, want, v.Work)
		}
	}
}

// What shows a batch to a demand is the same on both sides, for batches of every depth and for changed
// payloads. SPEC 08 §4.10, §7.11.
func TestIncludeOnChain(t *testing.T) {
	r := newRules(t)
	g := rand.New(rand.NewPCG(4, 22))
	accepted := 0
	for range 300 {
		count := 1 + g.IntN(40)
		leaves := make([]claim.Hash, count)
		for i := range leaves {
			leaves[i] = claim.Hash{byte(i), byte(g.Uint32())}
		}
		at := g.IntN(count)
		tree := claim.NewTree(leaves)
		job := dispute.Job{Kind: 1, Count: g.Uint32()}
		s := dispute.State{Phase: dispute.Demand, Flags: dispute.FlagDemand, GraphRoot: leaves[at], JobHash: job.Hash()}
		payload := dispute.Include{Job: job, Root: tree.Root(), Index: uint16(at), Path: tree.Path(at)}.Encode()
		if g.IntN(2) == 0 {
			payload = mutate(g, payload)
		}
		known := []uint32{uint32(count), uint32(count), 0, uint32(count) + 1, uint32(count) - 1}[g.IntN(5)]
		m, err := dispute.DecodeMove(&s, dispute.KindInclude, payload)
		next := s
		if err == nil {
			next, _, err = dispute.Apply(s, m, dispute.Env{BatchCount: known})
		}
		input, packErr := r.answer.Pack("include", s.Encode(), new(big.Int).SetUint64(uint64(known)), payload)
		if packErr != nil {
			t.Fatal(packErr)
		}
		out, _, callErr := r.call(r.answerAt, input)
		if (err == nil) != (callErr == nil) {
			t.Fatalf("Go says %v, the chain %s (%d claims, %d known, index %d)", err, refusal(out, r.answer), count, known, at)
		}
		if err != nil {
			continue
		}
		accepted++
		values, err := r.answer.Unpack("include", out)
		if err != nil || !bytes.Equal(values[0].([]byte), next.Encode()) {
			t.Fatalf("%v\n got %x\nwant %x", err, values[0], next.Encode())
		}
	}
	if accepted == 0 {
		t.Fatal("nothing was accepted: the test decides nothing")
	}
}
