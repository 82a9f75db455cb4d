package manifest

import "io"

// Peek reads the beginning of a model file: its name and header. Whether the rest fits the header
// is not checked, only Decode does that. The error matches ErrModel or is in's.
func Peek(in io.Reader) (name string, h Header, err error) {
	r := &reader{r: in, left: int64(len(fileTag)) + 4 + maxName + HeaderSize}
	if tag := r.bytes(uint64(len(fileTag)), 64); string(tag) != fileTag {
		return "", h, r.fail("it does not begin with %q", fileTag)
	}
	name = string(r.blob("name", maxName))
	b := r.bytes(HeaderSize, HeaderSize)
	if r.err != nil {
		return "", h, r.err
	}
	h, err = DecodeHeader(b)
	return name, h, err
}
