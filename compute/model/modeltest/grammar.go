package modeltest

import "elenchus/compute/grammar"

// Letters is a grammar of the texts that Spell writes, with as many states as are given: each byte leads
// to the next one. A text may end in the last state alone.
func Letters(states int) *grammar.Grammar {
	a := grammar.Automaton{States: make([]grammar.State, states)}
	for i := range a.States {
		a.States[i] = grammar.State{Accept: i == states-1, Edges: []grammar.Edge{{Lo: 'a', Hi: 'b', Next: uint16((i + 1) % states)}}}
	}
	return &grammar.Grammar{Source: a.Encode()}
}

// Marked is a grammar of texts that the token with id 1 begins, which adds nothing to a text; behind it stands what
// Spell writes, or the token again.
func Marked() *grammar.Grammar {
	again := []grammar.Piece{{ID: 1, Next: 1}}
	letters := []grammar.Edge{{Lo: 'a', Hi: 'b', Next: 2}}
	return &grammar.Grammar{Source: (&grammar.Automaton{States: []grammar.State{{Pieces: again}, {Edges: letters}, {Accept: true, Edges: letters, Pieces: again}}}).Encode()}
}
