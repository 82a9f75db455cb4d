package chain_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"elenchus/network/chain"
	"elenchus/network/chain/anviltest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// counterCode deploys a contract that counts its calls in slot 0 and logs the
// count as a topic; a call with data reverts with that data.
var counterCode = common.FromHex("601f80600b6000396000f3" +
	"366014576000546001018060005560006000a1005b366000600037366000fd")

type bed struct {
	client *chain.Client
	box    *chain.Outbox
}

// newBed runs an outbox on a fresh anvil with a funded account.
func newBed(t *testing.T, o chain.Options, args ...string) *bed {
	t.Helper()
	ctx := bounded(t)
	anvil := anviltest.Start(t, args...)
	client, err := chain.Dial(ctx, anvil.URL, 31337)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(t.Name())))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := chain.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{client: client}
	b.rpc(t, "anvil_setBalance", signer.Address(), (*hexutil.Big)(big.NewInt(1e18)))
	o.Poll = 10 * time.Millisecond
	b.box, err = chain.OpenOutbox(ctx, filepath.Join(t.TempDir(), "outbox.db"), client, signer, o)
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.box.Run(run)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		if err := b.box.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (b *bed) rpc(t *testing.T, method string, args ...any) {
	t.Helper()
	if err := b.client.Backend().Client().CallContext(bounded(t), nil, method, args...); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
}

func (b *bed) mined(t *testing.T, i chain.Intent) *chain.Receipt {
	t.Helper()
	if err := b.box.Submit(bounded(t), i); err != nil {
		t.Fatal(err)
	}
	r, err := b.box.Wait(bounded(t), i.Key)
	if err != nil {
		t.Fatalf("%s: %v (outbox: %v)", i.Key, err, b.box.Err())
	}
	return r
}

// The outbox behaves on another EVM as on the embedded one.
func TestAnvilMinesEachIntentOnce(t *testing.T) {
	b := newBed(t, chain.Options{})
	counter := b.mined(t, chain.Intent{Key: "deploy", Data: counterCode}).ContractAddress
	for i := range 5 {
		r := b.mined(t, chain.Intent{Key: fmt.Sprint(i), To: &counter})
		if got := r.Logs[0].Topics[0].Big().Int64(); got != int64(i+1) {
			t.Fatalf("intent %d was call %d", i, got)
		}
	}
	data := crypto.Keccak256([]byte("Late()"))[:4]
	for _, gas := range []uint64{0, 100_000} {
		i := chain.Intent{Key: fmt.Sprintf("late/%d", gas), To: &counter, Data: data, Gas: gas}
		if err := b.box.Submit(bounded(t), i); err != nil {
			t.Fatal(err)
		}
		r, err := b.box.Wait(bounded(t), i.Key)
		var revert *chain.RevertError
		if !errors.As(err, &revert) || !revert.IsError("Late()") || (r != nil) != (gas != 0) {
			t.Fatalf("%s: receipt %v, %v", i.Key, r, err)
		}
	}
}

// anvil mines by hand here, so that a transaction can be left waiting.
func TestAnvilReplacesAStuckTransaction(t *testing.T) {
	b := newBed(t, chain.Options{StuckAfter: 300 * time.Millisecond}, "--no-mining")
	i := chain.Intent{Key: "stuck", To: &common.Address{9}, Value: big.NewInt(5)}
	if err := b.box.Submit(bounded(t), i); err != nil {
		t.Fatal(err)
	}
	first := b.pooled(t, "")
	b.pooled(t, first)
	b.rpc(t, "evm_mine")
	r, err := b.box.Wait(bounded(t), "stuck")
	if err != nil || r.TxHash == common.HexToHash(first) {
		t.Fatalf("receipt %v, %v", r, err)
	}
	got, err := b.client.Balance(bounded(t), *i.To)
	if err != nil || got.Int64() != 5 {
		t.Fatalf("receiver has %v wei: %v", got, err)
	}
}

// pooled waits until the pool holds one transaction that is not old, and returns its hash.
func (b *bed) pooled(t *testing.T, old string) string {
	t.Helper()
	ctx := bounded(t)
	for {
		var content struct {
			Pending map[string]map[string]struct{ Hash string }
		}
		if err := b.client.Backend().Client().CallContext(ctx, &content, "txpool_content"); err != nil {
			t.Fatal(err)
		}
		for _, byNonce := range content.Pending {
			for _, tx := range byNonce {
				if tx.Hash != old {
					return tx.Hash
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// The node forgets every block after a snapshot; the outbox sends them again.
func TestAnvilReorgIsMended(t *testing.T) {
	b := newBed(t, chain.Options{})
	counter := b.mined(t, chain.Intent{Key: "deploy", Data: counterCode}).ContractAddress
	var snapshot string
	if err := b.client.Backend().Client().CallContext(bounded(t), &snapshot, "evm_snapshot"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		b.mined(t, chain.Intent{Key: fmt.Sprint(i), To: &counter})
	}
	b.rpc(t, "evm_revert", snapshot)
	ctx := bounded(t)
	for {
		v, err := b.client.Backend().StorageAt(ctx, counter, common.Hash{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := new(big.Int).SetBytes(v).Int64(); n == 3 {
			break
		} else if n > 3 {
			t.Fatalf("3 intents were mined %d times", n)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if r := b.mined(t, chain.Intent{Key: "after", To: &counter}); r.Logs[0].Topics[0].Big().Int64() != 4 {
		t.Fatalf("the fourth intent was call %v", r.Logs[0].Topics[0])
	}
}
