package dispute

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Chain is what the chain knows when a game is opened.
type Chain struct {
	Domain      claim.Domain
	Now         uint64       // block time of open
	CommittedAt uint64       // block time of the commit
	Queue       uint64       // when the node's queue, this game included, is worked off (SPEC 08 §5.1)
	BatchCount  uint32       // claims of the batch that the move names, 0 if there is none
	Escrow      claim.Amount // the whole bond
	Gas         claim.Amount // metered cost of open in token units
	Params      Params
}

// Begin opens a game: the twin of open, without the window of commits and the money. SPEC 08 §4.
func Begin(m OpenMove, c Chain) (State, Job, error) {
	r, cl := m.Sealed(c.Domain)
	if err := m.check(); err != nil {
		return State{}, Job{}, err
	}
	if err := m.evidence(cl, c); err != nil {
		return State{}, Job{}, err
	}
	j, err := m.jobOf(r, cl)
	if err != nil {
		return State{}, Job{}, err
	}
	s := State{ClaimID: cl.ID(c.Domain), Node: cl.Node, Opener: m.Opener, Phase: R1, OpenedAt: c.Now,
		CommittedAt: uint32(c.CommittedAt), Escrow: c.Escrow, Cost: c.Gas, JobHash: j.Hash(), GraphRoot: m.Header.Graph,
		Layers: m.Header.Layers, DLayer: m.Header.DLayer, DRow: m.Header.DRow}
	if m.graph() {
		s.Flags |= FlagGraph
	}
	if err := m.target(&s, &j); err != nil {
		return State{}, Job{}, err
	}
	s.Deadline = c.Queue + c.Params.D0
	s.Last = s.Deadline + c.Params.Grace
	return s, j, nil
}

// Work is how many positions the node computes again to reply. SPEC 08 §5.1.
func (m *OpenMove) Work() uint64 {
	switch {
	case m.graph():
		return 1
	case m.named():
		return uint64(m.Request.PromptCount) + uint64(m.T)
	}
	return uint64(m.Request.PromptCount) + uint64(m.Claim.Count)
}

// check is the form of header and claim that open demands.
func (m *OpenMove) check() error {
	h, c := &m.Header, &m.Claim
	switch {
	case h.Kind != uint16(TokenModel) && h.Kind != uint16(GraphModel), h.Layers == 0, h.DPos > 32, h.DLayer > 32, h.DRow > 32:
		return fmt.Errorf("%w: kind %d, %d layers, depths %d, %d, %d", ErrHeader, h.Kind, h.Layers, h.DPos, h.DLayer, h.DRow)
	case h.KVDepth() > merkle.MaxDepth:
		return fmt.Errorf("%w: a KV tree of depth %d", ErrHeader, h.KVDepth())
	case m.graph() && (c.Count != 0 || c.Finish != 0 || c.StateRoot != Hash{}):
		return fmt.Errorf("%w: a graph claim with count %d, finish %d or states", ErrClaim, c.Count, c.Finish)
	case !m.graph() && (m.Request.PromptCount == 0 || c.Count == 0 || c.Finish == 0):
		return fmt.Errorf("%w: prompt of %d, count %d, finish %d", ErrClaim, m.Request.PromptCount, c.Count, c.Finish)
	}
	return nil
}

func (m *OpenMove) evidence(cl claim.Claim, c Chain) error {
	digest := cl.Digest(c.Domain)
	if m.Batch == nil {
		if err := claim.VerifySigner(digest, m.Signature, cl.Node); err != nil {
			return fmt.Errorf("%w: %w", ErrEvidence, err)
		}
		return nil
	}
	if err := claim.VerifyLeaf(m.Batch.Root, c.BatchCount, uint32(m.Batch.Index), digest, m.Batch.Path); err != nil {
		return fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	return nil
}

// jobOf is the job, with S_{-1} from the opening of the first prompt id.
func (m *OpenMove) jobOf(r claim.Request, c claim.Claim) (Job, error) {
	h := &m.Header
	j := Job{ModelID: r.Model, PromptRoot: r.PromptRoot, StopRoot: r.StopRoot, StateRoot: c.StateRoot, OutputRoot: c.OutputRoot,
		Seed: r.Seed, PromptCount: r.PromptCount, Count: c.Count, MaxNew: r.MaxNew, Temperature: r.Temperature,
		Vocabulary: h.Vocab, TMax: h.TMax, Layers: h.Layers, Kind: uint8(h.Kind), Finish: c.Finish, StopCount: r.StopCount,
		DPos: h.DPos, DLayer: h.DLayer, DRow: h.DRow, User: r.User, Price: r.Price, Value: c.Value}
	if m.Batch != nil {
		j.Batch = claim.Keccak(c.Node[:], m.Batch.Root[:])
	}
	if m.graph() {
		return j, nil
	}
	if len(m.PromptLeaf) != opset.LeafBytes {
		return j, fmt.Errorf("%w: prompt leaf of %d bytes, want %d", ErrBadPayload, len(m.PromptLeaf), opset.LeafBytes)
	}
	depth := merkle.Depth(merkle.Leaves(4*uint64(r.PromptCount), opset.LeafBytes))
	if err := opens(r.PromptRoot, depth, 0, merkle.Leaf(m.PromptLeaf), m.PromptPath); err != nil {
		return j, err
	}
	first := Preimage{Y: binary.LittleEndian.Uint32(m.PromptLeaf), KV: merkle.Zero(j.KVDepth())}
	j.First = first.Hash(0)
	return j, nil
}

// target puts a step or a tree in hand.
func (m *OpenMove) target(s *State, j *Job) error {
	switch {
	case m.graph() && m.T != 0:
		return fmt.Errorf("%w: step %d of a graph model", ErrStep, m.T)
	case m.graph():
		return nil
	case m.T == AnyOutput:
		s.descend(Outputs, 4*uint64(j.Count), opset.LeafBytes, uint8(tensor.I32), j.OutputRoot)
		return nil
	case m.T == AnyState && j.States() == 1:
		s.After = j.StateRoot
		return nil
	case m.T == AnyState:
		s.descend(States, 32*j.States(), 32, 0, j.StateRoot)
		return nil
	case uint64(m.T) >= j.States():
		return fmt.Errorf("%w: step %d of %d", ErrStep, m.T, j.States())
	}
	s.T, s.Before, s.After = m.T, m.Before, m.After
	if m.T == 0 {
		s.Before = j.First
	}
	return openStates(j.StateRoot, j.StateDepth(), m.T, s.Before, s.After, m.StatePath)
}

func (s *State) descend(p Phase, total uint64, leaf uint16, kind uint8, root Hash) {
	s.Phase, s.Total, s.Leaf, s.Type, s.Subtree = p, total, leaf, kind, root
	s.Level = uint8(merkle.Depth(merkle.Leaves(total, int(leaf))))
}
