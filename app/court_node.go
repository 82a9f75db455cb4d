package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/engine"
	"elenchus/network/peer"
	"elenchus/service/adversary"
	"elenchus/service/node"
)

// served is a node of a court with its HTTP face.
type served struct {
	node *node.Node
	url  string
	stop func() error
}

func httpClient() *http.Client { return &http.Client{} }

// startNode starts a node, over whatever its state directory holds, and announces where it serves.
func (c *tribunal) startNode(ctx context.Context, name string) error {
	l := c.links[name]
	lie := &adversary.Attack{}
	if name == "node1" && c.scene.lie != "" {
		var err error
		if lie, err = adversary.New(c.scene.lie, c.o.Seed); err != nil {
			return err
		}
		c.lie = lie
	}
	n, err := node.New(node.Options{
		Key: c.keys[name], Domain: c.k.Domain(), Chain: lie.Chain(c.chainOf(name, l)), Dir: filepath.Join(c.dir, name, fmt.Sprint("life", c.lives[name])),
		Models: []node.Model{{Name: "court", Manifest: c.man, Computer: lie.Computer(engine.Computer{Manifest: c.man})}},
		Window: time.Duration(courtParams().Window) * time.Second, BatchEvery: 100 * time.Millisecond, Log: c.o.Log.With("role", name),
		Prove: c.prover(l.account), Whole: c.whole(l.account), Plants: c.scene.plants, Draw: l.drawOf(),
	})
	if err != nil {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, n.Close())
	}
	srv := &http.Server{Handler: lie.Handler(n.Handler()), ReadHeaderTimeout: time.Minute}
	life, end := context.WithCancel(ctx)
	done := make(chan error, 2)
	go func() { done <- n.Run(life) }()
	go func() { done <- srv.Serve(ln) }()
	s := &served{node: n, url: "http://" + ln.Addr().String()}
	s.stop = func() error {
		end()
		_ = srv.Close()
		var failed error
		for range 2 {
			if err := <-done; err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, context.Canceled) && life.Err() == nil {
				failed = err
			}
		}
		return errors.Join(failed, n.Close())
	}
	c.nodes[name] = s
	i, err := l.Contracts.SetEndpoint("endpoint/"+s.url, s.url)
	if err != nil {
		return err
	}
	return l.Do(ctx, i)
}

// chainOf is the chain of a node: an honest one's orders can be seen before they are mined.
func (c *tribunal) chainOf(name string, l *Link) adversary.Chain {
	if _, guilty := c.card.Fates[name]; guilty {
		return l
	}
	return c.seen(l)
}

// job is what the user of a court asks for.
func (c *tribunal) job(ctx context.Context) (decode.Job, error) {
	if c.man.Kind == model.KindGraph {
		n := int(c.man.Model.Stages[0].Ops[0].Count(&opset.Context{})) / 2
		in, err := model.EncoderInput([]int32{2, 9, 3}, nil, n)
		if err != nil {
			return decode.Job{}, err
		}
		return decode.Job{Prompt: in.I32}, nil
	}
	j := decode.Job{Prompt: []int32{5, 17, int32(c.man.Vocab) - 10, 4, 44}, MaxNew: 8, Temperature: 1 << 16, Seed: 11}
	switch c.scene.lie {
	case "biased-sampling":
		j.Sampler = decode.Sampler{TopK: 200, TopP: 1<<30 - 1<<26, MinP: 1 << 24}
	case "wrong-stop":
		j.Sampler = decode.Sampler{Stops: []string{"aabbaa", "?"}}
	case "wrong-penalty":
		j.Sampler = decode.Sampler{Repetition: 80000, Presence: 1 << 15, Bias: []opset.TokenBias{{ID: 9, Value: -1 << 16}}}
	}
	if c.scene.lie == "wrong-mask" {
		j.StopIDs, j.Sampler.Grammar = []int32{2}, pairs()
		return trace.Bound(c.man.Model, j)
	}
	if c.scene.lie != "padding" {
		return j, nil
	}
	a, _, err := (&engine.Computer{Manifest: c.man}).Generate(ctx, j, nil)
	if err != nil {
		return j, err
	}
	j.StopIDs = []int32{a.Outputs[len(a.Outputs)/2]}
	return j, nil
}

// pairs is a grammar of texts of pairs of the letters a and b.
func pairs() *grammar.Grammar {
	a := grammar.Automaton{States: []grammar.State{{Accept: true, Edges: []grammar.Edge{{Lo: 'a', Hi: 'b', Next: 1}}}, {Edges: []grammar.Edge{{Lo: 'a', Hi: 'b', Next: 0}}}}}
	return &grammar.Grammar{Source: a.Encode()}
}

// ask puts the user's job to a node over HTTP and returns the receipt.
func (c *tribunal) ask(ctx context.Context, name string) (*receipt.Receipt, error) {
	j, err := c.job(ctx)
	if err != nil {
		return nil, err
	}
	return c.askFor(ctx, name, j)
}

// askFor puts a job of the user's to a node.
func (c *tribunal) askFor(ctx context.Context, name string, j decode.Job) (*receipt.Receipt, error) {
	graph := c.man.Kind == model.KindGraph
	if c.scene.class != claim.Public && !graph { // the same whenever it is asked again
		j.Salt = sha256.Sum256([]byte("the prompt of the court's user"))
	}
	r := claim.Request{Model: claim.Hash(c.man.ID()), PromptRoot: trace.PromptTree(j.Prompt, j.Salt).Root(), PromptCount: uint32(len(j.Prompt)), MaxNew: j.MaxNew,
		Temperature: j.Temperature, Seed: j.Seed, User: c.n.Accounts[cmp.Or(c.scene.asks, "user")], Price: claim.Units(5e17), DataClass: c.scene.class, Extras: trace.Settings(&j.Sampler).Extras()}
	if graph {
		r.PromptCount = 0
	}
	if len(j.StopIDs) > 0 {
		r.StopRoot, r.StopCount = trace.IDTree(j.StopIDs).Root(), uint8(len(j.StopIDs))
	}
	a, err := peer.New(httpClient()).Ask(ctx, c.nodes[name].url, peer.Question{Request: r, Prompt: j.Prompt, Stop: j.StopIDs, Sampler: j.Sampler, Salt: j.Salt})
	if err != nil {
		return nil, err
	}
	defer a.Close() //nolint:errcheck // the answer is over
	for {
		l, err := a.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("an answer without a receipt")
		}
		if err != nil {
			return nil, err
		}
		if l.Receipt == "" {
			continue
		}
		got, err := receipt.Parse(l.Receipt)
		if err == nil {
			c.asked[name] = got
			c.say("%s answers with %d %s", name, len(got.Output), map[bool]string{true: "elements", false: "tokens"}[graph])
		}
		return got, err
	}
}

// lied says whether a receipt claims what the honest computation does not give, or an end that its user did not sign.
func (c *tribunal) lied(ctx context.Context, r *receipt.Receipt) (bool, error) {
	honest := &engine.Computer{Manifest: c.man}
	if r.Request.Graph() {
		out, states, err := honest.Run(ctx, r.Prompt)
		return states != r.Claim.StateRoot || !slices.Equal(out, r.Output), err
	}
	a, finish, err := honest.Audit(ctx, r.Job(), r.Output)
	if err != nil {
		return false, err
	}
	same := a.StateTree().Root() == r.Claim.StateRoot && slices.Equal(a.Outputs, r.Output) && finish == r.Claim.Finish
	return !same || r.Claim.CheckCancel(r.Domain, r.Request, r.Cancel) != nil, nil
}
