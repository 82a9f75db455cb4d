// Package step proves and verifies circuits of units and clusters.
//
// It stands on the proving floor above circuit: circuit says what is to be shown, this package makes
// keys, proofs of 256 (Groth16) or 800 bytes (PLONK), and decides on proofs. Invariants: proofs have
// one encoding and one length, and no bytes make a verifier panic or allocate beyond them; a key
// belongs to one circuit, named by its digest; entropy comes in as an argument where this package
// draws it. Keys made here are development keys, which their maker can forge with, but for those of a
// public reference string. SPEC 10.
//
//	ref, err := step.Development(rand.Reader, 1<<15)
//	key, err := step.NewKey(step.PLONK, x.Unit.AnswerCircuit(), ref)
//	proof, err := key.Prove(assignment)
//	err = key.Verify(proof, public)
package step

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"

	"elenchus/proving/circuit"
	fast "elenchus/proving/plonk"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/backend"
	groth16 "github.com/consensys/gnark/backend/groth16/bn254"
	plonk "github.com/consensys/gnark/backend/plonk/bn254"
	"github.com/consensys/gnark/constraint"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
	"github.com/consensys/gnark/frontend/cs/scs"
)

// System is a proof system. The zero value is illegal.
type System uint8

// The proof systems.
const (
	Groth16 System = 1
	PLONK   System = 2
)

// ErrProof marks a proof that is malformed or does not hold.
var ErrProof = errors.New("proof refused")

// ErrWitness marks an assignment that does not satisfy its circuit: there is nothing to prove.
var ErrWitness = errors.New("no proof: the assignment does not satisfy the circuit")

// ErrKey marks a key that cannot be made or read.
var ErrKey = errors.New("invalid key")

// Development is what the origin of keys of this package is called wherever one is named: their
// makers know, or may have kept, what forges proofs.
const DevelopmentOrigin = "development"

// String is the name on the command line.
func (s System) String() string {
	switch s {
	case Groth16:
		return "groth16"
	case PLONK:
		return "plonk"
	}
	return fmt.Sprintf("system(%d)", uint8(s))
}

// ParseSystem reads a name.
func ParseSystem(name string) (System, bool) {
	for _, s := range []System{Groth16, PLONK} {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// Compile makes the constraint system that a proof system needs. A circuit that cannot be built is an
// error, of units from outside too.
func Compile(s System, c frontend.Circuit) (_ constraint.ConstraintSystem, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", circuit.ErrUnit, r)
		}
	}()
	if s == Groth16 {
		return circuit.Compile(c, r1cs.NewBuilder)
	}
	return circuit.Compile(c, scs.NewBuilder)
}

// Key proves and verifies one circuit. The zero value is illegal; NewKey makes keys. It may be used
// by several goroutines.
type Key struct {
	System      System
	Constraints int
	Digest      [32]byte // of the constraint system
	Origin      string   // who could forge: DevelopmentOrigin, or of the reference string
	system      constraint.ConstraintSystem
	groth16Pk   *groth16.ProvingKey
	groth16Vk   *groth16.VerifyingKey
	plonkPk     *plonk.ProvingKey
	plonkVk     *plonk.VerifyingKey
	shared      shared
}

// shared is what all PLONK proofs under a key share, computed when the first one needs it.
type shared struct {
	once   sync.Once
	prover *fast.Prover
	err    error
}

// Compiled is a circuit as a constraint system of a proof system: what keys belong to. Compiling takes about as long as
// a key takes to read, so who needs both does it once.
type Compiled struct {
	System      System
	Constraints int
	Digest      [32]byte
	system      constraint.ConstraintSystem
}

// NewCompiled compiles a circuit. It returns the errors of Compile.
func NewCompiled(s System, c frontend.Circuit) (*Compiled, error) {
	system, err := Compile(s, c)
	if err != nil {
		return nil, err
	}
	out := &Compiled{System: s, Constraints: system.GetNbConstraints(), system: system}
	out.Digest, err = digest(system)
	return out, err
}

// Powers is how many powers of a reference string the PLONK key of the circuit needs.
func (c *Compiled) Powers() int { return rows(c.system) + blinding }

func (c *Compiled) key(origin string) *Key {
	return &Key{System: c.System, Constraints: c.Constraints, Digest: c.Digest, Origin: origin, system: c.system}
}

// NewKey makes keys. PLONK needs a reference string that is large enough, and its keys are for development if the
// string is; Groth16 draws entropy of its own, takes nil, and makes development keys.
func (c *Compiled) NewKey(ref *Reference) (*Key, error) {
	k := c.key(DevelopmentOrigin)
	if c.System == Groth16 {
		k.groth16Pk, k.groth16Vk = &groth16.ProvingKey{}, &groth16.VerifyingKey{}
		if err := groth16.Setup(c.system.(*cs.R1CS), k.groth16Pk, k.groth16Vk); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
		return k, nil
	}
	canonical, lagrange, err := ref.strings(c.system)
	if err != nil {
		return nil, err
	}
	k.Origin = ref.Origin()
	k.plonkPk, k.plonkVk, err = plonk.Setup(c.system.(*cs.SparseR1CS), *canonical, *lagrange)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return k, nil
}

// DevelopmentKey is NewKey with a reference string of its own, where one is needed, out of entropy.
func (c *Compiled) DevelopmentKey(entropy io.Reader) (*Key, error) {
	if c.System == Groth16 {
		return c.NewKey(nil)
	}
	ref, err := Development(entropy, rows(c.system))
	if err != nil {
		return nil, err
	}
	return c.NewKey(ref)
}

// NewKey compiles a circuit and makes keys for it, as Compiled.NewKey does.
func NewKey(s System, c frontend.Circuit, ref *Reference) (*Key, error) {
	compiled, err := NewCompiled(s, c)
	if err != nil {
		return nil, err
	}
	return compiled.NewKey(ref)
}

// DevelopmentKey compiles a circuit and makes its development key.
func DevelopmentKey(s System, c frontend.Circuit, entropy io.Reader) (*Key, error) {
	compiled, err := NewCompiled(s, c)
	if err != nil {
		return nil, err
	}
	return compiled.DevelopmentKey(entropy)
}

// Powers is how many powers of a reference string the key of a circuit needs.
func Powers(c frontend.Circuit) (int, error) {
	compiled, err := NewCompiled(PLONK, c)
	if err != nil {
		return 0, err
	}
	return compiled.Powers(), nil
}

// CircuitDigest names a circuit under a proof system: what its keys are kept by.
func CircuitDigest(s System, c frontend.Circuit) ([32]byte, error) {
	compiled, err := NewCompiled(s, c)
	if err != nil {
		return [32]byte{}, err
	}
	return compiled.Digest, nil
}

// Memory is about how many bytes it takes to make the key of a circuit of so many constraints and to prove it:
// above what was measured (spec 10's figures), for a machine that must not run out of it half way.
func Memory(s System, constraints int) int64 {
	domain := int64(1) << bits.Len(uint(max(constraints, 1)))
	if s == Groth16 {
		return 24<<20 + domain*1800
	}
	return 32<<20 + domain*5200
}

func digest(system constraint.ConstraintSystem) (d [32]byte, err error) {
	h := sha256.New()
	if _, err := system.WriteTo(h); err != nil {
		return d, err
	}
	return [32]byte(h.Sum(nil)), nil
}

// Prepare computes what all proofs under a key share, which the first one does where nobody did: of PLONK about a
// fifth of a proof, of Groth16 nothing. It returns ErrKey for a circuit of fewer than 5 rows.
func (k *Key) Prepare() error {
	if k.System == Groth16 {
		return nil
	}
	k.shared.once.Do(func() {
		k.shared.prover, k.shared.err = fast.New(k.system.(*cs.SparseR1CS), k.plonkPk)
	})
	if k.shared.err != nil {
		return fmt.Errorf("%w: %w", ErrKey, k.shared.err)
	}
	return nil
}

// Prove proves an assignment. It returns ErrWitness for one that does not satisfy the circuit.
func (k *Key) Prove(assignment frontend.Circuit) ([]byte, error) {
	w, err := frontend.NewWitness(assignment, circuit.Curve.ScalarField())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWitness, err)
	}
	hints := backend.WithSolverOptions(solver.WithHints(circuit.Hints()...))
	if k.System == Groth16 {
		p, err := groth16.Prove(k.system.(*cs.R1CS), k.groth16Pk, w, hints)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrWitness, err)
		}
		return p.MarshalSolidity(), nil
	}
	if err := k.Prepare(); err != nil {
		return nil, err
	}
	p, err := k.shared.prover.Prove(w, solver.WithHints(circuit.Hints()...))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWitness, err)
	}
	return marshalPLONK(p), nil
}

// Verify decides on a proof for public inputs. It returns ErrProof with the reason, for hostile bytes
// too, and never panics.
func (k *Key) Verify(proof []byte, public []circuit.Input) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrProof, r)
		}
	}()
	if want := k.Publics(); len(public) != want {
		return fmt.Errorf("%w: %d public inputs, the circuit has %d", ErrProof, len(public), want)
	}
	inputs := make([]fr.Element, len(public))
	for i := range public {
		if err := inputs[i].SetBytesCanonical(public[i][:]); err != nil {
			return fmt.Errorf("%w: public input %d is not below the order of the field", ErrProof, i)
		}
	}
	if k.System == Groth16 {
		p, err := unmarshalGroth16(proof)
		if err != nil {
			return err
		}
		if err := groth16.Verify(p, k.groth16Vk, inputs); err != nil {
			return fmt.Errorf("%w: %w", ErrProof, err)
		}
		return nil
	}
	p, err := unmarshalPLONK(proof)
	if err != nil {
		return err
	}
	if err := plonk.Verify(p, k.plonkVk, inputs); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}

// Publics is the number of public inputs.
func (k *Key) Publics() int {
	if k.System == Groth16 {
		return len(k.groth16Vk.G1.K) - 1
	}
	return int(k.plonkVk.NbPublicVariables)
}

// Sizes are the bytes of the proving and the verifying key.
func (k *Key) Sizes() (proving, verifying int64, err error) {
	var p, v counter
	if k.System == Groth16 {
		_, err = k.groth16Pk.WriteTo(&p)
		_, err2 := k.groth16Vk.WriteTo(&v)
		return int64(p), int64(v), errors.Join(err, err2)
	}
	_, err = k.plonkPk.WriteTo(&p)
	_, err2 := k.plonkVk.WriteTo(&v)
	return int64(p), int64(v), errors.Join(err, err2)
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
