package node

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/crypto/ecies"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
)

var (
	errParty  = errors.New("the data of this claim is for its parties: sign Fetch(claim) with the request's user key")
	errSealed = errors.New("the data of this claim is sealed: it leaves the node for nobody")
)

// fetchScheme begins the Authorization header of a party. SPEC 15 §2.3.
const fetchScheme = "Elenchus "

// seal turns what is delivered into what its receiver alone can read; nil leaves it as it is.
type seal func(plain []byte, what string) ([]byte, error)

// receiver says who may have the data of a claim and how it is delivered: public data to all, that of
// parties encrypted to the key of who proves to be one, sealed data to nobody. SPEC 07 §10.
func (n *Node) receiver(r *http.Request, id claim.Hash) (seal, error) {
	rec, err := n.receipt(id)
	if err != nil {
		return nil, err
	}
	switch rec.Request.DataClass {
	case claim.Public:
		return nil, nil
	case claim.Parties:
	default:
		return nil, errSealed
	}
	raw, found := strings.CutPrefix(r.Header.Get("Authorization"), fetchScheme)
	b, err := base64.RawURLEncoding.Strict().DecodeString(raw)
	var sig claim.Signature
	if !found || err != nil || len(b) != len(sig) {
		return nil, errParty
	}
	copy(sig[:], b)
	digest := claim.FetchDigest(n.o.Domain, id)
	who, err := claim.Recover(digest, sig)
	if err != nil || who != rec.Request.User && (n.o.Auditor == nil || !n.o.Auditor(id, who)) {
		return nil, errParty
	}
	b[64] -= 27
	key, err := crypto.SigToPub(digest[:], b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errParty, err)
	}
	to := ecies.ImportECDSAPublic(key)
	return func(plain []byte, what string) ([]byte, error) {
		return ecies.Encrypt(rand.Reader, to, plain, nil, claim.DeliveryInfo(id, what))
	}, nil
}

// deliver sends bytes as they are, or encrypted to their receiver.
func deliver(w http.ResponseWriter, plain []byte, what string, s seal) {
	if s != nil {
		var err error
		if plain, err = s(plain, what); err != nil {
			fail(w, err)
			return
		}
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(plain) // a client that went away is not our error
}

// shownInBatch is a receipt as everybody may see it: its text, or nothing where it is not public.
func shownInBatch(raw []byte, class uint8) string {
	if class != claim.Public {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(unsigned(raw))
}

// unsigned is a stored receipt without its signature, which its user alone gets: plants have none, and
// could be told from other claims. SPEC 11 §5.3.
func unsigned(raw []byte) []byte {
	r, err := receipt.Decode(raw)
	if err != nil {
		panic("node: a stored receipt does not decode: " + err.Error())
	}
	r.Signature = claim.Signature{}
	out, err := r.Encode()
	if err != nil {
		panic("node: a stored receipt does not encode: " + err.Error())
	}
	return out
}
