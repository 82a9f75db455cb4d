package dispute

import (
	"crypto/ecdsa"
	"errors"
	"slices"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// sketch is a graph model of three stages of which nobody knows but how large input and output are.
type sketch struct {
	leaves map[int]opset.Descriptor // by leaf of the graph tree
	tree   *merkle.Tree
}

const sketchStages = 3

// sketchOf has an input and an output of so many i32, and that many tensors in its last stage.
func sketchOf(input, output int, tensors int64, edit func(last *opset.Descriptor)) *sketch {
	row := func(op opset.Code, n int, p0 int64) opset.Descriptor {
		return opset.Descriptor{Op: op, Type: tensor.I32, Leaf: opset.LeafBytes, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: uint32(n)}}, P: [11]int64{p0}}
	}
	last := row(opset.ReLU, output, 0)
	if edit != nil {
		edit(&last)
	}
	s := &sketch{leaves: map[int]opset.Descriptor{0: row(opset.Input, input, 2), 256: row(opset.Input, 1, tensors), 256 + int(max(tensors, 1)) - 1: last}}
	hashes := make([]Hash, 128*sketchStages)
	for i, d := range s.leaves {
		b := d.Encode()
		hashes[i] = merkle.Leaf(b[:])
	}
	s.tree = merkle.NewTree(hashes, 7+merkle.Depth(sketchStages), 0)
	return s
}

func (s *sketch) Descriptor(stage, index int) (opset.Descriptor, []Hash, error) {
	at := uint64(128*stage + index)
	d, ok := s.leaves[int(at)]
	if !ok {
		return d, nil, errors.New("nothing is there")
	}
	return d, s.tree.Siblings(0, at, at+1), nil
}

// tensorWorld is a claim about a sketch of which somebody asks for input and output.
func tensorWorld(t testing.TB, step uint32, user *ecdsa.PrivateKey, s *sketch, input, output int) (*world, *IDs) {
	t.Helper()
	ids := &IDs{Prompt: someIDs(input, -70), Output: someIDs(output, 77)}
	header := manifest.Header{Kind: uint16(GraphModel), Layers: sketchStages, Graph: s.tree.Root()}
	w := &world{open: OpenMove{Opener: claim.AddressOf(user), T: step, Salt: Hash{1}, Header: header,
		Claim:   claim.Claim{StateRoot: Hash{3}, OutputRoot: trace.IDTree(ids.Output).Root(), Value: claim.Units(7), Issued: 100, BatchBy: 160, ChallengeUntil: 190},
		Request: claim.Request{PromptRoot: trace.IDTree(ids.Prompt).Root(), User: claim.Address{0xd}, Price: claim.Units(5)}}}
	if step == Delivered {
		w.open.Request.DataClass, w.open.Request.User, w.open.To = claim.Parties, w.open.Opener, claim.PointOf(user)
	}
	var err error
	if w.open.Ends, err = EndsOf(s, sketchStages); err != nil {
		t.Fatal(err)
	}
	w.sign(t)
	return w, ids
}

// Input and output of a graph model are published piece by piece, or delivered to the user alone, who shows a
// piece that is garbled. SPEC 08 §4.12.
func TestTensorsOfGraphModelsAreGiven(t *testing.T) {
	user := dataKey(t, 12)
	for _, n := range [][2]int{{1, 1}, {16, 513}, {1100, 40}} {
		w, ids := tensorWorld(t, Published, user, sketchOf(n[0], n[1], 4, nil), n[0], n[1])
		g := begin(t, w)
		if pieces := uint64((n[0]+511)/512 + (n[1]+511)/512); g.s.Phase != Publication || g.s.Total != pieces || w.open.Pieces() != pieces {
			t.Fatalf("%v: %s of %d pieces, the opening says %d", n, g.s.Phase, g.s.Total, w.open.Pieces())
		}
		publishAll(t, g, ids, nil)
		got, err := Assemble(&g.s, g.j, postsOf(g))
		if err != nil || g.s.Phase != Lost || !slices.Equal(got.Prompt, ids.Prompt) || !slices.Equal(got.Output, ids.Output) || len(got.Stop) != 0 {
			t.Errorf("%v: assembled are other tensors in %s: %v", n, g.s.Phase, err)
		}
		for _, bad := range []bool{false, true} {
			w, ids := tensorWorld(t, Delivered, user, sketchOf(n[0], n[1], 2, nil), n[0], n[1])
			g := begin(t, w)
			publishAll(t, g, ids, func(m *Publish, at uint64) {
				if bad && at == g.s.Total-1 {
					m.Data[3] ^= 1
				}
			})
			m, got, err := Receive(&g.s, g.j, postsOf(g), user)
			if err == nil {
				err = g.apply(m, g.s.Opener)
			}
			want := map[bool]Phase{false: Lost, true: Refuted}[bad]
			if err != nil || g.s.Phase != want || !bad && (!slices.Equal(got.Prompt, ids.Prompt) || !slices.Equal(got.Output, ids.Output)) {
				t.Errorf("%v, garbled %v: ends in %s, %v", n, bad, g.s.Phase, err)
			}
		}
	}
}

// tensors records demands for the data of graph models, and each way in which their descriptors are none.
func (c *collector) tensors() {
	user := dataKey(c.t, 12)
	for i, step := range []uint32{Published, Delivered} {
		w, ids := tensorWorld(c.t, step, user, sketchOf(530, 20, 4, nil), 530, 20)
		c.name = []string{"published tensors", "delivered tensors"}[i]
		g := begin(c.t, w)
		c.open(g)
		before := g.s
		publishAll(c.t, g, ids, func(m *Publish, _ uint64) {
			c.move(g.s, *m)
			b := m.Encode()
			c.refused(g.s, KindPublish, b[:len(b)-1])
			before = g.s
		})
		if m := postsOf(g)[2]; step == Published {
			b := m.Encode()
			b[JobSize] ^= 1
			c.refused(before, KindPublish, b)
		} else {
			c.move(g.s, Decrypt{Job: g.j})
		}
	}
	for _, r := range []struct {
		name, custom string
		tensors      int64
		edit         func(*opset.Descriptor)
		spoil        func(*Ends)
	}{
		{"no tensor", "BadStep", 0, nil, nil},
		{"leaves of 128", "BadTarget", 2, func(d *opset.Descriptor) { d.Leaf = 128 }, nil},
		{"4 GiB", "BadTarget", 2, func(d *opset.Descriptor) { d.Dims[2].C = 1 << 30 }, nil},
		{"another input", "NotOpened", 2, nil, func(e *Ends) { e.Input.Descriptor[40] ^= 1 }},
		{"another last stage", "NotOpened", 2, nil, func(e *Ends) { e.First.Descriptor[47] ^= 1 }},
		{"another output", "NotOpened", 2, nil, func(e *Ends) { e.Last.Path[3][0] ^= 1 }},
	} {
		w, _ := c.spoilt(user, sketchOf(20, 20, r.tensors, r.edit))
		if r.spoil != nil {
			r.spoil(w.open.Ends)
		}
		if _, _, err := Begin(w.open, Chain{Domain: domain}); err == nil {
			c.t.Errorf("a demand for tensors with %s was opened", r.name)
		}
		c.opens = append(c.opens, refusedOpen("tensors, "+r.name, w, r.custom))
	}
}

// spoilt is a demand about a sketch whose last stage need not name a tensor.
func (c *collector) spoilt(user *ecdsa.PrivateKey, s *sketch) (*world, *IDs) {
	c.t.Helper()
	if s.leaves[256].P[0] > 0 {
		return tensorWorld(c.t, Published, user, s, 20, 20)
	}
	w, ids := tensorWorld(c.t, Published, user, sketchOf(20, 20, 2, nil), 20, 20)
	w.open.Header.Graph = s.tree.Root()
	for i, n := range []*Named{&w.open.Ends.Input, &w.open.Ends.First} {
		d, path, err := s.Descriptor(2*i, 0)
		if err != nil {
			c.t.Fatal(err)
		}
		n.Descriptor, n.Path = d.Encode(), path
	}
	w.open.Ends.Last = w.open.Ends.First
	w.sign(c.t)
	return w, ids
}

// stages records a game about a stage in the middle of a graph model, and the boundaries of another run, whose
// input and output are right: stateRoot alone tells. SPEC 08 §4.
func (c *collector) stages() {
	man := bind(c.t, modeltest.Encoder(3, 7, 12))
	w := graphWorld(c.t, man, &lie{0, 1, len(man.Model.Stages[1].Ops) - 1, 2, 1 << 4})
	c.record("graph stages", w, map[Kind]bool{})
	c.name = "graph stages"
	g := begin(c.t, w)
	m, err := NextForNode(g.s, g.j, w.node)
	if err != nil {
		c.t.Fatal(err)
	}
	b := m.Encode()
	b[JobSize+32] ^= 1
	c.refused(g.s, KindReveal, b)
}

// A claim with the right output and one false boundary is false: there is a game about the stage before it.
// With a root that no boundaries have nobody can show any. SPEC 08 §4.
func TestBoundariesOfGraphClaims(t *testing.T) {
	man := bind(t, modeltest.Encoder(3, 7, 12))
	honest := graphWorld(t, man, nil)
	step, err := honest.node.Step(0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := step.Boundaries()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != 4 || trace.BoundaryTree(b).Root() != honest.open.Claim.StateRoot {
		t.Fatalf("%d boundaries under another root", len(b))
	}
	for _, root := range []Hash{{}, {9}} {
		w := graphWorld(t, man, nil)
		w.open.Claim.StateRoot = root
		w.sign(t)
		if lie, err := w.open.Accuse(domain, w.opener, nil); err != nil || !lie || w.open.T != 0 {
			t.Fatalf("root %x: accused %v at %d, %v", root, lie, w.open.T, err)
		}
		g := begin(t, w)
		m, err := NextForNode(g.s, g.j, w.node)
		if err == nil {
			err = g.apply(m, g.s.Node)
		}
		if !errors.Is(err, ErrOpening) {
			t.Errorf("root %x: revealed with %v", root, err)
		}
	}
}
