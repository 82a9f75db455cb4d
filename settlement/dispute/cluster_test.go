package dispute

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// clusterVector is a case of the shared answers about whole tensors.
type clusterVector struct {
	Name, State, Payload, Want string
	Phase                      uint8
}

func clusterVectors(t testing.TB) (out []clusterVector) {
	t.Helper()
	b, err := os.ReadFile("../../testvectors/dispute/clusters.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Cases []clusterVector }
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return f.Cases
}

func (v *clusterVector) parts(t testing.TB) (state, payload []byte) {
	t.Helper()
	state, err1 := hex.DecodeString(v.State)
	payload, err2 := hex.DecodeString(v.Payload)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return state, payload
}

// takenCluster is an answer that the vectors say is taken.
type takenCluster struct {
	clusterVector
	state   State
	move    Move
	payload []byte
}

func takenClusters(t *testing.T) (out []takenCluster) {
	t.Helper()
	for _, v := range clusterVectors(t) {
		if v.Want != "" {
			continue
		}
		state, payload := v.parts(t)
		s, err := DecodeState(state)
		if err != nil {
			t.Fatal(err)
		}
		m, err := DecodeMove(&s, KindAnswer, payload)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		out = append(out, takenCluster{v, s, m, payload})
	}
	if len(out) == 0 {
		t.Fatal("no answer of the vectors is taken")
	}
	return out
}

func believing(*Proven) error { return nil }

// A payload about a whole tensor has one encoding and none that is shorter or longer; without a proof that holds it is no
// move, and in the hands of whoever has the turn no other move is lost by it. SPEC 08 §4.13, §7.15.
func TestClusterAnswersHaveOneEncoding(t *testing.T) {
	for _, v := range takenClusters(t) {
		s, m, payload := v.state, v.move, v.payload
		if !bytes.Equal(m.Encode(), payload) {
			t.Fatalf("%s: another encoding", v.Name)
		}
		for _, n := range []int{0, JobSize, JobSize + 1, JobSize + 22, JobSize + 23, JobSize + 24, len(payload) / 2, len(payload) - 1} {
			if _, err := DecodeMove(&s, KindAnswer, payload[:n]); err == nil {
				t.Errorf("%s: %d of %d bytes are a payload", v.Name, n, len(payload))
			}
		}
		env := Env{Now: s.Deadline}
		if _, _, err := Apply(s, m, env); !errors.Is(err, ErrProof) {
			t.Errorf("%s: nobody decides on proofs: %v", v.Name, err)
		}
		env.Proofs = func(*Proven) error { return errors.New("no") }
		if _, _, err := Apply(s, m, env); !errors.Is(err, ErrProof) {
			t.Errorf("%s: a proof that is refused: %v", v.Name, err)
		}
		env.Proofs, env.Now = believing, max(s.Deadline, s.Last)+1
		if _, _, err := Apply(s, m, env); !errors.Is(err, ErrLate) {
			t.Errorf("%s: after the deadline: %v", v.Name, err)
		}
	}
}

// An answer about a whole tensor leaves clocks, void and money to the turn in which it comes. SPEC 08 §4.13.
func TestClusterAnswersAreMeteredByTheTurn(t *testing.T) {
	seen := map[Side]int{}
	for _, v := range takenClusters(t) {
		s, m := v.state, v.move
		s.Escrow.Lo = 50
		turn := s.Phase.Turn()
		env := Env{Now: s.Deadline, Proofs: believing}
		if turn == Node {
			env.Now++ // D1 has passed, D2 has not
		}
		env.Gas.Lo = 70
		next, effect, err := Apply(s, m, env)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if uint8(next.Phase) != v.Phase || !effect.Over || next.Deadline != 0 || next.Last != 0 {
			t.Errorf("%s: phase %s, over %v, deadlines %d and %d", v.Name, next.Phase, effect.Over, next.Deadline, next.Last)
		}
		credit, cost := uint64(0), uint64(70)
		if turn == Node {
			credit, cost = 50, 50
		}
		if effect.Credit.Lo != credit || next.Cost.Lo-s.Cost.Lo != cost || effect.Void != (turn == Node) {
			t.Errorf("%s: credit %v, cost %v, void %v on the turn of side %d", v.Name, effect.Credit, next.Cost, effect.Void, turn)
		}
		seen[turn]++
	}
	if seen[Node] == 0 || seen[Opener] == 0 {
		t.Errorf("turns %v: the test decides nothing", seen)
	}
}

// What the contracts refuse the twin refuses, too, and for the reason that its errors name.
func TestClusterAnswersAreRefusedForTheSameReason(t *testing.T) {
	reasons := map[string]error{"WrongPhase": ErrPhase, "WrongJob": ErrBadJob, "PayloadLength": ErrBadPayload, "DataLength": ErrBadPayload,
		"OutOfRange": ErrRange, "NotOpened": ErrOpening, "BadCluster": ErrCluster, "BadRead": ErrRead}
	shown := map[string]bool{}
	for _, v := range clusterVectors(t) {
		want, ours := reasons[v.Want]
		if !ours {
			continue // taken, or what verifiers of proofs say
		}
		state, payload := v.parts(t)
		s, err := DecodeState(state)
		if err != nil {
			t.Fatal(err)
		}
		m, err := DecodeMove(&s, KindAnswer, payload)
		if err == nil {
			_, _, err = Apply(s, m, Env{Now: s.Deadline, Proofs: believing})
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v (%s)", v.Name, err, want, v.Want)
		}
		shown[v.Want] = true
	}
	if len(shown) != len(reasons) {
		t.Errorf("the vectors show %v", shown)
	}
}

func FuzzDecodeCluster(f *testing.F) {
	for _, v := range clusterVectors(f) {
		state, payload := v.parts(f)
		f.Add(state, payload)
	}
	f.Fuzz(func(t *testing.T, state, payload []byte) {
		s, err := DecodeState(state)
		if err != nil || !s.isCluster(payload) {
			return
		}
		m, err := DecodeMove(&s, KindAnswer, payload)
		if err != nil {
			return
		}
		if !bytes.Equal(m.Encode(), payload) {
			t.Fatal("two encodings of one answer")
		}
		if next, _, err := Apply(s, m, Env{Now: s.Deadline, Proofs: believing}); err == nil && next.Phase.Turn() != Nobody {
			t.Fatalf("an answer about a whole tensor leads to %s", next.Phase)
		}
	})
}
