// Package dispute plays the game that turns a false claim into one refuted number.
//
// It stands on the settlement floor: what a player knows comes in as a value of its own
// recomputation, what it should do goes out as a Move; services sign and send. Apply is the twin
// of the arena contract: same checks, same transitions, one error for each of its custom errors.
// Invariants: a move that does not open changes nothing; moves that choose hashes belong to the
// node, moves that choose a position to the opener; only an answer that opens or a deadline ends
// a game. SPEC 08.
//
//	next, effect, err := dispute.Apply(state, job, move, dispute.Env{Now: now, Mover: who, Params: p})
//	move, err := dispute.NextForOpener(state, job, seen, own)
//	move, err := dispute.NextForNode(state, job, own)
package dispute
