package dispute

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/compute/model/modeltest"
)

// everyPosition plays games with descents, with penalties and without, and hands each state before a move to f.
func everyPosition(t *testing.T, open uint32, f func(g *game, m Move, mover claim.Address)) {
	t.Helper()
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	worlds := []*world{tokenWorld(t, man, tokenJob(11), nil), tokenWorld(t, man, penaltyJob(), nil)}
	for seed := range uint64(6) {
		w := worlds[seed%2]
		w.open.T = open
		g := begin(t, w)
		r := rand.New(rand.NewPCG(seed, 1))
		for g.s.Phase.Turn() != Nobody {
			g.now++
			m, mover, err := Move(nil), g.s.Node, error(nil)
			if g.s.Phase.Turn() == Opener {
				m, err = anyPick(r)(g)
				mover = g.s.Opener
			} else {
				m, err = NextForNode(g.s, g.j, w.node)
			}
			if err != nil {
				t.Fatal(err)
			}
			f(g, m, mover)
			if err := g.apply(m, mover); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Whoever is not the party makes no move but answer and timeout. GAME rule 23.
func TestStrangersMoveNothing(t *testing.T) {
	for _, open := range []uint32{AnyState, AnyOutput} {
		everyPosition(t, open, func(g *game, m Move, mover claim.Address) {
			for _, other := range []claim.Address{{}, {0x99}, g.s.Node, g.s.Opener} {
				next, _, err := Apply(g.s, m, Env{Now: g.now, Mover: other, Params: params})
				allowed := other == mover || m.Kind() == KindAnswer
				if allowed != (err == nil) || err != nil && (!errors.Is(err, ErrMover) || next != g.s) {
					t.Fatalf("%s by %x: %v", m.Kind(), other, err)
				}
			}
		})
	}
}

// A payload that is changed in any byte, cut or extended does not do what the move does; if it is
// refused the state stays.
func TestChangedPayloadsChangeNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, open := range []uint32{AnyState, AnyOutput} {
		everyPosition(t, open, func(g *game, m Move, mover claim.Address) {
			b := m.Encode()
			for range 40 {
				c := bytes.Clone(b)
				switch r.IntN(4) {
				case 0:
					c = append(c, byte(r.Uint32()))
				case 1:
					c = c[:r.IntN(len(c))]
				default:
					c[r.IntN(len(c))] ^= 1 << r.IntN(8)
				}
				changed, err := DecodeMove(&g.s, m.Kind(), c)
				if err != nil {
					continue
				}
				next, _, err := Apply(g.s, changed, Env{Now: g.now, Mover: mover, Params: params})
				choice := mover == g.s.Opener && m.Kind() != KindAnswer || chosen(m, changed)
				if err != nil && next != g.s {
					t.Fatalf("%s: %v and the state changed", m.Kind(), err)
				}
				if err == nil && !choice {
					t.Fatalf("%s: a changed payload passed", m.Kind())
				}
			}
		})
	}
}

// chosen says whether b is a with other hashes that nothing binds before they are disputed.
func chosen(a, b Move) bool {
	switch a := a.(type) {
	case Reveal:
		b := b.(Reveal)
		b.Boundaries = a.Boundaries
		return bytes.Equal(a.Encode(), b.Encode())
	case Tensors:
		b := b.(Tensors)
		b.Roots = a.Roots
		return bytes.Equal(a.Encode(), b.Encode())
	}
	return false
}

// Moves out of turn are refused with ErrPhase, whatever they hold.
func TestMovesOutOfTurn(t *testing.T) {
	all := []Move{Children{}, Child{}, Reveal{}, PickStage{}, RowHashes{}, PickLayer{}, Tensors{}, PickTensor{}, RawLeaf{}, PickElement{}, AnswerMove{}}
	everyPosition(t, AnyOutput, func(g *game, m Move, _ claim.Address) {
		for _, other := range all {
			if other.Kind() == m.Kind() {
				continue
			}
			next, _, err := Apply(g.s, other, Env{Now: g.now, Mover: g.s.Node, Params: params})
			if !errors.Is(err, ErrPhase) || next != g.s {
				t.Fatalf("%s in %s: %v", other.Kind(), g.s.Phase, err)
			}
			if _, err := DecodeMove(&g.s, other.Kind(), nil); !errors.Is(err, ErrPhase) {
				t.Fatalf("payload of %s in %s: %v", other.Kind(), g.s.Phase, err)
			}
		}
	})
}

// SPEC 08 §5, at each deadline and one second after it.
func TestClocks(t *testing.T) {
	everyPosition(t, AnyState, func(g *game, m Move, mover claim.Address) {
		s := g.s
		try := func(m Move, now uint64) (State, Effect, error) {
			return Apply(s, m, Env{Now: now, Mover: mover, Params: params})
		}
		if s.Phase.Turn() == Opener {
			if _, _, err := try(m, s.Deadline); err != nil {
				t.Fatalf("%s at the deadline: %v", m.Kind(), err)
			}
			if _, _, err := try(m, s.Deadline+1); !errors.Is(err, ErrLate) {
				t.Fatalf("%s after the deadline: %v", m.Kind(), err)
			}
			if _, _, err := try(Timeout{}, s.Deadline); !errors.Is(err, ErrEarly) || Overdue(&s, s.Deadline) {
				t.Fatalf("timeout at the deadline: %v", err)
			}
			if n, e, err := try(Timeout{}, s.Deadline+1); err != nil || n.Phase != Lost || !e.Over || !Overdue(&s, s.Deadline+1) {
				t.Fatalf("timeout after the deadline: %s, %v", n.Phase, err)
			}
			return
		}
		if n, e, err := try(m, s.Deadline); err != nil || n.Flags&FlagVoid != 0 || e.Void {
			t.Fatalf("%s at D1: flags %d, %v", m.Kind(), n.Flags, err)
		}
		if n, e, err := try(m, s.Last); err != nil || n.Flags&FlagVoid == 0 || !e.Void {
			t.Fatalf("%s at D2: flags %d, %v", m.Kind(), n.Flags, err)
		}
		if _, _, err := try(m, s.Last+1); !errors.Is(err, ErrLate) {
			t.Fatalf("%s after D2: %v", m.Kind(), err)
		}
		n, e, err := try(Timeout{}, s.Deadline+1)
		if err != nil || n.Phase != s.Phase || !e.Void || n.Deadline != s.Deadline {
			t.Fatalf("timeout after D1: %+v, %v", n, err)
		}
		if _, _, err := Apply(n, Timeout{}, Env{Now: s.Last, Params: params}); !errors.Is(err, ErrEarly) || Overdue(&n, s.Last) {
			t.Fatalf("second timeout before D2: %v", err)
		}
		if n, e, err := Apply(n, Timeout{}, Env{Now: s.Last + 1, Params: params}); err != nil || n.Phase != Refuted || !e.Over {
			t.Fatalf("timeout after D2: %s, %v", n.Phase, err)
		}
	})
}

// What leaves the escrow is paid to the mover and booked as cost; nothing else moves.
func TestMeterConserves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		escrow, gas := claim.Units(rapid.Uint64().Draw(t, "escrow")), claim.Units(rapid.Uint64().Draw(t, "gas"))
		turn := rapid.SampledFrom([]Side{Node, Opener}).Draw(t, "turn")
		s, e := State{Escrow: escrow, Cost: claim.Units(5)}, Effect{}
		if err := meter(&s, turn, gas, &e); err != nil {
			t.Fatal(err)
		}
		left, _ := s.Escrow.Add(e.Credit)
		cost, _ := s.Cost.Sub(claim.Units(5))
		if left != escrow || turn == Opener && (!e.Credit.IsZero() || cost != gas) || turn == Node && cost != e.Credit {
			t.Fatalf("escrow %s -> %s, credit %s, cost %s", escrow, s.Escrow, e.Credit, cost)
		}
	})
}

// A lie about the K row of the first position leaves every boundary as it is: softmax over one
// position is one. Only the KV tree shows it. SPEC 08 §4, move 7.
func TestRowLieWithEqualBoundaries(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	for layer := range int(man.Layers) {
		l := &lie{0, layer + 1, int(man.Model.Stages[layer+1].Ops[0].P[1]), 3, 1 << 9}
		w := tokenWorld(t, man, tokenJob(11), l)
		g := begin(t, w)
		g.play(honest, false)
		convicted(t, g, l, man.Model.Stages[l.stage].Ops[l.tensor].Op)
		if _, err := last[RowHashes](g.seen); err != nil && layer == int(man.Layers)-1 {
			t.Fatal("the game did not go through the KV rows")
		}
	}
}

func TestStateAndJobHaveOneEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), StateSize, StateSize).Draw(t, "state")
		b[72], b[142], b[185] = b[72]%22, b[142]%4, b[185]%65
		s, err := DecodeState(b)
		phase, class, level := b[72], b[142], b[185]
		ok := phase >= 1 && phase <= 20 && class <= 2 && (level <= 63 || class == 1) && (class != 2 || phase >= 16) // SPEC 10 §8.5
		if ok != (err == nil) || ok && !bytes.Equal(s.Encode(), b) {
			t.Fatalf("phase %d, class %d, level %d: %v", b[72], b[142], b[185], err)
		}
		v, err := DecodeVerdict(b[:VerdictSize])
		if ok := b[72] == 16 || b[72] == 17; ok != (err == nil) || ok && !bytes.Equal(v.Encode(), b[:VerdictSize]) {
			t.Fatalf("verdict in phase %d, flags %d: %v", b[72], b[73], err)
		}
		j := rapid.SliceOfN(rapid.Byte(), JobSize, JobSize).Draw(t, "job")
		if v, err := DecodeJob(j); err != nil || !bytes.Equal(v.Encode(), j) {
			t.Fatalf("job: %v", err)
		}
	})
	for _, n := range []int{0, StateSize - 1, StateSize + 1} {
		if _, err := DecodeState(make([]byte, n)); !errors.Is(err, ErrBadState) {
			t.Fatal(err)
		}
		if _, err := DecodeJob(make([]byte, n)); !errors.Is(err, ErrBadJob) {
			t.Fatal(err)
		}
	}
}

// SPEC 08 §7.2: for each rule an opening that only this rule refuses.
func TestOpenRefuses(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	for _, c := range []struct {
		name string
		want error
		edit func(w *world)
	}{
		{"signature", ErrEvidence, func(w *world) { w.open.Signature[5] ^= 1 }},
		{"step", ErrStep, func(w *world) { w.open.T = 1 << 20 }},
		{"finish", ErrClaim, func(w *world) { w.open.Claim.Finish = 0 }},
		{"count", ErrClaim, func(w *world) { w.open.Claim.Count = 0 }},
		{"depth", ErrHeader, func(w *world) { w.open.Header.DRow = 33 }},
		{"private", ErrPrivate, func(w *world) { w.open.Header.Class = manifest.Private }},
		{"private, any state", ErrPrivate, func(w *world) { w.open.Header.Class, w.open.T = manifest.Private, AnyState }},
		{"private, any output", ErrPrivate, func(w *world) { w.open.Header.Class, w.open.T = manifest.Private, AnyOutput }},
		{"private, a step that is none", ErrPrivate, func(w *world) { w.open.Header.Class, w.open.T = manifest.Private, Delivered-1 }},
		{"class", ErrHeader, func(w *world) { w.open.Header.Class = manifest.Private + 1 }},
		{"batch", ErrEvidence, func(w *world) { w.open.Batch = &Inclusion{Root: Hash{1}} }},
		{"bytes left", ErrBadPayload, func(w *world) { w.open.Batch = &Inclusion{Path: make([]Hash, 1)} }},
	} {
		w := tokenWorld(t, man, tokenJob(11), nil)
		c.edit(w)
		if c.name != "signature" && c.name != "batch" && c.name != "bytes left" {
			w.sign(t)
		}
		m, err := DecodeOpen(w.open.Encode(), 1)
		if err == nil {
			_, _, err = Begin(m, Chain{Domain: domain, BatchCount: 1, Params: params})
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func FuzzDecodeState(f *testing.F) {
	s := State{Phase: R1}
	f.Add(s.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := DecodeState(b); err == nil && !bytes.Equal(s.Encode(), b) {
			t.Fatal("two encodings of one state")
		}
	})
}

func FuzzDecodeVerdict(f *testing.F) {
	v := Verdict{Phase: Lost}
	f.Add(v.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := DecodeVerdict(b); err == nil && !bytes.Equal(v.Encode(), b) {
			t.Fatal("two encodings of one verdict")
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	j, s := Job{PromptCount: 3, Count: 4}, State{Phase: R1}
	f.Add(Record(&j, &s))
	f.Fuzz(func(t *testing.T, b []byte) {
		if j, s, err := DecodeRecord(b); err == nil && !bytes.Equal(Record(&j, &s), b) {
			t.Fatal("two encodings of one opening")
		}
	})
}

func FuzzDecodeMove(f *testing.F) {
	s := State{Phase: Stage, Layers: 2}
	f.Add(s.Encode(), uint8(KindStage), []byte{0, 1})
	for _, v := range movesOf(f) {
		f.Add(v[0], v[1][0], v[2])
	}
	f.Fuzz(func(t *testing.T, state []byte, kind uint8, payload []byte) {
		s, err := DecodeState(state)
		if err != nil {
			return
		}
		m, err := DecodeMove(&s, Kind(kind), payload)
		if err == nil && !bytes.Equal(m.Encode(), payload) {
			t.Fatalf("two encodings of one %s", m.Kind())
		}
		if err == nil {
			Apply(s, m, Env{Now: s.Last, Mover: s.Node})
		}
	})
}

// movesOf reads state, move number and payload of the shared vectors.
func movesOf(f *testing.F) (out [][3][]byte) {
	b, err := os.ReadFile("../../testvectors/dispute/moves.json")
	if err != nil {
		f.Fatal(err)
	}
	var vs []moveVector
	if err := json.Unmarshal(b, &vs); err != nil {
		f.Fatal(err)
	}
	for _, v := range vs {
		s, err1 := hex.DecodeString(v.State)
		p, err2 := hex.DecodeString(v.Payload)
		if err1 != nil || err2 != nil {
			f.Fatal(err1, err2)
		}
		out = append(out, [3][]byte{s, {v.Move}, p})
	}
	return out
}

func FuzzDecodeOpen(f *testing.F) {
	f.Add(make([]byte, 700), uint32(1))
	raw, err := os.ReadFile("../../testvectors/dispute/opens.json")
	if err != nil {
		f.Fatal(err)
	}
	var opens []openVector
	if err := json.Unmarshal(raw, &opens); err != nil {
		f.Fatal(err)
	}
	for _, v := range opens {
		payload, err := hex.DecodeString(v.Payload)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload, v.Count)
	}
	f.Fuzz(func(t *testing.T, b []byte, count uint32) {
		if m, err := DecodeOpen(b, count); err == nil && !bytes.Equal(m.Encode(), b) {
			t.Fatal("two encodings of one open")
		}
	})
}
