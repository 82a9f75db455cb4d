package dispute

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
)

// writer appends the fields of a payload.
type writer struct{ b []byte }

func (w *writer) bytes(p []byte) *writer { w.b = append(w.b, p...); return w }
func (w *writer) u8(v uint8) *writer     { w.b = append(w.b, v); return w }
func (w *writer) u16(v uint16) *writer   { w.b = binary.BigEndian.AppendUint16(w.b, v); return w }
func (w *writer) u32(v uint32) *writer   { w.b = binary.BigEndian.AppendUint32(w.b, v); return w }
func (w *writer) u64(v uint64) *writer   { w.b = binary.BigEndian.AppendUint64(w.b, v); return w }
func (w *writer) hash(h Hash) *writer    { return w.bytes(h[:]) }
func (w *writer) hashes(hs []Hash) *writer {
	for i := range hs {
		w.hash(hs[i])
	}
	return w
}

// reader takes the fields of a payload from its front; after a field that is not there it reads
// zeros and bad stands.
type reader struct {
	b   []byte
	bad bool
	why error // why reading ended, where that is not the form of the payload
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uint(n uint64) (v uint64) {
	for _, c := range r.take(n) {
		v = v<<8 | uint64(c)
	}
	return v
}

func (r *reader) u8() uint8   { return uint8(r.uint(1)) }
func (r *reader) u16() uint16 { return uint16(r.uint(2)) }
func (r *reader) u32() uint32 { return uint32(r.uint(4)) }
func (r *reader) u64() uint64 { return r.uint(8) }

func (r *reader) hash() (h Hash) {
	copy(h[:], r.take(32))
	return h
}

func (r *reader) address() (a claim.Address) {
	copy(a[:], r.take(uint64(len(a))))
	return a
}

// hashes reads n hashes; nothing is allocated before they are known to be there.
func (r *reader) hashes(n uint64) []Hash {
	if n > uint64(len(r.b))/32 {
		r.bad = true
	}
	if r.bad || n == 0 {
		return nil
	}
	out := make([]Hash, n)
	for i := range out {
		out[i] = r.hash()
	}
	return out
}

// path reads the siblings of a leaf in a keccak tree over count hashes.
func (r *reader) path(count uint32) []Hash { return r.hashes(uint64(merkle.Depth(uint64(count)))) }

// siblings reads the siblings of leaves [a, b) in a tree of a depth.
func (r *reader) siblings(a, b uint64, depth int) []Hash { return r.hashes(siblingCount(a, b, depth)) }

// siblingCount is how many siblings lead leaves [a, b) to the root. SPEC 01 §2.4.
func siblingCount(a, b uint64, depth int) (n uint64) {
	for range depth {
		n += a&1 + b&1
		a, b = a/2, (b+1)/2
	}
	return n
}

func (r *reader) job() Job {
	b := r.take(JobSize)
	if b == nil {
		return Job{}
	}
	j, err := DecodeJob(b)
	r.bad = r.bad || err != nil
	return j
}

func (r *reader) descriptor() (d [opset.DescriptorSize]byte) {
	copy(d[:], r.take(opset.DescriptorSize))
	return d
}

// end says why reading ended early, or ErrBadPayload if a field was missing or bytes are left.
func (r *reader) end(k Kind) error {
	if r.why != nil {
		return fmt.Errorf("%s: %w", k, r.why)
	}
	if r.bad {
		return fmt.Errorf("%w: %s ends early", ErrBadPayload, k)
	}
	if len(r.b) != 0 {
		return fmt.Errorf("%w: %s has %d bytes left over", ErrBadPayload, k, len(r.b))
	}
	return nil
}
