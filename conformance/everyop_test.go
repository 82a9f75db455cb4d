package conformance_test

import (
	"fmt"
	"slices"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/network/devchain"
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

// convict plays the whole game about one fault. way 0 withholds everything, so that the game descends
// over states and leaves; 1 names the step; 2 also has the tensor served.
func (r *ring) convict(s *spot, element uint64, way int) {
	r.t.Helper()
	l := s.lie(element)
	c := s.claim(r.t, l)
	if way > 0 && s.man.Kind == model.KindToken {
		c.name()
	}
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
	field := battlefield(t)
	r := newEmbeddedRing(t, devchain.Osaka)
	stake := tokens(100_000) // every game slashes the node
	r.do(r.node, "mint")(r.k.Mint("stake.mint", r.node.address, stake))
	r.do(r.node, "approve")(r.k.Approve("stake.approve", stake))
	r.do(r.node, "deposit")(r.k.Deposit("stake.deposit", stake))
	games := 0
	for _, op := range opset.Codes() {
		t.Run(op.String(), func(t *testing.T) {
			s := worst(field, op)
			if s == nil {
				t.Fatalf("no model uses %s: add one to the battlefield", op)
			}
			r.t = t
			elements := s.elements()
			if testing.Short() {
				elements = elements[len(elements)/2:][:1]
			}
			for i, e := range elements {
				r.convict(s, e, (int(op)+i)%3)
				games++
			}
			t.Logf("%s elements %v of %d at step %d", op, elements, s.descriptor().Count(s.context()), s.t)
		})
	}
	r.t = t
	t.Logf("%d games", games)
	r.repayTable()
	r.gasTable()
}
