package conformance_test

import (
	"fmt"
	"testing"

	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
)

// settingsJob is a job that every part of the sampler has a say in.
func settingsJob() decode.Job {
	job := tokenTestJob(11)
	job.Sampler = decode.Sampler{TopK: 100, TopP: 1<<30 - 1<<27, MinP: 1 << 24}
	return job
}

// A lie in any operation of top-k, top-p and min-p, in its first and in its last use, is convicted on
// the contracts in a game about a request with settings. SPEC 08 §1, 05 §4.
func TestGamesAboutSettingsConvict(t *testing.T) {
	t.Parallel()
	man, job := bound(t, modeltest.Llama(3, modeltest.Tiny())), settingsJob()
	r := newEmbeddedRing(t, devchain.Osaka)
	uses := map[opset.Code][]int{}
	for i, o := range man.Model.Stages[man.Emit()].Ops {
		uses[o.Op] = append(uses[o.Op], i)
	}
	for i, op := range []opset.Code{opset.Rank, opset.Hist, opset.Digit, opset.Keep} {
		at := uses[op]
		if len(at) < 2 {
			t.Fatalf("EMIT computes %s %d times", op, len(at))
		}
		for k, tensor := range []int{at[0], at[len(at)-1]} {
			t.Run(fmt.Sprintf("%s %d", op, k), func(t *testing.T) {
				r.t = t
				s := &spot{man, job, len(job.Prompt) - 1 + k, man.Emit(), tensor}
				elements := s.elements()
				r.convict(s, elements[len(elements)/2], (i+k)%3)
			})
		}
	}
	r.t = t
}

// Whatever a wrong opener picks in a game about settings, the honest node answers it. SPEC 08 §7.10.
func TestHonestAnswersAboutSettingsHold(t *testing.T) {
	t.Parallel()
	man, job := bound(t, modeltest.Llama(3, modeltest.Tiny())), settingsJob()
	r := newEmbeddedRing(t, devchain.Osaka)
	for _, op := range []opset.Code{opset.Rank, opset.Keep} {
		s := &spot{man, job, len(job.Prompt), man.Emit(), 0}
		for i, o := range man.Model.Stages[s.stage].Ops {
			if o.Op == op {
				s.tensor = i
			}
		}
		l := s.lie(0)
		c := tokenClaim(t, man, job, nil, l)
		if c.name(); !c.differs() {
			t.Fatalf("the opener's mistake in %s changes no state", op)
		}
		m := r.start(r.fresh(c))
		if m.play(r.node); m.state.Phase != dispute.Lost || m.last.Convicts {
			t.Fatalf("%s: ended in %s", op, m.state.Phase)
		}
		m.resolve()
	}
}
