package conformance_test

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/network/chain/anviltest"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// actor is an account with its outbox.
type actor struct {
	key     *ecdsa.PrivateKey
	address claim.Address
	box     *chain.Outbox
}

// ring is a deployment with a node, an opener and a user, on some chain.
type ring struct {
	t      *testing.T
	ctx    context.Context
	client *chain.Client
	k      *chain.Contracts
	node   *actor
	opener *actor
	user   claim.Address
	later  func(seconds uint64) // moves the chain's clock
	games  ledger.Games         // from the receipts
	cases  ledger.Cases
	facts  []ledger.Fact
	used   map[string]uint64      // the most gas of each call
	repaid map[dispute.Kind]int64 // the least share of its gas that a move of the node got back, percent
	nonce  uint64

	embedded *devchain.Chain    // nil on anvil
	params   chain.DeployParams // of the deployment
}

func keyOf(t *testing.T, name string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var ringNames = []string{"deployer", "node", "opener"}

// newEmbeddedRing deploys on an embedded chain.
func newEmbeddedRing(t *testing.T, fork devchain.Fork) *ring {
	t.Helper()
	return newProfileRing(t, fork, chain.DevnetParams())
}

// newProfileRing deploys with the parameters of a profile.
func newProfileRing(t *testing.T, fork devchain.Fork, p chain.DeployParams) *ring {
	t.Helper()
	alloc := map[common.Address]*big.Int{}
	for _, name := range ringNames {
		alloc[crypto.PubkeyToAddress(keyOf(t, name).PublicKey)] = new(big.Int).Mul(big.NewInt(1000), big.NewInt(1e18))
	}
	c, err := devchain.Start(t.Context(), devchain.Options{Mode: devchain.OnDemand, Fork: fork, Alloc: alloc})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r := newRing(t, c.HTTP(), devchain.DefaultChainID)
	r.embedded, r.params = c, p
	r.later = func(seconds uint64) {
		if err := c.Advance(time.Duration(seconds) * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	r.begin(t)
	return r
}

// newAnvilRing deploys on anvil, which shares no code with the embedded chain.
func newAnvilRing(t *testing.T) *ring {
	t.Helper()
	anvil := anviltest.Start(t, "--hardfork", "osaka")
	r := newRing(t, anvil.URL, 31337)
	rpc := func(method string, args ...any) {
		if err := r.client.Backend().Client().CallContext(r.ctx, nil, method, args...); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range ringNames {
		wei := new(big.Int).Mul(big.NewInt(1000), big.NewInt(1e18))
		rpc("anvil_setBalance", crypto.PubkeyToAddress(keyOf(t, name).PublicKey), (*hexutil.Big)(wei))
	}
	r.later = func(seconds uint64) {
		rpc("evm_increaseTime", seconds)
		rpc("evm_mine")
	}
	r.begin(t)
	return r
}

func newRing(t *testing.T, url string, id uint64) *ring {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 9*time.Minute)
	t.Cleanup(cancel)
	client, err := chain.Dial(ctx, url, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &ring{t: t, ctx: ctx, client: client, user: claim.Address{0xd}, used: map[string]uint64{}, repaid: map[dispute.Kind]int64{},
		params: chain.DevnetParams()}
}

// begin deploys and endows the actors.
func (r *ring) begin(t *testing.T) {
	t.Helper()
	signer, err := chain.NewSigner(keyOf(t, "deployer"))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	at, err := chain.Deploy(r.ctx, r.client, signer, r.params)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("deployed in %v", time.Since(start).Round(time.Millisecond))
	record, err := at.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if at, err = chain.DecodeAddresses(record); err != nil {
		t.Fatal(err)
	}
	if r.k, err = chain.Load(r.ctx, r.client, at); err != nil {
		t.Fatal(err)
	}
	if got := r.k.Params(); got.Token == (common.Address{}) {
		t.Fatal("no token")
	} else if got.Token, got.Registrar = (common.Address{}), r.params.Registrar; got != r.params { // the arena knows no registrar
		t.Fatalf("parameters are %+v", got)
	}
	r.node, r.opener = r.newActor(t, "node"), r.newActor(t, "opener")
	funds := tokens(10_000)
	for _, a := range []*actor{r.node, r.opener} {
		r.do(a, "mint")(r.k.Mint("mint", a.address, funds))
		r.do(a, "approve")(r.k.Approve("approve", funds))
	}
	r.do(r.node, "deposit")(r.k.Deposit("deposit", funds))
	r.do(r.opener, "fund")(r.k.Fund("fund", funds))
	r.do(r.node, "setEndpoint")(r.k.SetEndpoint("url", "http://127.0.0.1:1"))
}

func tokens(n uint64) claim.Amount {
	a, err := claim.Units(1e18).Mul(n)
	if err != nil {
		panic(err)
	}
	return a
}

func (r *ring) newActor(t *testing.T, name string) *actor {
	t.Helper()
	a := &actor{key: keyOf(t, name)}
	a.address = claim.AddressOf(a.key)
	signer, err := chain.NewSigner(a.key)
	if err != nil {
		t.Fatal(err)
	}
	o := chain.Options{Poll: 3 * time.Millisecond, Depth: 64}
	if a.box, err = chain.OpenOutbox(r.ctx, filepath.Join(t.TempDir(), name+".db"), r.client, signer, o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.box.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		a.box.Close()
	})
	return a
}

// do sends an intent, waits for it, and takes its facts. It fails if the call reverts.
func (r *ring) do(a *actor, name string) func(chain.Intent, error) *chain.Receipt {
	return func(i chain.Intent, err error) *chain.Receipt {
		r.t.Helper()
		if err == nil {
			err = a.box.Submit(r.ctx, i)
		}
		if err != nil {
			r.t.Fatalf("%s: %v", name, err)
		}
		receipt, err := a.box.Wait(r.ctx, i.Key)
		if err != nil {
			r.t.Fatalf("%s: %v", name, r.k.Explain(err))
		}
		r.used[name] = max(r.used[name], receipt.GasUsed)
		if spare := i.Gas - receipt.GasUsed; i.Gas < receipt.GasUsed*5/4 {
			r.t.Errorf("%s leaves %d of %d gas: raise its limit", name, spare, i.Gas)
		}
		for _, l := range receipt.Logs {
			f, ok, err := r.k.Fact(*l)
			if err != nil {
				r.t.Fatal(err)
			}
			if ok {
				r.games.Apply(f)
				r.cases.Apply(f)
				r.facts = append(r.facts, f)
			}
		}
		return receipt
	}
}

// try runs an intent without sending it.
func (r *ring) try(from claim.Address) func(chain.Intent, error) error {
	return func(i chain.Intent, err error) error {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
		_, err = r.client.Call(r.ctx, common.Address(from), *i.To, i.Data)
		return r.k.Explain(err)
	}
}

// gasTable prints what each call used at most, and compares with the ceilings.
func (r *ring) gasTable() {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "calls_gas.txt"))
	if err != nil {
		r.t.Fatal(err)
	}
	ceilings := map[string][2]uint64{}
	for line := range strings.Lines(string(text)) {
		var name string
		var osaka, amsterdam uint64
		if _, err := fmt.Sscan(line, &name, &osaka, &amsterdam); err == nil {
			ceilings[name] = [2]uint64{osaka * 1000, amsterdam * 1000}
		}
	}
	column := 0
	if r.embedded != nil && r.embedded.Fork() == devchain.Amsterdam {
		column = 1
	}
	var lines []string
	for name, gas := range r.used {
		lines = append(lines, fmt.Sprintf("%-12s %9d", name, gas))
		if most := ceilings[name][column]; gas > most {
			r.t.Errorf("%s uses %d gas, its ceiling is %d", name, gas, most)
		}
	}
	slices.Sort(lines)
	r.t.Logf("most gas by call:\n%s", strings.Join(lines, "\n"))
}

func (r *ring) head() chain.Head {
	h, err := r.client.Head(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

// prepare gives a claim its node, user, times, price and a nonce of its own.
func (r *ring) prepare(c *claimed) {
	r.nonce++
	now := r.head().Time
	o := &c.open
	o.Opener, o.Salt, o.MaxBond = r.opener.address, claim.Keccak([]byte{byte(r.nonce)}), claim.MaxAmount
	o.Claim.Node, o.Claim.Value = r.node.address, tokens(7)
	o.Claim.Issued, o.Claim.BatchBy, o.Claim.ChallengeUntil = now, now+30, now+r.k.Params().Window+60
	o.Request.User, o.Request.Price, o.Request.Nonce = r.user, tokens(5), r.nonce
}

// post puts the claim in a batch of three on the chain.
func (r *ring) post(c *claimed) {
	root := c.batch(r.t, r.k.Domain(), 3, 1)
	r.do(r.node, "postBatch")(r.k.Intent(ledger.PostBatch{Root: root, Count: 3, Cover: tokens(7),
		Until: r.head().Time + r.k.Params().Window + 60}))
}
