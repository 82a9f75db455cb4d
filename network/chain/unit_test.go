package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"
)

func TestMarginStaysWithinTheCap(t *testing.T) {
	for _, tc := range []struct{ estimate, want uint64 }{
		{0, 50_000}, {100_000, 200_000}, {11_000_000, 16_550_000},
		{14_400_000, maxTxGas}, {maxTxGas, maxTxGas}, {30_000_000, 30_000_000},
	} {
		if got := Margin(tc.estimate); got != tc.want {
			t.Errorf("margin of %d is %d, want %d", tc.estimate, got, tc.want)
		}
	}
}

// Pools ask for a tenth more in both fields; a cap below the tip is illegal.
func TestRaisedFeesReplace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		num := func(name string) *big.Int { return big.NewInt(rapid.Int64Range(0, 1e12).Draw(t, name)) }
		was := Fees{Tip: num("tip"), Cap: num("cap")}
		want := Fees{Tip: num("want tip"), Cap: num("want cap")}
		got := was.raised(want)
		for _, p := range [][2]*big.Int{{was.Tip, got.Tip}, {was.Cap, got.Cap}} {
			least := new(big.Int).Mul(p[0], big.NewInt(110))
			if new(big.Int).Mul(p[1], big.NewInt(100)).Cmp(least) < 0 || p[1].Cmp(p[0]) <= 0 {
				t.Fatalf("%v does not replace %v", p[1], p[0])
			}
		}
		if got.Cap.Cmp(got.Tip) < 0 || got.Cap.Cmp(want.Cap) < 0 || got.Tip.Cmp(want.Tip) < 0 {
			t.Fatalf("raised to tip %v, cap %v; wanted %v, %v", got.Tip, got.Cap, want.Tip, want.Cap)
		}
	})
	if got := (Fees{Cap: big.NewInt(8)}).raised(Fees{Cap: big.NewInt(1)}); got.Tip != nil || got.Cap.Int64() != 11 {
		t.Fatalf("legacy price raised to %+v", got)
	}
}

func TestRevertIsDecoded(t *testing.T) {
	text := append(crypto.Keccak256([]byte("Error(string)"))[:4], common.LeftPadBytes([]byte{32}, 32)...)
	text = append(text, common.LeftPadBytes([]byte{4}, 32)...)
	text = append(text, common.RightPadBytes([]byte("late"), 32)...)
	panicked := append(crypto.Keccak256([]byte("Panic(uint256)"))[:4], common.LeftPadBytes([]byte{0x11}, 32)...)
	custom := crypto.Keccak256([]byte("Late()"))[:4]
	for _, tc := range []struct {
		data []byte
		want string
	}{
		{text, "execution reverted: late"},
		{panicked, "overflow"},
		{custom, fmt.Sprintf("custom error %#x", custom)},
		{nil, "out of gas"},
		{text[:40], "custom error 0x08c379a0"},
	} {
		if got := newRevert(tc.data, "out of gas").Error(); !strings.Contains(got, tc.want) {
			t.Errorf("%x: %q lacks %q", tc.data, got, tc.want)
		}
	}
	e := newRevert(custom, "")
	if s, ok := e.Selector(); !ok || !bytes.Equal(s[:], custom) || !e.IsError("Late()") || e.IsError("Early()") {
		t.Errorf("selector %x, %v", s, ok)
	}
	if _, ok := newRevert([]byte{1}, "").Selector(); ok {
		t.Error("one byte has a selector")
	}
}

func FuzzRevert(f *testing.F) {
	f.Add([]byte{}, "text")
	f.Add(append(crypto.Keccak256([]byte("Error(string)"))[:4], make([]byte, 64)...), "")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		e := newRevert(data, text)
		if len(e.Data) > maxRevertData || len(e.Reason) > 512 || strings.ContainsAny(e.Error(), "\n\x00\x1b") {
			t.Fatalf("%q", e.Error())
		}
	})
}

func TestSignerNeverPrintsItsKey(t *testing.T) {
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{0x5a}, 32))
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	js, _ := json.Marshal(s) //lint:ignore SA9005 that nothing of it is encoded is what the test wants
	out := fmt.Sprintf("%v %+v %#v %s %x %d %s", s, *s, s, s, s, s, js)
	for _, secret := range []string{"5a5a", "5A5A", key.D.String()} {
		if strings.Contains(out, secret) {
			t.Fatalf("key in %q", out)
		}
	}
	if _, err := NewSigner(nil); err == nil {
		t.Error("signer without a key")
	}
}

// logsAt makes one log for every id, in blocks as given.
func logsAt(ids ...uint64) (logs []types.Log) {
	for _, id := range ids {
		logs = append(logs, types.Log{BlockNumber: id / 10, BlockHash: common.BigToHash(new(big.Int).SetUint64(id / 10)), Index: uint(id % 10)})
	}
	return logs
}

func TestCompareFindsWhatCameAndWent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gen := rapid.SliceOfDistinct(rapid.Uint64Range(0, 40), func(v uint64) uint64 { return v })
		was, now := logsAt(gen.Draw(t, "was")...), logsAt(gen.Draw(t, "now")...)
		added, removed := compare(was, now)
		set := map[logID]bool{}
		for _, l := range was {
			set[idOf(l)] = true
		}
		for _, l := range removed {
			if !l.Removed || !set[idOf(l)] {
				t.Fatalf("removed %v", idOf(l))
			}
			delete(set, idOf(l))
		}
		for _, l := range added {
			if set[idOf(l)] {
				t.Fatalf("added %v twice", idOf(l))
			}
			set[idOf(l)] = true
		}
		if len(set) != len(now) {
			t.Fatalf("%d logs left, want %d", len(set), len(now))
		}
		for _, l := range now {
			if !set[idOf(l)] {
				t.Fatalf("lost %v", idOf(l))
			}
		}
	})
}

func TestNodeAnswersAreClassified(t *testing.T) {
	for text, want := range map[string]answer{
		"already known": taken,
		"nonce too low: next nonce 3, tx nonce 2":               taken,
		"replacement transaction underpriced":                   cheap,
		"transaction underpriced: tip needed 1":                 cheap,
		"insufficient funds for gas * price + value: balance 0": poor,
		"intrinsic gas too low: gas 1, minimum needed 21000":    refused,
		"transaction gas limit too high (cap: 16777216)":        refused,
		"the node is on fire":                                   unclear,
	} {
		if got := classify(rpcError(text)); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
	if classify(nil) != taken || classify(errors.New("already known")) != unclear {
		t.Error("an error of the connection counts as an answer")
	}
}

type rpcError string

func (e rpcError) Error() string  { return string(e) }
func (e rpcError) ErrorCode() int { return -32000 }

func testStore(t *testing.T) *store {
	t.Helper()
	s, err := openStore(filepath.Join(t.TempDir(), "outbox.db"), "me")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	return s
}

func TestStoreKeepsOrderAndNonces(t *testing.T) {
	s := testStore(t)
	for _, key := range []string{"b", "a", "c"} {
		if err := s.submit(Intent{Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	active, err := s.active()
	if err != nil || len(active) != 3 || active[0].Key != "b" || active[2].Key != "c" {
		t.Fatalf("active %v, %v", active, err)
	}
	for n, r := range active[:2] {
		r.Phase, r.Nonce, r.Raw, r.Cap = signed, uint64(n)+300, []hexutil.Bytes{{1}}, (*hexutil.Big)(big.NewInt(1))
		if err := s.put(r); err != nil {
			t.Fatal(err)
		}
	}
	holders, err := s.fromNonce(301)
	if err != nil || len(holders) != 1 || holders[0].Key != "a" {
		t.Fatalf("holders %v, %v", holders, err)
	}
	// Giving a nonce back must not take away that of its next holder.
	b := active[0]
	b.Phase = queued
	next := *active[1]
	next.Nonce = 300
	if err := errors.Join(s.put(&next), s.put(b)); err != nil {
		t.Fatal(err)
	}
	if holders, _ := s.fromNonce(300); len(holders) == 0 || holders[0].Key != "a" {
		t.Fatalf("holders %v", holders)
	}
	if err := s.forget("c"); err == nil {
		t.Fatal("forgot a queued intent")
	}
}

func TestIntentOutOfRangeIsRefused(t *testing.T) {
	for name, i := range map[string]Intent{
		"no key":   {},
		"long key": {Key: strings.Repeat("k", maxKey+1)},
		"big data": {Key: "k", Data: make([]byte, maxData+1)},
		"negative": {Key: "k", Value: big.NewInt(-1)},
		"too much": {Key: "k", Value: new(big.Int).Lsh(big.NewInt(1), 256)},
	} {
		if i.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzRecord(f *testing.F) {
	whole, err := json.Marshal(&record{Version: recordVersion, Key: "k", Phase: queued, Value: (*hexutil.Big)(new(big.Int))})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"version":1,"key":"k","phase":"mined","raw":["0x"],"cap":"0x1","receipt":{}}`))
	f.Add(append(bytes.Clone(whole), "{}"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecord(data)
		if err != nil {
			return
		}
		r.attempts()
		r.outcome()
		r.intent().same(r.intent())
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeRecord(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}
