// Package ceremony makes the Groth16 key of a circuit by several parties, of whom one who forgets is enough.
//
// It stands on the proving floor above step, whose keys it makes. A transcript is what the parties publish: of
// two phases, the powers of a secret for a domain and the key of the circuit, the contributions in order and the
// public randomness that closed each. Invariants: every contribution is checked against the one before, by
// whoever contributes, too; a contribution has one encoding and one length, which the circuit gives, and nothing
// is held for one that says otherwise; the same transcript gives the same key everywhere. SPEC 10 §5.12.
//
//	c, err := ceremony.New(unit.AnswerCircuit())
//	next, err := c.Contribute(transcript)
//	key, err := c.Finish(transcript)
package ceremony

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

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

// Transcript is what the parties have published. The zero value is the beginning.
type Transcript struct {
	Powers       [][]byte // contributions to the first phase
	PowersBeacon []byte   // public randomness from after the last of them; nil while the phase is open
	Keys         [][]byte // contributions to the second phase
	KeysBeacon   []byte
}

// Phase is that of a transcript, by what it has.
func (t *Transcript) Phase() Phase {
	switch {
	case t.PowersBeacon == nil:
		return Powers
	case t.KeysBeacon == nil:
		return Keys
	}
	return Done
}

// Digest names a transcript: a SHA-256 of those of its parts, each behind its kind and its place.
func (t *Transcript) Digest() (d [32]byte) {
	h := sha256.New()
	h.Write([]byte("elenchus/ceremony/1"))
	add := func(kind byte, parts ...[]byte) {
		for i, b := range parts {
			if b != nil {
				sum := sha256.Sum256(b)
				h.Write(binary.BigEndian.AppendUint32([]byte{kind}, uint32(i)))
				h.Write(sum[:])
			}
		}
	}
	add(1, t.Powers...)
	add(2, t.PowersBeacon)
	add(3, t.Keys...)
	add(4, t.KeysBeacon)
	h.Sum(d[:0])
	return d
}

// Ceremony is the making of the key of one circuit. The zero value is illegal; New makes them.
type Ceremony struct {
	circuit frontend.Circuit
	system  *cs.R1CS
	domain  uint64
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
	return &Ceremony{circuit: c, system: r, domain: ecc.NextPowerOfTwo(uint64(max(2, r.GetNbConstraints())))}, nil
}

// state is where a transcript leads to.
type state struct {
	powers  *mpcsetup.Phase1
	commons mpcsetup.SrsCommons
	keys    *mpcsetup.Phase2
	evals   mpcsetup.Phase2Evaluations
}

// Check goes through a transcript and returns ErrTranscript with the first thing that is wrong with it.
func (c *Ceremony) Check(t *Transcript) error {
	_, err := c.replay(t)
	return err
}

// Contribute checks a transcript and makes the next contribution to it, of entropy of the system that is
// forgotten when this returns. It returns ErrTranscript, also for a transcript that is done.
func (c *Ceremony) Contribute(t *Transcript) ([]byte, error) {
	s, err := c.replay(t)
	if err != nil {
		return nil, err
	}
	switch {
	case t.Phase() == Done:
		return nil, fmt.Errorf("%w: it is done", ErrTranscript)
	case len(t.Powers) == MaxContributions && t.Phase() == Powers, len(t.Keys) == MaxContributions:
		return nil, fmt.Errorf("%w: the phase has %d contributions, its most: close it", ErrTranscript, MaxContributions)
	case t.Phase() == Powers:
		s.powers.Contribute()
		return encode(s.powers)
	}
	s.keys.Contribute()
	return encode(s.keys)
}

// Finish checks a transcript and makes its key, whose origin names the transcript. It returns ErrTranscript, also for
// a transcript that is not done.
func (c *Ceremony) Finish(t *Transcript) (*step.Key, error) {
	s, err := c.replay(t)
	if err != nil {
		return nil, err
	}
	if t.Phase() != Done {
		return nil, fmt.Errorf("%w: it is in the phase of %s: close it with a beacon first", ErrTranscript, t.Phase())
	}
	pk, vk := s.keys.Seal(&s.commons, &s.evals, t.KeysBeacon)
	return step.CeremonyKey(c.circuit, pk.(*groth16.ProvingKey), vk.(*groth16.VerifyingKey), t.Digest())
}

// replay goes through both phases.
func (c *Ceremony) replay(t *Transcript) (*state, error) {
	if err := t.bounds(); err != nil {
		return nil, err
	}
	s := &state{powers: mpcsetup.NewPhase1(c.domain)}
	like, err := encode(s.powers)
	if err != nil {
		return nil, err
	}
	for i, b := range t.Powers {
		next := &mpcsetup.Phase1{}
		if err := decode(b, like, []span{{powersCount, 8}}, next); err != nil {
			return nil, fmt.Errorf("%w: contribution %d to the powers: %w", ErrTranscript, i+1, err)
		}
		if err := s.powers.Verify(next); err != nil {
			return nil, fmt.Errorf("%w: contribution %d to the powers: %w", ErrTranscript, i+1, err)
		}
		s.powers = next
	}
	if t.Phase() == Powers {
		return s, nil
	}
	s.commons = s.powers.Seal(t.PowersBeacon)
	return s, c.replayKeys(t, s)
}

func (c *Ceremony) replayKeys(t *Transcript, s *state) error {
	s.keys = &mpcsetup.Phase2{}
	s.evals = s.keys.Initialize(c.system, &s.commons)
	like, err := encode(s.keys)
	if err != nil {
		return err
	}
	private := keysCount + 4 + pointSize*len(s.keys.Parameters.G1.PKK)
	for i, b := range t.Keys {
		next := &mpcsetup.Phase2{}
		if err := decode(b, like, []span{{0, 2}, {keysCount, 4}, {private, 4}}, next); err != nil {
			return fmt.Errorf("%w: contribution %d to the key: %w", ErrTranscript, i+1, err)
		}
		if err := s.keys.Verify(next); err != nil {
			return fmt.Errorf("%w: contribution %d to the key: %w", ErrTranscript, i+1, err)
		}
		s.keys = next
	}
	return nil
}

// bounds wants beacons that can be some, contributions in every phase that is closed, and nothing behind an open one.
func (t *Transcript) bounds() error {
	for _, p := range []struct {
		name   string
		parts  [][]byte
		beacon []byte
	}{{"powers", t.Powers, t.PowersBeacon}, {"keys", t.Keys, t.KeysBeacon}} {
		switch {
		case len(p.parts) > MaxContributions:
			return fmt.Errorf("%w: %d contributions to the %s, at most %d", ErrTranscript, len(p.parts), p.name, MaxContributions)
		case p.beacon != nil && len(p.parts) == 0:
			return fmt.Errorf("%w: the %s are closed, and nobody contributed to them", ErrTranscript, p.name)
		case p.beacon != nil && (len(p.beacon) < LeastBeacon || len(p.beacon) > MaxBeacon):
			return fmt.Errorf("%w: a beacon of %d bytes, want %d to %d", ErrTranscript, len(p.beacon), LeastBeacon, MaxBeacon)
		}
	}
	if t.PowersBeacon == nil && (len(t.Keys) != 0 || t.KeysBeacon != nil) {
		return fmt.Errorf("%w: contributions to the key before the powers are closed", ErrTranscript)
	}
	return nil
}

// Places of counts in encodings, which decide on memory: of powers behind three proofs of 96 bytes; of a key
// behind the number of commitments and delta.
const (
	pointSize   = 32
	powersCount = 3 * 96
	keysCount   = 2 + pointSize
	challenge   = sha256.Size
)

func encode(from io.WriterTo) ([]byte, error) {
	var b bytes.Buffer
	_, err := from.WriteTo(&b)
	return b.Bytes(), err
}

// part is a contribution of either phase.
type part interface {
	io.WriterTo
	io.ReaderFrom
}

// span is where a count stands, and its bytes.
type span struct{ at, width int }

// decode reads a contribution that is as long as like, which has no challenge yet, and has the counts of like.
func decode(b, like []byte, counts []span, to part) error {
	if want := len(like) + challenge; len(b) != want {
		return fmt.Errorf("%d bytes, want %d for this circuit", len(b), want)
	}
	for _, c := range counts {
		if got, want := b[c.at:c.at+c.width], like[c.at:c.at+c.width]; !bytes.Equal(got, want) {
			return fmt.Errorf("a count of %x, want %x for this circuit", got, want)
		}
	}
	if _, err := to.ReadFrom(bytes.NewReader(b)); err != nil {
		return err
	}
	again, err := encode(to)
	if err == nil && !bytes.Equal(again, b) {
		err = errors.New("it is not in its only encoding")
	}
	return err
}
