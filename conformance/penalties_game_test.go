package conformance_test

import (
	"fmt"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
)

// penaltyJobs are jobs that count, that bias, and that do both.
func penaltyJobs() map[string]decode.Job {
	counts, bias, both := tokenTestJob(11), tokenTestJob(11), settingsJob()
	counts.Sampler = decode.Sampler{Repetition: 80000, Presence: 1 << 15, Frequency: -3000}
	bias.Sampler = decode.Sampler{Bias: []opset.TokenBias{{ID: 7, Value: 1 << 17}, {ID: 290, Value: -1 << 16}}}
	both.Sampler.Repetition, both.Sampler.Frequency, both.Sampler.Bias = 1<<15, 1<<16, bias.Sampler.Bias
	return map[string]decode.Job{"counts": counts, "bias": bias, "both": both}
}

// emitTensor is the tensor of EMIT that an operation makes, the last one.
func emitTensor(man *manifest.Manifest, op opset.Code) (tensor int) {
	for i, o := range man.Model.Stages[man.Emit()].Ops {
		if o.Op == op {
			tensor = i
		}
	}
	return tensor
}

// A lie in a penalised logit is convicted on the contracts, whether the request counts, biases or does
// both: of a token of the prompt, of a biased one and of others, at the first drawn token and later, and
// by every way into the game. SPEC 02 §4 op 29, 08 §7.10.
func TestFalsePenaltiesAreConvicted(t *testing.T) {
	t.Parallel()
	man := bound(t, modeltest.Llama(3, modeltest.Tiny()))
	r := newEmbeddedRing(t, devchain.Osaka)
	way := 0
	for name, job := range penaltyJobs() {
		for step, element := range []uint64{17, 7, 299} {
			t.Run(fmt.Sprintf("%s %d", name, element), func(t *testing.T) {
				r.t = t
				s := &spot{man, job, len(job.Prompt) - 1 + step, man.Emit(), emitTensor(man, opset.Penalise)}
				r.convict(s, element, way%3)
			})
			way++
		}
	}
	r.t = t
}

// In games about requests that remember, lies elsewhere are convicted as ever: in a layer and in a row of
// keys, while the prompt is read and after it, and in the token. SPEC 08 §2.3.
func TestLiesBesidePenaltiesAreConvicted(t *testing.T) {
	t.Parallel()
	man, job := bound(t, modeltest.Llama(3, modeltest.Tiny())), penaltyJobs()["both"]
	r := newEmbeddedRing(t, devchain.Osaka)
	score := 0
	for i, o := range man.Model.Stages[2].Ops {
		if o.Op == opset.Score {
			score = i
		}
	}
	row := int(man.Model.Stages[1].Ops[0].P[1])
	for i, s := range []spot{
		{man, job, 2, 2, score}, {man, job, 5, 2, score}, {man, job, 0, 1, row}, {man, job, 4, 1, row},
		{man, job, 5, man.Emit(), emitTensor(man, opset.Token)}, {man, job, 1, man.Absorb(), 1},
	} {
		t.Run(fmt.Sprintf("step %d, stage %d", s.t, s.stage), func(t *testing.T) {
			r.t = t
			r.convict(&s, 0, i%3)
		})
	}
	r.t = t
}

// Whatever a wrong opener picks in a game about penalties, the honest node answers it and wins.
// SPEC 08 §7.5, §7.10.
func TestHonestAnswersAboutPenaltiesHold(t *testing.T) {
	t.Parallel()
	man := bound(t, modeltest.Llama(3, modeltest.Tiny()))
	r := newEmbeddedRing(t, devchain.Osaka)
	for name, job := range penaltyJobs() {
		for k, element := range []uint64{17, 7, 299} {
			s := &spot{man, job, len(job.Prompt) - 1 + k, man.Emit(), emitTensor(man, opset.Penalise)}
			c := tokenClaim(t, man, job, nil, s.lie(element))
			if c.name(); !c.differs() {
				t.Fatalf("%s: the opener's mistake at %d changes no state", name, element)
			}
			m := r.start(r.fresh(c))
			if m.play(r.node); m.state.Phase != dispute.Lost || m.last.Convicts {
				t.Fatalf("%s: element %d ended in %s", name, element, m.state.Phase)
			}
			m.resolve()
		}
	}
}
