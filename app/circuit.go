package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"text/tabwriter"
	"time"

	"elenchus/compute/opset"
	"elenchus/network/devchain"
	"elenchus/proving/circuit"
	"elenchus/proving/specimen"
	"elenchus/proving/step"
	"elenchus/proving/worker"

	"github.com/ethereum/go-ethereum/common"
)

// CircuitOptions say what to measure.
type CircuitOptions struct {
	Op, Shape string
	Systems   []string // of CircuitSystems
	SRS       string   // file of a public reference string for PLONK; empty: a development string
	SRSDigest string   // its SHA-256, hex: what the caller knows it by
	Export    string   // folder for Groth16's circuit and a witness in circom's formats; empty: none
	Progress  func(done, all int)
}

// CircuitSystems are the proof systems by name.
func CircuitSystems() []string { return []string{step.Groth16.String(), step.PLONK.String()} }

// CircuitShapes are the shapes that operations are measured at.
func CircuitShapes() []string { return specimen.Shapes() }

// CircuitReport is what an answer about one element of an operation costs: sizes in bytes, times of
// this run in milliseconds.
type CircuitReport struct {
	Op           string               `json:"op"`
	Shape        string               `json:"shape"`
	UnitShape    string               `json:"unit_shape"` // SPEC 10 §5.1, hex
	Cells        int                  `json:"cells"`      // elements that are read
	Leaves       int                  `json:"leaves"`     // whose hashes are public
	PublicInputs int                  `json:"public_inputs"`
	Origin       string               `json:"origin"` // of the keys that are made here
	Answers      []CircuitMeasurement `json:"answers"`
}

// CircuitMeasurement is one proof system's part. Memory is the most that the process held while it
// proved; Gas is a whole transaction under Osaka.
type CircuitMeasurement struct {
	System       string  `json:"system"`
	Origin       string  `json:"origin"` // of the key
	Constraints  int     `json:"constraints"`
	ProvingKey   int64   `json:"proving_key_bytes"`
	VerifyingKey int64   `json:"verifying_key_bytes"`
	Proof        int     `json:"proof_bytes"`
	Setup        float64 `json:"setup_ms"`
	Prove        float64 `json:"prove_ms"`
	ProveCPU     float64 `json:"prove_cpu_ms"` // of all threads; 0 where it is not known
	Verify       float64 `json:"verify_ms"`
	Memory       uint64  `json:"memory_bytes"`
	Gas          uint64  `json:"gas"`
	publics      int
}

// MeasureCircuit makes development keys for an operation's specimen, proves and verifies it. It returns ErrCannot for an
// operation without a circuit, for an unknown system, and for an export without Groth16.
func MeasureCircuit(ctx context.Context, o CircuitOptions) (*CircuitReport, error) {
	op, ok := opset.Parse(o.Op)
	if !ok || !circuit.Has(op) {
		return nil, fmt.Errorf("%w: no circuit of an operation %q", ErrCannot, o.Op)
	}
	if o.Export != "" && !slices.Contains(o.Systems, step.Groth16.String()) {
		return nil, fmt.Errorf("%w: --export writes the circuit of groth16: add it to --system", ErrCannot)
	}
	d, c, err := specimen.Element(op, o.Shape)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	a, err := circuit.PrepareAnswer(&d, &c, d.Count(&c)/2, make([]byte, d.Leaf), specimen.Data(&d))
	if err != nil {
		return nil, err
	}
	hashes, err := a.Hashes()
	if err != nil {
		return nil, err
	}
	r := &CircuitReport{Op: o.Op, Shape: o.Shape, UnitShape: fmt.Sprintf("%x", a.Shape()), Cells: a.Cells(), Leaves: len(hashes), Origin: step.DevelopmentOrigin}
	for i, name := range o.Systems {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m, err := unlessEnded(ctx, func() (*CircuitMeasurement, error) { return measureSystem(name, a, &o) })
		if err != nil {
			return nil, err
		}
		r.Answers, r.PublicInputs = append(r.Answers, *m), m.publics
		if o.Progress != nil {
			o.Progress(i+1, len(o.Systems))
		}
	}
	return r, nil
}

func measureSystem(name string, a *circuit.Answer, o *CircuitOptions) (*CircuitMeasurement, error) {
	s, ok := step.ParseSystem(name)
	if !ok {
		return nil, fmt.Errorf("%w: proof system %q: use one of %v", ErrCannot, name, CircuitSystems())
	}
	start := time.Now()
	key, err := keyOf(s, a, o)
	if err != nil {
		return nil, err
	}
	if err := key.Prepare(); err != nil {
		return nil, err
	}
	m := &CircuitMeasurement{System: name, Origin: key.Origin, Constraints: key.Constraints, Setup: millis(start), publics: key.Publics()}
	if m.ProvingKey, m.VerifyingKey, err = key.Sizes(); err != nil {
		return nil, err
	}
	v, err := newProofCourt(s)
	if err != nil {
		return nil, err
	}
	p, err := v.prove(key, a, m)
	if err != nil {
		return nil, err
	}
	m.Proof = len(p.posted)
	start = time.Now()
	if err := key.Verify(p.bytes, p.public); err != nil {
		return nil, err
	}
	m.Verify = millis(start)
	if s == step.Groth16 && o.Export != "" {
		if err := v.export(key, a, o.Export); err != nil {
			return nil, err
		}
	}
	m.Gas, err = v.gas(key, a, p)
	return m, err
}

// export writes circuit.r1cs and witness.wtns into a folder.
func (v *proofCourt) export(key *step.Key, a *circuit.Answer, dir string) error {
	w, err := a.Assignment(v.binding(a))
	if err != nil {
		return err
	}
	var system, witness bytes.Buffer
	if err := errors.Join(os.MkdirAll(dir, 0o755), key.Export(w, &system, &witness)); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "circuit.r1cs"), system.Bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, "witness.wtns"), witness.Bytes(), 0o644))
}

// keyOf makes the key of an answer: of the public reference string for PLONK if one is named, else for
// development.
func keyOf(s step.System, a *circuit.Answer, o *CircuitOptions) (*step.Key, error) {
	if s != step.PLONK || o.SRS == "" {
		return step.DevelopmentKey(s, a.AnswerCircuit(), rand.Reader)
	}
	powers, err := step.Powers(a.AnswerCircuit())
	if err != nil {
		return nil, err
	}
	ref, err := worker.ReadReference(o.SRS, o.SRSDigest, powers)
	if err != nil {
		return nil, err
	}
	return step.NewKey(s, a.AnswerCircuit(), ref)
}

func millis(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }

// proofCourt is a chain in memory with the verifier of a proof system.
type proofCourt struct {
	*court
	contract string
	prover   common.Address
}

// answerProof is a proof with its public inputs, and what is posted: it, and hashes of leaves.
type answerProof struct {
	bytes, posted  []byte
	public, hashes []circuit.Input
}

func newProofCourt(s step.System) (*proofCourt, error) {
	c, err := emptyCourt(devchain.Osaka)
	if err != nil {
		return nil, err
	}
	v := &proofCourt{c, "ProofVerifier", courtAccount("prover")}
	if s == step.PLONK {
		v.contract = "PlonkVerifier"
	}
	return v, c.create(v.contract, v.prover)
}

// binding is what a proof for this court is bound to.
func (v *proofCourt) binding(a *circuit.Answer) [32]byte {
	b := step.Binding{Game: [32]byte{1}, Op: uint8(a.Descriptor.Op), Element: a.Index, Chain: v.config.ChainID.Uint64(),
		Verifier: v.at[v.contract], Prover: v.prover}
	return b.Hash()
}

// prove times a proof from the inputs on, and notes the most memory that was held meanwhile.
func (v *proofCourt) prove(key *step.Key, a *circuit.Answer, m *CircuitMeasurement) (*answerProof, error) {
	runtime.GC()
	peak := watchMemory()
	start, used := time.Now(), processorTime()
	w, err := a.Assignment(v.binding(a))
	if err != nil {
		return nil, err
	}
	p := &answerProof{}
	p.bytes, err = key.Prove(w)
	m.Prove, m.ProveCPU, m.Memory = millis(start), float64((processorTime()-used).Microseconds())/1000, peak()
	if err != nil {
		return nil, err
	}
	return p, p.post(key.System, a, v.binding(a))
}

// post makes what goes to the chain with a proof.
func (p *answerProof) post(s step.System, a *circuit.Answer, binding [32]byte) (err error) {
	if p.hashes, err = a.Hashes(); err != nil {
		return err
	}
	if p.public, err = circuit.Public(binding, a.Equal, p.hashes); err != nil {
		return err
	}
	p.posted = s.Posted(p.bytes, p.public[1])
	return nil
}

// gas registers the key and sends the answer.
func (v *proofCourt) gas(key *step.Key, a *circuit.Answer, p *answerProof) (uint64, error) {
	words, err := key.Words()
	if err != nil {
		return 0, err
	}
	const version = uint16(1)
	if _, _, err := v.call(v.prover, v.contract, "register", version, a.Shape(), words); err != nil {
		return 0, err
	}
	_, gas, err := v.call(v.prover, v.contract, "verify", version, a.Shape(), struct {
		Game    [32]byte
		Op      uint8
		Element uint64
		Prover  common.Address
		Equal   bool
	}{[32]byte{1}, uint8(a.Descriptor.Op), a.Index, v.prover, a.Equal}, p.hashes, p.posted)
	return gas, err
}

// watchMemory samples what the process holds until the function that it returns is called, which
// gives the most.
func watchMemory() func() uint64 {
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		peak, tick := uint64(0), time.NewTicker(5*time.Millisecond)
		defer tick.Stop()
		for {
			s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
			metrics.Read(s)
			peak = max(peak, s[0].Value.Uint64()-s[1].Value.Uint64())
			select {
			case <-stop:
				most <- peak
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-most
	}
}

// shortOrigin is the beginning of an origin, for tables.
func shortOrigin(s string) string { return s[:min(len(s), len(step.PublicOrigin)+12)] }

// WriteCircuit writes a report for people.
func WriteCircuit(out io.Writer, r *CircuitReport) error {
	fmt.Fprintf(out, "%s at %s: %d elements read from %d leaves, %d public inputs; keys of origin %s prove nothing to others\n",
		r.Op, r.Shape, r.Cells, r.Leaves, r.PublicInputs, r.Origin)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "system\torigin\tconstraints\tproving key\tverifying key\tproof\tsetup\tprove\tverify\tmemory\tgas\t")
	for _, m := range r.Answers {
		gas := "-"
		if m.Gas > 0 {
			gas = fmt.Sprint(m.Gas)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d B\t%d B\t%d B\t%.0f ms\t%.0f ms\t%.1f ms\t%d MiB\t%s\t\n", m.System, shortOrigin(m.Origin), m.Constraints, m.ProvingKey,
			m.VerifyingKey, m.Proof, m.Setup, m.Prove, m.Verify, m.Memory>>20, gas)
	}
	return w.Flush()
}
