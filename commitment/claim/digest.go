package claim

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/crypto/keccak"
)

// Domain separates the signatures of one arena on one chain from all others. SPEC 07 §1.
type Domain struct {
	ChainID uint64
	Arena   Address
}

// The EIP-712 types, in the letters that are hashed.
const (
	domainType  = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
	RequestType = "Request(bytes32 model,bytes32 promptRoot,uint32 promptCount,uint32 maxNew,uint32 temperature,uint64 seed,bytes32 stopRoot,uint8 stopCount,bytes32 extras,uint8 dataClass,address user,uint64 nonce,uint128 price)"
	ClaimType   = "Claim(uint16 version,address node,bytes32 requestDigest,uint32 count,uint8 finish,bytes32 stateRoot,bytes32 outputRoot,uint128 value,uint64 issued,uint64 batchBy,uint64 challengeUntil)"
	CoreType    = "ClaimCore(uint16 version,address node,bytes32 requestDigest,uint32 count,uint8 finish,bytes32 stateRoot,bytes32 outputRoot,uint128 value)"
	domainName  = "elenchus"
	domainVer   = "1"
)

// Keccak is keccak-256 of the concatenation of parts.
func Keccak(parts ...[]byte) (out Hash) {
	h := keccak.NewLegacyKeccak256()
	for _, p := range parts {
		_, _ = h.Write(p) // never fails
	}
	h.Sum(out[:0])
	return out
}

// words collects the 32-byte words of an EIP-712 structure.
type words struct{ buf []byte }

func newWords(typ string, fields int) *words {
	w := &words{buf: make([]byte, 0, 32*(fields+1))}
	return w.hash(Keccak([]byte(typ)))
}

func (w *words) hash(h Hash) *words { w.buf = append(w.buf, h[:]...); return w }

func (w *words) uint(v uint64) *words { return w.amount(Units(v)) }

func (w *words) amount(a Amount) *words {
	var b [32]byte
	binary.BigEndian.PutUint64(b[16:], a.Hi)
	binary.BigEndian.PutUint64(b[24:], a.Lo)
	w.buf = append(w.buf, b[:]...)
	return w
}

func (w *words) address(a Address) *words {
	var b [32]byte
	copy(b[12:], a[:])
	w.buf = append(w.buf, b[:]...)
	return w
}

func (w *words) sum() Hash { return Keccak(w.buf) }

// Separator is the EIP-712 domain separator.
func (d Domain) Separator() Hash {
	return newWords(domainType, 4).hash(Keccak([]byte(domainName))).hash(Keccak([]byte(domainVer))).
		uint(d.ChainID).address(d.Arena).sum()
}

// Digest is what is signed for a structure whose EIP-712 hash is structHash.
func (d Domain) Digest(structHash Hash) Hash {
	sep := d.Separator()
	return Keccak([]byte{0x19, 0x01}, sep[:], structHash[:])
}

// Struct is the EIP-712 structure hash of r.
func (r Request) Struct() Hash {
	return newWords(RequestType, 13).hash(r.Model).hash(r.PromptRoot).uint(uint64(r.PromptCount)).
		uint(uint64(r.MaxNew)).uint(uint64(r.Temperature)).uint(r.Seed).hash(r.StopRoot).
		uint(uint64(r.StopCount)).hash(r.Extras).uint(uint64(r.DataClass)).address(r.User).
		uint(r.Nonce).amount(r.Price).sum()
}

// Digest is the request digest: the EIP-712 digest that the user signs and claims name.
func (r Request) Digest(d Domain) Hash { return d.Digest(r.Struct()) }

func (c Claim) core(typ string) *words {
	return newWords(typ, 11).uint(uint64(c.Version)).address(c.Node).hash(c.RequestDigest).
		uint(uint64(c.Count)).uint(uint64(c.Finish)).hash(c.StateRoot).hash(c.OutputRoot).amount(c.Value)
}

// Digest is the EIP-712 digest that the node signs and that batches contain.
func (c Claim) Digest(d Domain) Hash {
	return d.Digest(c.core(ClaimType).uint(c.Issued).uint(c.BatchBy).uint(c.ChallengeUntil).sum())
}

// ID is the claim's identity: its digest without the three times. SPEC 07 §4.
func (c Claim) ID(d Domain) Hash { return d.Digest(c.core(CoreType).sum()) }
