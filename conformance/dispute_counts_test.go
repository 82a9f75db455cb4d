package conformance_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"elenchus/settlement/dispute"
)

// tally counts what random moves did.
type tally map[string]int

func (c tally) table() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(&b, "%8d  %s\n", c[k], k)
	}
	return b.String()
}

// refusals are the custom errors of the contracts that hold the rules of a running game.
func (r *rules) refusals() []string {
	names := map[string]bool{}
	for _, errs := range []map[string]bool{errorNames(r.game.Errors), errorNames(r.answer.Errors)} {
		maps.Copy(names, errs)
	}
	return slices.Sorted(maps.Keys(names))
}

func errorNames[E any](errs map[string]E) map[string]bool {
	out := map[string]bool{}
	for name := range errs {
		out[name] = true
	}
	return out
}

// Random moves, legal and not, in every state of the shared games: Go and contracts accept the same
// ones and reach the same state. What happened is counted by transition and by reason; -v prints it,
// ELENCHUS_SOAK=1 plays a hundred times as many. SPEC 08 §4.
func TestRandomMovesOnBothSides(t *testing.T) {
	r := newRules(t)
	g := rand.New(rand.NewPCG(4, 7))
	rounds := 6
	if os.Getenv("ELENCHUS_SOAK") != "" {
		rounds = 600
	}
	moved, refused := tally{}, tally{}
	cases := moveCases(t)
	for _, v := range cases {
		state, payload := fromHex(t, v.State), fromHex(t, v.Payload)
		for round := range rounds {
			move, p := v.Move, payload
			switch {
			case round == 0: // as it stands in the vector
			case g.IntN(4) == 0: // a move of another kind, or of the same with another's payload
				other := cases[g.IntN(len(cases))]
				move, p = other.Move, fromHex(t, other.Payload)
			default:
				p = mutate(g, payload)
			}
			want, err := twin(t, move, state, p)
			got, name := r.play(t, move, state, p)
			if (err == nil) != (name == "") || err == nil && !bytes.Equal(got, want) {
				t.Fatalf("%s move %d: Go says %v, the chain %q\nstate %x\npayload %x", v.Game, move, err, name, state, p)
			}
			if err != nil {
				refused[name]++
				continue
			}
			before, err1 := dispute.DecodeState(state)
			after, err2 := dispute.DecodeState(got)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			moved[fmt.Sprintf("%s: %s to %s", dispute.Kind(move), before.Phase, after.Phase)]++
		}
	}
	if len(moved) < 15 || len(refused) < 8 {
		t.Errorf("%d transitions and %d reasons were reached", len(moved), len(refused))
	}
	var never []string
	for _, name := range r.refusals() {
		if refused[name] == 0 {
			never = append(never, name)
		}
	}
	t.Logf("transitions:\n%srefusals:\n%snever: %v", moved.table(), refused.table(), never)
}
