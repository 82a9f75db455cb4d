package app

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/network/chain"
	"elenchus/proving/beacon"
	"elenchus/settlement/stake"

	"github.com/ethereum/go-ethereum/common"
)

// Probe is one look at what a chain computes.
type Probe = chain.Probe

// DeployOptions say what to deploy where.
type DeployOptions struct {
	RPC     string
	Key     KeyFile            // of the account that pays
	Params  chain.DeployParams // Deploy replaces those of games by the profile's
	Profile string
	Set     []string // NAME=VALUE of parameters that differ from the profile's
	Out     string   // file of the addresses; an existing one is only written over by the same deployment
	Only    bool     // say what would be done
	Audits  bool     // with audits that drand draws, on the terms of the profile
}

// Deployed is what a deployment would do or did.
type Deployed struct {
	ChainID   uint64           `json:"chainId"`
	Probes    []chain.Probe    `json:"selfTest"`
	Contracts []chain.Planned  `json:"contracts"` // before
	Cost      string           `json:"mostWei"`   // of what is missing, at today's fees
	Balance   string           `json:"balanceWei,omitempty"`
	Addresses *chain.Addresses `json:"addresses,omitempty"` // nil: nothing was done
}

// ErrPoor: the account cannot pay for the deployment.
var ErrPoor = errors.New("the account holds too little ether")

// Deploy puts the contracts on a chain, or says what it would do. What a broken-off deployment has done is not
// done again.
func Deploy(ctx context.Context, o DeployOptions) (*Deployed, error) {
	if err := o.finish(); err != nil {
		return nil, err
	}
	if o.Params.Profile != stake.Devnet && o.Params.Token == (common.Address{}) {
		return nil, fmt.Errorf("%w: profile %v stakes a token: name it with --token (without one a test token is deployed, which anybody can mint)", stake.ErrParams, o.Params.Profile)
	}
	c, err := chain.Dial(ctx, o.RPC, 0)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	d := &Deployed{ChainID: c.ChainID().Uint64()}
	if d.Probes, err = chain.SelfTest(ctx, c); err != nil {
		return d, err
	}
	if d.Contracts, err = chain.Plan(ctx, c, o.Params); err != nil {
		return d, err
	}
	fees, err := c.SuggestFees(ctx)
	if err != nil {
		return d, err
	}
	cost := chain.Cost(d.Contracts, fees)
	d.Cost = cost.String()
	if o.Only {
		return d, nil
	}
	return d, d.send(ctx, c, o, cost)
}

// finish makes the parameters of a profile and of what differs from it.
func (o *DeployOptions) finish() error {
	profile, err := stake.ParseProfile(o.Profile)
	if err != nil {
		return fmt.Errorf("--profile: %w", err)
	}
	o.Params.Params = stake.ParamsOf(profile)
	for _, pair := range o.Set {
		name, value, _ := strings.Cut(pair, "=")
		if err := o.Params.Set(name, value); err != nil {
			return fmt.Errorf("--set %s: %w", pair, err)
		}
	}
	return o.Params.Check()
}

func (d *Deployed) send(ctx context.Context, c *chain.Client, o DeployOptions, cost *big.Int) error {
	if err := differs(o.Out, d.Contracts); err != nil {
		return err
	}
	key, err := o.Key.Read()
	if err != nil {
		return err
	}
	s, err := chain.NewSigner(key)
	if err != nil {
		return err
	}
	held, err := c.Balance(ctx, s.Address())
	if err != nil {
		return err
	}
	d.Balance = held.String()
	at, err := chain.Deploy(ctx, c, s, o.Params)
	if err != nil && held.Cmp(cost) < 0 {
		err = fmt.Errorf("%w: %v holds %v wei, all that is missing may take %v: send it more and deploy again, which goes on where this ended: %w", ErrPoor, s.Address(), held, cost, err)
	}
	if err != nil {
		return err
	}
	if o.Audits {
		if at, err = withAudits(ctx, c, s, o, at); err != nil {
			return err
		}
	}
	d.Addresses = &at
	b, err := at.Encode()
	if err != nil {
		return err
	}
	return os.WriteFile(o.Out, b, 0o644) //nolint:gosec // addresses are public
}

// withAudits adds beacon and audits to a deployment, unless its file has them already.
func withAudits(ctx context.Context, c *chain.Client, s *chain.Signer, o DeployOptions, at chain.Addresses) (chain.Addresses, error) {
	if old, err := ReadDeployment(o.Out); err == nil && old.Arena == at.Arena && old.Audits != (common.Address{}) {
		return old, nil
	}
	at, err := deployAudits(ctx, c, s, at, beacon.Quicknet(), o.Params.Profile)
	if err != nil {
		return at, fmt.Errorf("--audits: %w", err)
	}
	return at, nil
}

// differs refuses to write over the addresses of another deployment.
func differs(path string, plan []chain.Planned) error {
	old, err := ReadDeployment(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--out: %w: name another file", err)
	}
	for _, p := range plan {
		if p.Address == old.Arena {
			return nil
		}
	}
	return fmt.Errorf("--out: %s holds the addresses of another deployment, with the arena %v: name another file", path, old.Arena)
}

// ChainStatus is what a deployment looks like now. Times are RFC 3339, amounts in the units of SPEC 09 §6.
type ChainStatus struct {
	ChainID  uint64            `json:"chainId"`
	Block    uint64            `json:"block"`
	Time     string            `json:"time"`
	BaseFee  string            `json:"baseFeeWei"`
	Arena    string            `json:"arena"`
	Profile  string            `json:"profile"`
	Params   map[string]string `json:"params"`
	Names    []string          `json:"-"` // of Params, in the order of the specification
	Burned   string            `json:"burned"`
	Guardian string            `json:"guardian,omitempty"`
	Paused   string            `json:"pausedUntil,omitempty"` // new claims wait until then
	Governor string            `json:"governor,omitempty"`
	Current  string            `json:"currentArena,omitempty"`
	Next     string            `json:"nextArena,omitempty"`
	Due      string            `json:"nextAfter,omitempty"`
	Audits   *AuditsOwe        `json:"audits,omitempty"`
	Probes   []chain.Probe     `json:"selfTest"`
	Problems []string          `json:"problems"`
	OK       bool              `json:"ok"`
}

// Status looks at a deployment: its code, its wiring and what the chain computes are checked, its parameters
// and who may do what are read.
func (l *ChainLookup) Status(ctx context.Context) (*ChainStatus, error) {
	k, head, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	defer k.Client().Close()
	p := k.Params()
	s := &ChainStatus{
		ChainID: l.At.ChainID, Block: head.Number, Time: moment(head.Time), BaseFee: head.BaseFee.String(), Arena: l.At.Arena.Hex(),
		Profile: p.Profile.String(), Params: map[string]string{}, Problems: []string{},
	}
	for _, n := range p.Named() {
		s.Names, s.Params[n.Name] = append(s.Names, n.Name), n.Value.String()
	}
	burned, err := k.Burned(ctx)
	if err != nil {
		return nil, err
	}
	s.Burned = burned.String()
	if err := errors.Join(s.power(ctx, k, head), s.test(ctx, k.Client(), head, p), s.audits(ctx, l, k, head.Number)); err != nil {
		return nil, err
	}
	s.OK = len(s.Problems) == 0
	return s, nil
}

// moment is a chain's time.
func moment(seconds uint64) string {
	return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339) //nolint:gosec // times of a chain
}

// power is who may change what.
func (s *ChainStatus) power(ctx context.Context, k *chain.Contracts, head chain.Head) error {
	if g := k.Params().Guardian; g != (common.Address{}) {
		s.Guardian = g.Hex()
		p, err := k.Pause(ctx)
		if err != nil {
			return err
		}
		if p.Until >= head.Time {
			s.Paused = moment(p.Until)
			s.Problems = append(s.Problems, "new claims are paused until "+s.Paused+"; games, payouts and exits go on")
		}
	}
	a, err := k.Announced(ctx)
	if errors.Is(err, chain.ErrNoDirectory) {
		return nil
	}
	if err != nil {
		return err
	}
	s.Governor = a.Governor.Hex()
	if a.Current != (common.Address{}) {
		s.Current = a.Current.Hex()
	}
	arena := k.Addresses().Arena
	if a.Current != arena && a.Current != (common.Address{}) {
		s.Problems = append(s.Problems, fmt.Sprintf("the directory names another arena, %v: take its deployment file into use", a.Current))
	}
	if a.Next != (common.Address{}) {
		s.Next, s.Due = a.Next.Hex(), moment(a.Due)
		if a.Next != arena {
			s.Problems = append(s.Problems, fmt.Sprintf("arena %v follows after %s: who stakes here and does not want that can unbond now", a.Next, s.Due))
		}
	}
	return nil
}

// test looks at what the chain computes and charges.
func (s *ChainStatus) test(ctx context.Context, c *chain.Client, head chain.Head, p chain.DeployParams) error {
	var err error
	s.Probes, err = chain.SelfTest(ctx, c)
	if err != nil && !errors.Is(err, chain.ErrPrecompile) {
		return err
	}
	for _, probe := range s.Probes {
		if probe.Error != "" {
			s.Problems = append(s.Problems, fmt.Sprintf("%s, for %s: %s", probe.Name, probe.For, probe.Error))
		}
	}
	// Bonds stand for priceCap and for four times the base fee at an opening, replies for one and a half of it.
	if least := new(big.Int).SetUint64(p.PriceCap); head.BaseFee.Cmp(new(big.Int).Add(least, new(big.Int).Rsh(least, 1))) > 0 {
		s.Problems = append(s.Problems, fmt.Sprintf("the base fee, %v wei, is above 1.5 times priceCap: gas of games that were opened when it was low may not be repaid in full (spec 09, 8.9)", head.BaseFee))
	}
	return nil
}

// MaxPause is how long a guardian's pause lasts at most.
const MaxPause = chain.MaxPause * time.Second

// Pause holds new claims up as the guardian; 0 ends a pause.
func (l *ChainLookup) Pause(ctx context.Context, key KeyFile, last time.Duration) error {
	return l.govern(ctx, key, func(k *chain.Contracts) (chain.Intent, error) {
		if last == 0 {
			return k.SetPause("end the pause", 0)
		}
		head, err := k.Client().Head(ctx)
		if err != nil {
			return chain.Intent{}, err
		}
		return k.SetPause("pause", head.Time+uint64(last/time.Second)) //nolint:gosec // the caller gives a time above 0
	})
}

// Announce names the next arena as the governor.
func (l *ChainLookup) Announce(ctx context.Context, key KeyFile, arena common.Address) error {
	return l.govern(ctx, key, func(k *chain.Contracts) (chain.Intent, error) { return k.Announce("announce", arena) })
}

// Withdraw takes an announcement back as the governor.
func (l *ChainLookup) Withdraw(ctx context.Context, key KeyFile) error {
	return l.govern(ctx, key, func(k *chain.Contracts) (chain.Intent, error) {
		return k.WithdrawAnnouncement("withdraw the announcement")
	})
}

// Change puts an announced arena into use once it is due.
func (l *ChainLookup) Change(ctx context.Context, key KeyFile) error {
	return l.govern(ctx, key, func(k *chain.Contracts) (chain.Intent, error) { return k.Change("change") })
}

// PublishModel registers a model by its header: from then on the chain says its id and class, and that the
// account of the key stands for it. SPEC 10 §8.4.
func (l *ChainLookup) PublishModel(ctx context.Context, key KeyFile, h *manifest.Header) error {
	b := h.Encode()
	return l.govern(ctx, key, func(k *chain.Contracts) (chain.Intent, error) { return k.RegisterModel("model", b[:]) })
}

// govern sends a transaction and waits until it is mined.
func (l *ChainLookup) govern(ctx context.Context, file KeyFile, order func(*chain.Contracts) (chain.Intent, error)) error {
	k, _, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer k.Client().Close()
	i, err := order(k)
	if err != nil {
		return err
	}
	key, err := file.Read()
	if err != nil {
		return err
	}
	s, err := chain.NewSigner(key)
	if err != nil {
		return err
	}
	return k.Once(ctx, s, i)
}
