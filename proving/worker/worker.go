// Package worker proves in a process of its own, which can be ended at any moment.
//
// It stands on the proving floor above step. Solving and proving take no context: once begun they run to
// their end. So whoever wants a proof starts his own program again as a worker (Start), tells it the circuit,
// gets the size, the key and then proofs, one after the other; when his context ends, the worker is killed,
// and its memory is free with it. Invariants: what crosses is in frames of one encoding and of bounded
// length; a worker ends when whoever started it does, however that ended; a worker that dies is an error
// (ErrLost) of the one call that waited for it. ADR 0075.
//
//	p, size, err := worker.Start(ctx, exe, &worker.Task{System: step.PLONK, Unit: &a.Unit, Keys: folder})
//	defer p.Close()
//	key, err := p.Key(ctx)
//	proof, err := p.Prove(ctx, worker.WitnessOf(a, binding))
//
// The program calls Child before anything else.
package worker

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"elenchus/compute/opset"
	"elenchus/proving/circuit"
	"elenchus/proving/step"

	"github.com/consensys/gnark/frontend"
)

// ErrLost marks a worker that died before it answered: killed by another than its caller, out of memory, or broken.
var ErrLost = errors.New("the process that proves is gone")

// ErrNoKey marks a folder that has no key of a circuit and may not make one.
var ErrNoKey = errors.New("no key of this circuit")

// Task is what a worker is started for: all proofs of it are of one circuit.
type Task struct {
	System  step.System
	Unit    *circuit.Unit  // for answers about one element,
	Cluster *opset.Cluster // or about a whole tensor: one of both
	Keys    Folder
}

// circuit is the circuit of the task.
func (t *Task) circuit() (frontend.Circuit, error) {
	if t.Cluster != nil {
		return circuit.WholeCircuit(t.Cluster)
	}
	return t.Unit.AnswerCircuit(), nil
}

// Size is what a worker says first: of the circuit, before a key is read or made.
type Size struct {
	Digest      [32]byte
	Constraints int
}

// KeyInfo is the key that a worker holds.
type KeyInfo struct {
	Origin string // who could forge
	Made   bool   // it was not there before
	Words  []byte // the verifying key as contracts read it
}

// Witness is what one proof is made from.
type Witness struct {
	Binding [32]byte // its hash
	Target  []byte   // as in circuit.Answer; empty for a whole tensor
	Leaves  [][]byte // of each read, or of each input of a cluster
}

// WitnessOf is the witness of an answer under a binding, whose operation and element it sets.
func WitnessOf(a *circuit.Answer, b step.Binding) *Witness {
	b.Op, b.Element = uint8(a.Descriptor.Op), a.Index
	return &Witness{Binding: b.Hash(), Target: a.Target, Leaves: a.Leaves}
}

// WitnessOfWhole is the witness of a whole tensor under a binding.
func WitnessOfWhole(a *circuit.Whole, b step.Binding) *Witness {
	return &Witness{Binding: b.Hash(), Leaves: a.Inputs}
}

// Kinds of frames: a caller sends task, begin and witness in this order, and as many witnesses as it has; the
// worker answers them by size, key and proof, or by fault, and may send stage at any time.
const (
	kindTask = iota + 1
	kindSize
	kindBegin
	kindKey
	kindWitness
	kindProof
	kindStage
	kindFault
)

// Stages that a worker passes.
const (
	StageCircuit = "circuit" // the circuit is built
	StageRead    = "read"    // a key is read
	StageMake    = "make"    // a key is made
	StageProof   = "proof"   // a proof is made
)

// taskFields is a Task in a frame.
type taskFields struct {
	System    string              `json:"system"`
	Unit      *step.UnitFields    `json:"unit"`
	Cluster   *step.ClusterFields `json:"cluster"`
	Dir       string              `json:"dir"`
	Make      bool                `json:"make"`
	SRS       string              `json:"srs"`
	SRSDigest string              `json:"srs_digest"`
}

func (t *Task) fields() *taskFields {
	f := &taskFields{System: t.System.String(), Dir: t.Keys.Dir, Make: t.Keys.Make, SRS: t.Keys.SRS, SRSDigest: t.Keys.SRSDigest}
	if t.Cluster != nil {
		f.Cluster = step.FieldsOfCluster(t.Cluster)
		return f
	}
	u := step.FieldsOf(t.Unit)
	f.Unit = &u
	return f
}

func (f *taskFields) task() (*Task, error) {
	t := &Task{Keys: Folder{f.Dir, f.Make, f.SRS, f.SRSDigest}}
	var ok bool
	if t.System, ok = step.ParseSystem(f.System); !ok {
		return nil, fmt.Errorf("%w: proof system %q", errFrame, f.System)
	}
	var err error
	switch {
	case (f.Unit == nil) == (f.Cluster == nil):
		err = errors.New("neither unit nor cluster, or both")
	case f.Unit != nil:
		t.Unit, err = f.Unit.Unit()
	default:
		t.Cluster, err = f.Cluster.Cluster()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	return t, nil
}

type sizeFields struct {
	Digest      string `json:"digest"`
	Constraints int    `json:"constraints"`
}

func (f *sizeFields) size() (*Size, error) {
	d, err := digestOf(f.Digest)
	if err != nil || f.Constraints < 0 {
		return nil, fmt.Errorf("%w: %d constraints of %q", errFrame, f.Constraints, f.Digest)
	}
	return &Size{d, f.Constraints}, nil
}

type keyFields struct {
	Origin string `json:"origin"`
	Made   bool   `json:"made"`
	Words  []byte `json:"words"`
}

type witnessFields struct {
	Binding string   `json:"binding"`
	Target  []byte   `json:"target"`
	Leaves  [][]byte `json:"leaves"`
}

type proofFields struct {
	Proof []byte `json:"proof"`
}

type stageFields struct {
	Stage string `json:"stage"`
}

// faultFields are an error: which of those that callers tell apart, and what it says.
type faultFields struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// faults are the errors that callers tell apart.
var faults = []struct {
	kind string
	err  error
}{{"witness", step.ErrWitness}, {"none", ErrNoKey}, {"key", step.ErrKey}, {"unit", circuit.ErrUnit}, {"wide", circuit.ErrWide}, {"large", circuit.ErrLarge}}

// maxText bounds what an error says.
const maxText = 2000

func faultOf(err error) *faultFields {
	f := &faultFields{Kind: "other", Text: err.Error()}
	for _, x := range faults {
		if errors.Is(err, x.err) {
			f.Kind = x.kind
			break
		}
	}
	f.Text = strings.ToValidUTF8(f.Text[:min(len(f.Text), maxText)], "?") // a cut rune would be no frame
	return f
}

// fault is an error of a worker, which says what it said there.
type fault struct {
	text string
	as   error
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return f.as }

func (f *faultFields) err() error {
	out := &fault{text: f.Text, as: errFault}
	for _, x := range faults {
		if f.Kind == x.kind {
			out.as = x.err
		}
	}
	return out
}

var errFault = errors.New("the process that proves failed")

func digestOf(text string) (d [32]byte, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(d) {
		return d, fmt.Errorf("%q is no digest", text)
	}
	return [32]byte(b), nil
}

// assignment is a witness for the circuit of its task.
func (w *witnessFields) assignment(t *Task) (frontend.Circuit, error) {
	bind, err := digestOf(w.Binding)
	if err != nil {
		return nil, fmt.Errorf("%w: binding: %w", errFrame, err)
	}
	if t.Cluster != nil {
		a, err := circuit.PrepareWhole(t.Cluster, w.Leaves)
		if err != nil {
			return nil, err
		}
		out, _, err := a.Assignment(bind)
		return out, err
	}
	a, err := w.answer(t.Unit)
	if err != nil {
		return nil, err
	}
	return a.Assignment(bind)
}

// answer is a witness with the unit of its task. Leaves of another unit are refused.
func (w *witnessFields) answer(u *circuit.Unit) (*circuit.Answer, error) {
	a, err := circuit.PrepareAnswer(&u.Descriptor, &u.Context, u.Index, w.Target, circuit.InOrder(w.Leaves))
	if err == nil && (!slices.Equal(a.Reads, u.Reads) || !slices.Equal(a.Places, u.Places) || len(a.Leaves) != len(w.Leaves)) {
		err = fmt.Errorf("%w: %d leaves of reads %v at %v, the unit has %v at %v", circuit.ErrUnit, len(w.Leaves), a.Reads, a.Places, u.Reads, u.Places)
	}
	return a, err
}
