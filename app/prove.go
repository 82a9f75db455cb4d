package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
	"elenchus/compute/template"
	"elenchus/engine"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
	"elenchus/proving/worker"
)

// ProveOptions name one element of a step of a model, and what its proof is bound to.
type ProveOptions struct {
	Prompt                  string
	Receipt                 *receipt.Receipt // what is asked and answered, in place of Prompt; nil: Prompt
	Position, Stage, Tensor int
	Cluster                 []int // tensors whose operators give the last of them, which is proven whole; none: Element of Tensor
	Element                 uint64
	Change                  int64 // what is claimed beside the value: 0 proves that they are equal
	System                  string
	State, Verifier, Prover string // hex, 32, 20 and 20 bytes; empty is zero. State is the hash of a game's state
	Chain                   uint64
	Progress                func(done, all int) // may be nil: stages of the model and of the worker that are behind
}

// binding reads the hex of the options.
func (o *ProveOptions) binding() (step.Binding, error) {
	b := step.Binding{Chain: o.Chain}
	for _, x := range []struct {
		name, text string
		to         []byte
	}{{"state", o.State, b.Game[:]}, {"verifier", o.Verifier, b.Verifier[:]}, {"prover", o.Prover, b.Prover[:]}} {
		raw, err := hex.DecodeString(strings.TrimPrefix(x.text, "0x"))
		if err != nil || len(raw) != 0 && len(raw) != len(x.to) {
			return b, fmt.Errorf("%w: %s %q: want %d bytes in hex", ErrCannot, x.name, x.text, len(x.to))
		}
		copy(x.to, raw)
	}
	return b, nil
}

// ProveReport is what was proven.
type ProveReport struct {
	Op      string  `json:"op"`
	Element uint64  `json:"element"`
	Value   int64   `json:"value"`
	Equal   bool    `json:"equal"`
	System  string  `json:"system"`
	Origin  string  `json:"origin"`
	Circuit string  `json:"circuit"` // digest
	Prove   float64 `json:"prove_ms"`
	Whole   *Whole  `json:"whole,omitempty"` // what is proven is a whole tensor: element and value are 0, equal is true
	Of      *GameOf `json:"of,omitempty"`    // the game that it was made for
	Proof   []byte  `json:"-"`               // the file
}

// Prove runs a model to a step, opens the leaves of one element and proves whether the claimed leaf
// holds its value. Keys are kept in the folder keys of the state directory.
func (s Store) Prove(ctx context.Context, model string, o ProveOptions) (*ProveReport, error) {
	system, ok := step.ParseSystem(o.System)
	if !ok {
		return nil, fmt.Errorf("%w: proof system %q: use one of %v", ErrCannot, o.System, CircuitSystems())
	}
	binding, err := o.binding()
	if err != nil {
		return nil, err
	}
	if len(o.Cluster) > 0 {
		return s.proveWhole(ctx, model, &o, system, binding)
	}
	a, err := unlessEnded(ctx, func() (*circuit.Answer, error) { return s.answer(model, &o) })
	if err != nil {
		return nil, err
	}
	x, err := startProver(ctx, &worker.Task{System: system, Unit: &a.Unit, Keys: s.proofKeys(true)}, a.Descriptor.Op.String(), stagesOf(o.Progress))
	if err != nil {
		return nil, err
	}
	defer x.Close()
	start := time.Now()
	proof, err := x.Prove(ctx, worker.WitnessOf(a, binding))
	if err != nil {
		return nil, err
	}
	r := &ProveReport{Op: a.Descriptor.Op.String(), Element: a.Index, Value: a.Value, Equal: a.Equal, System: o.System,
		Origin: x.key.Origin, Circuit: fmt.Sprintf("%x", x.size.Digest), Prove: millis(start)}
	f, err := step.NewFile(system, a, binding, x.key.Origin, proof)
	if err != nil {
		return nil, err
	}
	r.Proof, err = f.Encode()
	return r, err
}

// stagesOf tells of the stages of a proof: the model's step, the circuit, the key, the proof.
func stagesOf(progress func(done, all int)) func(string) {
	return func(stage string) {
		done, ok := map[string]int{worker.StageCircuit: 1, worker.StageRead: 2, worker.StageMake: 2, worker.StageProof: 3}[stage]
		if ok && progress != nil {
			progress(done, 4)
		}
	}
}

// unlessEnded is what f gives, or the error of ctx as soon as that ends. Then f goes on: this is for commands, whose
// process ends with them.
func unlessEnded[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// provenStage replays a step up to a stage of it.
func (s Store) provenStage(model string, o *ProveOptions) (*manifest.Manifest, *trace.Step, *trace.Stage, error) {
	man, at, err := s.provenStep(model, o)
	if err != nil {
		return nil, nil, nil, err
	}
	st, err := at.Stage(o.Stage)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	return man, at, st, nil
}

func (s Store) provenStep(model string, o *ProveOptions) (*manifest.Manifest, *trace.Step, error) {
	man, _, err := s.Load(model)
	if err != nil {
		return nil, nil, err
	}
	if man.Class == manifest.Private {
		return nil, nil, fmt.Errorf("%w: model %s is private: a proof of an element names hashes of its leaves without their salts", ErrCannot, man.ID())
	}
	tok, err := textSide(man)
	if err != nil {
		return nil, nil, err
	}
	pool := engine.NewPool(0)
	defer pool.Close()
	if man, err = ready(man, "", pool); err != nil {
		return nil, nil, err
	}
	job, known := decode.Job{Prompt: template.Prompt(tok, o.Prompt), StopIDs: man.Model.EndIDs, MaxNew: uint32(o.Position) + 1}, []int32(nil)
	if r := o.Receipt; r != nil {
		if steps := len(r.Prompt) + len(r.Output) - 1; r.Request.Model != [32]byte(man.ID()) || o.Position >= steps {
			return nil, nil, fmt.Errorf("%w: the receipt is of model %x and %d steps, not of position %d of model %s", ErrCannot, r.Request.Model, steps, o.Position, man.ID())
		}
		job, known = r.Job(), r.Output
	}
	at, err := trace.Replay(man, job, o.Position, known, pool.Split, nil, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: position %d: %w", ErrCannot, o.Position, err)
	}
	return man, at, nil
}

// answer replays the step.
func (s Store) answer(model string, o *ProveOptions) (*circuit.Answer, error) {
	man, at, st, err := s.provenStage(model, o)
	if err != nil {
		return nil, err
	}
	if o.Tensor < 1 || o.Tensor >= len(st.Tensors) || o.Element >= uint64(st.Tensors[o.Tensor].Len()) {
		return nil, fmt.Errorf("%w: element %d of tensor %d: stage %d has tensors 1 to %d", ErrCannot, o.Element, o.Tensor, o.Stage, len(st.Tensors)-1)
	}
	d, _, err := man.Descriptor(o.Stage, o.Tensor)
	if err != nil {
		return nil, err
	}
	size := uint64(d.Type.Size())
	perLeaf := uint64(d.Leaf) / size
	target := st.Leaf(o.Tensor, o.Element/perLeaf)
	target[o.Element%perLeaf*size] += byte(o.Change)
	return circuit.PrepareAnswer(&d, &at.Ctx, o.Element, target, func(r opset.Read) ([]byte, error) {
		open, err := st.Open(&d, o.Tensor, r)
		return open.Leaves, err
	})
}

// checkProofRoom refuses a proof that needs more memory than there is, before it begins.
func checkProofRoom(system step.System, name string, constraints int) error {
	what := fmt.Sprintf("a %s proof of %s with some %d constraints", system, name, constraints)
	return checkRoom(what, step.Memory(system, constraints), "", 0)
}

// checkWholeRoom refuses the circuit of a cluster by its estimate, before it is compiled; nil is none.
func checkWholeRoom(system step.System, x *opset.Cluster, name string) error {
	if x == nil {
		return nil
	}
	constraints, err := step.EstimateWhole(system, x)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	return checkProofRoom(system, name, constraints)
}

// proofKeys is where the user's keys of proofs lie.
func (s Store) proofKeys(mayMake bool) worker.Folder {
	return worker.Folder{Dir: filepath.Join(filepath.Dir(s.dir), "keys"), Make: mayMake}
}

// ProofReport is the statement of a proof file that holds.
type ProofReport struct {
	Holds    bool     `json:"holds"`
	Reason   string   `json:"reason,omitempty"`
	Op       string   `json:"op"`
	Element  uint64   `json:"element"`
	Equal    bool     `json:"equal"`
	Leaves   []string `json:"leaves"`
	System   string   `json:"system"`
	Origin   string   `json:"origin"`
	Game     string   `json:"game"`
	Chain    uint64   `json:"chain"`
	Verifier string   `json:"verifier"`
	Prover   string   `json:"prover"`
	Of       string   `json:"of,omitempty"`    // the game in whose state it was made, as the file says
	Now      string   `json:"now,omitempty"`   // what the chain says of that game and state; empty: it was not asked
	Whole    *Whole   `json:"whole,omitempty"` // what is proven is a whole tensor: element is 0, equal is true
}

// Trust says in words who could forge a proof by the keys.
func (r *ProofReport) Trust() string {
	if strings.HasPrefix(r.Origin, step.CeremonyOrigin) {
		return "made by several parties, none of them alone can forge"
	}
	return "their maker can forge"
}

// IsProof says whether bytes are a proof file rather than a receipt.
func IsProof(b []byte) bool { return step.IsFile(b) }

// VerifyProof decides on a proof file with the keys of the store. It returns ErrCannot for a circuit
// that has no key there and for what is no proof file.
func (s Store) VerifyProof(b []byte) (*ProofReport, error) {
	return verifyProof(s.proofKeys(false), b)
}

// VerifyProofWith is VerifyProof with the keys of a folder, such as that of a role.
func VerifyProofWith(dir string, b []byte) (*ProofReport, error) {
	return verifyProof(worker.Folder{Dir: dir}, b)
}

func verifyProof(keys worker.Folder, b []byte) (*ProofReport, error) {
	if step.IsWholeFile(b) {
		return verifyWhole(keys, b)
	}
	f, err := step.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	r := &ProofReport{Op: f.Unit.Descriptor.Op.String(), Element: f.Unit.Index, Equal: f.Equal}
	r.state(f.System, &f.Binding, f.Of, f.Leaves)
	c, err := step.NewCompiled(f.System, f.Unit.AnswerCircuit())
	return r, decide(keys, r, c, err, f.Check)
}

// state fills in what every statement has.
func (r *ProofReport) state(system step.System, b *step.Binding, of [32]byte, leaves []circuit.Input) {
	if of != ([32]byte{}) {
		r.Of = fmt.Sprintf("%x", of)
	}
	r.System, r.Game, r.Chain = system.String(), fmt.Sprintf("%x", b.Game), b.Chain
	r.Verifier, r.Prover = fmt.Sprintf("%x", b.Verifier), fmt.Sprintf("%x", b.Prover)
	for _, h := range leaves {
		r.Leaves = append(r.Leaves, fmt.Sprintf("%x", h))
	}
}

// decide asks the key of a circuit, unless that could not be compiled, whether a statement holds.
func decide(keys worker.Folder, r *ProofReport, c *step.Compiled, err error, check func(*step.Key) error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	key, err := keys.Find(c)
	if err != nil {
		return fmt.Errorf("%w: %w: proofs are verified where their keys are", ErrCannot, err)
	}
	r.Origin = key.Origin
	switch err := check(key); {
	case err == nil:
		r.Holds = true
	case errors.Is(err, step.ErrProof):
		r.Reason = err.Error()
	default:
		return err
	}
	return nil
}
