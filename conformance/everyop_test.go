package conformance_test

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
)

// spot is a tensor of a run of some model: a place for a fault.
type spot struct {
	man    *manifest.Manifest
	job    decode.Job // token models
	t      int        // step, 0 in a graph model
	stage  int
	tensor int
}

func (s *spot) descriptor() *opset.Descriptor {
	return &s.man.Model.Stages[s.stage].Ops[s.tensor].Descriptor
}

func (s *spot) context() *opset.Context { return &opset.Context{T: uint32(s.t)} }

// elements are the first and the last element, and those at which a leaf, a row of chunks and a
// matrix of the tensor begin.
func (s *spot) elements() []uint64 {
	d, c := s.descriptor(), s.context()
	n, shape := d.Count(c), d.Shape(c)
	out := []uint64{0, n - 1}
	for _, edge := range []uint64{uint64(d.Leaf) / uint64(d.Type.Size()), shape[2], shape[1] * shape[2]} {
		if edge < n {
			out = append(out, edge)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// spots are all tensors of a run that an operation computes.
func spots(man *manifest.Manifest, job decode.Job, steps ...int) (out []spot) {
	for _, t := range steps {
		head := man.Absorb()
		if t+1 >= len(job.Prompt) {
			head = man.Emit()
		}
		for s := range man.Model.Stages {
			if man.Kind == model.KindToken && s > int(man.Layers) && s != head {
				continue
			}
			for i := 1; i < len(man.Model.Stages[s].Ops); i++ {
				out = append(out, spot{man, job, t, s, i})
			}
		}
	}
	return out
}

// battlefield is where faults of every operation are looked for: graph models, a short prompt, and
// one that is longer than the chunks of reductions over positions.
func battlefield(t *testing.T) []spot {
	short := tokenTestJob(11)
	long := tokenTestJob(12)
	for i := range 256 {
		long.Prompt = append(long.Prompt, int32(i*7%290+3))
	}
	deep := bound(t, modeltest.Llama(3, modeltest.Deep()))
	tiny := bound(t, modeltest.Llama(3, modeltest.Tiny()))
	blocks := bound(t, modeltest.Llama(3, modeltest.Blocks()))
	family := bound(t, modeltest.Family(3))
	experts := bound(t, modeltest.Llama(3, modeltest.Experts()))
	n := len(short.Prompt)
	return slices.Concat(
		spots(bound(t, modeltest.Cube()), decode.Job{}, 0), spots(bound(t, modeltest.MLP(4)), decode.Job{}, 0),
		spots(bound(t, modeltest.Encoder(3, 7, 12)), decode.Job{}, 0),
		spots(deep, short, n-2, n-1, n), spots(tiny, long, len(long.Prompt)-1), spots(blocks, short, n-1),
		spots(family, short, n-1), spots(family, long, len(long.Prompt)-1), spots(experts, short, n),
	)
}

// worst is the spot of an operation with the most elements to hide a fault in.
func worst(field []spot, op opset.Code) *spot {
	var best *spot
	for i := range field {
		s := &field[i]
		if s.descriptor().Op != op {
			continue
		}
		if best == nil || s.descriptor().Count(s.context()) > best.descriptor().Count(best.context()) {
			best = s
		}
	}
	return best
}

// lie flips the lowest bit of one element. So small a fault may drown before it reaches what the
// claim commits to; then the claim would be true. So the liar also bends the result of the stage,
// and in a token model the step's token: all behind the element, which stays the first difference.
func (s *spot) lie(element uint64) *lie {
	l := &lie{t: s.t, stage: s.stage, tensor: s.tensor, element: element, mask: 1}
	stages := s.man.Model.Stages
	last := len(stages) - 1
	yields := len(stages[last].Ops) - 1
	if s.man.Kind == model.KindToken {
		last = s.man.Absorb()
		yields = 1
		if s.t+1 >= len(s.job.Prompt) {
			last = s.man.Emit()
			yields = len(stages[last].Ops) - 2
		}
	}
	l.then = func(stage int, _ *opset.Context, i int, x *tensor.Tensor) {
		switch {
		case stage == last && i == yields && (s.stage != last || s.tensor < yields):
			x.Set(0, x.At(0)^1)
		case stage == s.stage && stage != last && i == len(stages[stage].Ops)-1:
			x.Set(0, x.At(0)^1<<7) // not what the fault itself may come to here
		}
	}
	return l
}

// claim is what the liar claims.
func (s *spot) claim(t *testing.T, l *lie) *claimed {
	t.Helper()
	if s.man.Kind == model.KindGraph {
		return graphClaim(t, s.man, l, nil)
	}
	c := tokenClaim(t, s.man, s.job, l, nil)
	if !c.differs() {
		t.Fatalf("lie %+v changes no state", *l)
	}
	return c
}

// convict plays the whole game about one fault on a chain. way 0 withholds everything, so that the game descends
// over states and leaves; 1 names the step; 2 also has the tensor served.
func (r *ring) convict(s *spot, element uint64, way int) {
	r.t.Helper()
	l := s.lie(element)
	c := s.accused(r.t, l, way)
	r.refill()
	m := r.start(r.fresh(c))
	if way == 2 {
		m.serves = c.served
	}
	m.play(r.opener)
	m.convicted(l)
	if end := m.resolve(); end.Voided || end.Slashed.IsZero() {
		r.t.Fatalf("resolved as %+v", end)
	}
}

// accused is a claim with a lie as a way of playing opens it.
func (s *spot) accused(t *testing.T, l *lie, way int) *claimed {
	t.Helper()
	c := s.claim(t, l)
	if way > 0 && s.man.Kind == model.KindToken {
		c.name()
	}
	return c
}

// convict plays the game about one fault in an EVM without a chain: every move there and with the twin.
func (c *bar) convict(t *testing.T, s *spot, element uint64, way int) {
	t.Helper()
	l := s.lie(element)
	cl := s.accused(t, l, way)
	x, served := c.trialOf(t, cl), dispute.Withheld
	if way == 2 {
		served = cl.served
	}
	c.back(func() {
		c.begin(t, x)
		c.fight(t, x, cl, served)
		op := s.descriptor().Op
		e := c.event(t, "Convicted", c.last("Convicted"))
		if got := [3]string{fmt.Sprint(e[0]), fmt.Sprint(e[1]), fmt.Sprint(e[2])}; got != [3]string{fmt.Sprint(uint8(op)), fmt.Sprint(l.tensor), fmt.Sprint(element)} ||
			int(x.state.Stage) != l.stage || int(x.state.T) != l.t {
			t.Fatalf("lie %+v (%s) ended in %s at step %d stage %d with %v", *l, op, x.state.Phase, x.state.T, x.state.Stage, got)
		}
	})
}

// trialOf is a game about a claim, which is signed by the court's node.
func (c *bar) trialOf(t *testing.T, cl *claimed) *trial {
	t.Helper()
	o, at := &cl.open, c.cfg.Time
	o.Opener, o.Salt, o.MaxBond = claim.Address(c.opener), claim.Hash{1}, claim.MaxAmount
	o.Claim.Node, o.Claim.Value = claim.Address(c.node), tokens(7)
	o.Claim.Issued, o.Claim.BatchBy, o.Claim.ChallengeUntil = at, at+30, at+c.p.Window+60
	o.Request.User, o.Request.Price = claim.Address{0xd}, tokens(5)
	d := claim.Domain{ChainID: vectorChain, Arena: claim.Address(c.arenaAt)}
	cl.sign(t, d, nodeKey(t))
	_, sealed := o.Sealed(d)
	_, job, err := dispute.Begin(*o, dispute.Chain{Domain: d})
	if err != nil {
		t.Fatal(err)
	}
	return &trial{name: fmt.Sprintf("%x", sealed.ID(d)), open: *o, payload: o.Encode(), key: dispute.Key(o.Opener, sealed.ID(d), o.T, o.Salt), job: job}
}

// fight moves for both sides until the game is decided; the opener answers.
func (c *bar) fight(t *testing.T, x *trial, cl *claimed, served dispute.Served) {
	t.Helper()
	var seen []dispute.Move
	for n := 0; x.state.Phase.Turn() != dispute.Nobody; n++ {
		if n > 60 {
			t.Fatalf("no end in sight: %s", x.state.Phase)
		}
		who, move, err := c.opener, dispute.Move(nil), error(nil)
		if x.state.Phase.Turn() == dispute.Opener || x.state.Phase == dispute.Answer {
			move, err = dispute.NextForOpener(x.state, x.job, seen, cl.opener, served)
		} else {
			who = c.node
			move, err = dispute.NextForNode(x.state, x.job, cl.node)
			seen = append(seen, move)
		}
		if err != nil {
			t.Fatalf("in %s: %v", x.state.Phase, err)
		}
		c.wait(1)
		if name := c.try(t, x, who, move.Kind(), move.Encode()); name != "" {
			t.Fatalf("%s in %s: %s", move.Kind(), x.state.Phase, name)
		}
	}
}

// refill gives the node stake for more slashes where there is little left.
func (r *ring) refill() {
	r.t.Helper()
	if r.account().Free().Cmp(tokens(500)) > 0 {
		return
	}
	r.nonce++
	key := fmt.Sprintf("refill %d", r.nonce)
	r.do(r.node, "mint")(r.k.Mint(key+" mint", r.node.address, tokens(10_000)))
	r.do(r.node, "approve")(r.k.Approve(key+" approve", tokens(10_000)))
	r.do(r.node, "deposit")(r.k.Deposit(key+" deposit", tokens(10_000)))
}

// A fault of one bit in the first, the last and the border elements of any operation of the set is
// found by the game on real contracts: this operation, this element. The set is asked for its
// operations and the models for their places, so that a later operation is tested or missed aloud.
// GAME rule 32.
func TestEveryOperationIsConvicted(t *testing.T) {
	t.Parallel()
	field, c, games := battlefield(t), newBar(t), 0
	for _, op := range opset.Codes() {
		t.Run(op.String(), func(t *testing.T) {
			s := worst(field, op)
			if s == nil {
				t.Fatalf("no model uses %s: add one to the battlefield", op)
			}
			for i, e := range s.elements() {
				c.convict(t, s, e, (int(op)+i)%3)
				games++
			}
			t.Logf("%s elements %v of %d at step %d", op, s.elements(), s.descriptor().Count(s.context()), s.t)
		})
	}
	t.Logf("%d games", games)
}

// The same on an embedded chain, through outboxes and logs: some operations, all of them with ELENCHUS_SOAK=1.
func TestOperationsAreConvictedOnChain(t *testing.T) {
	t.Parallel()
	const some = 16
	field := battlefield(t)
	r := newEmbeddedRing(t, devchain.Osaka)
	stake := tokens(100_000) // every game slashes the node
	r.do(r.node, "mint")(r.k.Mint("stake.mint", r.node.address, stake))
	r.do(r.node, "approve")(r.k.Approve("stake.approve", stake))
	r.do(r.node, "deposit")(r.k.Deposit("stake.deposit", stake))
	for n, op := range opset.Codes() {
		s := worst(field, op)
		elements := s.elements()
		if os.Getenv("ELENCHUS_SOAK") == "" {
			if n%some != 0 {
				continue
			}
			elements = elements[len(elements)/2:][:1]
		}
		for i, e := range elements {
			r.convict(s, e, (int(op)+i)%3)
		}
	}
	r.repayTable()
	r.gasTable()
}
