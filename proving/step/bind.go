package step

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/crypto"
)

// Binding is what an answer belongs to. Its hash is a public input that no constraint opens: a proof
// is worth nothing in another game, for another element, on another chain, at another verifier or from
// another prover. SPEC 10 §4.
type Binding struct {
	Game     [32]byte
	Op       uint8
	Element  uint64
	Chain    uint64
	Verifier [20]byte
	Prover   [20]byte
}

// Hash is keccak(game | op | element u64 | chain u256 | verifier | prover); as a public input it is
// taken modulo the field.
func (b *Binding) Hash() [32]byte {
	out := append(b.Game[:], b.Op)
	out = binary.BigEndian.AppendUint64(out, b.Element)
	out = append(out, make([]byte, 24)...)
	out = binary.BigEndian.AppendUint64(out, b.Chain)
	out = append(out, b.Verifier[:]...)
	return [32]byte(crypto.Keccak256(append(out, b.Prover[:]...)))
}
