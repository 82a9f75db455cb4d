package app

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/engine"
	"elenchus/network/chain"
	"elenchus/network/devchain"
	"elenchus/network/peer"
	"elenchus/proving/step"
	"elenchus/service/adversary"
	"elenchus/service/auditor"
	"elenchus/service/challenger"
	"elenchus/settlement/ledger"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// CourtOptions choose a story of the adversary kit.
type CourtOptions struct {
	Attack   string
	Seed     uint64
	Manifest *manifest.Manifest // nil: the default model
	Fork     devchain.Fork
	Games    int       // of the attack flood; 0: 20
	Story    io.Writer // nil: silence
	Log      *slog.Logger
	Within   time.Duration // of real time; 0: 4 minutes
	// Confidential plays with the model as a confidential one, whose answers are proofs. SPEC 10 §6.
	Confidential bool
	System       step.System // of these proofs; zero: Groth16
	// Cluster has challenger and nodes answer about whole tensors where that is shorter. SPEC 10 §4.7.
	Cluster bool
	// Proven is told, once, of a game whose answer a party has proven and not sent yet: who else may prove there; nil: nobody.
	Proven func(ctx context.Context, p ProvenGame) error
	// Inspect looks at the chain when the story is over, and at what each node signed; nil: nobody does.
	Inspect func(ctx context.Context, rpc string, asked map[string]*receipt.Receipt) error
}

// courtParams are the clocks of a public L2: days in which an honest party has time for its moves on
// however slow a machine, since the chain of a court runs some ten seconds in one.
func courtParams() chain.DeployParams {
	p := chain.DevnetParams()
	p.Window, p.ReplyTime, p.Grace, p.Rate, p.RewardDelay, p.Unbonding = 86_400, 86_400, 86_400, 50, 1_209_600, 2_592_000
	return p
}

// courtPoll is how often the parties of a court look at its chain; courtTick how often its clock moves.
const (
	courtPoll = 20 * time.Millisecond
	courtTick = 50 * time.Millisecond
)

// tribunal is a story in one process: the services and contracts of every role around an embedded chain
// whose clock the court moves.
type tribunal struct {
	*demo
	o       CourtOptions
	card    adversary.Card
	scene   scene
	dir     string
	chain   *devchain.Chain
	man     *manifest.Manifest
	links   map[string]*Link
	keys    map[string]*ecdsa.PrivateKey
	nodes   map[string]*served
	asked   map[string]*receipt.Receipt // by node
	watch   *challenger.Challenger
	mallory adversary.Strategy // guarded by mu

	beacon   rounds // of scenes with audits
	auditors []*auditor.Auditor
	errs     chan error
	acting   context.Context // of the parties //nolint:containedctx // ends before the story's own
	cancel   context.CancelFunc
	running  sync.WaitGroup

	beforeMu sync.Mutex // one order at a time is seen before it is mined

	mu     sync.Mutex // guards the fields below
	govern govern
	called bool       // the challenger is at work
	reorgs int        // so far
	jumped claim.Hash // the case for which the clock was moved
	cases  ledger.Cases

	lie   *adversary.Attack
	lives map[string]int   // of nodes, by name
	first *receipt.Receipt // that node1 signed before it lost its state
	prove *prover          // of a confidential model
	shown sync.Once        // its first answer, to CourtOptions.Proven
}

// courtRoles are the accounts of a court.
func courtRoles() []string { return []string{"deployer", "node1", "node2", "watch", "mallory", "user"} }

// registrarRole registers proof keys. It is no party of a story: what it pays is nobody's loss.
const registrarRole = "registrar"

// Court plays an attack of the kit against the real services and contracts in one process and reports
// how it ended: the verdict, and what became of everybody's money. GAME §1 rule 42.
func Court(ctx context.Context, o CourtOptions) (*DemoResult, error) {
	card, ok := adversary.Find(o.Attack)
	if !ok {
		return nil, fmt.Errorf("attack %q is not in the kit", o.Attack)
	}
	return playCourt(ctx, o, card, sceneOf(o.Attack))
}

// playCourt plays a card in a scene.
func playCourt(ctx context.Context, o CourtOptions, card adversary.Card, sc scene) (*DemoResult, error) {
	if o.Story == nil {
		o.Story = io.Discard
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Within <= 0 {
		o.Within = 4 * time.Minute
	}
	if o.Games <= 0 {
		o.Games = 20
	}
	dir, err := os.MkdirTemp("", "elenchus-court-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // best effort
	ctx, end := context.WithTimeout(ctx, o.Within)
	defer end()
	acting, cancel := context.WithCancel(ctx)
	c := &tribunal{o: o, card: card, scene: sc, dir: dir, cancel: cancel, acting: acting, errs: make(chan error, 16),
		links: map[string]*Link{}, keys: map[string]*ecdsa.PrivateKey{}, nodes: map[string]*served{}, lives: map[string]int{}, asked: map[string]*receipt.Receipt{}}
	c.demo = &demo{o: DemoOptions{Attack: o.Attack, Story: o.Story}, began: time.Now(), n: &Network{Accounts: map[string]claim.Address{}},
		receipts: map[claim.Hash]*receipt.Receipt{}, txs: map[claim.Hash]string{}}
	c.result = DemoResult{Attack: o.Attack, Answer: "native", Gas: map[string]uint64{}, Balances: map[string]string{}, Want: card.Verdict}
	err = c.sit(ctx)
	if err := errors.Join(err, c.rise()); err != nil {
		return nil, err
	}
	return &c.result, nil
}

// sit plays the story: the parties act until it is over, then everybody's money is counted.
func (c *tribunal) sit(ctx context.Context) error {
	if err := c.open(c.acting); err != nil {
		return err
	}
	var err error
	if c.before, err = c.wealths(ctx); err != nil {
		return err
	}
	if c.scene.alone != nil {
		if err := c.scene.alone(c.acting, c); err != nil {
			return err
		}
	} else if err := c.trial(c.acting); err != nil {
		return err
	}
	if err := c.calm(ctx); err != nil {
		return err
	}
	if err := c.finish(ctx); err != nil {
		return err
	}
	if c.o.Inspect != nil {
		if err := c.o.Inspect(ctx, c.chain.HTTP(), c.asked); err != nil {
			return err
		}
	}
	if c.card.Verdict == adversary.Refused && c.result.Verdict == adversary.Upheld {
		c.result.Verdict = adversary.Refused
	}
	return c.fates(ctx)
}

// open starts chain, contracts and parties.
func (c *tribunal) open(ctx context.Context) error {
	alloc, ether := map[common.Address]*big.Int{}, new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil)
	for _, name := range append(courtRoles(), registrarRole) {
		k, err := crypto.ToECDSA(crypto.Keccak256([]byte("elenchus/court/" + name)))
		if err != nil {
			return err
		}
		c.keys[name] = k
		if name != registrarRole {
			c.n.Accounts[name] = claim.AddressOf(k)
		}
		alloc[crypto.PubkeyToAddress(k.PublicKey)] = new(big.Int).Mul(ether, big.NewInt(allocEther))
	}
	var err error
	if c.chain, err = devchain.Start(ctx, devchain.Options{Mode: devchain.OnDemand, Fork: c.o.Fork, Alloc: alloc}); err != nil {
		return err
	}
	if err := c.deploy(ctx); err != nil {
		return err
	}
	if c.man = c.o.Manifest; c.man == nil {
		if c.man, _, err = LoadModel("default"); err != nil {
			return err
		}
	}
	if c.o.Confidential {
		if err := c.conceal(ctx); err != nil {
			return err
		}
	}
	stakes := map[string]claim.Amount{"node1": nodeStake, "node2": nodeStake, "watch": watchCredit, "mallory": richCredit}
	for _, name := range []string{"node1", "node2", "watch", "mallory"} {
		if err := c.enter(ctx, name, stakes[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range []string{"node1", "node2"} {
		if err := c.startNode(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	c.say("chain, contracts, 2 staked nodes and challenger are up; attack: %s (%s)", c.card.Name, c.card.Does)
	return c.startWatch(ctx)
}

// richCredit is what mallory can lock in bonds: whatever the doublings ask for.
var richCredit, _ = claim.ParseAmount("10000000000000000000000000000000")

func (c *tribunal) deploy(ctx context.Context) error {
	client, err := chain.Dial(ctx, c.chain.HTTP(), devchain.DefaultChainID)
	if err != nil {
		return err
	}
	s, err := chain.NewSigner(c.keys["deployer"])
	if err != nil {
		return err
	}
	p := courtParams()
	p.Registrar = crypto.PubkeyToAddress(c.keys[registrarRole].PublicKey)
	if c.n.Addresses, err = chain.Deploy(ctx, client, s, p); err != nil {
		return err
	}
	if c.scene.audits {
		if err := c.deployAudits(ctx, client, s); err != nil {
			return err
		}
	}
	c.k, err = chain.Load(ctx, client, c.n.Addresses)
	return err
}

// enter opens a party's link and brings its money.
func (c *tribunal) enter(ctx context.Context, name string, money claim.Amount) error {
	l, err := openLink(ctx, c.chain.HTTP(), c.n.Addresses, c.keys[name], filepath.Join(c.dir, name), c.o.Log.With("role", name), pace{poll: courtPoll, inFlight: 256})
	if err != nil {
		return err
	}
	c.links[name] = l
	c.do(ctx, l.Run)
	if name == "node1" || name == "node2" {
		return l.holdStake(ctx, money)
	}
	return l.holdCredit(ctx, money)
}

// do runs a task of the court until ctx ends.
func (c *tribunal) do(ctx context.Context, task func(context.Context) error) {
	c.running.Go(func() {
		if err := task(ctx); err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
			c.errs <- err
		}
	})
}

// startWatch starts the challenger.
func (c *tribunal) startWatch(ctx context.Context) error {
	l := c.links["watch"]
	w, err := challenger.New(challenger.Options{
		Account: l.account, Key: c.keys["watch"], Secret: claim.Keccak([]byte("court")), Domain: c.k.Domain(), Chain: c.seen(l), Source: peer.New(httpClient()).As(c.keys["watch"], c.k.Domain()),
		Models: []challenger.Model{{Manifest: c.man, Computer: &engine.Computer{Manifest: c.man}}}, Dir: filepath.Join(c.dir, "watch"),
		MaxBond: watchCredit, Window: courtParams().Window, Log: c.o.Log.With("role", "watch"), Prove: c.prover(l.account), Whole: c.whole(l.account),
		Covered: func(ctx context.Context, node claim.Address) bool {
			return covered(ctx, c.k, node)
		},
	})
	if err != nil {
		return err
	}
	c.watch = w
	if !c.scene.late {
		c.do(ctx, w.Run)
	}
	return nil
}

// halt ends what the parties do.
func (c *tribunal) halt() error {
	c.cancel()
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.stop())
	}
	clear(c.nodes)
	c.running.Wait()
	return errors.Join(errs...)
}

// calm ends what the parties do and reads the chain to its end.
func (c *tribunal) calm(ctx context.Context) error {
	if err := c.halt(); err != nil {
		return err
	}
	end, err := c.k.Client().Head(ctx)
	if err != nil {
		return err
	}
	done, story := errors.New("read"), c.demo.o.Story
	c.demo.o.Story = io.Discard // it was told
	defer func() { c.demo.o.Story = story }()
	err = c.k.Watch(ctx, chain.FactOptions{Interval: courtPoll}, func(_ context.Context, b chain.FactBatch) error {
		for _, f := range b.Facts {
			c.note(f)
		}
		if b.Head.Number >= end.Number {
			return done
		}
		return nil
	})
	if errors.Is(err, done) {
		return nil
	}
	return err
}

// rise ends all parties.
func (c *tribunal) rise() error {
	errs := []error{c.halt()}
	if c.watch != nil {
		errs = append(errs, c.watch.Close())
	}
	for _, a := range c.auditors {
		errs = append(errs, a.Close())
	}
	for _, l := range c.links {
		errs = append(errs, l.Close())
	}
	if c.k != nil {
		c.k.Client().Close()
	}
	if c.chain != nil {
		errs = append(errs, c.chain.Close())
	}
	return errors.Join(errs...)
}

// seenFirst is a chain whose orders a frontrunner sees before they are mined.
type seenFirst struct {
	*Link
	c *tribunal
}

// seen is a party's chain as the scene has it.
func (c *tribunal) seen(l *Link) adversary.Chain { return &seenFirst{l, c} }

// Submit lets the frontrunner be first.
func (s *seenFirst) Submit(ctx context.Context, o ledger.Order) error {
	s.c.beforeMu.Lock()
	defer s.c.beforeMu.Unlock()
	for _, x := range s.c.overtaking(o) {
		if err := s.c.attack(ctx, x, true); err != nil {
			return err
		}
	}
	return s.Link.Submit(ctx, o)
}

// overtaking is what a frontrunner has mined before an order.
func (c *tribunal) overtaking(o ledger.Order) []ledger.Order {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.mallory.(adversary.Frontrunner); ok {
		return f.Before(o)
	}
	return nil
}

// attack sends an order of mallory's; wait says to wait until it was mined, whatever came of it.
func (c *tribunal) attack(ctx context.Context, o ledger.Order, wait bool) error {
	l := c.links["mallory"]
	i, err := c.intentOf(l, o)
	if err != nil {
		return err
	}
	if err := l.Outbox.Submit(ctx, i); err != nil || !wait {
		return err
	}
	var revert *chain.RevertError
	if _, err := l.Outbox.Wait(ctx, i.Key); err != nil && !errors.As(err, &revert) {
		return err
	}
	return nil
}

func (c *tribunal) intentOf(l *Link, o ledger.Order) (chain.Intent, error) {
	starved, ok := o.(adversary.Starved)
	if !ok {
		return l.intent(o)
	}
	i, err := l.intent(starved.Order)
	i.Key, i.Gas = starved.Key(), starved.Gas
	return i, err
}

// fates compares what the attackers have with what the card says of them.
func (c *tribunal) fates(ctx context.Context) error {
	after, err := c.wealths(ctx)
	if err != nil {
		return err
	}
	lost := map[string]*big.Int{}
	together := new(big.Int)
	for name := range c.card.Fates {
		b, a := c.before[name], after[name]
		delta := new(big.Int).Sub(b.tokens.Big(), a.tokens.Big())
		delta.Add(delta, toTokens(new(big.Int).Sub(b.wei, a.wei), c.k.Params().TokenPerEther))
		lost[name] = delta
		together.Add(together, delta)
		c.say("%s, who attacks, is poorer by %s token units", name, delta)
	}
	half := new(big.Int).Rsh(c.k.Params().Reserve.Big(), 1)
	for name, f := range c.card.Fates {
		if c.result.Changed != nil && !*c.result.Changed {
			continue
		}
		switch {
		case f == adversary.Forfeits && together.Cmp(half) < 0:
			return fmt.Errorf("attack %s: the attackers lost %s token units together, half of the reserve is %s", c.o.Attack, together, half)
		case f == adversary.Pays && len(c.card.Fates) == 1 && lost[name].Sign() <= 0:
			return fmt.Errorf("attack %s: %s gained %s token units", c.o.Attack, name, lost[name].Neg(lost[name]))
		}
	}
	c.result.AttackersLost = together.String()
	return nil
}
