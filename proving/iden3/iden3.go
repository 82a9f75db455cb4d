// Package iden3 writes circuits and witnesses in the file formats of circom's tools.
//
// It stands on the proving floor beside step, which hands systems and witnesses over, so that provers of
// others can be compared with ours on the same circuit. Invariants: wires keep their numbers (the constant
// one, public inputs, secret inputs, what the circuit computes), a term of zero is left out, numbers are
// canonical. The formats are those of the r1cs binary format, version 1, and of snarkjs's wtns, version 2.
//
//	err := iden3.WriteSystem(file, system)
//	err = iden3.WriteWitness(other, solution.W)
package iden3

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/constraint"
	cs "github.com/consensys/gnark/constraint/bn254"
)

// ErrCommits marks a system that commits to wires, which the format cannot say.
var ErrCommits = errors.New("the circuit commits to wires")

// section is one of a file: its number, and its bytes.
type section struct {
	id   uint32
	data []byte
}

// write writes a file of either format.
func write(to io.Writer, magic string, version uint32, sections []section) error {
	w := bufio.NewWriter(to)
	head := binary.LittleEndian.AppendUint32([]byte(magic), version)
	_, err := w.Write(binary.LittleEndian.AppendUint32(head, uint32(len(sections))))
	for _, s := range sections {
		head = binary.LittleEndian.AppendUint32(nil, s.id)
		_, err1 := w.Write(binary.LittleEndian.AppendUint64(head, uint64(len(s.data))))
		_, err2 := w.Write(s.data)
		err = errors.Join(err, err1, err2)
	}
	return errors.Join(err, w.Flush())
}

// order is the width of the field and its order.
func order() []byte {
	b := binary.LittleEndian.AppendUint32(nil, fr.Bytes)
	p := fr.Modulus().FillBytes(make([]byte, fr.Bytes))
	slices.Reverse(p)
	return append(b, p...)
}

func number(to []byte, e *fr.Element) []byte {
	var b [fr.Bytes]byte
	fr.LittleEndian.PutElement(&b, *e)
	return append(to, b[:]...)
}

// WriteSystem writes an R1CS: its header, its constraints and the labels of its wires, which are their
// numbers. It returns ErrCommits for a system that the format cannot say.
func WriteSystem(to io.Writer, s *cs.R1CS) error {
	if n := len(s.CommitmentInfo.CommitmentIndexes()); n != 0 {
		return fmt.Errorf("%w: %d commitments", ErrCommits, n)
	}
	internal, secret, public := s.GetNbVariables()
	wires := internal + secret + public
	header := order()
	for _, n := range []int{wires, 0, public - 1, secret} {
		header = binary.LittleEndian.AppendUint32(header, uint32(n))
	}
	header = binary.LittleEndian.AppendUint64(header, uint64(wires))
	header = binary.LittleEndian.AppendUint32(header, uint32(s.GetNbConstraints()))
	var constraints, labels []byte
	for it := s.GetR1CIterator(); ; {
		c := it.Next()
		if c == nil {
			break
		}
		for _, l := range []constraint.LinearExpression{c.L, c.R, c.O} {
			constraints = expression(constraints, s, l)
		}
	}
	for i := range wires {
		labels = binary.LittleEndian.AppendUint64(labels, uint64(i))
	}
	return write(to, "r1cs", 1, []section{{1, header}, {2, constraints}, {3, labels}})
}

// expression appends a linear expression: its number of terms, then wire and factor of each, by wire.
func expression(to []byte, s *cs.R1CS, l constraint.LinearExpression) []byte {
	terms := slices.DeleteFunc(slices.Clone(l), func(t constraint.Term) bool { return s.Coefficients[t.CoeffID()].IsZero() })
	slices.SortFunc(terms, func(a, b constraint.Term) int { return cmp.Compare(a.WireID(), b.WireID()) })
	to = binary.LittleEndian.AppendUint32(to, uint32(len(terms)))
	for _, t := range terms {
		to = number(binary.LittleEndian.AppendUint32(to, uint32(t.WireID())), &s.Coefficients[t.CoeffID()])
	}
	return to
}

// WriteWitness writes the values of all wires, the constant one first.
func WriteWitness(to io.Writer, wires fr.Vector) error {
	var values []byte
	for i := range wires {
		values = number(values, &wires[i])
	}
	header := binary.LittleEndian.AppendUint32(order(), uint32(len(wires)))
	return write(to, "wtns", 2, []section{{1, header}, {2, values}})
}
