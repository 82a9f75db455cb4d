package conformance_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"elenchus/network/chain"
	"elenchus/network/devchain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// counterCode deploys a contract that counts its calls in slot 0 and logs the
// count as a topic; a call with data reverts with that data.
var counterCode = common.FromHex("601f80600b6000396000f3" +
	"366014576000546001018060005560006000a1005b366000600037366000fd")

type outboxBed struct {
	*devchain.Chain
	client  *chain.Client
	signer  *chain.Signer
	path    string
	counter common.Address
	opts    chain.Options
}

// newOutboxBed starts an embedded chain with a funded account and a counter.
func newOutboxBed(t *testing.T, mode devchain.Mode) *outboxBed {
	t.Helper()
	ctx := testContext(t)
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(t.Name())))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := chain.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := devchain.Start(ctx, devchain.Options{
		Mode: mode, Alloc: map[common.Address]*big.Int{signer.Address(): big.NewInt(1e18)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	client, err := chain.Dial(ctx, c.HTTP(), devchain.DefaultChainID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	bed := &outboxBed{
		Chain: c, client: client, signer: signer, path: filepath.Join(t.TempDir(), "outbox.db"),
		opts: chain.Options{Depth: 3, Poll: 5 * time.Millisecond},
	}
	bed.with(t, bed.opts, func(b *chain.Outbox) {
		r := bed.mined(t, b, chain.Intent{Key: "deploy", Data: counterCode})
		bed.counter = r.ContractAddress
	})
	return bed
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// with opens the outbox, runs it during f and closes it. It reports whether Run
// ended by a crash at a named step.
func (bed *outboxBed) with(t *testing.T, o chain.Options, f func(*chain.Outbox)) (crashed bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	b, err := chain.OpenOutbox(ctx, bed.path, bed.client, bed.signer, o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool, 1)
	go func() {
		defer func() { done <- recover() != nil }()
		b.Run(ctx)
	}()
	defer func() {
		cancel()
		crashed = <-done
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	f(b)
	return crashed
}

// mined submits and waits, and fails on any error.
func (bed *outboxBed) mined(t *testing.T, b *chain.Outbox, i chain.Intent) *chain.Receipt {
	t.Helper()
	ctx := testContext(t)
	if err := b.Submit(ctx, i); err != nil {
		t.Fatal(err)
	}
	r, err := b.Wait(ctx, i.Key)
	if err != nil {
		t.Fatalf("%s: %v (outbox: %v)", i.Key, err, b.Err())
	}
	return r
}

// count is how often the counter was called.
func (bed *outboxBed) count(t *testing.T) uint64 {
	t.Helper()
	v, err := bed.client.Backend().StorageAt(testContext(t), bed.counter, common.Hash{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return binary.BigEndian.Uint64(v[24:])
}

func (bed *outboxBed) call(key string) chain.Intent { return chain.Intent{Key: key, To: &bed.counter} }

// Whatever step a process dies at, the next one gets each intent mined once.
func TestOutboxSurvivesACrashAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"unsigned", "stored", "sent", "mined", "recorded"} {
		for _, nth := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/%d", step, nth), func(t *testing.T) {
				bed := newOutboxBed(t, devchain.OnDemand)
				o, left := bed.opts, nth
				died := make(chan struct{})
				o.CrashPoint = func(at string) {
					if at != step {
						return
					}
					if left--; left == 0 {
						close(died)
						panic(at)
					}
				}
				crashed := bed.with(t, o, func(b *chain.Outbox) {
					for i := range 3 {
						if err := b.Submit(testContext(t), bed.call(fmt.Sprint(i))); err != nil {
							t.Fatal(err)
						}
					}
					select {
					case <-died:
					case <-testContext(t).Done():
						t.Fatalf("never came to step %s", step)
					}
				})
				if !crashed {
					t.Fatal("did not crash")
				}
				bed.with(t, bed.opts, func(b *chain.Outbox) {
					for i := range 3 {
						bed.mined(t, b, bed.call(fmt.Sprint(i)))
					}
				})
				if n := bed.count(t); n != 3 {
					t.Fatalf("3 intents were mined %d times", n)
				}
			})
		}
	}
}

func TestOutboxResendsAfterAReorg(t *testing.T) {
	bed := newOutboxBed(t, devchain.OnDemand)
	bed.with(t, bed.opts, func(b *chain.Outbox) {
		for i := range 6 { // more than Depth: the first are final
			bed.mined(t, b, bed.call(fmt.Sprint(i)))
		}
		for _, depth := range []uint64{1, 6} {
			if err := bed.Reorg(depth); err != nil {
				t.Fatal(err)
			}
			wait(t, "the count to come back", func() bool { return bed.count(t) == 6 })
		}
		r := bed.mined(t, b, bed.call("after"))
		if got := r.Logs[0].Topics[0].Big().Int64(); got != 7 {
			t.Fatalf("the seventh intent was call %d", got)
		}
	})
	if n := bed.count(t); n != 7 {
		t.Fatalf("7 intents were mined %d times", n)
	}
}

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx := testContext(t)
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited too long for %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestOutboxBecomesFinal(t *testing.T) {
	bed := newOutboxBed(t, devchain.OnDemand)
	bed.with(t, bed.opts, func(b *chain.Outbox) {
		bed.mined(t, b, bed.call("a"))
		if err := b.Forget("a"); err == nil {
			t.Fatal("forgot an intent that a reorg could drop")
		}
		for range 3 {
			if err := bed.Advance(time.Second); err != nil {
				t.Fatal(err)
			}
		}
		wait(t, "finality", func() bool {
			keys, err := b.Pending()
			return err == nil && len(keys) == 0
		})
		if r, err := b.Wait(testContext(t), "a"); err != nil || !r.Final {
			t.Fatalf("receipt %+v, %v", r, err)
		}
		if err := b.Forget("a"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOutboxKeysAreIdempotent(t *testing.T) {
	bed := newOutboxBed(t, devchain.OnDemand)
	ctx := testContext(t)
	bed.with(t, bed.opts, func(b *chain.Outbox) {
		for range 3 {
			bed.mined(t, b, bed.call("same"))
		}
		other := bed.call("same")
		other.Value = big.NewInt(1)
		if err := b.Submit(ctx, other); !errors.Is(err, chain.ErrKeyReused) {
			t.Fatalf("another intent under the same key: %v", err)
		}
		if _, err := b.Wait(ctx, "none"); !errors.Is(err, chain.ErrUnknownKey) {
			t.Fatalf("wait for an unknown key: %v", err)
		}
	})
	if n := bed.count(t); n != 1 {
		t.Fatalf("one intent was mined %d times", n)
	}
}

// A burst is mined in the order of submission, with more intents than fly at once.
func TestOutboxSendsABurst(t *testing.T) {
	bed := newOutboxBed(t, devchain.OnDemand)
	o := bed.opts
	o.MaxInFlight = 4
	bed.with(t, o, func(b *chain.Outbox) {
		for i := range 20 {
			if err := b.Submit(testContext(t), bed.call(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 20 {
			r, err := b.Wait(testContext(t), fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Logs[0].Topics[0].Big().Int64(); got != int64(i+1) {
				t.Fatalf("intent %d was call %d", i, got)
			}
		}
	})
}

func TestOutboxTellsWhyATransactionReverts(t *testing.T) {
	bed := newOutboxBed(t, devchain.OnDemand)
	ctx := testContext(t)
	data := append(crypto.Keccak256([]byte("NotYourTurn(uint256)"))[:4], common.LeftPadBytes([]byte{7}, 32)...)
	bed.with(t, bed.opts, func(b *chain.Outbox) {
		tried := chain.Intent{Key: "tried", To: &bed.counter, Data: data}
		forced := chain.Intent{Key: "forced", To: &bed.counter, Data: data, Gas: 100_000}
		for _, i := range []chain.Intent{tried, forced} {
			if err := b.Submit(ctx, i); err != nil {
				t.Fatal(err)
			}
			r, err := b.Wait(ctx, i.Key)
			var revert *chain.RevertError
			if !errors.As(err, &revert) || !revert.IsError("NotYourTurn(uint256)") || string(revert.Data) != string(data) {
				t.Fatalf("%s: %v", i.Key, err)
			}
			if (r != nil) != (i.Gas != 0) {
				t.Fatalf("%s: receipt %v", i.Key, r)
			}
		}
		// A rejected intent was never sent: its key may be used for what works.
		bed.mined(t, b, bed.call("tried"))
	})
	if _, err := bed.client.Call(ctx, bed.signer.Address(), bed.counter, data); err == nil {
		t.Fatal("call did not revert")
	}
}

func TestOutboxReportsMissingFundsAndGoesOn(t *testing.T) {
	bed := newOutboxBed(t, devchain.OnDemand)
	ctx := testContext(t)
	poorKey, _ := crypto.ToECDSA(crypto.Keccak256([]byte("poor")))
	poor, err := chain.NewSigner(poorKey)
	if err != nil {
		t.Fatal(err)
	}
	rich := *bed
	bed.signer, bed.path = poor, filepath.Join(t.TempDir(), "poor.db")
	bed.with(t, bed.opts, func(b *chain.Outbox) {
		i := bed.call("move")
		i.Gas = 100_000
		if err := b.Submit(ctx, i); err != nil {
			t.Fatal(err)
		}
		_, err := b.Wait(ctx, "move")
		var lack *chain.InsufficientFundsError
		if !errors.As(err, &lack) || lack.Account != poor.Address() || lack.Missing.Sign() <= 0 ||
			lack.Missing.Cmp(new(big.Int).Sub(lack.Need, lack.Have)) != 0 {
			t.Fatalf("wait: %v", err)
		}
		rich.with(t, rich.opts, func(r *chain.Outbox) {
			to, gift := poor.Address(), new(big.Int).Mul(lack.Missing, big.NewInt(2))
			rich.mined(t, r, chain.Intent{Key: "gift", To: &to, Value: gift})
		})
		wait(t, "the funded intent", func() bool { return bed.count(t) == 1 })
		if _, err := b.Wait(ctx, "move"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOutboxRaisesFeesOfAStuckTransaction(t *testing.T) {
	bed := newOutboxBed(t, devchain.OnDemand)
	o := bed.opts
	o.StuckAfter = 50 * time.Millisecond
	low := true
	o.Fees = func(ctx context.Context) (chain.Fees, error) {
		if low {
			low = false
			return chain.Fees{Tip: big.NewInt(1), Cap: big.NewInt(2)}, nil
		}
		return bed.client.SuggestFees(ctx)
	}
	bed.with(t, o, func(b *chain.Outbox) {
		r := bed.mined(t, b, bed.call("stuck"))
		if r.EffectiveGasPrice.Cmp(big.NewInt(2)) <= 0 {
			t.Fatalf("mined at %v wei", r.EffectiveGasPrice)
		}
		bed.mined(t, b, bed.call("next"))
	})
	if n := bed.count(t); n != 2 {
		t.Fatalf("2 intents were mined %d times", n)
	}
	o.MaxFee, o.Fees = big.NewInt(1), nil
	bed.with(t, o, func(b *chain.Outbox) {
		if err := b.Submit(testContext(t), bed.call("dear")); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Wait(testContext(t), "dear"); !errors.Is(err, chain.ErrFeeLimit) {
			t.Fatalf("wait above the fee limit: %v", err)
		}
	})
}

func TestOutboxRefusesWhatNoNodeTakes(t *testing.T) {
	bed := newOutboxBed(t, devchain.OnDemand)
	ctx := testContext(t)
	bed.with(t, bed.opts, func(b *chain.Outbox) {
		i := bed.call("huge")
		i.Gas = 1<<24 + 1 // above EIP-7825
		if err := b.Submit(ctx, i); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Wait(ctx, "huge"); !errors.Is(err, chain.ErrRefused) {
			t.Fatalf("wait: %v", err)
		}
		bed.mined(t, b, bed.call("next")) // its nonce is not held up
	})
}

// Another program took the nonce of an intent that was signed but not sent: the
// intent gets a new one, and only once that is beyond the reach of a reorg.
func TestOutboxTakesANewNonceOnlyWhenTheOldIsSpentForGood(t *testing.T) {
	bed := newOutboxBed(t, devchain.OnDemand)
	stranger := *bed
	stranger.path = filepath.Join(t.TempDir(), "stranger.db")
	o := bed.opts
	died := make(chan struct{})
	o.CrashPoint = func(at string) {
		if at == "stored" {
			close(died)
			panic(at)
		}
	}
	bed.with(t, o, func(b *chain.Outbox) {
		if err := b.Submit(testContext(t), bed.call("mine")); err != nil {
			t.Fatal(err)
		}
		<-died
	})
	var taken *chain.Receipt
	stranger.with(t, stranger.opts, func(b *chain.Outbox) {
		taken = stranger.mined(t, b, chain.Intent{Key: "theirs", To: &common.Address{9}})
	})
	bed.with(t, bed.opts, func(b *chain.Outbox) {
		short, cancel := context.WithTimeout(testContext(t), 200*time.Millisecond)
		defer cancel()
		if _, err := b.Wait(short, "mine"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("mined again while a reorg could bring the first back: %v", err)
		}
		for range bed.opts.Depth {
			if err := bed.Advance(time.Second); err != nil {
				t.Fatal(err)
			}
		}
		r, err := b.Wait(testContext(t), "mine")
		if err != nil || r.BlockNumber.Uint64() <= taken.BlockNumber.Uint64()+bed.opts.Depth {
			t.Fatalf("receipt %v, %v", r, err)
		}
	})
	if n := bed.count(t); n != 1 {
		t.Fatalf("one intent was mined %d times", n)
	}
}

func TestOutboxBelongsToOneAccount(t *testing.T) {
	bed := newOutboxBed(t, devchain.OnDemand)
	key, _ := crypto.ToECDSA(crypto.Keccak256([]byte("other")))
	other, err := chain.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chain.OpenOutbox(testContext(t), bed.path, bed.client, other, bed.opts); !errors.Is(err, chain.ErrOtherAccount) {
		t.Fatalf("opened for another account: %v", err)
	}
	if _, err := chain.Dial(testContext(t), bed.HTTP(), 1); !errors.Is(err, chain.ErrChainID) {
		t.Fatalf("dialled another chain: %v", err)
	}
}

// The same client code under both rule sets; a deployment is sized by its estimate.
func TestOutboxDeploysUnderAmsterdam(t *testing.T) {
	ctx := testContext(t)
	key, _ := crypto.ToECDSA(crypto.Keccak256([]byte("amsterdam")))
	signer, err := chain.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := devchain.Start(ctx, devchain.Options{
		Mode: devchain.OnDemand, Fork: devchain.Amsterdam,
		Alloc: map[common.Address]*big.Int{signer.Address(): big.NewInt(1e18)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	client, err := chain.Dial(ctx, c.HTTP(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	bed := &outboxBed{Chain: c, client: client, signer: signer, path: filepath.Join(t.TempDir(), "outbox.db")}
	bed.with(t, chain.Options{Poll: 5 * time.Millisecond}, func(b *chain.Outbox) {
		for _, size := range []byte{0x23, 0x5f} { // 9 and 24 kB of zero code
			code := []byte{0x61, size, 0, 0x60, 0, 0xf3}
			r := bed.mined(t, b, chain.Intent{Key: fmt.Sprint(size), Data: code})
			t.Logf("%d bytes: %d gas", int(size)<<8, r.GasUsed)
		}
	})
}
