package sampling_test

import (
	"bytes"
	"errors"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/settlement/sampling"
)

// graphRun is an audited run of a graph model.
type graphRun struct {
	man   *manifest.Manifest
	step  *trace.Step
	claim claim.Claim
}

func newGraphRun(t testing.TB, m *model.Model) *graphRun {
	t.Helper()
	man, err := manifest.Bind(m)
	if err != nil {
		t.Fatal(err)
	}
	first := &man.Model.Stages[0].Ops[0]
	in := tensor.New(first.Type, 1, 1, int(first.Count(&opset.Context{})))
	for i := range in.Len() {
		in.Set(i, int64(i*5%13))
	}
	g := &graphRun{man: man}
	if g.step, err = trace.ReplayGraph(man, in, nil, nil); err != nil {
		t.Fatal(err)
	}
	b := g.step.Boundaries()
	g.claim = claim.Claim{StateRoot: trace.BoundaryTree(b).Root(), OutputRoot: b[len(b)-1]}
	return g
}

// What an honest auditor of a graph model commits to opens at every stage and leaf that can be drawn, absent
// ones included, and nobody else's does. SPEC 11 §4.2, §4.4.
func TestStagesAreBoundToTheAuditor(t *testing.T) {
	g := newGraphRun(t, modeltest.Encoder(3, 7, 12)) // outputs of 84 elements: 6 leaves in trees of 8
	h := &g.man.Header
	salt := trace.Salt{Auditor: [20]byte{1}, Audit: hashOf("audit")}
	other := trace.Salt{Auditor: [20]byte{2}, Audit: salt.Audit}
	own, err := g.step.SaltedStages(salt)
	if err != nil {
		t.Fatal(err)
	}
	absent, stages := 0, map[uint64]bool{}
	for seed := range 40 {
		stage, draw := sampling.Stage(claim.Keccak([]byte{byte(seed)}), salt.Audit, h)
		stages[stage] = true
		o, err := own.Open(stage, draw)
		if err != nil {
			t.Fatal(err)
		}
		p := &sampling.StageProof{Opening: *o}
		b := p.Encode()
		q, err := sampling.DecodeStageProof(b, h)
		if err != nil || !bytes.Equal(q.Encode(), b) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if q.Opening.Absent != nil {
			absent++
		}
		if err := q.Check(&g.claim, h, salt, own.Root(), stage, draw); err != nil {
			t.Errorf("seed %d, stage %d, draw %x: %v", seed, stage, draw, err)
		}
		lie := g.claim
		lie.StateRoot = hashOf("other boundaries")
		for name, err := range map[string]error{
			"another auditor":  q.Check(&g.claim, h, other, own.Root(), stage, draw),
			"an invented root": q.Check(&g.claim, h, salt, hashOf("no tree"), stage, draw),
			"another claim":    q.Check(&lie, h, salt, own.Root(), stage, draw),
			"another stage":    q.Check(&g.claim, h, salt, own.Root(), 1-stage, draw),
			"another leaf":     q.Check(&g.claim, h, salt, own.Root(), stage, draw^1),
		} {
			if !errors.Is(err, sampling.ErrProof) {
				t.Errorf("seed %d, %s: %v", seed, name, err)
			}
		}
	}
	if absent == 0 || absent == 40 || len(stages) != int(sampling.Stages(h)) {
		t.Errorf("%d of 40 draws were of absent leaves, %d stages were drawn", absent, len(stages))
	}
}

// Who has computed a part of the outputs cannot choose another leaf where the drawn one is there. SPEC 11 §4.2.
func TestADrawnLeafCannotBeAvoided(t *testing.T) {
	g := newGraphRun(t, modeltest.Encoder(3, 7, 12))
	salt := trace.Salt{Auditor: [20]byte{1}}
	own, err := g.step.SaltedStages(salt)
	if err != nil {
		t.Fatal(err)
	}
	const there, instead = 5, 1 // leaf 5 of 6 is there; 1 would be opened for it if it were not
	drawn, err1 := own.Open(0, there)
	low, err2 := own.Open(0, instead)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string][]merkle.Hash{"its own siblings": drawn.Output, "others": low.Output} {
		p := sampling.StageProof{Opening: *low}
		p.Opening.Absent = path
		if err := p.Check(&g.claim, &g.man.Header, salt, own.Root(), 0, there); !errors.Is(err, sampling.ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A graph model of one stage hides nothing: there is no salted tree, no proof and no draw of it. SPEC 11 §4.1.
func TestOneStageHidesNothing(t *testing.T) {
	g := newGraphRun(t, modeltest.Toy())
	if _, err := g.step.SaltedStages(trace.Salt{}); !errors.Is(err, trace.ErrTrace) {
		t.Error(err)
	}
	if _, err := sampling.DecodeStageProof(make([]byte, 1000), &g.man.Header); !errors.Is(err, sampling.ErrProof) {
		t.Error(err)
	}
}

// Each way to spoil a proof about a graph model is refused. SPEC 11 §4.4, §4.5.
func TestSpoiltStageProofsAreRefused(t *testing.T) {
	g := newGraphRun(t, modeltest.Encoder(3, 7, 12))
	h, salt := &g.man.Header, trace.Salt{Auditor: [20]byte{1}, Audit: hashOf("audit")}
	own, err := g.step.SaltedStages(salt)
	if err != nil {
		t.Fatal(err)
	}
	for _, draw := range []uint64{3, 7} { // leaf 7 of 6 is absent
		o, err := own.Open(1, draw)
		if err != nil {
			t.Fatal(err)
		}
		good := (&sampling.StageProof{Opening: *o}).Encode()
		check := func(b []byte) error {
			q, err := sampling.DecodeStageProof(b, h)
			if err != nil {
				return err
			}
			return q.Check(&g.claim, h, salt, own.Root(), 1, draw)
		}
		if err := check(good); err != nil {
			t.Fatal(err)
		}
		for i := len(claim.Signature{}); i < len(good); i++ {
			spoilt := bytes.Clone(good)
			spoilt[i] ^= 1
			if err := check(spoilt); !errors.Is(err, sampling.ErrProof) {
				t.Errorf("draw %d, byte %d: %v", draw, i, err)
			}
		}
		for _, b := range [][]byte{nil, good[:66], good[:len(good)-1], append(bytes.Clone(good), 0)} {
			if err := check(b); !errors.Is(err, sampling.ErrProof) {
				t.Errorf("%d bytes: %v", len(b), err)
			}
		}
		deep := bytes.Clone(good)
		if deep[65] = 33; !errors.Is(check(deep), sampling.ErrProof) {
			t.Error("a tree of depth 33")
		}
	}
}

// DecodeStageProof is total and has one encoding.
func FuzzDecodeStageProof(f *testing.F) {
	g := newGraphRun(f, modeltest.Encoder(3, 7, 12))
	own, err := g.step.SaltedStages(trace.Salt{})
	if err != nil {
		f.Fatal(err)
	}
	for _, draw := range []uint64{0, 7} {
		o, err := own.Open(1, draw)
		if err != nil {
			f.Fatal(err)
		}
		f.Add((&sampling.StageProof{Opening: *o}).Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := sampling.DecodeStageProof(b, &g.man.Header)
		if err != nil {
			return
		}
		if !bytes.Equal(q.Encode(), b) {
			t.Fatal("two encodings")
		}
		_ = q.Check(&g.claim, &g.man.Header, trace.Salt{}, claim.Hash{}, 1, 0)
	})
}
