package dispute

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/model/modeltest"
)

// cutWorld is the claim of a node that stopped after n of the world's tokens: what it signs when the
// user goes away, and after a crash the whole.
func cutWorld(t testing.TB, w *world, n int, finish uint8) *world {
	t.Helper()
	m := int(w.open.Request.PromptCount)
	cut := *w
	cut.theirs = &trace.Answer{Hashes: w.theirs.Hashes[:m+n], Outputs: w.theirs.Outputs[:n]}
	cut.open.Claim.Count, cut.open.Claim.Finish = uint32(n), finish
	if finish == claim.FinishCancelled {
		cut.open.Cancel = w.cancel(t, uint32(n))
	}
	cut.open.Claim.StateRoot, cut.open.Claim.OutputRoot = cut.theirs.StateTree().Root(), trace.IDTree(cut.theirs.Outputs).Root()
	cut.open.Claim.Issued++
	cut.sign(t)
	return &cut
}

// against makes w an opening that shows other as the contradiction, where differ and index say.
func (w *world) against(other *world, differ uint8, index uint32) *world {
	out := *w
	out.open.T = Contradicts
	d := &Second{Claim: other.open.Claim, Signature: other.open.Signature, Cancel: other.open.Cancel, Differ: differ, Index: index}
	if differ != DifferRoots && d.both(&out.open) {
		open := func(a *trace.Answer, n uint32) Opened {
			_, _, at := d.tree(w.open.Request.PromptCount, n)
			if differ == DifferState {
				return Opened{bytes.Clone(a.Hashes[1+at][:]), a.StateTree().Siblings(0, at, at+1)}
			}
			leaf := make([]byte, 64)
			copy(leaf, trace.IDBytes(a.Outputs)[64*at:])
			return Opened{leaf, trace.IDTree(a.Outputs).Siblings(0, at, at+1)}
		}
		d.Mine, d.Theirs = open(w.theirs, w.open.Claim.Count), open(other.theirs, d.Claim.Count)
	}
	out.open.Second = d
	return &out
}

func (w *world) refused(t *testing.T, c Chain) error {
	t.Helper()
	m, err := DecodeOpen(w.open.Encode(), 0)
	if err == nil {
		_, _, err = Begin(m, c)
	}
	return err
}

var evidenceChain = Chain{Domain: domain, Now: 200, CommittedAt: 190, Queue: 210, Params: params}

// An honest node that signs an answer that was cut off, crashes and signs the whole one does not
// contradict itself, whatever anybody shows. GAME hole 12, SPEC 08 §4.9.
func TestACutAnswerContradictsNothing(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	whole := tokenWorld(t, man, tokenJob(11), nil).asked(t)
	n := len(whole.theirs.Outputs)
	if n < 2 {
		t.Fatalf("%d tokens cannot be cut", n)
	}
	cut := cutWorld(t, whole, n-1, claim.FinishCancelled)
	for differ := range uint8(4) {
		for index := range uint32(12) {
			for _, w := range []*world{whole.against(cut, differ, index), cut.against(whole, differ, index), whole.against(whole, differ, index)} {
				if err := w.refused(t, evidenceChain); !errors.Is(err, ErrSame) {
					t.Fatalf("differ %d at %d: %v", differ, index, err)
				}
			}
		}
	}
	if _, ok := Contradiction(&whole.open, whole.theirs.Outputs, Second{Claim: cut.open.Claim}, cut.theirs.Outputs); ok {
		t.Fatal("a prefix passes for a contradiction")
	}
}

// contradictions are pairs of claims that one node must not sign, with the places where it shows.
func contradictions(t testing.TB, man *manifest.Manifest) map[string]*world {
	t.Helper()
	honest := tokenWorld(t, man, tokenJob(11), nil).asked(t)
	lying := tokenWorld(t, man, tokenJob(11), &lie{3, man.Emit(), drawnToken(man), 0, 1}).asked(t)
	n := min(len(honest.theirs.Outputs), len(lying.theirs.Outputs))
	cut := cutWorld(t, lying, n-1, claim.FinishCancelled)
	out := map[string]*world{
		"state": honest.against(cut, DifferState, 3), "state of the longer": cut.against(honest, DifferState, 3),
		"output": honest.against(cut, DifferOutput, 0),
	}
	if len(lying.theirs.Outputs) == len(honest.theirs.Outputs) {
		out["roots"] = honest.against(lying, DifferRoots, 0)
	}
	byKey := honest.against(cut, DifferOutput, 0)
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	second := *byKey.open.Second
	second.Key = claim.AddressOf(k)
	_, first := byKey.open.Sealed(domain)
	c := second.Claim
	r, _ := byKey.open.Sealed(domain)
	c.Version, c.Node, c.RequestDigest = first.Version, first.Node, c.Named(domain, r.Digest(domain), second.Cancel)
	if second.Signature, err = claim.Sign(c.Digest(domain), k); err != nil {
		t.Fatal(err)
	}
	byKey.open.Second = &second
	out["output, by a key"] = byKey
	return out
}

// Two claims on one request of which neither is a prefix of the other refute, where they differ and
// nowhere else, and only with both signatures.
func TestContradictionRefutes(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	for name, w := range contradictions(t, man) {
		c := evidenceChain
		if key := w.open.Second.Key; key != (claim.Address{}) {
			if err := w.refused(t, c); !errors.Is(err, ErrEvidence) {
				t.Fatalf("%s: a key that the node never named: %v", name, err)
			}
			c.Keys = []claim.Address{key}
		}
		m, err := DecodeOpen(w.open.Encode(), 0)
		if err != nil {
			t.Fatal(name, err)
		}
		s, _, err := Begin(m, c)
		if err != nil || s.Phase != Refuted || s.Deadline != 0 {
			t.Fatalf("%s: phase %s, %v", name, s.Phase, err)
		}
		bad := *w
		second := *w.open.Second
		second.Signature[5] ^= 1
		bad.open.Second = &second
		if err := bad.refused(t, c); !errors.Is(err, ErrEvidence) {
			t.Fatalf("%s: a changed signature: %v", name, err)
		}
		if second = *w.open.Second; second.Differ == DifferRoots {
			continue
		}
		second.Theirs.Leaf = bytes.Clone(second.Theirs.Leaf)
		second.Theirs.Leaf[0] ^= 1
		if err := bad.refused(t, c); !errors.Is(err, ErrOpening) {
			t.Fatalf("%s: a changed leaf: %v", name, err)
		}
	}
}

// Two receipts show a contradiction by their ids.
func TestReceiptsShowTheContradiction(t *testing.T) {
	w := contradictions(t, bind(t, modeltest.Llama(3, modeltest.Tiny())))["output"]
	given := *w.open.Second
	given.Differ, given.Index, given.Mine, given.Theirs = 0, 0, Opened{}, Opened{}
	theirs := bytes.Clone(w.open.Second.Theirs.Leaf)
	ids := make([]int32, w.open.Second.Claim.Count)
	for i := range ids {
		ids[i] = int32(theirs[4*i]) | int32(theirs[4*i+1])<<8
	}
	d, ok := Contradiction(&w.open, w.theirs.Outputs, given, ids)
	if !ok {
		t.Fatal("not seen")
	}
	w.open.Second = d
	if err := w.refused(t, evidenceChain); err != nil {
		t.Fatal(err)
	}
}

// A demand is for a claim that should be in a batch, with the node's signature as its evidence; the
// batch ends it, and silence refutes. SPEC 08 §4.10.
func TestDemandForABatch(t *testing.T) {
	w := tokenWorld(t, bind(t, modeltest.Llama(3, modeltest.Tiny())), tokenJob(11), nil)
	w.open.T = NotIncluded
	early := evidenceChain
	early.CommittedAt = w.open.Claim.BatchBy
	if err := w.refused(t, early); !errors.Is(err, ErrEarly) {
		t.Fatalf("at batchBy: %v", err)
	}
	g := begin(t, w)
	_, cl := w.open.Sealed(domain)
	if g.s.Phase != Demand || g.s.Flags != FlagDemand || g.s.GraphRoot != cl.Digest(domain) || g.s.Phase.Turn() != Node {
		t.Fatalf("%+v", g.s)
	}
	j, s, err := DecodeRecord(Record(&g.j, &g.s))
	if err != nil || s != g.s || j != g.j {
		t.Fatalf("the log gives %+v, %v", s, err)
	}
	b, err := claim.NewBatch([]Hash{{1}, cl.Digest(domain), {2}})
	if err != nil {
		t.Fatal(err)
	}
	shown := Include{Job: g.j, Root: b.Root(), Index: 1, Path: b.Path(1)}
	env := Env{Now: g.s.Deadline, Mover: claim.Address{0x99}, BatchCount: 3, Params: params}
	m, err := DecodeMove(&g.s, KindInclude, shown.Encode())
	if err != nil {
		t.Fatal(err)
	}
	next, effect, err := Apply(g.s, m, env)
	if err != nil || next.Phase != Lost || !effect.Over {
		t.Fatalf("%+v, %v", next, err)
	}
	for name, bad := range map[string]Include{
		"index": {g.j, shown.Root, 2, shown.Path}, "root": {g.j, Hash{9}, 1, shown.Path}, "path": {g.j, shown.Root, 1, shown.Path[:1]},
	} {
		if next, _, err := Apply(g.s, bad, env); !errors.Is(err, ErrOpening) || next != g.s {
			t.Errorf("%s: %v", name, err)
		}
	}
	env.BatchCount = 0
	if _, _, err := Apply(g.s, shown, env); !errors.Is(err, ErrEvidence) {
		t.Errorf("a batch that was never posted: %v", err)
	}
	env.Now = g.s.Last + 1
	if next, _, err = Apply(g.s, Timeout{}, env); err != nil || next.Phase != Refuted {
		t.Errorf("after D2: %s, %v", next.Phase, err)
	}
}

// evidence records the openings that name no step of the claim: contradictions and demands, and what
// is refused of them.
func (c *collector) evidence(t *testing.T, man *manifest.Manifest) {
	t.Helper()
	all := contradictions(t, man)
	for _, name := range []string{"state", "state of the longer", "output", "roots"} {
		if w := all[name]; w != nil {
			c.name = "contradiction: " + name
			c.open(begin(t, w))
		}
	}
	honest := tokenWorld(t, man, tokenJob(11), nil).asked(t)
	cut := cutWorld(t, honest, len(honest.theirs.Outputs)-1, claim.FinishCancelled)
	for differ := range uint8(4) {
		c.opens = append(c.opens, refusedOpen("no contradiction", honest.against(cut, differ, 0), "NoContradiction"))
	}
	c.opens = append(c.opens, refusedOpen("no contradiction", honest.against(cut, DifferOutput, cut.open.Claim.Count), "NoContradiction"))
	c.opens = append(c.opens, refusedOpen("no contradiction", honest.against(cut, DifferRoots, 1), "NoContradiction"))
	forged := *all["output"]
	second := *forged.open.Second
	second.Claim.Value = claim.Units(8)
	forged.open.Second = &second
	c.opens = append(c.opens, refusedOpen("a claim that the node did not sign", &forged, "NoEvidence"))
	c.name = "cancelled"
	c.open(begin(t, cut))
	c.name = "demand"
	demand := tokenWorld(t, man, tokenJob(11), nil)
	demand.open.T = NotIncluded
	c.open(begin(t, demand))
}
