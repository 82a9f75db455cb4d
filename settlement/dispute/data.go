package dispute

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/opset"
)

// Published and Delivered are steps of demands for the data of a claim: of a public one, by anybody, in
// the clear; of one for its parties, by the request's user, encrypted to his key. SPEC 08 §4.12.
const (
	Published uint32 = 1<<32 - 6
	Delivered uint32 = 1<<32 - 7
)

// pieceLeaves is how many leaves a piece has at most, saltedLeaves how many one of a salted prompt.
const (
	pieceLeaves  = 32
	saltedLeaves = 128
)

// saltBytes are the secret of the salts, with which a piece of a salted prompt begins.
const saltBytes = 32

// piece is a part of one of the lists of a claim's data. SPEC 08 §4.12.
type piece struct {
	list   int  // 0 prompt, 1 stop ids, 2 outputs, 3 the lists of the request
	salted bool // the leaves are made from a secret and ids, which the piece has in their place
	a, b   uint64
	depth  int
	root   Hash
}

// head is how many bytes stand before the siblings: leaves, or secret and ids.
func (p *piece) head() uint64 {
	if p.salted {
		return saltBytes + 4*(p.b-p.a)
	}
	return opset.LeafBytes * (p.b - p.a)
}

// size is how many bytes a piece has.
func (p *piece) size() uint64 { return p.head() + 32*siblingCount(p.a, p.b, p.depth) }

// leaves are those of a piece with this head.
func (p *piece) leaves(head []byte) []byte {
	if !p.salted {
		return head
	}
	var out []byte
	for i := p.a; i < p.b; i++ {
		id := binary.LittleEndian.Uint32(head[saltBytes+4*(i-p.a):])
		leaf := trace.SaltedLeaf(uint32(i), int32(id), [32]byte(head[:saltBytes]))
		out = append(out, leaf[:]...)
	}
	return out
}

// parts is how many lists the data of a claim are.
const parts = 4

// list is one of them: prompt, stop ids, outputs, and the bytes of bias, stop strings and grammar; or a graph model's
// input, nothing, its output, and nothing.
type list struct {
	bytes  uint64 // of the elements
	salted bool
	root   Hash
}

// leaves is how many leaves the list has.
func (l *list) leaves() uint64 {
	if l.salted {
		return l.bytes / 4
	}
	return (l.bytes + opset.LeafBytes - 1) / opset.LeafBytes
}

// most is how many leaves a piece of the list has at most, pieces how many pieces the list is.
func (l *list) most() uint64 {
	if l.salted {
		return saltedLeaves
	}
	return pieceLeaves
}

func (l *list) pieces() uint64 { return (l.leaves() + l.most() - 1) / l.most() }

// lists are those of a game about data: what the opening has counted of a graph model, or says of a request's lists, stands
// in the state.
func (s *State) lists(j *Job) [parts]list {
	if s.graph() {
		return [parts]list{{bytes: uint64(s.YPrev), root: j.PromptRoot}, {}, {bytes: uint64(s.Y), root: j.OutputRoot}, {}}
	}
	return [parts]list{{4 * uint64(j.PromptCount), j.Salted, j.PromptRoot}, {4 * uint64(j.StopCount), false, j.StopRoot},
		{4 * uint64(j.Count), false, j.OutputRoot}, {bytes: uint64(s.YPrev), root: s.Tensors}}
}

// pieces is how many pieces the data of a game are.
func (s *State) pieces(j *Job) (n uint64) {
	for _, l := range s.lists(j) {
		n += l.pieces()
	}
	return n
}

// piece is the one with a number below pieces.
func (s *State) piece(j *Job, number uint64) piece {
	lists := s.lists(j)
	at := 0
	for at < parts-1 && number >= lists[at].pieces() {
		number -= lists[at].pieces()
		at++
	}
	l := &lists[at]
	most, leaves := l.most(), l.leaves()
	return piece{list: at, salted: l.salted, a: most * number, b: min(most*(number+1), leaves), depth: merkle.Depth(max(leaves, 1)), root: l.root}
}

// opens says ErrOpening unless leaves and siblings lead to the root of the list.
func (p *piece) opens(data []byte) error {
	cut := p.head()
	path := make([]Hash, 0, (uint64(len(data))-cut)/32)
	for rest := data[cut:]; len(rest) > 0; rest = rest[32:] {
		path = append(path, Hash(rest[:32]))
	}
	if err := merkle.Verify(p.root, p.depth, p.a, opset.LeafBytes, p.leaves(data[:cut]), path); err != nil {
		return fmt.Errorf("%w: %w", ErrOpening, err)
	}
	return nil
}

// Publish is the next piece of the ids that a demand asks for: leaves and siblings, or for a delivery
// these encrypted under the secret of the opener's key and At.
type Publish struct {
	Job  Job
	At   claim.Point // zero in the clear
	Data []byte
}

// Decrypt is the end of a delivery: the opener takes it (Shown nil), or shows what a piece decrypts to.
type Decrypt struct {
	Job   Job
	Shown *Shown
}

// Shown is a decrypted piece of a delivery, with what shows that it is.
type Shown struct {
	Piece  uint32
	Before Hash // of the pieces before it
	At     claim.Point
	Shared claim.Shared
	Plain  []byte
	Later  []Hash // of each piece after it
}

// Kinds of the moves about data.
func (Publish) Kind() Kind { return KindPublish }
func (Decrypt) Kind() Kind { return KindDecrypt }

// Encode is the payload of SPEC 08 §7.13.
func (m Publish) Encode() []byte {
	w := new(writer).bytes(m.Job.Encode())
	if m.At != (claim.Point{}) {
		w.bytes(m.At[:])
	}
	return w.bytes(m.Data).b
}

// Encode is the payload of SPEC 08 §7.14.
func (m Decrypt) Encode() []byte {
	w := new(writer).bytes(m.Job.Encode())
	if s := m.Shown; s != nil {
		w.u32(s.Piece).hash(s.Before).bytes(s.At[:]).bytes(s.Shared.Encode()).bytes(s.Plain).hashes(s.Later)
	}
	return w.b
}

func (r *reader) point() (p claim.Point) {
	copy(p[:], r.take(uint64(len(p))))
	return p
}

func decodePublish(s *State, r *reader) Move {
	m := Publish{Job: r.job()}
	if r.bad || m.Job.Hash() != s.JobHash {
		r.bad = true
		return m
	}
	if s.secret() {
		m.At = r.point()
		r.bad = r.bad || m.At == (claim.Point{})
	}
	p := s.piece(&m.Job, s.Index)
	m.Data = r.take(p.size())
	return m
}

func decodeDecrypt(s *State, r *reader) Move {
	m := Decrypt{Job: r.job()}
	if r.bad || m.Job.Hash() != s.JobHash {
		r.bad = true
		return m
	}
	if len(r.b) == 0 {
		return m
	}
	m.Shown = &Shown{Piece: r.u32(), Before: r.hash(), At: r.point()}
	if raw := r.take(claim.SharedSize); raw != nil {
		m.Shown.Shared = claim.DecodeShared([claim.SharedSize]byte(raw))
	}
	if uint64(m.Shown.Piece) >= s.Total {
		r.bad = true
		return m
	}
	p := s.piece(&m.Job, uint64(m.Shown.Piece))
	m.Shown.Plain = r.take(p.size())
	m.Shown.Later = r.hashes(s.Total - uint64(m.Shown.Piece) - 1)
	return m
}

// secret says that pieces are encrypted.
func (s *State) secret() bool { return s.Type != 0 }

// receiver is the key that a delivery is encrypted to.
func (s *State) receiver() claim.Point {
	return claim.Point(append(bytes.Clone(s.KV[:]), s.Boundaries[:]...))
}

// pieceKey encrypts one piece of one case.
func (s *State) pieceKey(secret Hash, number uint64) Hash {
	return claim.Keccak(secret[:], s.Case[:], binary.BigEndian.AppendUint64(nil, number))
}

// Pieces is how many pieces of data the move asks for, 0 if it is not about data or its descriptors are none.
func (m *OpenMove) Pieces() uint64 {
	if !m.data() {
		return 0
	}
	s, j := State{}, Job{PromptCount: m.Request.PromptCount, StopCount: m.Request.StopCount, Count: m.Claim.Count, Salted: m.salted()}
	if m.graph() {
		s.Flags = FlagGraph
		if m.measure(&s) != nil {
			return 0
		}
	} else {
		s.YPrev = m.Lists.Bytes
	}
	return s.pieces(&j)
}

// asks puts a claim's data in hand.
func (m *OpenMove) asks(s *State, j *Job) error {
	class := claim.Public
	if m.T == Delivered {
		class = claim.Parties
	}
	switch {
	case m.Request.DataClass != class:
		return fmt.Errorf("%w: the data are of class %s, want %s", ErrStep, claim.ClassName(m.Request.DataClass), claim.ClassName(class))
	case m.T == Delivered && m.Opener != m.Request.User:
		return fmt.Errorf("%w: %x asks for the data of %x", ErrStep, m.Opener, m.Request.User)
	}
	if m.T == Delivered {
		if err := m.To.Check(); err != nil || m.To.Address() != m.Opener {
			return fmt.Errorf("%w: no key of %x", ErrPoint, m.Opener)
		}
		s.Type = 1
		copy(s.KV[:], m.To[:32])
		copy(s.Boundaries[:], m.To[32:])
	}
	if m.graph() {
		if err := m.measure(s); err != nil {
			return err
		}
	} else {
		if err := j.checkLists(m.Lists); err != nil {
			return err
		}
		s.YPrev, s.Tensors = m.Lists.Bytes, m.Lists.Data
	}
	s.Phase, s.Total = Publication, s.pieces(j)
	s.Flags |= FlagDemand | FlagDescended
	return nil
}

func chained(before, next Hash) Hash { return claim.Keccak(before[:], next[:]) }

// hash is what the state keeps of an encrypted piece.
func (m *Publish) hash() Hash { return claim.Keccak(m.At[:], m.Data) }

func applyPublish(s *State, m Publish) error {
	if m.Job.Hash() != s.JobHash {
		return fmt.Errorf("%w: %x", ErrBadJob, m.Job.Hash())
	}
	p := s.piece(&m.Job, s.Index)
	if uint64(len(m.Data)) != p.size() {
		return fmt.Errorf("%w: piece %d has %d bytes, want %d", ErrBadPayload, s.Index, len(m.Data), p.size())
	}
	if s.secret() {
		if err := m.At.Check(); err != nil {
			return fmt.Errorf("%w: %w", ErrPoint, err)
		}
		s.Subtree = chained(s.Subtree, m.hash())
	} else if err := p.opens(m.Data); err != nil {
		return err
	}
	s.Index++
	switch {
	case s.Index < s.Total:
	case s.secret():
		s.Phase = Check
	default:
		s.Phase = Lost
	}
	return nil
}

func applyDecrypt(s *State, m Decrypt) error {
	if m.Job.Hash() != s.JobHash {
		return fmt.Errorf("%w: %x", ErrBadJob, m.Job.Hash())
	}
	if m.Shown == nil {
		s.Phase = Lost
		return nil
	}
	w := m.Shown
	if uint64(w.Piece) >= s.Total {
		return fmt.Errorf("%w: piece %d of %d", ErrRange, w.Piece, s.Total)
	}
	p := s.piece(&m.Job, uint64(w.Piece))
	if uint64(len(w.Plain)) != p.size() || uint64(len(w.Later)) != s.Total-uint64(w.Piece)-1 {
		return fmt.Errorf("%w: piece %d of %d bytes, %d after it", ErrBadPayload, w.Piece, len(w.Plain), len(w.Later))
	}
	if err := w.Shared.Check(s.receiver(), w.At); err != nil {
		return fmt.Errorf("%w: %w", ErrPoint, err)
	}
	key := s.pieceKey(Hash(w.Shared.Secret[:32]), uint64(w.Piece))
	sealed := Publish{At: w.At, Data: claim.Mask(key, w.Plain)}
	hash := chained(w.Before, sealed.hash())
	for _, h := range w.Later {
		hash = chained(hash, h)
	}
	if hash != s.Subtree {
		return fmt.Errorf("%w: the pieces hash to %x, posted were those of %x", ErrOpening, hash, s.Subtree)
	}
	s.Phase = Lost
	if p.opens(w.Plain) != nil {
		s.Phase = Refuted
	}
	return nil
}
