package dispute

import (
	"errors"
	"fmt"

	"elenchus/commitment/manifest"
	"elenchus/compute/opset"
)

// Provable is the answer that whoever holds the model can prove in s: the one that refutes what the accused posted
// or served, else the one that upholds it; about the element in hand or, with a choice, about all of a tensor. Its proof
// has still to be made; what that must show is the second result, from the arena's own rules over everything that the
// answer opens. ErrStuck says that there is none, ErrPhase that s asks for no such answer. SPEC 08 §4.11, §4.13.
func Provable(s State, j Job, seen []Move, own Knowledge, served Served, choose Choose) (Move, *Proven, error) {
	if s.Class != manifest.Confidential {
		return nil, nil, fmt.Errorf("%w: leaves of this model are shown, and the chain computes the answer itself", ErrPhase)
	}
	if s.Phase != Answer && choose == nil || !s.settles() {
		return nil, nil, fmt.Errorf("%w: %s", ErrPhase, s.Phase)
	}
	var why []error
	for _, find := range []func() (Move, error){
		func() (Move, error) { return refuting(s, j, seen, own, served, choose) },
		func() (Move, error) { return upholding(s, j, own, choose) },
	} {
		m, err := find()
		var p *Proven
		if err == nil {
			p, err = statementOf(s, m)
		}
		if err == nil {
			return m, p, nil
		}
		why = append(why, err)
	}
	return nil, nil, fmt.Errorf("%w: nothing here proves it false, and nothing true: %w", ErrStuck, errors.Join(why...))
}

// refuting is an opener's answer that convicts.
func refuting(s State, j Job, seen []Move, own Knowledge, served Served, choose Choose) (m Move, err error) {
	if choose != nil {
		w, err := WholesForOpener(s, j, seen, own)
		m, err = byChoice(w, choose, err)
		return ending(s, m, Refuted, err)
	}
	m, err = NextForOpener(s, j, seen, own, served)
	return ending(s, m, Refuted, err)
}

// upholding is a node's answer that defends.
func upholding(s State, j Job, own Knowledge, choose Choose) (m Move, err error) {
	if choose != nil {
		w, err := WholesForNode(s, j, own)
		m, err = byChoice(w, choose, err)
		return ending(s, m, Lost, err)
	}
	m, err = NextForNode(s, j, own)
	return ending(s, m, Lost, err)
}

// Choose picks one of the clusters that whole tensors can be answered by: the one of which it has a key.
type Choose func([]*opset.Cluster) (int, error)

// byChoice is the answer by the cluster that is picked.
func byChoice(w *Wholes, choose Choose, err error) (Move, error) {
	if err != nil {
		return nil, err
	}
	n, err := choose(w.Clusters)
	if err != nil {
		return nil, err
	}
	return w.Move(n)
}

// ending is m if it leads to a phase.
func ending(s State, m Move, want Phase, err error) (Move, error) {
	if err != nil {
		return nil, err
	}
	if got, err := Outcome(s, m); err != nil || got != want {
		return nil, fmt.Errorf("%w: the own answer leads to %s, not to %s (%v)", ErrStuck, got, want, err)
	}
	return m, nil
}

// statementOf is what the proof of an answer must show: the rules of the arena are applied to it as if it held.
func statementOf(s State, m Move) (*Proven, error) {
	var shown *Proven
	env := Env{Now: s.Deadline, Proofs: func(p *Proven) error {
		shown = p
		return nil
	}}
	if _, _, err := Apply(s, m, env); err != nil {
		return nil, err
	}
	if shown == nil {
		return nil, fmt.Errorf("%w: the answer stands without a proof: the element lies outside of its tensor", ErrStuck)
	}
	return shown, nil
}
