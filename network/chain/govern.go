package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// MaxPause is how long a pause of new claims lasts at most, in seconds. SPEC 09 §10.
const MaxPause = 7 * 24 * 60 * 60

// ErrNoDirectory: the deployment has no directory, so that nobody announces arenas.
var ErrNoDirectory = errors.New("the deployment has no directory")

// Pause is the time in which the guardian holds up new claims, first and last second; zero without one.
type Pause struct{ From, Until uint64 }

// Pause reads the pause that was set last; it may be over.
func (k *Contracts) Pause(ctx context.Context) (Pause, error) {
	var v struct{ From, Until *big.Int }
	if err := k.readStruct(ctx, &v, arenaName, k.at.Arena, "pause"); err != nil {
		return Pause{}, err
	}
	return Pause{v.From.Uint64(), v.Until.Uint64()}, nil
}

// SetPause holds new claims up until a time, or ends a pause with an earlier one. Only the guardian may.
func (k *Contracts) SetPause(key string, until uint64) (Intent, error) {
	return k.intent(key, plainGas, arenaName, k.at.Arena, "setPause", new(big.Int).SetUint64(until))
}

// Announcement is what a directory says. Zero addresses stand for none.
type Announcement struct {
	Governor common.Address
	Delay    uint64 // least seconds from announcement to change
	Current  common.Address
	Next     common.Address
	Due      uint64 // the second after which Next can come into use
}

// Announced reads the directory. The error matches ErrNoDirectory.
func (k *Contracts) Announced(ctx context.Context) (Announcement, error) {
	var a Announcement
	if k.at.Directory == (common.Address{}) {
		return a, ErrNoDirectory
	}
	var err error
	if a.Governor, err = read[common.Address](ctx, k, directoryName, k.at.Directory, "GOVERNOR"); err != nil {
		return a, err
	}
	if a.Current, err = read[common.Address](ctx, k, directoryName, k.at.Directory, "current"); err != nil {
		return a, err
	}
	delay, err := k.amount(ctx, directoryName, k.at.Directory, "DELAY")
	if err != nil {
		return a, err
	}
	var v struct {
		Arena common.Address
		Due   *big.Int
	}
	if err := k.readStruct(ctx, &v, directoryName, k.at.Directory, "next"); err != nil {
		return a, err
	}
	a.Delay, a.Next, a.Due = delay.Lo, v.Arena, v.Due.Uint64()
	return a, nil
}

// Announce says which arena comes next, Withdraw takes that back, Change puts it into use once it is due.
func (k *Contracts) Announce(key string, arena common.Address) (Intent, error) {
	return k.direct(key, "announce", arena)
}

// WithdrawAnnouncement takes an announcement back; see Announce.
func (k *Contracts) WithdrawAnnouncement(key string) (Intent, error) {
	return k.direct(key, "withdraw")
}

// Change puts what is announced and due into use; anybody may. See Announce.
func (k *Contracts) Change(key string) (Intent, error) { return k.direct(key, "change") }

func (k *Contracts) direct(key, method string, args ...any) (Intent, error) {
	if k.at.Directory == (common.Address{}) {
		return Intent{}, ErrNoDirectory
	}
	return k.intent(key, plainGas, directoryName, k.at.Directory, method, args...)
}

// Once sends an intent for an account that sends nothing else meanwhile, with a trial run, and waits until it
// is mined. What the trial refuses costs nothing.
func (k *Contracts) Once(ctx context.Context, s *Signer, i Intent) error {
	nonce, err := k.c.eth.PendingNonceAt(ctx, s.addr)
	if err != nil {
		return fmt.Errorf("read the nonce of %v: %w", s.addr, err)
	}
	d := &deployer{c: k.c, s: s, bind: k.bind, nonce: nonce}
	d.send(ctx, sentTx{name: i.Key}, i.To, new(big.Int), i.Data)
	d.wait(ctx)
	return k.Explain(d.err)
}
