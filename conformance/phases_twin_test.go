package conformance_test

import (
	"strings"
	"testing"

	"elenchus/settlement/dispute"
)

// fits are the phases in which a kind of move is one, of all moves of a running game.
func fits() map[string]bool {
	legal := map[string]bool{"publish: publication": true, "decrypt: check": true}
	for _, m := range transitions() {
		from, _, _ := strings.Cut(m, " to ")
		legal[from] = true
	}
	return legal
}

// A move that is none in its phase is refused for just that, before anything of it is read: no other check
// has to stand in for that one. SPEC 08 §4, §9.
func TestMovesOutOfPhase(t *testing.T) {
	r, legal, seen := newRules(t), fits(), map[dispute.Phase]bool{}
	for _, v := range moveCases(t) {
		state := fromHex(t, v.State)
		s, err := dispute.DecodeState(state)
		if err != nil {
			t.Fatal(err)
		}
		if seen[s.Phase] {
			continue
		}
		seen[s.Phase] = true
		for k := range methods {
			if legal[k.String()+": "+s.Phase.String()] {
				continue
			}
			for _, payload := range [][]byte{nil, fromHex(t, v.Payload)} {
				if _, name := r.play(t, uint8(k), state, payload); name != "WrongPhase" {
					t.Errorf("%s in %s: %q", k, s.Phase, name)
				}
			}
		}
	}
	if len(seen) < 14 {
		t.Errorf("%d phases were seen", len(seen))
	}
}
