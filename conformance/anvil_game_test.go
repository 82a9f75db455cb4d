package conformance_test

import (
	"context"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"elenchus/app"
	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/network/chain/anviltest"
	"elenchus/network/peer"
)

// readyLine hands the address of a role's ready line, "role URL", on.
type readyLine chan string

// Write takes the line.
func (r readyLine) Write(b []byte) (int, error) {
	if f := strings.Fields(string(b)); len(f) == 2 {
		r <- f[1]
	}
	return len(b), nil
}

// cast is a deployment on a foreign chain on which roles run within the test.
type cast struct {
	t          *testing.T
	ctx        context.Context
	rpc        string
	dir        string
	at         chain.Addresses
	deployment string
	fund       func(a claim.Address, wei *big.Int)
}

func newAnvilCast(ctx context.Context, t *testing.T) *cast {
	t.Helper()
	anvil := anviltest.Start(t, "--hardfork", "osaka", "--block-time", "1")
	c := &cast{t: t, ctx: ctx, rpc: anvil.URL, dir: t.TempDir()}
	client := c.dial()
	c.fund = func(a claim.Address, wei *big.Int) {
		if err := client.Backend().Client().CallContext(ctx, nil, "anvil_setBalance", common.Address(a), (*hexutil.Big)(wei)); err != nil {
			t.Fatal(err)
		}
	}
	_, deployer := c.key("deployer", 1000)
	c.deploy(deployer, common.Address{})
	return c
}

func (c *cast) dial() *chain.Client {
	c.t.Helper()
	client, err := chain.Dial(c.ctx, c.rpc, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	return client
}

// deploy puts the contracts on the chain and their addresses in a file; the zero token is a test token.
func (c *cast) deploy(keyFile string, token common.Address) {
	c.t.Helper()
	key, err := app.ReadKey(keyFile)
	if err != nil {
		c.t.Fatal(err)
	}
	signer, err := chain.NewSigner(key)
	if err != nil {
		c.t.Fatal(err)
	}
	p := chain.DevnetParams()
	p.Window, p.ReplyTime, p.Grace, p.Token = 300, 90, 90, token
	if c.at, err = chain.Deploy(c.ctx, c.dial(), signer, p); err != nil {
		c.t.Fatal(err)
	}
	text, err := c.at.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	c.deployment = filepath.Join(c.dir, "deployment.json")
	if err := os.WriteFile(c.deployment, text, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// key makes an account with so much ether.
func (c *cast) key(name string, ether int64) (claim.Address, string) {
	c.t.Helper()
	file := filepath.Join(c.dir, "keys", name)
	key, err := app.NewKey(file)
	if err != nil {
		c.t.Fatal(err)
	}
	a := claim.AddressOf(key)
	c.fund(a, new(big.Int).Mul(big.NewInt(ether), big.NewInt(1e18)))
	return a, file
}

// role is a role of the cast with ether and 10,000 tokens to hold, and where it will say that it serves.
func (c *cast) role(name string) (*app.Role, claim.Address, readyLine) {
	c.t.Helper()
	a, key := c.key(name, 100)
	ready := make(readyLine, 1)
	log, err := os.Create(filepath.Join(c.dir, name+".log"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { log.Close() })
	return &app.Role{
		RPC: c.rpc, Deployment: c.deployment, Key: key, Dir: filepath.Join(c.dir, name), Listen: "127.0.0.1:0", Models: []string{"default"},
		Stake: tokens(100_000), Ready: ready, Log: slog.New(slog.NewTextHandler(log, nil)),
	}, a, ready
}

// play runs a role until the test ends, and returns its address once it serves.
func (c *cast) play(run func(context.Context) error, ready readyLine) string {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.ctx)
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	select {
	case url := <-ready:
		c.t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				c.t.Error(err)
			}
		})
		return url
	case err := <-ended:
		cancel()
		c.t.Fatalf("the role ended before it served: %v", err)
	case <-c.ctx.Done():
		cancel()
		c.t.Fatalf("%v: %v", c.ctx.Err(), <-ended)
	}
	return ""
}

// reorg has the chain forget its last blocks, and what was sent in them: anvil puts empty ones in their place.
func (c *cast) reorg(depth int) {
	c.t.Helper()
	if err := c.dial().Backend().Client().CallContext(c.ctx, nil, "anvil_reorg", depth, []any{}); err != nil {
		c.t.Fatal(err)
	}
}

// Services and wiring know nothing of the embedded chain: node, challenger, outbox and facts convict
// a liar on a chain that shares no code with it, though it forgets blocks all through the game.
func TestServicesConvictOnAnvil(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := newAnvilCast(ctx, t)
	node, account, atNode := c.role("node")
	node.Attack = "bad-kv"
	watch, opener, atWatch := c.role("watch")
	url := c.play(node.Node, atNode)
	c.play(watch.Watch, atWatch)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(logs(c.dir))
		}
	})
	s := &troupe{t: t, k: load(ctx, t, c.rpc, c.at), peers: peer.New(http.DefaultClient), url: url, node: account}
	before := s.wealth(ctx, opener)
	got, err := s.ask(ctx)
	if err != nil {
		t.Fatal(err)
	}
	reorgs := 0
	s.watch(ctx, func() {
		if reorgs < 6 {
			reorgs++
			c.reorg(1 + reorgs%3)
		}
	})
	if reorgs < 6 {
		t.Fatalf("the game ended after %d reorgs", reorgs)
	}
	s.verdict(ctx, true)
	s.kept(ctx, got)
	if after := s.wealth(ctx, opener); after.Cmp(before) < 0 {
		t.Fatalf("the challenger has %v, it had %v", after, before)
	}
}

// wealth is credit and tokens of an account.
func (s *troupe) wealth(ctx context.Context, a claim.Address) claim.Amount {
	s.t.Helper()
	credit, err := s.k.Credit(ctx, a)
	if err != nil {
		s.t.Fatal(err)
	}
	wallet, err := s.k.TokenBalance(ctx, a)
	if err != nil {
		s.t.Fatal(err)
	}
	return mustAdd(credit, wallet)
}
