package decode

import (
	"crypto/sha256"
	"encoding/binary"
)

// ChoiceSeed is the seed of choice i of a request that asks for several answers with one seed: the
// seed itself for choice 0, else the first 8 bytes of SHA-256("choice" | seed u64 | i u32), integers
// big-endian. SPEC 05 §6.1.
func ChoiceSeed(seed uint64, i uint32) uint64 {
	if i == 0 {
		return seed
	}
	b := binary.BigEndian.AppendUint64([]byte("choice"), seed)
	h := sha256.Sum256(binary.BigEndian.AppendUint32(b, i))
	return binary.BigEndian.Uint64(h[:8])
}
