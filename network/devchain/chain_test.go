package devchain

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
)

func testKey(t testing.TB) (*ecdsa.PrivateKey, common.Address) {
	t.Helper()
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key, crypto.PubkeyToAddress(key.PublicKey)
}

func ether(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e18)) }

func funded(t testing.TB, o Options) Options {
	_, addr := testKey(t)
	o.Alloc = map[common.Address]*big.Int{addr: ether(1000)}
	return o
}

func start(t testing.TB, o Options) (*Chain, *ethclient.Client) {
	t.Helper()
	c, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, dial(t, c)
}

func dial(t testing.TB, c *Chain) *ethclient.Client {
	t.Helper()
	return dialURL(t, c.HTTP())
}

func dialURL(t testing.TB, url string) *ethclient.Client {
	t.Helper()
	client, err := ethclient.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// send signs and sends a transaction; to nil deploys data.
func send(t testing.TB, client *ethclient.Client, nonce, gas uint64, to *common.Address, data []byte) *types.Transaction {
	t.Helper()
	return sendWei(t, client, nonce, gas, to, data, 0)
}

func sendWei(t testing.TB, client *ethclient.Client, nonce, gas uint64, to *common.Address, data []byte, wei int64) *types.Transaction {
	t.Helper()
	key, _ := testKey(t)
	ctx := context.Background()
	id, err := client.ChainID(ctx)
	if err != nil {
		t.Fatal(err)
	}
	tx := types.MustSignNewTx(key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, Gas: gas, To: to, Data: data,
		GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2e9), Value: big.NewInt(wei),
	})
	if err := client.SendTransaction(ctx, tx); err != nil {
		t.Fatal(err)
	}
	return tx
}

func mined(t testing.TB, client *ethclient.Client, hash common.Hash) *types.Receipt {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		r, err := client.TransactionReceipt(context.Background(), hash)
		if err == nil {
			return r
		}
		if !unmined(err) {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("transaction %v was not mined", hash)
	return nil
}

// unmined tells whether err says that a transaction has no receipt (yet).
func unmined(err error) bool {
	return errors.Is(err, ethereum.NotFound) || err != nil && strings.Contains(err.Error(), "indexing is in progress")
}

func head(t testing.TB, client *ethclient.Client) *types.Header {
	t.Helper()
	h, err := client.HeaderByNumber(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestStartServesAFreshChain(t *testing.T) {
	began := time.Now()
	c, client := start(t, funded(t, Options{DataDir: t.TempDir(), Mode: OnDemand}))
	t.Logf("ready after %v", time.Since(began))
	_, addr := testKey(t)
	balance, err := client.BalanceAt(context.Background(), addr, nil)
	if err != nil || balance.Cmp(ether(1000)) != 0 {
		t.Fatalf("balance %v, %v", balance, err)
	}
	if id := c.ChainID(); id.Uint64() != DefaultChainID {
		t.Fatalf("chain id %v", id)
	}
	h := head(t, client)
	if age := time.Since(time.Unix(int64(h.Time), 0)); age < -2*time.Second || age > 10*time.Second {
		t.Fatalf("head is %v old", age)
	}
	if h.GasLimit != GasLimit {
		t.Fatalf("gas limit %d", h.GasLimit)
	}
	ws, err := ethclient.Dial(c.WS())
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	heads := make(chan *types.Header, 4)
	sub, err := ws.SubscribeNewHead(context.Background(), heads)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	tx := send(t, client, 0, 21000, &common.Address{1}, nil)
	if r := mined(t, client, tx.Hash()); r.Status != 1 || r.GasUsed != 21000 {
		t.Fatalf("status %d, gas %d", r.Status, r.GasUsed)
	}
	select {
	case <-heads:
	case <-time.After(10 * time.Second):
		t.Fatal("no head over WebSocket")
	}
}

// A sealed block is at most one second per real second ahead, while each
// transaction of a burst is mined.
func TestBurstSharesBlocks(t *testing.T) {
	_, client := start(t, funded(t, Options{}))
	first := head(t, client)
	began := time.Now()
	var last *types.Transaction
	for i := range 300 {
		last = send(t, client, uint64(i), 21000, &common.Address{1}, nil)
	}
	mined(t, client, last.Hash())
	h := head(t, client)
	if ahead := int64(h.Time) - time.Now().Unix(); ahead > 0 {
		t.Fatalf("head leads the clock by %d s", ahead)
	}
	blocks, seconds := h.Number.Uint64()-first.Number.Uint64(), uint64(time.Since(began)/time.Second)+2
	if blocks > seconds {
		t.Fatalf("%d blocks in %d seconds", blocks, seconds)
	}
}

func TestIdleBlocksKeepTimeMoving(t *testing.T) {
	c, client := start(t, funded(t, Options{IdleBlock: time.Second}))
	was := head(t, client)
	deadline := time.Now().Add(10 * time.Second)
	for head(t, client).Number.Cmp(was.Number) == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("no block for 10 s: %v", c.Err())
		}
		time.Sleep(20 * time.Millisecond)
	}
	if h := head(t, client); int64(h.Time) > time.Now().Unix() {
		t.Fatalf("idle block %d leads the clock", h.Number)
	}
}

func TestAdvanceMovesBlockTime(t *testing.T) {
	c, client := start(t, funded(t, Options{Mode: OnDemand}))
	was := head(t, client).Time
	send(t, client, 0, 21000, &common.Address{1}, nil)
	if err := c.Advance(24 * time.Hour); err != nil {
		t.Fatal(err)
	}
	now := head(t, client).Time
	if now < was+86400 {
		t.Fatalf("time moved by %d s", now-was)
	}
	tx := send(t, client, 1, 21000, &common.Address{1}, nil)
	mined(t, client, tx.Hash())
	if later := head(t, client).Time; later <= now {
		t.Fatalf("time went back from %d to %d", now, later)
	}
	if err := c.Advance(time.Millisecond); err == nil {
		t.Fatal("moved by a fraction of a second")
	}
}

func TestReorgDropsTransactions(t *testing.T) {
	c, client := start(t, funded(t, Options{Mode: OnDemand}))
	tx := send(t, client, 0, 21000, &common.Address{1}, nil)
	r := mined(t, client, tx.Hash())
	if err := c.Reorg(1); err != nil {
		t.Fatal(err)
	}
	if _, err := client.TransactionReceipt(context.Background(), tx.Hash()); !unmined(err) {
		t.Fatalf("dropped transaction still has a receipt: %v", err)
	}
	block, err := client.HeaderByNumber(context.Background(), r.BlockNumber)
	if err != nil || block.Hash() == r.BlockHash {
		t.Fatalf("block %d was not replaced: %v", r.BlockNumber, err)
	}
	if err := client.SendTransaction(context.Background(), tx); err != nil {
		t.Fatal(err)
	}
	mined(t, client, tx.Hash())
	if err := c.Reorg(32); err == nil {
		t.Fatal("reorg across finality")
	}
}

func TestRestartKeepsTheChain(t *testing.T) {
	o := funded(t, Options{DataDir: t.TempDir(), Mode: OnDemand})
	c, client := start(t, o)
	// A contract whose code is one STOP byte.
	deploy := send(t, client, 0, 200_000, nil, common.FromHex("600160005360016000f3"))
	r := mined(t, client, deploy.Hash())
	if r.Status != 1 {
		t.Fatal("deployment failed")
	}
	if _, err := Start(context.Background(), o); !errors.Is(err, ErrInUse) {
		t.Fatalf("second start in the same directory: %v", err)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	o.ExpectCode = map[common.Address]common.Hash{r.ContractAddress: crypto.Keccak256Hash([]byte{1})}
	c, client = start(t, o)
	if got := mined(t, client, deploy.Hash()); got.BlockHash != r.BlockHash {
		t.Fatalf("receipt %v", got)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	other := o
	other.ExpectCode = map[common.Address]common.Hash{r.ContractAddress: {1}}
	if _, err := Start(context.Background(), other); !errors.Is(err, ErrCode) {
		t.Fatalf("start with other code expected: %v", err)
	}
	other = o
	other.Fork = Amsterdam
	if _, err := Start(context.Background(), other); !errors.Is(err, ErrGenesis) {
		t.Fatalf("start with another fork: %v", err)
	}
}

// The figures come from the two rule sets: a new slot, and code by the byte.
func TestForksPriceState(t *testing.T) {
	// Stores 1 in slot 0, then returns n bytes of zero code.
	deployer := func(n uint16) []byte {
		return append(common.FromHex("6001600055"), 0x61, byte(n>>8), byte(n), 0x60, 0, 0xf3)
	}
	used := map[Fork][2]uint64{}
	for _, fork := range []Fork{Osaka, Amsterdam} {
		_, client := start(t, funded(t, Options{Mode: OnDemand, Fork: fork}))
		small := mined(t, client, send(t, client, 0, 5_000_000, nil, deployer(1)).Hash())
		large := mined(t, client, send(t, client, 1, 16_000_000, nil, deployer(9000)).Hash())
		if small.Status != 1 || large.Status != 1 {
			t.Fatalf("%v: status %d, %d", fork, small.Status, large.Status)
		}
		used[fork] = [2]uint64{small.GasUsed, large.GasUsed}
		t.Logf("%v: 1 byte %d, 9000 bytes %d", fork, small.GasUsed, large.GasUsed)
	}
	if slot := int64(used[Amsterdam][0]) - int64(used[Osaka][0]); slot < 90_000 {
		t.Fatalf("amsterdam adds %d gas to a new slot and account", slot)
	}
	if code := used[Osaka][1] - used[Osaka][0]; code < 8999*200 || code > 9000*200+5000 {
		t.Fatalf("osaka charges %d for 8999 bytes of code", code)
	}
	if code := used[Amsterdam][1] - used[Amsterdam][0]; code < 8999*1000 {
		t.Fatalf("amsterdam charges %d for 8999 bytes of code", code)
	}
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"fork":     {Fork: 9},
		"mode":     {Mode: 9},
		"idle":     {IdleBlock: time.Millisecond},
		"idle max": {IdleBlock: 2 * time.Second, IdleMax: time.Second},
		"negative": {Alloc: map[common.Address]*big.Int{{}: big.NewInt(-1)}},
		"nil":      {Alloc: map[common.Address]*big.Int{{}: nil}},
	} {
		if c, err := Start(context.Background(), o); err == nil {
			c.Close()
			t.Errorf("%s: started", name)
		}
	}
	for _, f := range []Fork{Osaka, Amsterdam} {
		if got, err := ParseFork(f.String()); err != nil || got != f {
			t.Errorf("parse %v: %v, %v", f, got, err)
		}
	}
	if _, err := ParseFork("bogota"); err == nil {
		t.Error("parsed an unknown fork")
	}
}
