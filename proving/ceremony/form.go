package ceremony

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bytes of points in gnark's encoding, compressed; a proof is one of each.
const (
	g1    = 32
	g2    = 64
	proof = g1 + g2
)

// form is what the circuit gives of the encoding of a contribution. gnark reads a point in either of two encodings, as
// its first byte says, of which the long one moves all behind it: with the points before the last count short,
// the counts stand where they are looked at, and no count of another value is read.
type form struct {
	length int
	counts []count // which decide on memory
	points []int   // where those before the last count begin
}

// count is a number that stands in a place.
type count struct {
	at   int
	want []byte
}

// form is that of a phase; the zero value of Done.
func (c *Ceremony) form(p Phase) form {
	n := int(c.domain)
	challenge := 1 + sha256.Size
	switch p {
	case Powers: // proofs of tau, alpha and beta, N, beta, powers of tau, of tau in G2, with beta and with alpha
		f := form{length: 3*proof + 8 + g2 + (2*n-2)*g1 + (n-1)*g2 + 2*n*g1 + challenge}
		for at := 0; at < 3*proof; at += proof {
			f.points = append(f.points, at, at+g1)
		}
		f.counts = []count{{3 * proof, binary.BigEndian.AppendUint64(nil, c.domain)}}
		return f
	case Keys: // the number of commitments, delta, points of private wires, of the quotient, delta in G2, its proof
		internal, secret, _ := c.system.GetNbVariables()
		wires := internal + secret
		first := 2 + g1
		second := first + 4 + wires*g1
		f := form{length: second + 4 + (n-1)*g1 + g2 + proof + challenge, points: []int{2}}
		for at := first + 4; at < second; at += g1 {
			f.points = append(f.points, at)
		}
		f.counts = []count{{0, []byte{0, 0}}, {first, binary.BigEndian.AppendUint32(nil, uint32(wires))},
			{second, binary.BigEndian.AppendUint32(nil, uint32(n-1))}}
		return f
	}
	return form{}
}

// check looks at what gnark's decoder takes memory for.
func (f *form) check(b []byte) error {
	if len(b) != f.length {
		return fmt.Errorf("%d bytes, want %d for this circuit", len(b), f.length)
	}
	for _, c := range f.counts {
		if got := b[c.at : c.at+len(c.want)]; !bytes.Equal(got, c.want) {
			return fmt.Errorf("a count of %x at byte %d, want %x for this circuit", got, c.at, c.want)
		}
	}
	for _, at := range f.points {
		if b[at]>>6 == 0 {
			return fmt.Errorf("the point at byte %d is not in its only encoding", at)
		}
	}
	return nil
}

// part is a contribution of either phase.
type part interface {
	io.WriterTo
	io.ReaderFrom
}

// decode reads a contribution of a form.
func decode(b []byte, f form, to part) error {
	if err := f.check(b); err != nil {
		return err
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

func encode(from io.WriterTo) ([]byte, error) {
	var b bytes.Buffer
	_, err := from.WriteTo(&b)
	return b.Bytes(), err
}
