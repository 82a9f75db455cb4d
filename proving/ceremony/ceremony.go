// Package ceremony makes the Groth16 key of a circuit by several parties, of whom one who forgets is enough.
//
// It stands on the proving floor above step, whose keys it makes. A transcript is what the parties publish: of
// two phases, the powers of a secret for a domain and the key of the circuit, the contributions in order and the
// public randomness that closed each. Invariants: every contribution is checked against the one before, by
// whoever contributes, too; a contribution has one encoding and one length, which the circuit gives, and nothing
// is held for one that says otherwise; of a transcript one contribution is held at a time; the same transcript
// gives the same key everywhere. A public file of powers can take the place of the first phase (BeginFrom).
// SPEC 10 §5.12.
//
//	c, err := ceremony.New(unit.AnswerCircuit())
//	t := c.Begin()
//	err = t.Take(contribution) // of each party before
//	next, err := t.Contribute()
//	err = t.Close(beacon)
package ceremony

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"elenchus/proving/step"

	"github.com/consensys/gnark-crypto/ecc"
	groth16 "github.com/consensys/gnark/backend/groth16/bn254"
	"github.com/consensys/gnark/backend/groth16/bn254/mpcsetup"
	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/frontend"
)

// ErrTranscript marks a transcript that is malformed, does not hold, or has no place for what is asked.
var ErrTranscript = errors.New("invalid transcript")

// Bounds of transcripts: contributions of a phase, bytes of a beacon.
const (
	MaxContributions = 1 << 10
	LeastBeacon      = 16
	MaxBeacon        = 128
)

// partFile is the kind of a file of powers among the parts of a transcript.
const partFile = 5

// Phase is how far a transcript has come. The zero value is Powers.
type Phase uint8

// The phases: contributions to the powers, then to the key, then nothing more.
const (
	Powers Phase = iota
	Keys
	Done
)

// String is the phase's name in reports.
func (p Phase) String() string { return [...]string{"powers", "keys", "done"}[min(p, Done)] }

// Ceremony is the making of the key of one circuit. The zero value is illegal; New makes them.
type Ceremony struct {
	system *cs.R1CS
	domain uint64
}

// New compiles a circuit. It returns the errors of step.Compile, and step.ErrKey for a circuit that commits to wires.
func New(c frontend.Circuit) (*Ceremony, error) {
	system, err := step.Compile(step.Groth16, c)
	if err != nil {
		return nil, err
	}
	r := system.(*cs.R1CS)
	if n := len(r.CommitmentInfo.CommitmentIndexes()); n != 0 {
		return nil, fmt.Errorf("%w: the circuit commits to wires", step.ErrKey)
	}
	return &Ceremony{r, ecc.NextPowerOfTwo(uint64(max(2, r.GetNbConstraints())))}, nil
}

// Length is the bytes of each contribution to a phase; 0 for Done, which takes none.
func (c *Ceremony) Length(p Phase) int { return c.form(p).length }

// Transcript is what the parties have published, as far as it was gone through. It holds the last contribution and
// the hashes of all. What it refuses leaves it as it was. The zero value is illegal; Begin makes them. Not for
// several goroutines at once.
type Transcript struct {
	of      *Ceremony
	phase   Phase
	powers  *mpcsetup.Phase1 // nil once they are closed
	commons mpcsetup.SrsCommons
	keys    *mpcsetup.Phase2
	evals   mpcsetup.Phase2Evaluations
	taken   [Done][][32]byte // hashes of contributions
	digest  hash.Hash
	finish  func() (*step.Key, error) // once; nil while a phase is open
}

// Begin is the transcript without contributions.
func (c *Ceremony) Begin() *Transcript {
	t := &Transcript{of: c, powers: mpcsetup.NewPhase1(c.domain), digest: sha256.New()}
	t.digest.Write([]byte("elenchus/ceremony/1"))
	return t
}

// BeginFrom is the transcript without contributions whose powers are those of a powers-of-tau file of snarkjs with a
// SHA-256: it is in the phase of Keys. It returns the errors of step.ReadPowers. SPEC 10 §5.12.
func (c *Ceremony) BeginFrom(r io.Reader, digest [32]byte) (*Transcript, error) {
	commons, err := step.ReadPowers(r, digest, c.domain)
	if err != nil {
		return nil, err
	}
	t := c.Begin()
	t.add(partFile, 0, digest)
	t.open(*commons)
	return t, nil
}

// open begins the phase of Keys on closed powers.
func (t *Transcript) open(powers mpcsetup.SrsCommons) {
	t.phase, t.commons, t.powers = Keys, powers, nil
	t.keys = &mpcsetup.Phase2{}
	t.evals = t.keys.Initialize(t.of.system, &t.commons)
}

// Phase is the open one.
func (t *Transcript) Phase() Phase { return t.phase }

// Taken are the SHA-256 of the contributions to a phase, in order. The caller must not change them.
func (t *Transcript) Taken(p Phase) [][32]byte { return t.taken[min(p, Keys)] }

// Digest names a transcript: a SHA-256 of those of its parts, each behind its kind and its place.
func (t *Transcript) Digest() (d [32]byte) {
	t.digest.Sum(d[:0])
	return d
}

// Take checks the next contribution to the open phase. It returns ErrTranscript for one that does not follow from those
// before, and for one for which there is no place.
func (t *Transcript) Take(b []byte) error {
	if err := t.room(); err != nil {
		return err
	}
	take := t.takePowers
	if t.phase == Keys {
		take = t.takeKeys
	}
	if err := take(b); err != nil {
		return fmt.Errorf("%w: contribution %d to the %s: %w", ErrTranscript, len(t.taken[t.phase])+1, t.phase, err)
	}
	t.note(b)
	return nil
}

// Contribute makes the next contribution to the open phase and takes it, of entropy of the system that is forgotten
// when this returns. It returns ErrTranscript if there is no place for one.
func (t *Transcript) Contribute() ([]byte, error) {
	if err := t.room(); err != nil {
		return nil, err
	}
	var from io.WriterTo = t.powers
	if t.phase == Powers {
		t.powers.Contribute()
	} else {
		t.keys.Contribute()
		from = t.keys
	}
	b, err := encode(from)
	if err != nil {
		return nil, err
	}
	t.note(b)
	return b, nil
}

// Close ends the open phase by public randomness from after its last contribution. It returns ErrTranscript for a beacon
// of another length than LeastBeacon to MaxBeacon, for a phase without contributions, and if none is open.
func (t *Transcript) Close(beacon []byte) error {
	switch {
	case t.phase == Done:
		return fmt.Errorf("%w: it is done", ErrTranscript)
	case len(t.taken[t.phase]) == 0:
		return fmt.Errorf("%w: the %s are closed, and nobody contributed to them", ErrTranscript, t.phase)
	case len(beacon) < LeastBeacon || len(beacon) > MaxBeacon:
		return fmt.Errorf("%w: a beacon of %d bytes, want %d to %d", ErrTranscript, len(beacon), LeastBeacon, MaxBeacon)
	}
	t.add(2+2*byte(t.phase), 0, sha256.Sum256(beacon))
	if t.phase == Powers {
		t.open(t.powers.Seal(beacon))
		return nil
	}
	t.phase = Done
	beacon = bytes.Clone(beacon)
	t.finish = sync.OnceValues(func() (*step.Key, error) {
		pk, vk := t.keys.Seal(&t.commons, &t.evals, beacon)
		return step.CeremonyKey(t.of.system, pk.(*groth16.ProvingKey), vk.(*groth16.VerifyingKey), t.Digest())
	})
	return nil
}

// Finish makes the key, whose origin names the transcript: always the same one. It returns ErrTranscript for a transcript
// that is not done.
func (t *Transcript) Finish() (*step.Key, error) {
	if t.phase != Done {
		return nil, fmt.Errorf("%w: it is in the phase of %s: close it with a beacon first", ErrTranscript, t.phase)
	}
	return t.finish()
}

// room is an error where the transcript takes no contribution.
func (t *Transcript) room() error {
	if t.phase == Done {
		return fmt.Errorf("%w: it is done", ErrTranscript)
	}
	if len(t.taken[t.phase]) == MaxContributions {
		return fmt.Errorf("%w: the phase has %d contributions, its most: close it", ErrTranscript, MaxContributions)
	}
	return nil
}

func (t *Transcript) takePowers(b []byte) error {
	next := &mpcsetup.Phase1{}
	if err := decode(b, t.of.form(Powers), next); err != nil {
		return err
	}
	if err := t.powers.Verify(next); err != nil {
		return err
	}
	t.powers = next
	return nil
}

func (t *Transcript) takeKeys(b []byte) error {
	next := &mpcsetup.Phase2{}
	if err := decode(b, t.of.form(Keys), next); err != nil {
		return err
	}
	if err := t.keys.Verify(next); err != nil {
		return err
	}
	t.keys = next
	return nil
}

// note counts a contribution to the open phase.
func (t *Transcript) note(b []byte) {
	sum := sha256.Sum256(b)
	t.add(1+2*byte(t.phase), len(t.taken[t.phase]), sum)
	t.taken[t.phase] = append(t.taken[t.phase], sum)
}

// add adds a part to the digest.
func (t *Transcript) add(kind byte, place int, sum [32]byte) {
	t.digest.Write(binary.BigEndian.AppendUint32([]byte{kind}, uint32(place)))
	t.digest.Write(sum[:])
}
