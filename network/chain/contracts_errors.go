package chain

import (
	"errors"
	"fmt"

	"elenchus/settlement/dispute"
)

// Errors of the arena's clocks and money, of vault and book, that have no twin in package dispute.
var (
	// ErrTaken: the slot of a commit holds something already.
	ErrTaken = errors.New("game slot is taken")
	// ErrNoCommit: there is no such commit, or it became a game or expired.
	ErrNoCommit = errors.New("no commit in this slot")
	// ErrOpenTime: an open comes in a later block than its commit and within half a window of it.
	ErrOpenTime = errors.New("commit cannot be opened now")
	// ErrWindow: the window of the claim was over at the commit.
	ErrWindow = errors.New("challenge window is over")
	// ErrBond: the bond is above what the opener accepted.
	ErrBond = errors.New("bond is above the limit of the opener")
	// ErrFunds: the account has too little stake, credit, balance or allowance.
	ErrFunds = errors.New("account holds too little")
	// ErrLocked: stake cannot leave yet.
	ErrLocked = errors.New("stake is locked")
	// ErrJailed: a jailed node posts no batches.
	ErrJailed = errors.New("node is jailed")
	// ErrBatch: the batch was posted before, is not there, or cannot be posted or released as asked.
	ErrBatch = errors.New("batch is not in the state for this")
	// ErrSettle: a verdict holds nothing that could be paid now.
	ErrSettle = errors.New("nothing to settle now")
	// ErrHeld: what was brought is not what the verdict on the case holds now.
	ErrHeld = errors.New("not what the verdict holds")
	// ErrGames: no more games can be open against the node.
	ErrGames = errors.New("too many games are open against the node")
	// ErrKey: the key was named before, or is not in use.
	ErrKey = errors.New("key is not in the state for this")
	// ErrPaused: the guardian holds up new claims, or may not do so now.
	ErrPaused = errors.New("new claims are paused")
	// ErrSignature: a signature has not the one valid form.
	ErrSignature = errors.New("signature is malformed")
)

// sentinels gives each custom error of the contracts its error in Go. Errors that only a wrong
// deployment raises have none.
var sentinels = map[string]error{
	"WrongState": dispute.ErrBadState, "WrongJob": dispute.ErrBadJob, "PayloadLength": dispute.ErrBadPayload,
	"SiblingsMissing": dispute.ErrBadPayload, "DataLength": dispute.ErrBadPayload, "WrongPhase": dispute.ErrPhase,
	"NotParty": dispute.ErrMover, "TooLate": dispute.ErrLate, "TooEarly": dispute.ErrEarly, "NotOpened": dispute.ErrOpening,
	"BadPadding": dispute.ErrPadding, "OutOfRange": dispute.ErrRange, "RangeOutside": dispute.ErrRange,
	"IndexOutOfRange": dispute.ErrRange, "Contradiction": dispute.ErrContradiction, "BadStage": dispute.ErrStage,
	"BadTarget": dispute.ErrTarget, "BadDescriptor": dispute.ErrTarget, "BadRead": dispute.ErrRead, "BadCluster": dispute.ErrCluster,
	"BadHeader": dispute.ErrHeader, "PrivateModel": dispute.ErrPrivate, "BadClaim": dispute.ErrClaim, "NoEvidence": dispute.ErrEvidence, "BadStep": dispute.ErrStep, "BadPoint": dispute.ErrPoint, "NotShared": dispute.ErrPoint,
	"NotKey": dispute.ErrEvidence, "NotPosted": dispute.ErrEvidence, "NoContradiction": dispute.ErrSame, "KeyUsed": ErrKey, "KeyUnused": ErrKey,
	"Taken": ErrTaken, "NoCommit": ErrNoCommit, "OutOfTime": ErrOpenTime, "WindowOver": ErrWindow, "BondTooHigh": ErrBond,
	"Insufficient": ErrFunds, "TransferFailed": ErrFunds, "Locked": ErrLocked, "Jailed": ErrJailed,
	"AlreadyPosted": ErrBatch, "NoBatch": ErrBatch, "NotReleasable": ErrBatch, "BadCount": ErrBatch, "WindowTooShort": ErrBatch,
	"TooManyGames": ErrGames, "Paused": ErrPaused, "BadPause": ErrPaused, "NotGuardian": ErrPaused, "BadBatch": ErrBatch, "NothingToSettle": ErrSettle, "WrongHeld": ErrHeld, "BadSignature": ErrSignature,
}

// ExplainedError is a revert with the custom error that the contract raised. It matches the
// sentinel of that error and unwraps to the *RevertError.
type ExplainedError struct {
	Name   string // of the custom error, such as "TooLate"
	Args   []any  // in the order of its declaration
	twin   error
	revert *RevertError
}

// Error names the sentinel, the custom error and its values.
func (e *ExplainedError) Error() string {
	text := fmt.Sprintf("contract reverts with %s%v", e.Name, e.Args)
	if e.twin != nil {
		return e.twin.Error() + ": " + text
	}
	return text
}

// Unwrap returns the sentinel, if there is one, and the revert.
func (e *ExplainedError) Unwrap() []error {
	if e.twin == nil {
		return []error{e.revert}
	}
	return []error{e.twin, e.revert}
}

// Explain turns an error that holds a *RevertError with a custom error of the contracts into an
// *ExplainedError, which matches the sentinels of package dispute and of this one. Other errors,
// nil included, come back as they are.
func (k *Contracts) Explain(err error) error {
	var r *RevertError
	if err == nil || !errors.As(err, &r) {
		return err
	}
	id, ok := r.Selector()
	if !ok {
		return err
	}
	e, ok := k.bind.errors[id]
	if !ok {
		return err
	}
	out := &ExplainedError{Name: e.Name, twin: sentinels[e.Name], revert: r}
	if args, err := e.Unpack(r.Data); err == nil {
		out.Args, _ = args.([]any)
	}
	return out
}
