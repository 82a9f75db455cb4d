package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/compute/decode"
	"elenchus/engine"
	"elenchus/network/devchain"
	"elenchus/network/peer"
	"elenchus/service/adversary"
	"elenchus/service/node"
	"elenchus/settlement/dispute"
)

// scene is how an attack of the kit is played: the first two say who lies, the others who else does
// what. The zero value is an honest court.
type scene struct {
	lie   string // what node1 does wrong
	quiet bool   // attackers let their clocks run out: the court moves the chain's clock then
	// mallory is the attacker on the chain; nil: none.
	mallory func(ctx context.Context, c *tribunal, r *receipt.Receipt) (adversary.Strategy, error)
	late    bool                                         // the challenger begins when mallory's games are over
	second  bool                                         // the challenger begins when mallory has committed
	reorgs  int                                          // how often the chain forgets its last blocks
	beside  func(ctx context.Context, c *tribunal) error // goes on during the trial
	claims  func(ctx context.Context, c *tribunal) error // asks again before the trial
	alone   func(ctx context.Context, c *tribunal) error // in place of a trial
	bursts  bool                                         // the chain is governed while a burst is on
	audits  bool                                         // the deployment has audits
	plants  *node.Plants                                 // of node1 and node2
	class   uint8                                        // of the data of the user's requests
	asks    string                                       // who is the user; "": user
	// bare hands the challenger node1's receipt without its ids; nil: it gets the whole receipt.
	bare func(ctx context.Context, c *tribunal, r *receipt.Receipt) error
}

// sceneOf is the scene of an attack; one that it does not name is a lie of node1 and nothing else.
func sceneOf(name string) scene {
	switch name {
	case "silent":
		return scene{lie: name, quiet: true}
	case "withheld-data":
		return scene{lie: name, quiet: true, bare: submitted}
	case "garbled-data":
		return scene{lie: name, class: claim.Parties, asks: "watch", bare: demanded}
	case "copycat":
		return scene{lie: "bad-kv", mallory: copycat}
	case "self-slash":
		return scene{lie: "bad-kv", mallory: partner, second: true}
	case "late-friend":
		return scene{lie: "bad-kv", mallory: sham, late: true}
	case "reorg":
		return scene{lie: "bad-kv", reorgs: 6}
	case "rich-griefer":
		return scene{mallory: griefer}
	case "flood":
		return scene{mallory: flood, quiet: true}
	case "clock-burst":
		return scene{mallory: burst, bursts: true}
	case "crash-resign":
		return scene{mallory: resigned, claims: loseState}
	case "starved-precompile":
		return scene{mallory: starver}
	case "demand-spam":
		return scene{mallory: griefer, beside: spam}
	case "hostile-model":
		return scene{alone: hostile}
	case "equivocation":
		return scene{claims: equivocate, quiet: true} // a false answer that is challenged beside the contradiction waits for its clock
	case "lazy-auditor":
		return scene{alone: lazyAuditor, audits: true}
	}
	return scene{lie: name}
}

// submitted has the challenger check a receipt whose ids it has to find.
func submitted(_ context.Context, c *tribunal, r *receipt.Receipt) error {
	c.say("the challenger has node1's receipt without the ids that it is about")
	return c.watch.Submit(r)
}

// demanded has the challenger, whose request it is, demand that the ids be delivered to it.
func demanded(ctx context.Context, c *tribunal, r *receipt.Receipt) error {
	c.say("node1 serves its user nothing: the user demands a delivery on the chain")
	_, err := c.watch.Demand(ctx, r, c.man)
	return err
}

// handOver gives the challenger the receipt of a node.
func (c *tribunal) handOver(ctx context.Context, name string, r *receipt.Receipt) error {
	if c.scene.bare == nil || name != "node1" {
		return c.watch.Submit(r)
	}
	b := *r
	b.Prompt, b.Stop, b.Output = nil, nil, nil
	return c.scene.bare(ctx, c, &b)
}

// means are mallory's, who plays with what view computes.
func (c *tribunal) means(view adversary.Computer) adversary.Means {
	var prove dispute.Prover
	if p := c.prover(c.n.Accounts["mallory"]); p != nil {
		prove = func(s dispute.State, m dispute.Move) (dispute.Move, error) { return p(c.acting, claim.Hash{}, s, m) }
	}
	return adversary.Means{Prove: prove, Account: c.n.Accounts["mallory"], Domain: c.k.Domain(), Manifest: c.man, View: view,
		Truth: &engine.Computer{Manifest: c.man}, MaxBond: claim.MaxAmount}
}

func (c *tribunal) honestMeans() adversary.Means {
	return c.means(&engine.Computer{Manifest: c.man})
}

// falseMeans are those of somebody who accuses true claims.
func (c *tribunal) falseMeans() (adversary.Means, error) {
	a, err := adversary.New("bad-kv", 0)
	if err != nil {
		return adversary.Means{}, err
	}
	return c.means(a.Computer(engine.Computer{Manifest: c.man})), nil
}

func copycat(ctx context.Context, c *tribunal, r *receipt.Receipt) (adversary.Strategy, error) {
	return adversary.NewCopycat(ctx, c.honestMeans(), r), nil
}

func partner(ctx context.Context, c *tribunal, r *receipt.Receipt) (adversary.Strategy, error) {
	return adversary.Griefer(ctx, c.honestMeans(), r)
}

func sham(ctx context.Context, c *tribunal, r *receipt.Receipt) (adversary.Strategy, error) {
	return adversary.Sham(ctx, c.honestMeans(), r)
}

func griefer(ctx context.Context, c *tribunal, r *receipt.Receipt) (adversary.Strategy, error) {
	m, err := c.falseMeans()
	if err != nil {
		return nil, err
	}
	return adversary.Griefer(ctx, m, r)
}

func flood(ctx context.Context, c *tribunal, r *receipt.Receipt) (adversary.Strategy, error) {
	return adversary.Flood(ctx, c.honestMeans(), r, c.o.Games)
}

func burst(ctx context.Context, c *tribunal, r *receipt.Receipt) (adversary.Strategy, error) {
	m, err := c.falseMeans()
	if err != nil {
		return nil, err
	}
	o, err := adversary.Griefer(ctx, m, r)
	return &adversary.Burst{Opponent: o, Size: 120, Most: 2}, err
}

func starver(ctx context.Context, c *tribunal, r *receipt.Receipt) (adversary.Strategy, error) {
	m, err := c.falseMeans()
	if err != nil {
		return nil, err
	}
	o, err := adversary.Griefer(ctx, m, r)
	s := &adversary.Starver{Opponent: o}
	for gas := uint64(40_000); gas <= 140_000; gas += 4_000 {
		s.Limits = append(s.Limits, gas)
	}
	return s, err
}

// resigned plays both receipts of one answer.
func resigned(ctx context.Context, c *tribunal, r *receipt.Receipt) (adversary.Strategy, error) {
	m, err := c.falseMeans()
	if err != nil {
		return nil, err
	}
	return adversary.Griefer(ctx, m, r, c.first)
}

// loseState lets node1 die with its state after it has answered, and asks it again: it signs the
// same answer at another time.
func loseState(ctx context.Context, c *tribunal) error {
	c.first = c.asked["node1"]
	if err := c.nodes["node1"].stop(); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(c.dir, "node1", "life0")); err != nil {
		return err
	}
	c.lives["node1"]++
	if err := c.chain.Advance(time.Minute); err != nil {
		return err
	}
	if err := c.startNode(ctx, "node1"); err != nil {
		return err
	}
	again, err := c.ask(ctx, "node1")
	if err != nil {
		return err
	}
	if again.ID() != c.first.ID() || again.Claim == c.first.Claim {
		return fmt.Errorf("claims %+v and %+v: want one id and two times", c.first.Claim, again.Claim)
	}
	c.say("node1 lost its state and signed the same answer again: claim %x twice", again.Claim.OutputRoot[:4])
	return nil
}

// equivocate lets node1 lose its state and answer the same request otherwise; both receipts reach the
// challenger.
func equivocate(ctx context.Context, c *tribunal) error {
	c.first = c.asked["node1"]
	if err := c.nodes["node1"].stop(); err != nil {
		return err
	}
	c.lives["node1"]++
	c.scene.lie = "wrong-token"
	if err := c.startNode(ctx, "node1"); err != nil {
		return err
	}
	again, err := c.ask(ctx, "node1")
	if err != nil {
		return err
	}
	if again.ID() == c.first.ID() || again.Claim.RequestDigest != c.first.Claim.RequestDigest {
		return fmt.Errorf("claims %+v and %+v: want one request and two answers", c.first.Claim, again.Claim)
	}
	c.asked["node1, before"] = c.first
	c.say("node1 signed two answers to one request")
	return nil
}

// spammers is how many strangers ask at once.
const spammers = 24

// spam asks node1 for tensors of random steps until ctx ends.
func spam(ctx context.Context, c *tribunal) error {
	r := c.asked["node1"]
	steps, stages := len(r.Prompt)+len(r.Output)-1, len(c.man.Model.Stages)
	var wg sync.WaitGroup
	for i := range spammers {
		g := rand.New(rand.NewPCG(c.o.Seed, uint64(i)))
		wg.Go(func() {
			p := peer.New(&http.Client{})
			for ctx.Err() == nil {
				_, err := p.Tensor(ctx, c.nodes["node1"].url, r.ID(), uint32(g.IntN(steps)), g.IntN(stages), 1+g.IntN(20), 1<<20)
				var refused *peer.StatusError
				if err != nil && !errors.As(err, &refused) {
					return // the trial is over
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// hostile offers models that could not be defended to everybody who could be made to defend them.
func hostile(ctx context.Context, c *tribunal) error {
	r, err := c.ask(ctx, "node1")
	if err != nil {
		return err
	}
	for _, h := range adversary.HostileModels(c.man) {
		if _, err := manifest.Bind(h.Model); err == nil {
			return fmt.Errorf("hostile model, %s: it was accepted", h.Name)
		} else {
			c.say("%s: refused (%v)", h.Name, err)
		}
	}
	q := r.Request
	q.Model[0] ^= 1
	a, err := peer.New(httpClient()).Job(ctx, c.nodes["node1"].url, q, r.Prompt, r.Stop, decode.Sampler{})
	if err == nil {
		return errors.Join(fmt.Errorf("node1 answers for a model %x that it does not hold", q.Model), a.Close())
	}
	var refused *peer.StatusError
	if !errors.As(err, &refused) {
		return err
	}
	c.result.Verdict = adversary.Refused
	c.say("a job for a model that node1 does not hold: %s", refused.Text)
	return nil
}

// govern keeps the chain's clock to the real one while a burst is on, and measures its lead.
type govern struct {
	on    bool
	since time.Time
	head  uint64
	moves int // of the game when the burst began
}

// maxLead is how many seconds the head may gain on the real clock during a burst.
const maxLead = 2

func (c *tribunal) begin(head uint64) error {
	c.govern = govern{on: true, since: time.Now(), head: head, moves: c.result.Moves}
	return c.chain.SetMode(devchain.Governed)
}

// measure ends a burst when the node has moved in spite of it.
func (c *tribunal) measure(head uint64) error {
	if !c.govern.on || c.result.Moves == c.govern.moves {
		return nil
	}
	passed := uint64(time.Since(c.govern.since) / time.Second)
	if head > c.govern.head+passed+maxLead {
		return fmt.Errorf("a burst moved the chain's clock by %d s in %d s", head-c.govern.head, passed)
	}
	c.say("a burst: %d s of the chain in %d s", head-c.govern.head, passed)
	c.govern.on = false
	return c.chain.SetMode(devchain.OnDemand)
}
