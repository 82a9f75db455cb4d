package engine

import (
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
	"unsafe"

	"elenchus/commitment/manifest"
	"elenchus/compute/kernel"
	"elenchus/compute/machine"
)

// ErrSpoilt marks weights in the order of kernels that are not those any more which were packed: memory
// or processor made a mistake. What was computed with them since is worth nothing.
var ErrSpoilt = errors.New("packed weights changed in memory")

// Seals are checksums of packed weights, a mebibyte each: CRC-32C, which tells any change of up to three
// bits, or of 32 bits in a row. Nobody hides a change from them who can write to our memory; they are
// for memory that fails. A nil Seals finds nothing. It is safe for concurrent use. ADR 0073.
type Seals struct {
	pages  []sealed
	size   int64
	spoilt atomic.Pointer[string] // what was found

	mu   sync.Mutex // guards next
	next int        // page that is checked next
}

// sealed is a piece of packed weights with its checksum.
type sealed struct {
	b   []byte
	sum uint32
}

// sealBytes is the most of a piece.
const sealBytes = 1 << 20

// castagnoli is the polynomial that processors have an instruction for.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Seal makes the checksums of a model that Prepare has just made; nil if it has no packed weights.
func Seal(man *manifest.Manifest) *Seals {
	s := &Seals{}
	machine.EachPacked(man.Model.Stages, func(p *kernel.Packed) {
		p.Memory(func(weights []int8, narrow []int32, wide []int64) {
			for _, b := range [][]byte{bytesOf(weights), bytesOf(narrow), bytesOf(wide)} {
				s.add(b)
			}
		})
	})
	if len(s.pages) == 0 {
		return nil
	}
	return s
}

// bytesOf are the bytes of numbers where they lie.
func bytesOf[T int8 | int32 | int64](v []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(T(0))))
}

func (s *Seals) add(b []byte) {
	for s.size += int64(len(b)); len(b) > 0; {
		n := min(len(b), sealBytes)
		s.pages = append(s.pages, sealed{b[:n], crc32.Checksum(b[:n], castagnoli)})
		b = b[n:]
	}
}

// Size is the number of bytes that are sealed.
func (s *Seals) Size() int64 {
	if s == nil {
		return 0
	}
	return s.size
}

// Check compares the next pieces, at least so many bytes and at most all, from where the last call
// ended, and says how many bytes it read. A difference is ErrSpoilt, now and in Err.
func (s *Seals) Check(bytes int64) (read int64, err error) {
	if s == nil {
		return 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for read < min(bytes, s.size) {
		p := &s.pages[s.next]
		if got := crc32.Checksum(p.b, castagnoli); got != p.sum {
			what := fmt.Sprintf("piece %d of %d, of %d bytes, has checksum %08x, not %08x", s.next, len(s.pages), len(p.b), got, p.sum)
			s.spoilt.CompareAndSwap(nil, &what)
		}
		read += int64(len(p.b))
		s.next = (s.next + 1) % len(s.pages)
	}
	return read, s.Err()
}

// Err is ErrSpoilt once a check has found a difference.
func (s *Seals) Err() error {
	if s == nil {
		return nil
	}
	if what := s.spoilt.Load(); what != nil {
		return fmt.Errorf("%w: %s: check this machine's memory", ErrSpoilt, *what)
	}
	return nil
}

// sound is deferred by what reads weights: what was computed is an error where a check found them spoilt.
func (s *Seals) sound(err *error) {
	if found := s.Err(); found != nil {
		*err = found
	}
}

// Check is Seals.Check for who computes with them: rows that may come of spoilt weights are forgotten.
func (c *Computer) Check(bytes int64) (read int64, err error) {
	if read, err = c.Seals.Check(bytes); err != nil && c.Prefix != nil {
		c.Prefix.Clear()
	}
	return read, err
}
