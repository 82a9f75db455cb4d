package sampling_test

import (
	"bytes"
	"errors"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/model/modeltest"
	"elenchus/settlement/sampling"
	"elenchus/settlement/stake"
)

// world is an audited run of a random tiny model.
type world struct {
	man    *manifest.Manifest
	answer *trace.Answer
	step   *trace.Step
	claim  claim.Claim
	states uint64
}

func newWorld(t testing.TB, class manifest.Class) *world {
	t.Helper()
	man, err := manifest.BindAs(modeltest.Llama(3, modeltest.Tiny()), class)
	if err != nil {
		t.Fatal(err)
	}
	job := decode.Job{Prompt: []int32{5, 17, 4}, MaxNew: 4, Temperature: 1 << 16, Seed: 11}
	chain := trace.NewChain(man, &job)
	run, err := decode.New(man.Model, job, nil, decode.Hooks{Step: func(_ int, y decode.Yield, kv *machine.Cache) { chain.Append(y, kv) }})
	if err != nil {
		t.Fatal(err)
	}
	for !run.Done() {
		if err := run.Advance(1); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{man: man, answer: chain.Answer(run.Output())}
	w.states = uint64(len(w.answer.Hashes) - 1)
	w.claim = claim.Claim{Count: uint32(len(w.answer.Outputs)), StateRoot: claim.Hash(w.answer.StateTree().Root())}
	w.step, err = trace.Replay(man, job, int(w.states)-1, w.answer.Outputs, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func hashOf(name string) claim.Hash { return claim.Keccak([]byte(name)) }

// What an honest auditor commits to opens at every leaf that can be drawn, and nobody else's does. Of a
// confidential model it shows hashes alone. SPEC 11 §4.
func TestReceiptsAreBoundToTheAuditor(t *testing.T) {
	for class, shown := range map[manifest.Class]int{manifest.Public: 512, manifest.Confidential: 32} {
		t.Run(class.String(), func(t *testing.T) { boundToTheAuditor(t, newWorld(t, class), shown) })
	}
}

func boundToTheAuditor(t *testing.T, w *world, shown int) {
	salt := trace.Salt{Auditor: [20]byte{1}, Audit: hashOf("audit")}
	own := w.step.Salted(salt)
	other := trace.Salt{Auditor: [20]byte{2}, Audit: salt.Audit}
	for seed := range 40 {
		leaf := sampling.Leaf(claim.Keccak([]byte{byte(seed)}), salt.Audit, &w.man.Header, w.states)
		p, err := sampling.Prove(claim.Signature{}, w.answer, own, leaf)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(p.Row.Leaf); n != 0 && n != shown {
			t.Errorf("seed %d: the leaf is shown as %d bytes, want %d", seed, n, shown)
		}
		b := p.Encode()
		q, err := sampling.DecodeProof(b, &w.man.Header, w.states)
		if err != nil || !bytes.Equal(q.Encode(), b) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := q.Check(&w.claim, &w.man.Header, w.states, salt, own.Root(), leaf); err != nil {
			t.Errorf("seed %d, leaf %d: %v", seed, leaf, err)
		}
		if p.Row.Leaf != nil && q.Check(&w.claim, &w.man.Header, w.states, other, own.Root(), leaf) == nil {
			t.Errorf("seed %d: another auditor opens the tree", seed)
		}
		if err := q.Check(&w.claim, &w.man.Header, w.states, salt, hashOf("no tree"), leaf); !errors.Is(err, sampling.ErrProof) {
			t.Errorf("seed %d: an invented root: %v", seed, err)
		}
		lie := w.claim
		lie.StateRoot = hashOf("another state")
		if err := q.Check(&lie, &w.man.Header, w.states, salt, own.Root(), leaf); !errors.Is(err, sampling.ErrProof) {
			t.Errorf("seed %d: another claim: %v", seed, err)
		}
	}
}

// Two places of a draw have two seats, and every seat and claim can be drawn. SPEC 11 §3.2.
func TestDrawsReachEverything(t *testing.T) {
	const count, seats = 5, 4
	claims, first, second := map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}
	for i := range 400 {
		seed := claim.Keccak([]byte{byte(i), byte(i >> 8)})
		index, a, ok := sampling.Draw(seed, hashOf("batch"), 0, 0, count, seats)
		same, b, also := sampling.Draw(seed, hashOf("batch"), 0, 1, count, seats)
		if !ok || !also || a == b || index != same || index >= count || a >= seats || b >= seats {
			t.Fatalf("draw %d: claims %d, %d, seats %d, %d", i, index, same, a, b)
		}
		claims[index], first[a], second[b] = true, true, true
	}
	if len(claims) != count || len(first) != seats || len(second) != seats {
		t.Errorf("reached %d claims, %d and %d seats", len(claims), len(first), len(second))
	}
	if _, _, ok := sampling.Draw(hashOf("seed"), hashOf("batch"), 0, 1, count, 1); ok {
		t.Error("one seat holds both places")
	}
	if _, _, ok := sampling.Draw(hashOf("seed"), hashOf("batch"), 0, 0, count, 0); ok {
		t.Error("no seat holds a place")
	}
}

// Who approves blindly loses money where one of 64 drawn claims is false or planted, in every profile,
// and does not where one of a million is. SPEC 11 §8.3.
func TestApprovingBlindlyLosesMoney(t *testing.T) {
	for _, profile := range []stake.Profile{stake.Devnet, stake.L2, stake.L1} {
		p := sampling.ParamsOf(profile)
		if loses, err := p.BlindLoses(64); err != nil || !loses {
			t.Errorf("%v: one of 64: %v, %v", profile, loses, err)
		}
		if loses, err := p.BlindLoses(1_000_000); err != nil || loses {
			t.Errorf("%v: one of a million: %v, %v", profile, loses, err)
		}
	}
	if _, err := new(sampling.Params).BlindLoses(0); !errors.Is(err, sampling.ErrParams) {
		t.Errorf("one of none: %v", err)
	}
}

// The terms of the profiles are in range with their arena; just below a bound they are not. SPEC 11 §7.
func TestTermsAreInRange(t *testing.T) {
	for _, profile := range []stake.Profile{stake.Devnet, stake.L2, stake.L1} {
		a := stake.ParamsOf(profile)
		p := sampling.ParamsOf(profile)
		check := func(p sampling.Params) error { return p.Check(a.Window, a.ReplyTime+a.Grace, 3) }
		if err := check(p); err != nil {
			t.Errorf("%v: %v", profile, err)
		}
		for name, spoil := range map[string]func(*sampling.Params){
			"delay":    func(p *sampling.Params) { p.Delay = 0 },
			"every":    func(p *sampling.Params) { p.Every = 0 },
			"fee":      func(p *sampling.Params) { p.Fee = claim.Amount{} },
			"deposit":  func(p *sampling.Params) { p.Deposit = p.Forfeit.Less(claim.Units(1)) },
			"gameTime": func(p *sampling.Params) { p.GameTime = 41*(a.ReplyTime+a.Grace) - 1 },
			"unbonding": func(p *sampling.Params) {
				p.Unbonding = p.Delay + p.CommitTime + p.RevealTime + 6 + 2*a.Window + p.GameTime - 1
			},
		} {
			q := p
			spoil(&q)
			if err := check(q); !errors.Is(err, sampling.ErrParams) {
				t.Errorf("%v: %s: %v", profile, name, err)
			}
		}
	}
}

// DecodeProof is total and has one encoding.
func FuzzDecodeProof(f *testing.F) {
	ws := []*world{newWorld(f, manifest.Public), newWorld(f, manifest.Confidential)}
	for _, w := range ws {
		p, err := sampling.Prove(claim.Signature{1}, w.answer, w.step.Salted(trace.Salt{}), 0)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, w := range ws {
			q, err := sampling.DecodeProof(b, &w.man.Header, w.states)
			if err != nil {
				continue
			}
			if !bytes.Equal(q.Encode(), b) {
				t.Fatal("two encodings")
			}
			_ = q.Check(&w.claim, &w.man.Header, w.states, trace.Salt{}, claim.Hash{}, 0)
		}
	})
}
