package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/network/chain"
	"elenchus/network/chain/anviltest"
	"elenchus/network/devchain"
)

// deployed says how much of a plan is there.
func deployed(t *testing.T, r *ring, p chain.DeployParams) (there, all int) {
	t.Helper()
	plan, err := chain.Plan(r.ctx, r.client, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range plan {
		if c.There {
			there++
		}
	}
	return there, len(plan)
}

// TestDeployGoesOn: what is there is not sent again, whoever sent it; what a salt or a parameter changes
// is; and the chain computes what the contracts rely on.
func TestDeployGoesOn(t *testing.T) {
	r := newEmbeddedRing(t, devchain.Osaka)
	probes, err := chain.SelfTest(r.ctx, r.client)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range probes {
		if p.Error != "" {
			t.Errorf("%s: %s", p.Name, p.Error)
		}
	}
	signer, err := chain.NewSigner(keyOf(t, "opener")) // another account than that of the first deployment
	if err != nil {
		t.Fatal(err)
	}
	nonce := func() uint64 {
		n, err := r.client.Backend().PendingNonceAt(r.ctx, crypto.PubkeyToAddress(keyOf(t, "opener").PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := nonce()
	again, err := chain.Deploy(r.ctx, r.client, signer, chain.DevnetParams())
	if err != nil {
		t.Fatal(err)
	}
	for back, want := range map[uint64]bool{0: true, 1: false} {
		code, err := r.client.Backend().CodeAt(r.ctx, again.Registry, new(big.Int).SetUint64(again.Block-back))
		if err != nil || (len(code) != 0) != want {
			t.Errorf("%d blocks before that of the deployment the registry has %d bytes of code (%v)", back, len(code), err)
		}
	}
	first := r.k.Addresses()
	first.Block = again.Block
	if again != first {
		t.Errorf("a second deployment of the same is %+v, the first %+v", again, first)
	}
	if n := nonce() - before; n != 0 {
		t.Errorf("a second deployment of the same sent %d transactions", n)
	}
	other := chain.DevnetParams()
	other.Window++
	if there, all := deployed(t, r, other); there != all-1 {
		t.Errorf("with another window %d of %d contracts are there, want all but the arena", there, all)
	}
	salted := chain.DevnetParams()
	salted.Salt[0] = 1
	if there, all := deployed(t, r, salted); there != 0 {
		t.Errorf("with a salt %d of %d contracts are there", there, all)
	}
	// One that breaks off goes on where it ended, with any account.
	broken, cancel := context.WithCancel(r.ctx)
	cancel()
	if _, err := chain.Deploy(broken, r.client, signer, other); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled deployment ended with %v", err)
	}
	before = nonce()
	at, err := chain.Deploy(r.ctx, r.client, signer, other)
	if err != nil {
		t.Fatal(err)
	}
	if n := nonce() - before; n != 1 {
		t.Errorf("a deployment of which only the arena was missing sent %d transactions", n)
	}
	if at.Registry != again.Registry || at.Arena == again.Arena {
		t.Errorf("deployment with another window is %+v, with the first window %+v", at, again)
	}
}

// TestDeployBringsTheFactory: a chain without the deployment proxy gets it, at its address everywhere.
func TestDeployBringsTheFactory(t *testing.T) {
	anvil := anviltest.Start(t, "--hardfork", "osaka", "--disable-default-create2-deployer")
	r := newRing(t, anvil.URL, 31337)
	wei := new(big.Int).Mul(big.NewInt(1000), big.NewInt(1e18))
	at := crypto.PubkeyToAddress(keyOf(t, "deployer").PublicKey)
	if err := r.client.Backend().Client().CallContext(r.ctx, nil, "anvil_setBalance", at, (*hexutil.Big)(wei)); err != nil {
		t.Fatal(err)
	}
	signer, err := chain.NewSigner(keyOf(t, "deployer"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chain.Deploy(r.ctx, r.client, signer, chain.DevnetParams()); err != nil {
		t.Fatal(err)
	}
	code, err := r.client.Code(r.ctx, chain.Factory)
	if err != nil || !bytes.Equal(code, chain.FactoryCode()) {
		t.Errorf("the proxy has %x (%v)", code, err)
	}
}
