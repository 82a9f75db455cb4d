package app

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/settlement/dispute"
)

// What every game of bench gas is about: 1,024 ids asked and 1,024 answered, context 2,048.
const (
	gasContext  = 2048
	gasPrompt   = 1024
	gasCount    = 1024
	gasStates   = gasPrompt + gasCount - 1
	gasStep     = 1501 // a step that draws, its leaf not at an edge
	gasRead     = 501  // a step that reads the prompt
	gasPrevious = 54321
	gasToken    = 98765
	idBytes     = 4
)

// world is a claim with one false element and everything that both sides need to play about it. It
// is the dispute.Knowledge, Step and Trace of the node: trees are true where the game looks, and
// arbitrary elsewhere.
type world struct {
	model  *model.Model
	header manifest.Header
	at     place
	t      uint32
	ctx    opset.Context
	y, f   uint32 // of step t as claimed
	// stopState is that of the stop strings after step t, as claimed; 0 where the request has none.
	stopState uint32
	// grammarState is that of the grammar after step t, as claimed; 0 where the request has none.
	grammarState uint32

	descriptors []opset.Descriptor
	graph       *sparse
	tensors     []*sparse
	data        []map[uint64][]byte // leaves of each tensor that were filled in
	sources     map[opset.Source]*sparse
	leaves      map[opset.Source]map[uint64][]byte

	states, outputs *sparse
	outputLeaf      []byte
	before, after   dispute.Preimage
	boundaries      []merkle.Hash
	rows            []merkle.Hash
	position        merkle.Hash
}

// contextOf is what step t of the claim gives its operations.
func contextOf(t uint32) opset.Context {
	return opset.Context{T: t, M: gasPrompt, YPrev: gasPrevious, MaxNew: gasCount, TMax: gasContext,
		Temperature: 1<<16 - 3, Seed: 0x1122334455667788, StopCount: claim.MaxStops,
		TopK: 0x01020304, TopP: 1<<30 - 5, MinP: 1<<30 - 7} // every byte costs something
}

// stepOf is the step at which a stage is played: one that reads the prompt for ABSORB, the last one
// for the finish code, which is zero before.
func stepOf(m *model.Model, stage int, op opset.Code) uint32 {
	switch {
	case stage == len(m.Stages)-1:
		return gasRead
	case op == opset.StopOp:
		return gasStates - 1
	}
	return gasStep
}

// newWorld makes a claim whose element at p differs from the true one in the bits of mask; with mask
// 0 it is true.
func newWorld(m *model.Model, p place, mask int64) (*world, error) {
	ops := m.Stages[p.stage].Ops
	w := &world{model: m, at: p, t: stepOf(m, p.stage, ops[p.tensor].Op), y: gasToken,
		sources: map[opset.Source]*sparse{}, leaves: map[opset.Source]map[uint64][]byte{}}
	w.ctx = contextOf(w.t)
	if p.penalised {
		w.ctx = penalised(w.ctx)
	}
	if p.stops {
		w.ctx = stopping(w.ctx)
	}
	if p.grammared {
		w.ctx = constrained(w.ctx)
	}
	if w.t == gasStates-1 {
		w.f = uint32(claim.FinishLength)
	}
	w.header = manifest.Header{Kind: model.KindToken, Vocab: uint32(m.Vocab), TMax: uint32(m.TMax), Layers: uint16(m.Layers),
		DPos: uint8(merkle.Depth(uint64(m.TMax))), DLayer: uint8(merkle.Depth(uint64(m.Layers))),
		DRow:      uint8(merkle.Depth(merkle.Leaves(2*uint64(m.DKV), opset.KVLeafBytes))),
		Tokenizer: arbitraryHash("tokenizer", 0), Template: arbitraryHash("template", 0), Stop: arbitraryHash("end ids", 0)}
	w.plant()
	if p.stops {
		w.plantStrings()
	}
	if p.grammared {
		w.plantGrammar()
	}
	if err := w.lie(mask); err != nil {
		return nil, err
	}
	w.bind()
	return w, w.commit()
}

// plant lays out the trees of stage and sources.
func (w *world) plant() {
	for i := range w.model.Stages[w.at.stage].Ops {
		d := w.model.Stages[w.at.stage].Ops[i].Descriptor
		leaves := merkle.Leaves(d.Bytes(&w.ctx), int(d.Leaf))
		w.descriptors = append(w.descriptors, d)
		w.tensors = append(w.tensors, newSparse(fmt.Sprintf("tensor %d", i), merkle.Depth(leaves), leaves))
		w.data = append(w.data, map[uint64][]byte{})
	}
	ids := func(name string, n int) *sparse {
		leaves := merkle.Leaves(uint64(idBytes*n), opset.LeafBytes)
		return newSparse(name, merkle.Depth(leaves), leaves)
	}
	w.sources[opset.Source{Kind: opset.Prompt}] = ids("prompt", gasPrompt)
	w.sources[opset.Source{Kind: opset.Stop}] = ids("stop", claim.MaxStops)
	h := w.header
	row := int(h.DLayer) + 1 + int(h.DRow)
	w.sources[opset.Source{Kind: opset.KV}] = newSparse("kv", int(h.DPos)+row, uint64(w.t)<<uint(row))
	w.outputs = ids("outputs", gasCount)
	w.states = newSparse("states", merkle.Depth(gasStates), gasStates)
	if w.at.stage == 0 {
		w.fill(opset.Source{Kind: opset.Tensor}, 0, le(gasPrevious), opset.LeafBytes)
	}
	if n := len(w.tensors); w.at.stage == len(w.model.Stages)-2 {
		w.fill(opset.Source{Kind: opset.Tensor, Index: uint8(n - 2)}, 0, le(w.y), opset.LeafBytes)
		w.fill(opset.Source{Kind: opset.Tensor, Index: uint8(n - 1)}, 0, le(w.f), opset.LeafBytes)
	}
	w.fill(opset.Source{Kind: opset.Prompt}, 0, arbitrary("prompt ids", 0, opset.LeafBytes), opset.LeafBytes)
}

func le(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

// tree and held are the tree of a source and its known leaves; a source that is met for the first
// time is a model tensor of total bytes.
func (w *world) tree(s opset.Source, total uint64, leaf int) *sparse {
	if s.Kind == opset.Tensor {
		return w.tensors[s.Index]
	}
	t, ok := w.sources[s]
	if !ok {
		n := merkle.Leaves(total, leaf)
		t = newSparse(fmt.Sprintf("weights %d", s.Kind), merkle.Depth(n), n)
		w.sources[s] = t
	}
	return t
}

func (w *world) held(s opset.Source) map[uint64][]byte {
	if s.Kind == opset.Tensor {
		return w.data[s.Index]
	}
	if w.leaves[s] == nil {
		w.leaves[s] = map[uint64][]byte{}
	}
	return w.leaves[s]
}

// fill sets a leaf of a source to data, padded with zeros.
func (w *world) fill(s opset.Source, at uint64, data []byte, leaf int) {
	b := make([]byte, leaf)
	copy(b, data)
	w.held(s)[at] = b
	w.tree(s, 0, leaf).putBytes(leaf, at, b)
}

// fetch answers a read with bytes that were filled in, or arbitrary ones.
func (w *world) fetch(r opset.Read) ([]byte, error) {
	a, b := r.Leaves()
	tree := w.tree(r.Source, r.Total, r.Leaf)
	var out []byte
	for i := a; i < b; i++ {
		if _, ok := w.held(r.Source)[i]; !ok {
			n := min(uint64(r.Leaf), r.Total-i*uint64(r.Leaf))
			w.fill(r.Source, i, arbitrary(tree.name+" leaf", i, int(n)), r.Leaf)
		}
		out = append(out, w.held(r.Source)[i]...)
	}
	return r.Trim(out)
}

// lie computes the element and claims it, but for the bits of mask.
func (w *world) lie(mask int64) error {
	d := &w.descriptors[w.at.tensor]
	value, err := opset.Element(d, &w.ctx, w.at.index, w.fetch)
	if err != nil {
		return fmt.Errorf("element of %s: %w", d.Op, err)
	}
	value ^= mask
	size, leaf := uint64(d.Type.Size()), uint64(d.Leaf)
	at := w.at.index * size / leaf
	n := min(leaf, d.Bytes(&w.ctx)-at*leaf)
	x, err := tensor.FromBytes(d.Type, arbitrary("target", 0, int(n)), int(n/size))
	if err != nil {
		return err
	}
	x.Set(int(w.at.index-at*leaf/size), value)
	w.fill(opset.Source{Kind: opset.Tensor, Index: uint8(w.at.tensor)}, at, x.Bytes(0, x.Len()), int(leaf))
	w.tensors[w.at.tensor].shown(at)
	switch last := len(w.tensors) - 1; {
	case d.Op == opset.StopOp:
		w.f = uint32(value)
	case d.Op == opset.StopState:
		w.stopState = uint32(value)
	case d.Op == opset.GrammarState:
		w.grammarState = uint32(value)
	case w.at.stage >= len(w.model.Stages)-2 && d.Op != opset.StopOp && w.at.tensor >= last-1:
		w.y = uint32(value)
	}
	if w.f > 0xff || w.t == gasStates-1 && w.f == 0 {
		return fmt.Errorf("finish code %d of step %d cannot be claimed", w.f, w.t)
	}
	return nil
}

// bind puts the roots of model tensors into the descriptor, and descriptors into the graph.
func (w *world) bind() {
	d := &w.descriptors[w.at.tensor]
	for kind, root := range map[uint8]*[32]byte{opset.RootA: (*[32]byte)(&d.RootA), opset.RootB: (*[32]byte)(&d.RootB)} {
		if t := w.sources[opset.Source{Kind: kind}]; t != nil {
			*root = t.root()
		}
	}
	stages := uint64(len(w.model.Stages))
	w.graph = newSparse("graph", 7+merkle.Depth(stages), stages*manifest.StageTensors)
	for _, i := range []int{0, w.at.tensor} {
		b := w.descriptors[i].Encode()
		w.graph.put(0, w.descriptorIndex(i), merkle.Leaf(b[:]))
	}
	w.header.Graph = w.graph.root()
}

func (w *world) descriptorIndex(tensor int) uint64 {
	return manifest.StageTensors*uint64(w.at.stage) + uint64(tensor)
}

// commit builds the trees above the stage: boundaries, position, KV, states, outputs.
func (w *world) commit() error {
	layers, h := w.model.Layers, w.header
	for l := range layers {
		w.rows = append(w.rows, arbitraryHash("row", uint64(l)))
		w.boundaries = append(w.boundaries, arbitraryHash("boundary", uint64(l)))
	}
	w.boundaries = append(w.boundaries, arbitraryHash("boundary", uint64(layers)))
	switch s := w.at.stage; {
	case s == 0:
		w.boundaries[0] = w.tensors[len(w.tensors)-1].root()
	case s <= layers:
		in := w.descriptors[0]
		w.boundaries[s-1], w.boundaries[s] = w.tensors[0].root(), w.tensors[len(w.tensors)-1].root()
		w.rows[s-1] = merkle.Node(w.tensors[in.P[1]].root(), w.tensors[in.P[2]].root())
	default:
		w.boundaries[layers] = w.tensors[0].root()
	}
	w.position = merkle.RootAt(w.rows, int(h.DLayer), 1+int(h.DRow))
	return w.chain()
}

// chain makes the states of steps t-1 and t, which only differ by what step t added.
func (w *world) chain() error {
	kv, row := w.sources[opset.Source{Kind: opset.KV}], int(w.header.DLayer)+1+int(w.header.DRow)
	kv.put(row, uint64(w.t), merkle.Zero(row))
	w.before = dispute.Preimage{Y: gasPrevious, KV: kv.root(), Previous: arbitraryHash("older", 0)}
	w.after = dispute.Preimage{Y: w.y, F: uint8(w.f)}
	if err := w.remember(); err != nil {
		return err
	}
	w.after.Previous = w.before.Hash(w.t)
	node := w.position
	for i, s := range kv.SiblingsTo(row, uint64(w.t), uint64(w.t)+1, kv.depth) {
		if w.t>>uint(i)&1 == 1 {
			node = merkle.Node(s, node)
		} else {
			node = merkle.Node(node, s)
		}
	}
	w.after.KV = node
	w.states.put(0, uint64(w.t)-1, w.before.Hash(w.t), w.after.Hash(w.t+1))
	w.states.shown(uint64(w.t))
	if w.t+1 < gasPrompt {
		return nil
	}
	o := uint64(w.t) - (gasPrompt - 1)
	w.outputLeaf = arbitrary("outputs", 0, opset.LeafBytes)
	binary.LittleEndian.PutUint32(w.outputLeaf[o%16*idBytes:], w.y)
	w.outputs.putBytes(opset.LeafBytes, o/16, w.outputLeaf)
	return nil
}

// States is the tree over the states.
func (w *world) States() (dispute.Tree, error) { return w.states, nil }

// Outputs are zero but for the leaf of step t.
func (w *world) Outputs() (dispute.Tree, []byte, error) {
	data := make([]byte, gasCount*idBytes)
	copy(data[(w.t-(gasPrompt-1))/16*opset.LeafBytes:], w.outputLeaf)
	return w.outputs, data, nil
}

// Prompt is leaf 0 of the prompt ids and its siblings.
func (w *world) Prompt() ([]byte, []merkle.Hash, error) {
	source := opset.Source{Kind: opset.Prompt}
	tree := w.sources[source]
	return w.held(source)[0], tree.SiblingsTo(0, 0, 1, tree.depth), nil
}

// Preimage is what S_{t-1} or S_t hashes.
func (w *world) Preimage(t int64) (dispute.Preimage, error) {
	if t == int64(w.t) {
		return w.after, nil
	}
	return w.before, nil
}

// Step is the world itself.
func (w *world) Step(uint32) (dispute.Step, error) { return w, nil }

// Boundaries are b_0..b_L.
func (w *world) Boundaries() ([]merkle.Hash, error) { return w.boundaries, nil }

// Append is the position leaf of t and its siblings.
func (w *world) Append() (merkle.Hash, []merkle.Hash, error) {
	kv, row := w.sources[opset.Source{Kind: opset.KV}], int(w.header.DLayer)+1+int(w.header.DRow)
	return w.position, kv.SiblingsTo(row, uint64(w.t), uint64(w.t)+1, kv.depth), nil
}

// Rows are the rows of position t.
func (w *world) Rows() ([]merkle.Hash, error) { return w.rows, nil }

// Stage is the world itself.
func (w *world) Stage(int) (dispute.Trace, error) { return w, nil }

// Descriptors are those of the stage; siblings are true for the input and the target.
func (w *world) Descriptors() ([]opset.Descriptor, [][]merkle.Hash, error) {
	paths := make([][]merkle.Hash, len(w.descriptors))
	for i := range paths {
		at := w.descriptorIndex(i)
		paths[i] = w.graph.SiblingsTo(0, at, at+1, w.graph.depth)
	}
	return w.descriptors, paths, nil
}

// Roots are the roots of the stage's tensors.
func (w *world) Roots() ([]merkle.Hash, error) {
	var out []merkle.Hash
	for _, t := range w.tensors {
		out = append(out, t.root())
	}
	return out, nil
}

// Tensor is the tree of a tensor and its bytes, zero where nothing was filled in.
func (w *world) Tensor(i int) (dispute.Tree, []byte, error) {
	d := &w.descriptors[i]
	data := make([]byte, w.tensors[i].leaves*uint64(d.Leaf))
	for at, b := range w.data[i] {
		copy(data[at*uint64(d.Leaf):], b)
	}
	return w.tensors[i], data, nil
}

// Source opens a read outside the stage.
func (w *world) Source(_ *opset.Descriptor, r opset.Read) ([]byte, []merkle.Hash, error) {
	a, b := r.Leaves()
	var out []byte
	for i := a; i < b; i++ {
		leaf, ok := w.held(r.Source)[i]
		if !ok {
			return nil, nil, fmt.Errorf("leaf %d of source %d was not filled in", i, r.Kind)
		}
		out = append(out, leaf...)
	}
	t := w.tree(r.Source, r.Total, r.Leaf)
	return out, t.SiblingsTo(0, a, b, t.depth), nil
}
