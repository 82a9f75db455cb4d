package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// cursor reads the header in order, never past min(size, MaxHeaderBytes).
type cursor struct {
	r       *bufio.Reader
	at, end int64
}

func newCursor(r io.ReaderAt, size int64) *cursor {
	end := min(max(size, 0), MaxHeaderBytes)
	return &cursor{r: bufio.NewReaderSize(io.NewSectionReader(r, 0, end), 1<<16), end: end}
}

// need checks that n more bytes exist.
func (c *cursor) need(field string, n int64) error {
	if n <= c.end-c.at {
		return nil
	}
	if c.end == MaxHeaderBytes {
		return fmt.Errorf("%s at offset %d: needs %d bytes, a header has at most %d", field, c.at, n, MaxHeaderBytes)
	}
	return fmt.Errorf("%s at offset %d: needs %d bytes, the file has %d left", field, c.at, n, c.end-c.at)
}

func (c *cursor) read(field string, b []byte) error {
	if err := c.need(field, int64(len(b))); err != nil {
		return err
	}
	if _, err := io.ReadFull(c.r, b); err != nil {
		return fmt.Errorf("%s at offset %d: %w", field, c.at, err)
	}
	c.at += int64(len(b))
	return nil
}

func (c *cursor) uint32(field string) (uint32, error) {
	var b [4]byte
	err := c.read(field, b[:])
	return binary.LittleEndian.Uint32(b[:]), err
}

func (c *cursor) uint64(field string) (uint64, error) {
	var b [8]byte
	err := c.read(field, b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

// count reads a number of things of at least each bytes, at most limit of them.
func (c *cursor) count(field string, limit, each uint64) (uint64, error) {
	at := c.at
	n, err := c.uint64(field)
	if err != nil {
		return 0, err
	}
	if n > limit {
		return 0, fmt.Errorf("%s at offset %d: %d, at most %d", field, at, n, limit)
	}
	// n*each <= 2^24 * 2^5, no overflow.
	return n, c.need(field, int64(n*each))
}

func (c *cursor) string(field string, limit uint64) (string, error) {
	n, err := c.count("length of "+field, limit, 1)
	if err != nil {
		return "", err
	}
	b := make([]byte, n)
	if err := c.read(field, b); err != nil {
		return "", err
	}
	return string(b), nil
}
