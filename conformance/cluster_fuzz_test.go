package conformance_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"elenchus/settlement/dispute"
)

// clusterBench are contract and twin of answers about whole tensors, with the keys of the vectors.
type clusterBench struct {
	*rules
	clusterFile
	shape [32]byte
}

func newClusterBench(t testing.TB) *clusterBench {
	t.Helper()
	b := &clusterBench{rules: newClusterRules(t)}
	if err := json.Unmarshal([]byte(read(t, clusterVectors)), &b.clusterFile); err != nil {
		t.Fatal(err)
	}
	b.shape = [32]byte(unhex(t, b.Shape))
	b.register(t, clusterVerifier, b.shape, unhex(t, b.Key))
	b.register(t, plonkVerifier, b.shape, unhex(t, b.Words))
	return b
}

// judge plays a payload by both, and wants one verdict.
func (b *clusterBench) judge(t testing.TB, state, payload []byte) {
	t.Helper()
	s, err := dispute.DecodeState(state)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := judgedCluster(&s, payload, func(p *dispute.Proven) error { return provenBy(&b.clusterFile, b.shape, p) })
	next, name := b.play(t, uint8(dispute.KindAnswer), state, payload)
	if (err == nil) != (name == "") || err == nil && next[72] != uint8(want.Phase) {
		t.Fatalf("the twin says %v, the contract %q\nstate %x\npayload %x", err, name, state, payload)
	}
}

// Answers about whole tensors that were changed anywhere are taken by both or by neither. SPEC 08 §7.15.
func TestTwinsAgreeOnChangedClusterAnswers(t *testing.T) {
	b, g := newClusterBench(t), rand.New(rand.NewPCG(6, 3))
	times := 1
	if soak {
		times = 300
	}
	for range times {
		for i := range b.Cases {
			payload := unhex(t, b.Cases[i].Payload)
			at := g.IntN(len(payload))
			switch g.IntN(3) {
			case 0:
				payload[at] ^= 1 << g.IntN(8)
			case 1:
				payload[at] = byte(g.Uint32())
			default:
				payload = mutate(g, payload)
			}
			b.judge(t, unhex(t, b.Cases[i].State), payload)
		}
	}
}

// Contract and twin agree on any bytes in the place of an answer about a whole tensor.
func FuzzClusterAnswers(f *testing.F) {
	b := newClusterBench(f)
	for i, c := range b.Cases {
		f.Add(uint8(i), unhex(f, c.Payload))
	}
	f.Fuzz(func(t *testing.T, i uint8, payload []byte) {
		b.judge(t, unhex(t, b.Cases[int(i)%len(b.Cases)].State), payload)
	})
}
