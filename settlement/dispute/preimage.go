package dispute

import (
	"crypto/sha256"
	"encoding/binary"
)

// Preimage is what a state hashes beside its position. SPEC 06 §3.1.
type Preimage struct {
	Y        uint32
	F        uint8
	KV       Hash
	Aux      Hash
	Previous Hash
}

// Hash is S_t for next = t+1.
func (p *Preimage) Hash(next uint32) Hash {
	b := make([]byte, 0, 106)
	b = append(b, 2)
	b = binary.BigEndian.AppendUint32(b, next)
	b = binary.BigEndian.AppendUint32(b, p.Y)
	b = append(b, p.F)
	b = append(b, p.KV[:]...)
	b = append(b, p.Aux[:]...)
	b = append(b, p.Previous[:]...)
	return sha256.Sum256(b)
}
