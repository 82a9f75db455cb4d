package dispute

import (
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Chain is what the chain knows when a game is opened.
type Chain struct {
	Domain      claim.Domain
	Now         uint64          // block time of open
	CommittedAt uint64          // block time of the commit
	Queue       uint64          // when the node's queue, this game included, is worked off (SPEC 08 §5.1)
	BatchCount  uint32          // claims of the batch that the move names, 0 if there is none
	Escrow      claim.Amount    // the whole bond
	Hold        claim.Amount    // stake that the node's account holds for the game
	Gas         claim.Amount    // metered cost of open in token units
	Space       uint64          // seconds that the node's open games, this one included, lengthen its deadline by (SPEC 08 §5.5)
	Keys        []claim.Address // that sign in the node's name, or did until at most U before the commit
	Params      Params
}

// Begin opens a game: the twin of open, without the window of commits and the money. A claim that is
// opened on its face is refuted at once. SPEC 08 §4.
func Begin(m OpenMove, c Chain) (State, Job, error) {
	r, cl := m.Sealed(c.Domain)
	if err := m.check(c.Domain); err != nil {
		return State{}, Job{}, err
	}
	if err := m.evidence(cl, c); err != nil {
		return State{}, Job{}, err
	}
	j := m.jobOf(r, cl)
	s := State{Case: CaseID(cl.ID(c.Domain), m.BatchKey()), Node: cl.Node, Opener: m.Opener, Phase: R1,
		CommittedAt: uint32(c.CommittedAt), Escrow: c.Escrow, Hold: c.Hold, Cost: c.Gas, JobHash: j.Hash(),
		GraphRoot: m.Header.Graph, Class: m.Header.Class, Layers: m.Header.Layers, DLayer: m.Header.DLayer, DRow: m.Header.DRow}
	if m.graph() {
		s.Flags |= FlagGraph
	}
	switch m.T {
	case Contradicts:
		if err := m.contradicts(cl, c); err != nil {
			return State{}, Job{}, err
		}
		fallthrough
	case OnItsFace:
		s.Phase = Refuted
		return s, j, nil
	case NotIncluded:
		if err := m.demand(&s, cl, c); err != nil {
			return State{}, Job{}, err
		}
	case Published, Delivered:
		if err := m.asks(&s, &j); err != nil {
			return State{}, Job{}, err
		}
	default:
		if err := m.target(&s, &j); err != nil {
			return State{}, Job{}, err
		}
	}
	s.Deadline = c.Queue + c.Params.D0 + c.Space
	s.Last = s.Deadline + c.Params.Grace
	return s, j, nil
}

// Work is how many positions the node computes again to reply. SPEC 08 §5.1.
func (m *OpenMove) Work() uint64 {
	switch {
	case m.T == OnItsFace, m.T == Contradicts, m.T == NotIncluded, m.T == Published, m.T == Delivered:
		return 0
	case m.graph():
		return 1
	case m.T == AnyState, m.T == AnyOutput:
		return uint64(m.Request.PromptCount) + uint64(m.Claim.Count)
	}
	return uint64(m.Request.PromptCount) + uint64(m.T)
}

// elements says whether the move opens a game that ends at an element, and not one about what request,
// claims, batches and ids show. SPEC 10 §8.5.
func (m *OpenMove) elements() bool { return m.T < Delivered || m.T >= AnyOutput }

// check is the form of header and claim that open demands.
func (m *OpenMove) check(d claim.Domain) error {
	h := &m.Header
	if h.Kind != uint16(TokenModel) && h.Kind != uint16(GraphModel) || h.Layers == 0 || h.DPos > 32 || h.DLayer > 32 || h.DRow > 32 {
		return fmt.Errorf("%w: kind %d, %d layers, depths %d, %d, %d", ErrHeader, h.Kind, h.Layers, h.DPos, h.DLayer, h.DRow)
	}
	if h.KVDepth() > merkle.MaxDepth {
		return fmt.Errorf("%w: a KV tree of depth %d", ErrHeader, h.KVDepth())
	}
	if h.Class == manifest.Private && m.elements() {
		return fmt.Errorf("%w: model %s", ErrPrivate, h.ID())
	}
	field, value := m.Face(d)
	if m.T == OnItsFace && field == "" {
		return fmt.Errorf("%w: nothing on the face of the claim is false", ErrStep)
	}
	if m.T != OnItsFace && field != "" {
		return fmt.Errorf("%w: %s is %d", ErrClaim, field, value)
	}
	return nil
}

func (m *OpenMove) evidence(cl claim.Claim, c Chain) error {
	digest := cl.Digest(c.Domain)
	if m.Batch == nil {
		return c.signed(digest, m.Key, m.Signature, cl.Node)
	}
	if err := claim.VerifyLeaf(m.Batch.Root, c.BatchCount, uint32(m.Batch.Index), digest, m.Batch.Path); err != nil {
		return fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	return nil
}

// jobOf is the job of the game.
func (m *OpenMove) jobOf(r claim.Request, c claim.Claim) Job {
	h := &m.Header
	return Job{ModelID: r.Model, PromptRoot: r.PromptRoot, StopRoot: r.StopRoot, StateRoot: c.StateRoot, OutputRoot: c.OutputRoot,
		Seed: r.Seed, PromptCount: r.PromptCount, Count: c.Count, MaxNew: r.MaxNew, Temperature: r.Temperature,
		Vocabulary: h.Vocab, TMax: h.TMax, Layers: h.Layers, Kind: uint8(h.Kind), Finish: c.Finish, StopCount: r.StopCount,
		DPos: h.DPos, DLayer: h.DLayer, DRow: h.DRow, User: r.User, Price: r.Price, Sampler: m.Sampler, Salted: m.salted()}
}

// demand asks for the batch of a claim that should be in one by now. SPEC 08 §4.10.
func (m *OpenMove) demand(s *State, cl claim.Claim, c Chain) error {
	if m.Batch != nil {
		return fmt.Errorf("%w: the evidence is the batch that is asked for", ErrStep)
	}
	if c.CommittedAt <= cl.BatchBy {
		return fmt.Errorf("%w: committed at %d, the node has until %d", ErrEarly, c.CommittedAt, cl.BatchBy)
	}
	s.Phase, s.GraphRoot = Demand, cl.Digest(c.Domain)
	s.Flags |= FlagDemand
	return nil
}

// target puts a step or a tree in hand.
func (m *OpenMove) target(s *State, j *Job) error {
	switch {
	case m.graph() && m.T != 0:
		return fmt.Errorf("%w: step %d of a graph model", ErrStep, m.T)
	case m.graph():
		return nil
	case m.T == AnyOutput:
		s.overOutputs(j)
		return nil
	case m.T == AnyState:
		s.overStates(j)
		return nil
	case uint64(m.T) >= j.States():
		return fmt.Errorf("%w: step %d of %d", ErrStep, m.T, j.States())
	}
	s.T = m.T
	return nil
}

// overOutputs puts the claim's output tree in hand.
func (s *State) overOutputs(j *Job) {
	s.descend(Outputs, 4*uint64(j.Count), opset.LeafBytes, uint8(tensor.I32), j.OutputRoot)
}

// overStates puts the claim's state tree in hand; the only state of a claim needs no descent.
func (s *State) overStates(j *Job) {
	if j.States() > 1 {
		s.descend(States, 32*j.States(), 32, 0, j.StateRoot)
	}
}

func (s *State) descend(p Phase, total uint64, leaf uint16, kind uint8, root Hash) {
	s.Phase, s.Total, s.Leaf, s.Type, s.Subtree = p, total, leaf, kind, root
	s.Level = uint8(merkle.Depth(merkle.Leaves(total, int(leaf))))
}
