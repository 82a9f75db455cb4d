package dispute

import (
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/settlement/ledger"
)

// moveType is the EIP-712 type that moves are signed under. SPEC 08 §4.1.
const moveType = "Move(bytes32 game,bytes32 state,bytes32 payload)"

// Digest is what a party signs so that anyone may carry its move: slot is the current value of the
// game's slot (State.Slot; for open the commit's record).
func Digest(d claim.Domain, game, slot Hash, payload []byte) Hash {
	typ, p := claim.Keccak([]byte(moveType)), claim.Keccak(payload)
	return d.Digest(claim.Keccak(typ[:], game[:], slot[:], p[:]))
}

// CommitRecord is the value of a slot that holds a commit.
func CommitRecord(block, time uint64) Hash {
	w := new(writer).bytes(make([]byte, 16)).u64(block).u64(time)
	return Hash(w.b)
}

// posts are the moves whose payload the chain publishes. SPEC 08 §4.7.
func (k Kind) posts() bool {
	switch k {
	case KindChildren, KindReveal, KindRows, KindTensors, KindRaw, KindPublish:
		return true
	}
	return false
}

// Replay reads state, job and the node's posts out of what the chain said about a game: what the
// players need. The logs are those of the arena, which checked every move; ErrBadState,
// ErrBadJob or ErrBadPayload say that they are incomplete.
func Replay(g ledger.Game) (State, Job, []Move, error) {
	j, err := DecodeJob(g.Job)
	if err != nil {
		return State{}, Job{}, nil, err
	}
	var s State
	var seen []Move
	posts := g.Posts
	for i, m := range g.Moves {
		if k := Kind(m.Move); i > 0 && k.posts() {
			if len(posts) == 0 || posts[0].Move != m.Move {
				return s, j, nil, fmt.Errorf("%w: no payload of move %d, %s", ErrBadPayload, i, k)
			}
			v, err := DecodeMove(&s, k, posts[0].Payload)
			if err != nil {
				return s, j, nil, err
			}
			seen, posts = append(seen, v), posts[1:]
		}
		if s, err = DecodeState(m.State); err != nil {
			return s, j, nil, err
		}
	}
	if s.JobHash != j.Hash() {
		return s, j, nil, fmt.Errorf("%w: %d moves lead to another", ErrBadJob, len(g.Moves))
	}
	return s, j, seen, nil
}
