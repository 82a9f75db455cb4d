package conformance_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"elenchus/proving/check"
	"elenchus/proving/step"
	"elenchus/settlement/dispute"
)

// elementBench are contract and twin, with the keys of the vectors.
type elementBench struct {
	*rules
	groth16, plonk *notary
	elementFile
}

func newElementBench(t testing.TB) *elementBench {
	t.Helper()
	b := &elementBench{rules: newClusterRules(t)}
	if err := json.Unmarshal([]byte(read(t, elementVectors)), &b.elementFile); err != nil {
		t.Fatal(err)
	}
	b.groth16, b.plonk = newNotary(t, b.Chain, clusterVerifier, nil), newNotary(t, b.Chain, plonkVerifier, nil)
	b.plonk.system = step.PLONK
	for n, keys := range map[*notary]map[string]string{b.groth16: b.Keys, b.plonk: b.Words} {
		for shape, words := range keys {
			name, key := [32]byte(unhex(t, shape)), unhex(t, words)
			b.register(t, n.site, name, key)
			n.words[name] = key
		}
	}
	return b
}

// either is the twin of the verifier that the registry names for the system of a proof.
func either(notaries ...*notary) dispute.Proofs {
	return func(p *dispute.Proven) error {
		for _, n := range notaries {
			if p.System == uint8(n.system) {
				return n.decide(p)
			}
		}
		return check.ErrShape
	}
}

// judge plays a payload by both, and wants one verdict.
func (b *elementBench) judge(t testing.TB, state, payload []byte) (next []byte, name string) {
	t.Helper()
	s, err := dispute.DecodeState(state)
	if err != nil {
		t.Fatal(err)
	}
	want, err := judgedElement(&s, payload, either(b.groth16, b.plonk))
	next, name = b.play(t, uint8(dispute.KindAnswer), state, payload)
	if (err == nil) != (name == "") || err == nil && !bytes.Equal(next, want) {
		t.Fatalf("the twin says %v, the contract %q\npayload %x\n got %x\nwant %x", err, name, payload, next, want)
	}
	return next, name
}

// Contracts and twin agree about every answer of the vectors: where it leads, or that it is refused, by the reason of the
// vector; every reason that an answer by proof can be refused by is shown. SPEC 08 §7.12, STYLE 30, 33.
func TestElementAnswersOnChain(t *testing.T) {
	if *update {
		writeElements(t)
	}
	b := newElementBench(t)
	shown := map[string]bool{}
	for _, c := range b.Cases {
		next, name := b.judge(t, unhex(t, c.State), unhex(t, c.Payload))
		if name != c.Want || hex.EncodeToString(next) != c.Next {
			t.Errorf("%s: %q, want %q\n got %x\nwant %s", c.Name, name, c.Want, next, c.Next)
		}
		shown[c.Want] = true
	}
	for _, reason := range elementReasons() {
		if !shown[reason] {
			t.Errorf("no vector shows %q", reason)
		}
	}
}

// Answers that were changed anywhere are taken by both or by neither. SPEC 08 §7.12.
func TestTwinsAgreeOnChangedElementAnswers(t *testing.T) {
	b, g := newElementBench(t), rand.New(rand.NewPCG(6, 2))
	times := 2
	if soak {
		times = 300
	}
	for range times {
		for i := range b.Cases {
			payload, other := unhex(t, b.Cases[i].Payload), unhex(t, b.Cases[g.IntN(len(b.Cases))].Payload)
			at := g.IntN(len(payload))
			switch g.IntN(4) {
			case 0:
				payload[at] ^= 1 << g.IntN(8)
			case 1:
				payload[at] = byte(g.Uint32())
			case 2: // what stands there in another answer
				copy(payload[at:], other[min(at, len(other)):min(at+1+g.IntN(64), len(other))])
			default:
				payload = mutate(g, payload)
			}
			b.judge(t, unhex(t, b.Cases[i].State), payload)
		}
	}
}

// Contract and twin agree on any bytes in the place of an answer.
func FuzzElementAnswers(f *testing.F) {
	b := newElementBench(f)
	for i, c := range b.Cases {
		f.Add(uint8(i), unhex(f, c.Payload))
	}
	f.Fuzz(func(t *testing.T, i uint8, payload []byte) {
		b.judge(t, unhex(t, b.Cases[int(i)%len(b.Cases)].State), payload)
	})
}
