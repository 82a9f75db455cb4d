package worker

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxFrame bounds what is between two processes at once, in bytes: a witness has at most 65,536 elements of 8.
const maxFrame = 1 << 21

// errFrame marks what is no frame, or none of the kind that is due.
var errFrame = errors.New("invalid frame")

// send writes a frame: kind u8, length u32, and that many bytes of JSON.
func send(out io.Writer, kind uint8, x any) error {
	b, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if len(b) > maxFrame {
		return fmt.Errorf("%w: %d bytes, at most %d", errFrame, len(b), maxFrame)
	}
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(b)))
	_, err = out.Write(append(head, b...))
	return err
}

// frame is what was received.
type frame struct {
	kind uint8
	body []byte
}

// receive reads a frame. It returns io.EOF where none begins.
func receive(in io.Reader) (f frame, err error) {
	var head [5]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return f, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if head[0] < kindTask || head[0] > kindFault || n > maxFrame {
		return f, fmt.Errorf("%w: kind %d of %d bytes", errFrame, head[0], n)
	}
	f = frame{head[0], make([]byte, n)}
	if _, err := io.ReadFull(in, f.body); err != nil {
		return f, fmt.Errorf("%w: %w", errFrame, err)
	}
	return f, nil
}

// into reads the body of a frame of a kind in its only encoding, that of send.
func (f frame) into(kind uint8, x any) error {
	if f.kind != kind {
		return fmt.Errorf("%w: kind %d, want %d", errFrame, f.kind, kind)
	}
	if err := json.Unmarshal(f.body, x); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	if again, err := json.Marshal(x); err != nil || !bytes.Equal(again, f.body) {
		return fmt.Errorf("%w: kind %d is not in its only encoding", errFrame, kind)
	}
	return nil
}
