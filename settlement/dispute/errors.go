package dispute

import "errors"

// Errors of the game. Each names the custom errors of the contracts whose twin it is.
var (
	ErrBadState      = errors.New("game state is not canonical")                         // WrongState
	ErrBadJob        = errors.New("job is not the one of this game")                     // WrongJob
	ErrBadPayload    = errors.New("payload does not have the form of its move")          // PayloadLength, SiblingsMissing, DataLength
	ErrPhase         = errors.New("this move is not next")                               // WrongPhase
	ErrMover         = errors.New("this move belongs to the other side")                 // NotParty
	ErrLate          = errors.New("the deadline has passed")                             // TooLate
	ErrEarly         = errors.New("the deadline has not passed")                         // TooEarly
	ErrOpening       = errors.New("what was posted does not open")                       // NotOpened
	ErrPadding       = errors.New("bytes beyond the end of a tensor are not zero")       // BadPadding
	ErrRange         = errors.New("index outside its range")                             // OutOfRange, RangeOutside
	ErrContradiction = errors.New("a posted field contradicts the claim")                // Contradiction
	ErrStage         = errors.New("tensor 0 is not the input of a stage")                // BadStage
	ErrTarget        = errors.New("descriptor has no valid target")                      // BadTarget, BadDescriptor
	ErrRead          = errors.New("operation reads from a source that is not there")     // BadRead
	ErrHeader        = errors.New("model header is not one of version 1")                // BadHeader
	ErrClaim         = errors.New("claim is malformed for the kind of its model")        // BadClaim
	ErrEvidence      = errors.New("nothing shows that the node made this claim")         // NoEvidence, NotKey, NotPosted
	ErrSame          = errors.New("the two claims do not contradict each other")         // NoContradiction
	ErrConfidential  = errors.New("the model is confidential")                           // ProofWanted
	ErrPrivate       = errors.New("no game about elements of a private model")           // PrivateModel
	ErrProof         = errors.New("the proof does not show what the answer says")        // those of IProofVerifier
	ErrCluster       = errors.New("the operators are no cluster")                        // BadCluster
	ErrPoint         = errors.New("a point or a shared secret is not what it should be") // BadPoint, NotShared
	ErrStep          = errors.New("the claim has no such step")                          // BadStep
)

// ErrStuck says that a player has no move: it is not its turn, or its own knowledge agrees with
// everything that was posted, or contradicts what it would have to post.
var ErrStuck = errors.New("no move to make")

// ErrNotNow marks an answer that cannot be made at the moment, and may be later: whoever wanted it asks again as long
// as the state stands.
var ErrNotNow = errors.New("no answer yet")
