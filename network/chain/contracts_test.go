package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"elenchus/commitment/claim"
	"elenchus/contracts"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

func testAddresses() Addresses {
	a := Addresses{Version: addressesVersion, ChainID: 5, Block: 3}
	for i, at := range []*common.Address{&a.Token, &a.Registry, &a.Arena, &a.Steps, &a.Open, &a.Game, &a.Answer, &a.Proofs, &a.Clusters, &a.Verifier, &a.Plonk, &a.Poseidon} {
		*at = common.Address{byte(i + 1)}
	}
	return a
}

func testContracts(t testing.TB) *Contracts {
	t.Helper()
	bind, err := newBindings()
	if err != nil {
		t.Fatal(err)
	}
	return &Contracts{at: testAddresses(), bind: bind, params: DevnetParams()}
}

func (k *Contracts) nameOf(at common.Address) string {
	for name, a := range k.at.named() {
		if a == at {
			return name
		}
	}
	return ""
}

// Every order and every own call is a call that the interface of its receiver declares, with a
// key of its own.
func TestEveryIntentFitsItsInterface(t *testing.T) {
	k := testContracts(t)
	who, one := claim.Address{9}, claim.Units(1)
	var intents []Intent
	add := func(i Intent, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		intents = append(intents, i)
	}
	for _, o := range []ledger.Order{
		ledger.PostBatch{Root: claim.Hash{1}, Count: 2, Cover: one, Until: 3}, ledger.Commit{Game: claim.Hash{1}},
		ledger.Expire{Game: claim.Hash{1}}, ledger.Open{Game: claim.Hash{1}, Payload: []byte{1}},
		ledger.Timeout{Game: claim.Hash{1}, State: []byte{2}}, ledger.Resolve{Game: claim.Hash{1}}, ledger.Settle{Case: claim.Hash{2}, Held: []byte{1}},
		ledger.Withdraw{Amount: one, Nonce: 1},
	} {
		add(k.Intent(o))
	}
	for kind := dispute.KindChildren; kind <= dispute.KindAnswer; kind++ {
		add(k.Intent(ledger.Move{Game: claim.Hash{1}, Kind: uint8(kind), State: []byte{byte(kind)}, Payload: []byte{3}}))
	}
	add(k.ReleaseBatch(who, ledger.ReleaseBatch{Root: claim.Hash{1}}))
	add(k.Mint("a", who, one))
	add(k.Approve("b", one))
	add(k.Deposit("c", one))
	add(k.Fund("d", one))
	add(k.RequestUnbond("e", one))
	add(k.WithdrawStake("f"))
	add(k.SetEndpoint("g", "http://h"))
	add(k.SetEndpoint("h", ""))
	add(k.SetDelegate("i", who, true))
	keys := map[string]bool{}
	for _, i := range intents {
		a := k.bind.of[k.nameOf(*i.To)]
		m, err := a.MethodById(i.Data)
		if err != nil {
			t.Fatalf("%s: %v", i.Key, err)
		}
		if _, err := m.Inputs.Unpack(i.Data[4:]); err != nil || keys[i.Key] || i.Gas == 0 || i.Gas > maxTxGas {
			t.Errorf("%s: %s with %d gas, key taken %v, %v", i.Key, m.Name, i.Gas, keys[i.Key], err)
		}
		keys[i.Key] = true
	}
	for _, o := range []ledger.Order{ledger.Move{Kind: 1}, ledger.Move{Kind: 14}, ledger.ReleaseBatch{}} {
		if _, err := k.Intent(o); err == nil {
			t.Errorf("%T%+v became an intent", o, o)
		}
	}
}

// zeroChain answers every call with zero words, as many as the called view returns.
func zeroChain(t *testing.T, k *Contracts) *Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			ID     json.RawMessage
			Method string
			Params []json.RawMessage
		}
		if json.NewDecoder(r.Body).Decode(&q) != nil {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		var result any = "0x5"
		switch q.Method {
		case "eth_call":
			var call struct {
				To    common.Address
				Input hexutil.Bytes
			}
			json.Unmarshal(q.Params[0], &call)
			a := k.bind.of[k.nameOf(call.To)]
			m, err := a.MethodById(call.Input)
			if err != nil {
				t.Errorf("call of %s: %v", k.nameOf(call.To), err)
				return
			}
			result = hexutil.Bytes(make([]byte, 32*len(m.Outputs)))
		case "eth_getBlockByNumber":
			result = &types.Header{Number: big.NewInt(1), Difficulty: new(big.Int), BaseFee: big.NewInt(7)}
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": q.ID, "result": result})
	}))
	t.Cleanup(s.Close)
	c, err := Dial(context.Background(), s.URL, 5)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Every view has the Go types that the client reads it into.
func TestEveryReadFitsItsInterface(t *testing.T) {
	k := testContracts(t)
	k.c = zeroChain(t, k)
	ctx, who, hash := context.Background(), claim.Address{1}, claim.Hash{2}
	for name, err := range map[string]error{
		"account":   second(k.Account(ctx, who)),
		"credit":    second(k.Credit(ctx, who)),
		"burned":    second(k.Burned(ctx)),
		"balance":   second(k.TokenBalance(ctx, who)),
		"allowance": second(k.Allowance(ctx, who)),
		"slot":      second(k.Slot(ctx, hash)),
		"verdict":   second(k.Verdict(ctx, hash)),
		"batch":     second(k.Batch(ctx, who, hash)),
		"delegate":  second(k.IsDelegate(ctx, who, who)),
		"params":    second(k.readParams(ctx)),
		"bond":      second(k.OpeningBond(ctx, who, 3)),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The stubs name the zero address everywhere: reads work and the comparison fails.
	if err := k.checkWiring(ctx); !errors.Is(err, ErrWiring) {
		t.Errorf("wiring: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// Every event that becomes a fact does so with the types of its declaration.
func TestEveryFactFitsItsEvent(t *testing.T) {
	k := testContracts(t)
	left := map[string]bool{}
	for name := range decoders {
		left[name] = true
	}
	for id, e := range k.bind.events {
		if !left[e.Name] {
			continue
		}
		delete(left, e.Name)
		l := types.Log{Address: k.at.Arena, Topics: []common.Hash{id}, BlockNumber: 4, Index: 2, Removed: true, BlockTimestamp: 9}
		var values []any
		for _, in := range e.Inputs {
			if in.Indexed {
				l.Topics = append(l.Topics, common.Hash{31: 1})
				continue
			}
			v := reflect.New(in.Type.GetType()).Elem()
			if v.Type() == reflect.TypeFor[*big.Int]() {
				v.Set(reflect.ValueOf(big.NewInt(5)))
			}
			if e.Name == "Opened" {
				v.SetBytes(dispute.Record(&dispute.Job{}, &dispute.State{Phase: dispute.R1}))
			}
			values = append(values, v.Interface())
		}
		var err error
		if l.Data, err = e.Inputs.NonIndexed().Pack(values...); err != nil {
			t.Fatal(err)
		}
		f, ok, err := k.Fact(l)
		if err != nil || !ok || !f.Removed || f.Block != 4 || f.Index != 2 || f.Time != 9 {
			t.Errorf("%s: %+v, %v, %v", e.Name, f, ok, err)
		}
		l.Topics = append(l.Topics, common.Hash{})
		if _, _, err := k.Fact(l); !errors.Is(err, ErrLog) {
			t.Errorf("%s with a topic too many: %v", e.Name, err)
		}
	}
	if len(left) != 0 {
		t.Errorf("no event is called %v", left)
	}
}

// Every sentinel belongs to an error that a contract declares, and every error of the game's
// rules has one.
func TestEveryCustomErrorHasItsSentinel(t *testing.T) {
	k := testContracts(t)
	declared := map[string]bool{}
	for _, e := range k.bind.errors {
		declared[e.Name] = true
	}
	for name := range sentinels {
		if !declared[name] {
			t.Errorf("no contract reverts with %s", name)
		}
	}
	for _, contract := range []string{openName, gameName, answerName, arenaName} {
		for name := range k.bind.of[contract].Errors {
			if sentinels[name] == nil && name != "BadParameter" && name != "BadModule" && name != "HashFailed" && name != "WrongLength" {
				t.Errorf("%s.%s has no sentinel", contract, name)
			}
		}
	}
	e := k.bind.of[arenaName].Errors["TooLate"]
	tail, _ := e.Inputs.Pack(big.NewInt(7), big.NewInt(6))
	revert := newRevert(append(bytes.Clone(e.ID[:4]), tail...), "")
	err := k.Explain(revert)
	var back *RevertError
	if !errors.Is(err, dispute.ErrLate) || !errors.As(err, &back) || back != revert || !strings.Contains(err.Error(), "TooLate[7 6]") {
		t.Errorf("%v", err)
	}
	if k.Explain(nil) != nil || k.Explain(context.Canceled) != context.Canceled {
		t.Error("other errors are changed")
	}
	if err := k.Explain(newRevert([]byte{1, 2, 3, 4}, "")); errors.As(err, new(*ExplainedError)) {
		t.Errorf("an unknown error is explained: %v", err)
	}
}

func TestParametersOutOfRangeAreRefused(t *testing.T) {
	for _, profile := range []stake.Profile{stake.Devnet, stake.L2, stake.L1} {
		p := stake.ParamsOf(profile)
		if err := p.Check(); err != nil || p.Profile != profile {
			t.Fatal(profile, err)
		}
	}
	for name, change := range map[string]func(*DeployParams){
		"unbonding": func(p *DeployParams) { p.Unbonding = 0 }, "reserve": func(p *DeployParams) { p.Reserve = claim.MaxAmount },
		"window": func(p *DeployParams) { p.Window = 3 }, "replyTime": func(p *DeployParams) { p.ReplyTime = 91 * 86400 },
		"grace": func(p *DeployParams) { p.Grace = 0 }, "rate": func(p *DeployParams) { p.Rate = 1 << 32 },
		"rewardDelay": func(p *DeployParams) { p.RewardDelay = 0 }, "priceCap": func(p *DeployParams) { p.PriceCap = 1e15 + 1 },
		"tipCap": func(p *DeployParams) { p.TipCap = 1e15 + 1 }, "tokenPerEther": func(p *DeployParams) { p.TokenPerEther = claim.Amount{} },
		"worstGas": func(p *DeployParams) { p.WorstGas = 1e5 - 1 }, "workFee": func(p *DeployParams) { p.WorkFee = claim.MaxAmount },
		"refundFactor": func(p *DeployParams) { p.RefundFactor = 1001 },
	} {
		p := DevnetParams()
		change(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), name+" is ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ten30, _ := new(big.Int).SetString("1"+strings.Repeat("0", 30), 10)
	p := DevnetParams()
	if p.WorkFee, _ = claim.AmountFromBig(ten30); p.Check() != nil {
		t.Error("the highest work fee is refused")
	}
}

// Code with other operands than the constructor's passes for other code only.
func TestOtherCodeIsNoticed(t *testing.T) {
	code, err := contracts.Runtime(arenaName)
	if err != nil {
		t.Fatal(err)
	}
	filled := bytes.Clone(code)
	at := bytes.Index(filled, append([]byte{0x7f}, make([]byte, 32)...))
	if at < 0 {
		t.Fatal("the arena has no immutable")
	}
	filled[at+32] = 9
	if err := sameCode(arenaName, filled); err != nil {
		t.Error(err)
	}
	filled[at-1] ^= 1
	for _, other := range [][]byte{filled, code[1:], nil} {
		if err := sameCode(arenaName, other); !errors.Is(err, ErrOtherCode) {
			t.Errorf("%d bytes: %v", len(other), err)
		}
	}
}

func TestAddressesHaveOneForm(t *testing.T) {
	a := testAddresses()
	b, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := DecodeAddresses(b); err != nil || back != a {
		t.Fatalf("%+v, %v", back, err)
	}
	for _, bad := range []string{"", "{}", string(b) + "{}", strings.Replace(string(b), `"version": 5`, `"version": 4`, 1),
		strings.Replace(string(b), `"arena"`, `"other"`, 1), strings.Repeat(" ", maxAddresses) + string(b)} {
		if _, err := DecodeAddresses([]byte(bad)); err == nil {
			t.Errorf("accepted %.40q", bad)
		}
	}
}

func FuzzDecodeAddresses(f *testing.F) {
	b, _ := testAddresses().Encode()
	f.Add(b)
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := DecodeAddresses(b)
		if err != nil {
			return
		}
		again, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := DecodeAddresses(again); err != nil || back != a {
			t.Fatalf("%+v, %v", back, err)
		}
	})
}

func FuzzFact(f *testing.F) {
	k := testContracts(f)
	var ids []common.Hash
	for id := range k.bind.events {
		ids = append(ids, id)
	}
	f.Add(uint8(1), uint8(1), make([]byte, 96))
	f.Fuzz(func(t *testing.T, event, topics uint8, data []byte) {
		for _, id := range ids {
			l := types.Log{Address: k.at.Arena, Topics: []common.Hash{id}, Data: data}
			for range topics % 4 {
				l.Topics = append(l.Topics, common.Hash{event})
			}
			if fact, ok, err := k.Fact(l); ok != (fact.Event != nil) || err != nil && ok {
				t.Fatalf("%+v, %v, %v", fact, ok, err)
			}
		}
	})
}
