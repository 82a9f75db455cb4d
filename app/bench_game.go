package app

import (
	"fmt"
	"math/big"
	"strings"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
	"elenchus/network/chain"
	"elenchus/settlement/dispute"

	"github.com/ethereum/go-ethereum/common"
)

// entry is one transaction of a game.
type entry struct {
	kind  string
	gas   uint64
	bytes int // of the payload
}

// trial plays one game about a world on a copy of a court.
type trial struct {
	*court
	w       *world
	want    dispute.Phase // how the game must end
	deep    bool          // nothing is served: descend to the step, through the KV rows, and into the tensor
	node    common.Address
	opener  common.Address
	user    common.Address
	game    [32]byte
	state   dispute.State
	job     dispute.Job
	verdict dispute.Verdict
	entries []entry
}

func newTrial(c *court, w *world, want dispute.Phase, deep bool) *trial {
	return &trial{court: c.copy(), w: w, want: want, deep: deep, node: courtAccount("node"), opener: courtAccount("opener"), user: courtAccount("user")}
}

// endow brings the accounts into the state of those that took part before: stake, credits and burned
// tokens are not zero.
func endow(c *court) error {
	much := claim.Amount{Hi: 1<<24 - 1, Lo: 987654321}.Big()
	vault := c.at["DisputeArena"]
	for _, name := range []string{"node", "opener", "user", "stranger"} {
		who := courtAccount(name)
		for _, step := range []struct {
			contract, method string
			args             []any
		}{
			{"TestToken", "mint", []any{who, much}}, {"TestToken", "approve", []any{vault, much}},
			{"DisputeArena", "deposit", []any{new(big.Int).Rsh(much, 2)}}, {"DisputeArena", "fund", []any{new(big.Int).Rsh(much, 2)}},
		} {
			if _, _, err := c.call(who, step.contract, step.method, step.args...); err != nil {
				return err
			}
		}
	}
	key := [32]byte{1}
	if _, _, err := c.call(courtAccount("stranger"), "DisputeArena", "commit", key); err != nil {
		return err
	}
	c.time += chain.DevnetParams().Window
	if _, _, err := c.call(courtAccount("stranger"), "DisputeArena", "expire", key); err != nil {
		return err
	}
	_, _, err := c.call(courtAccount("node"), "DisputeArena", "postBatch", [32]byte{2}, big.NewInt(3), big.NewInt(12345),
		new(big.Int).SetUint64(c.time+500))
	return err
}

func (t *trial) send(kind string, bytes int, from common.Address, contract, method string, args ...any) error {
	logs, gas, err := t.call(from, contract, method, args...)
	if err != nil {
		return fmt.Errorf("%s in phase %s: %w", kind, t.state.Phase, err)
	}
	t.entries = append(t.entries, entry{kind, gas, bytes})
	if kind == "post" || kind == "commit" || strings.HasPrefix(kind, "resolve") {
		return nil
	}
	name, field := "Moved", 1
	switch kind {
	case "open":
		name, field = "Opened", 0
	case "answer":
		name = "Decided"
	}
	v, err := t.event(logs, name)
	if err != nil {
		return err
	}
	switch raw := v[field].([]byte); kind {
	case "open":
		t.job, t.state, err = dispute.DecodeRecord(raw)
	case "answer":
		t.verdict, err = dispute.DecodeVerdict(raw)
		t.state.Phase = t.verdict.Phase
	default:
		t.state, err = dispute.DecodeState(raw)
	}
	return err
}

// play posts, commits, opens, plays and resolves.
func (t *trial) play() error {
	open, count, until := t.opening()
	value := open.Claim.Value.Big()
	if err := t.send("post", 0, t.node, "DisputeArena", "postBatch", [32]byte(open.Batch.Root), count, value, until); err != nil {
		return err
	}
	d := claim.Domain{ChainID: t.config.ChainID.Uint64(), Arena: claim.Address(t.at["DisputeArena"])}
	_, sealed := open.Sealed(d)
	t.game = dispute.Key(open.Opener, sealed.ID(d), open.T, open.Salt)
	if err := t.send("commit", 0, t.opener, "DisputeArena", "commit", t.game); err != nil {
		return err
	}
	payload := open.Encode()
	if err := t.send("open", len(payload), t.opener, "DisputeArena", "open", payload, []byte{}); err != nil {
		return err
	}
	for t.state.Phase.Turn() != dispute.Nobody {
		if err := t.move(); err != nil {
			return err
		}
	}
	if t.state.Phase != t.want {
		return fmt.Errorf("element of %s ended in %s, want %s", t.w.descriptors[t.w.at.tensor].Op, t.state.Phase, t.want)
	}
	return t.send("resolve_"+t.want.String(), 0, t.opener, "DisputeArena", "resolve", t.game, t.verdict.Encode(), []byte{})
}

// opening is the claim with the dearest evidence: a path in a batch of 8,192 claims.
func (t *trial) opening() (open dispute.OpenMove, count, until *big.Int) {
	w := t.w
	prompt := w.sources[opset.Source{Kind: opset.Prompt}]
	finish := uint8(claim.FinishLength)
	if w.f != 0 {
		finish = uint8(w.f)
	}
	end := t.time + chain.DevnetParams().Window + 60
	o := dispute.OpenMove{
		Opener: claim.Address(t.opener), T: w.t, Salt: arbitraryHash("salt", 0), MaxBond: claim.MaxAmount, Header: w.header,
		Claim: claim.Claim{Node: claim.Address(t.node), Count: gasCount, Finish: finish, StateRoot: w.states.root(),
			OutputRoot: w.outputs.root(), Value: claim.Units(7e18 + 1), Issued: t.time, BatchBy: t.time + 30, ChallengeUntil: end},
		Sampler: w.settings(),
		Request: claim.Request{PromptRoot: prompt.root(), PromptCount: gasPrompt, MaxNew: gasCount, Temperature: w.ctx.Temperature,
			Seed: w.ctx.Seed, StopRoot: w.sources[opset.Source{Kind: opset.Stop}].root(), StopCount: w.ctx.StopCount,
			User: claim.Address(t.user), Nonce: 77, Price: claim.Units(5e18 + 1)},
	}
	if t.deep {
		o.T = dispute.AnyState
	}
	d := claim.Domain{ChainID: t.config.ChainID.Uint64(), Arena: claim.Address(t.at["DisputeArena"])}
	_, sealed := o.Sealed(d)
	o.Batch = fullBatch(sealed.Digest(d))
	return o, big.NewInt(claim.MaxBatch), new(big.Int).SetUint64(end)
}

// fullBatch is a path through a batch of the most claims, of which one is known.
func fullBatch(digest merkle.Hash) *dispute.Inclusion {
	const index = 0x1555 // left and right children in turn
	in := &dispute.Inclusion{Index: index}
	node := claim.Keccak([]byte{0}, digest[:])
	for i := range merkle.Depth(claim.MaxBatch) {
		s := arbitraryHash("batch", uint64(i))
		in.Path = append(in.Path, s)
		if index>>uint(i)&1 == 1 {
			node = claim.Keccak([]byte{1}, s[:], node[:])
		} else {
			node = claim.Keccak([]byte{1}, node[:], s[:])
		}
	}
	in.Root = node
	return in
}

// move plays the side whose turn it is.
func (t *trial) move() error {
	var m dispute.Move
	var err error
	from := t.node
	if t.state.Phase.Turn() == dispute.Opener {
		m, from = t.challenge(), t.opener
	} else if m, err = dispute.NextForNode(t.state, t.job, t.w); err != nil {
		return fmt.Errorf("phase %s: %w", t.state.Phase, err)
	}
	kind, payload := m.Kind(), m.Encode()
	name := kind.String()
	if p, ok := m.(dispute.PickTensor); ok && p.Index == dispute.Descend {
		name = "pick_to_descend"
	}
	if kind == dispute.KindAnswer {
		return t.send(name, len(payload), t.opener, "DisputeArena", "answer", t.game, t.state.Encode(), payload)
	}
	return t.send(name, len(payload), from, "DisputeArena", kind.String(), t.game, t.state.Encode(), payload, []byte{})
}

// challenge is the opener's move towards the false element.
func (t *trial) challenge() dispute.Move {
	s, at := &t.state, t.w.at
	d := &t.w.descriptors[at.tensor]
	perLeaf := uint64(d.Leaf) / uint64(d.Type.Size())
	switch s.Phase {
	case dispute.StatesPick:
		return t.child(t.w.states, uint64(t.w.t))
	case dispute.TensorPick:
		return t.child(t.w.tensors[at.tensor], at.index/perLeaf)
	case dispute.Stage:
		if t.deep && at.stage >= 1 && at.stage <= t.w.model.Layers {
			return dispute.PickStage{Stage: dispute.StageKV}
		}
		return dispute.PickStage{Stage: uint16(at.stage)}
	case dispute.Layer:
		return dispute.PickLayer{Layer: uint16(at.stage - 1)}
	case dispute.Element:
		return dispute.PickElement{Element: uint16(at.index % perLeaf)}
	}
	p := dispute.PickTensor{Tensor: uint8(at.tensor), Index: at.index}
	if t.deep {
		var list []merkle.Hash
		for _, x := range t.w.tensors {
			list = append(list, x.root())
		}
		i := t.w.descriptorIndex(at.tensor)
		p.Index, p.Root, p.RootPath = dispute.Descend, list[at.tensor], claim.NewTree(list).Path(at.tensor)
		p.Descriptor, p.GraphPath = d.Encode(), t.w.graph.SiblingsTo(0, i, i+1, t.w.graph.depth)
	}
	return p
}

// child picks the subtree that leads to a leaf.
func (t *trial) child(tree *sparse, leaf uint64) dispute.Move {
	level := int(t.state.Level)
	low := max(level-6, 0)
	i := leaf >> uint(low)
	return dispute.Child{Number: uint8(i & (1<<uint(level-low) - 1)), Hash: tree.At(low, i), Path: tree.SiblingsTo(low, i, i+1, level)}
}
