package conformance_test

import (
	"context"
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"elenchus/app"
	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/network/devchain"
)

// fixedToken is the creation code of a token that answers 0 to balanceOf and refuses everything else:
// all that matters of a token which nobody here may mint.
var fixedToken = common.FromHex("6016600a5f3960165ff3" + "5f3560e01c6370a08231146011575f5ffd5b60205ff3")

// newEmbeddedCast is a chain on which only the deployer and rich have ether.
func newEmbeddedCast(ctx context.Context, t *testing.T, foreign bool) *cast {
	t.Helper()
	c := &cast{t: t, ctx: ctx, dir: t.TempDir(), fund: func(claim.Address, *big.Int) {}}
	alloc := map[common.Address]*big.Int{}
	for _, name := range []string{"deployer", "rich"} {
		a, _ := c.key(name, 0)
		alloc[common.Address(a)] = new(big.Int).Mul(big.NewInt(1000), big.NewInt(1e18))
	}
	embedded, err := devchain.Start(ctx, devchain.Options{Mode: devchain.OnDemand, Alloc: alloc})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { embedded.Close() })
	c.rpc = embedded.HTTP()
	token := common.Address{}
	if foreign {
		token = c.send("rich", chain.Intent{Key: "create", Data: fixedToken}).ContractAddress
	}
	c.deploy(filepath.Join(c.dir, "keys", "deployer"), token)
	return c
}

// send sends an intent for an account and waits until it is mined.
func (c *cast) send(name string, i chain.Intent) *chain.Receipt {
	c.t.Helper()
	key, err := app.ReadKey(filepath.Join(c.dir, "keys", name))
	if err != nil {
		c.t.Fatal(err)
	}
	signer, err := chain.NewSigner(key)
	if err != nil {
		c.t.Fatal(err)
	}
	box, err := chain.OpenOutbox(c.ctx, filepath.Join(c.t.TempDir(), "outbox.db"), c.dial(), signer, chain.Options{Poll: 10 * time.Millisecond})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(c.ctx)
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx) }()
	defer func() {
		cancel()
		<-ended
		if err := box.Close(); err != nil {
			c.t.Error(err)
		}
	}()
	if err := box.Submit(ctx, i); err != nil {
		c.t.Fatal(err)
	}
	r, err := box.Wait(ctx, i.Key)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// A role that cannot pay says so, with the account and what it lacks, and ends.
func TestARoleSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	test, foreign := newEmbeddedCast(ctx, t, false), newEmbeddedCast(ctx, t, true)
	for _, v := range []struct {
		what string
		c    *cast
		name string
		role func(*app.Role) func(context.Context) error
		want string
	}{
		{"a node without ether", test, "poor", func(r *app.Role) func(context.Context) error { return r.Node }, " wei"},
		{"a challenger without ether", test, "poorer", func(r *app.Role) func(context.Context) error { return r.Watch }, " wei"},
		{"a node without stake", foreign, "rich", func(r *app.Role) func(context.Context) error { return r.Node }, "100000000000000000000000 token units"},
		{"a challenger without credit", foreign, "rich", func(r *app.Role) func(context.Context) error { return r.Watch }, "100000000000000000000000 token units"},
	} {
		t.Run(v.what, func(t *testing.T) {
			v.c.t = t
			role, account, _ := v.c.role(v.name)
			role.Dir = t.TempDir()
			err := v.role(role)(ctx)
			if err == nil || ctx.Err() != nil {
				t.Fatalf("ended with %v, %v", err, ctx.Err())
			}
			text := strings.ToLower(err.Error())
			if !strings.Contains(text, " lacks ") || !strings.Contains(text, v.want) || !strings.Contains(text, common.Bytes2Hex(account[:])) {
				t.Fatalf("it says %q", err)
			}
			var poor *chain.InsufficientFundsError
			if errors.As(err, &poor) != (v.want == " wei") || poor != nil && poor.Missing.Sign() <= 0 {
				t.Fatalf("it lacks %+v", poor)
			}
			t.Log(err)
		})
	}
}

// What an earlier life of a role left in its outbox counts: once it has ether, it stakes what it was
// told to stake and not a unit more.
func TestARoleThatLackedEtherStakesOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := newEmbeddedCast(ctx, t, false)
	role, account, ready := c.role("poor")
	var poor *chain.InsufficientFundsError
	for range 2 {
		if err := role.Node(ctx); !errors.As(err, &poor) {
			t.Fatal(err)
		}
	}
	to := common.Address(account)
	c.send("rich", chain.Intent{Key: "alms", To: &to, Value: big.NewInt(1e18)})
	c.play(role.Node, ready)
	a, err := load(ctx, t, c.rpc, c.at).Account(ctx, account)
	if err != nil || a.Stake != role.Stake {
		t.Fatalf("stake %v, want %v, %v", a.Stake, role.Stake, err)
	}
}
