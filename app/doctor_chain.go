package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"time"

	"elenchus/commitment/claim"
	"elenchus/network/chain"

	"github.com/ethereum/go-ethereum/common"
)

// chainWithin bounds what Doctor asks of a chain.
const chainWithin = 10 * time.Second

// Differences between the own clock and the chain's above which Doctor has something to say. Claims
// promise times (SPEC 07 §6); the chain moves on by itself, so that only its future, or hours, tell surely.
const (
	noteSkew    = 90 * time.Second
	wrongSkew   = time.Hour        // nothing is posted on a chain that stands still so long, and no clock may be that far ahead
	problemSkew = 15 * time.Second // the chain's newest block is that far ahead of this clock
)

// findChain looks at the chain, the deployment, the clock and the account, as far as they are named.
func findChain(ctx context.Context, o *DoctorOptions) []Finding {
	if o.RPC == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, chainWithin)
	defer cancel()
	c, err := chain.Dial(ctx, o.RPC, 0)
	if err != nil {
		return []Finding{{"chain", stateProblem, err.Error(), "start the chain's node, or name the right address with --rpc"}}
	}
	defer c.Close()
	head, err := c.Head(ctx)
	if err != nil {
		return []Finding{{"chain", stateProblem, fmt.Sprintf("%s: %v", o.RPC, err), "start the chain's node, or name the right address with --rpc"}}
	}
	out := []Finding{
		{Name: "chain", State: stateOK, Detail: fmt.Sprintf("%s, id %d, block %d", o.RPC, c.ChainID(), head.Number)},
		findClock(head.Time, time.Now()),
	}
	k, f := findDeployment(ctx, c, o.Deployment)
	out = append(out, f)
	if k != nil && o.Key != "" {
		out = append(out, findAccount(ctx, k, o.Key))
	}
	return out
}

// findClock compares the own clock with the newest block.
func findClock(block uint64, now time.Time) Finding {
	d := now.Sub(time.Unix(int64(block), 0)).Round(time.Second)
	f := Finding{Name: "clock", State: stateOK, Detail: fmt.Sprintf("the newest block is %s old by this clock", d)}
	switch {
	case d < -problemSkew:
		f.State, f.Detail = stateProblem, fmt.Sprintf("the newest block is %s ahead of this clock", -d)
		f.Fix = "set the clock (timedatectl set-ntp true): claims with wrong times are void"
	case d > wrongSkew:
		f.State = stateProblem
		f.Fix = "set the clock (timedatectl set-ntp true) if another one says that it is ahead; else the chain stands still, or its node is behind: name another with --rpc"
	case d > noteSkew:
		f.State, f.Fix = stateNote, "the chain stands still, its node is behind, or this clock is ahead: compare it with another one"
	}
	return f
}

// findDeployment compares the contracts with what this binary expects.
func findDeployment(ctx context.Context, c *chain.Client, path string) (*chain.Contracts, Finding) {
	f := Finding{Name: "deployment", State: stateOK}
	at, err := ReadDeployment(path)
	if errors.Is(err, fs.ErrNotExist) {
		f.State, f.Detail, f.Fix = stateProblem, err.Error(), "name the file with the addresses of the contracts with --deployment"
		return nil, f
	}
	var k *chain.Contracts
	if err == nil {
		k, err = chain.Load(ctx, c, at)
	}
	if err != nil {
		f.State, f.Detail = stateProblem, err.Error()
		f.Fix = "the file, the chain and this binary must be of one release: name another --deployment or --rpc, or deploy again"
		return nil, f
	}
	f.Detail = fmt.Sprintf("%s: arena 0x%x, code as expected", path, at.Arena)
	return k, f
}

// findKey looks at a key file.
func findKey(path string) Finding {
	f := Finding{Name: "key", State: stateOK}
	account, err := KeyFile{Path: path}.Address()
	if err != nil {
		f.State, f.Detail, f.Fix = stateProblem, err.Error(), "name the file of the account's key with --key: a keystore (elenchus key new FILE) or 64 hex digits"
		return f
	}
	f.Detail = fmt.Sprintf("%s: account 0x%x", path, account)
	if mode, open := openToOthers(path); open {
		f.State, f.Fix = stateProblem, "chmod 600 "+path
		f.Detail += fmt.Sprintf(", readable by others (%v)", mode)
	}
	return f
}

// leastEther is what an account should have for moves: 0.01 ether.
var leastEther = new(big.Int).Exp(big.NewInt(10), big.NewInt(16), nil)

// findAccount looks at what an account can pay for.
func findAccount(ctx context.Context, k *chain.Contracts, path string) Finding {
	f := Finding{Name: "account", State: stateOK}
	account, err := KeyFile{Path: path}.Address()
	if err != nil {
		return Finding{"account", stateProblem, err.Error(), "see key"}
	}
	me := claim.Address(account)
	a, err1 := k.Account(ctx, me)
	ether, err2 := k.Client().Backend().BalanceAt(ctx, common.Address(me), nil)
	credit, err3 := k.Credit(ctx, me)
	if err := errors.Join(err1, err2, err3); err != nil {
		return Finding{"account", stateProblem, err.Error(), "the chain answered before: try again"}
	}
	f.Detail = fmt.Sprintf("0x%x: %s wei, stake %s of which %s free, credit %s, %d open games", me, ether, a.Stake, a.Free(), credit, a.Games)
	switch {
	case a.Jailed:
		f.State, f.Fix = stateProblem, "the account was slashed and posts no batches: see elenchus explain"
	case ether.Cmp(leastEther) < 0:
		lack := new(big.Int).Sub(leastEther, ether)
		f.State, f.Fix = stateProblem, fmt.Sprintf("send at least %s wei to 0x%x: moves in games must be paid for in time", lack, me)
	case a.Stake.IsZero() && credit.IsZero():
		f.State, f.Fix = stateNote, "a node needs --stake, a challenger credit for bonds: both are brought up when the role starts, from the account's tokens"
	}
	return f
}

// findModel looks at a model that a role shall serve.
func findModel(o *DoctorOptions) Finding {
	f := Finding{Name: "model", State: stateOK}
	store, err := OpenStore(o.Dir)
	var c ModelCard
	if err == nil {
		c, err = store.Describe(o.Model)
	}
	switch {
	case errors.Is(err, ErrNoModel):
		f.State, f.Detail, f.Fix = stateProblem, err.Error(), "import or pull it: elenchus model import FILE, elenchus model pull OWNER/NAME"
		return f
	case err != nil:
		f.State, f.Detail, f.Fix = stateProblem, err.Error(), "remove the model and import it again"
		return f
	}
	f.Detail = fmt.Sprintf("%s %s, about %d MiB to serve", c.Name, c.ID, mib(c.MemoryBytes))
	if c.Kind != "token" {
		f.State, f.Fix = stateProblem, "nodes serve token models: name another one"
		return f
	}
	if err := fits(c.MemoryBytes); err != nil {
		f.State, f.Fix = stateProblem, "close other programs, take a smaller model, or set "+KernelVariable+"=generic, which holds weights once"
		f.Detail += ": " + err.Error()
	}
	return f
}
