package node

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/crypto/ecies"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"
)

var (
	errParty  = errors.New("the data of this claim is for its parties: sign Fetch(claim) with the request's user key")
	errDrawn  = fmt.Errorf("%w: or be drawn to audit it, and sign Fetch(audit id)", errParty)
	errSealed = errors.New("the data of this claim is sealed: it leaves the node for nobody")
	errOpener = fmt.Errorf("%w, or as the opener of a game against it", errParty)
	errGame   = fmt.Errorf("%w, and as the opener of a game against it", errParty)
	errHidden = errors.New("the model of this claim is private: its states and tensors leave the node for nobody")
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
	return n.receiverOf(r, id, rec, rec.Request.DataClass)
}

// innerReceiver is receiver for what computing the claim made: of a confidential model tensors are for the
// claim's parties, whatever the class of its data, and, if the data are public, for who has a game open
// against it; of a private model states and tensors for nobody; tensors of a graph model are for who has a game
// open against the claim, since an auditor who reads them computes nothing. SPEC 15 §2.5.
func (n *Node) innerReceiver(r *http.Request, id claim.Hash, tensors bool) (seal, error) {
	rec, m, err := n.stored(id)
	if err != nil {
		return nil, err
	}
	class := rec.Request.DataClass
	switch c := m.Manifest.Class; {
	case c == manifest.Private:
		return nil, errHidden
	case m.graph() && tensors && class != claim.Sealed:
		who, s, err := n.asks(r, id)
		if err == nil && (!n.disputes(id, who) || class != claim.Public && who != rec.Request.User) {
			err = errGame
		}
		return s, err
	case c == manifest.Confidential && tensors && class == claim.Public:
		who, s, err := n.asks(r, id)
		if err != nil {
			return nil, err
		}
		if who != rec.Request.User && !n.disputes(id, who) {
			return nil, errOpener
		}
		return s, nil
	}
	return n.receiverOf(r, id, rec, class)
}

// disputes says whether an account has a game open against a claim.
func (n *Node) disputes(id claim.Hash, who claim.Address) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, g := range n.games.Open() {
		if g.ClaimID != id || g.Node != n.addr {
			continue
		}
		if s, err := dispute.DecodeState(g.State); err == nil && s.Opener == who {
			return true
		}
	}
	return false
}

func (n *Node) receiverOf(r *http.Request, id claim.Hash, rec *receipt.Receipt, class uint8) (seal, error) {
	switch class {
	case claim.Public:
		return nil, nil
	case claim.Parties:
	default:
		return nil, errSealed
	}
	who, s, err := n.asks(r, id)
	if err != nil {
		return nil, err
	}
	if who != rec.Request.User {
		return nil, errParty
	}
	return s, nil
}

// asks says who signed Fetch(id) in a request's header, and encrypts to his key. SPEC 15 §2.3.
func (n *Node) asks(r *http.Request, id claim.Hash) (who claim.Address, s seal, err error) {
	raw, found := strings.CutPrefix(r.Header.Get("Authorization"), fetchScheme)
	b, err := base64.RawURLEncoding.Strict().DecodeString(raw)
	var sig claim.Signature
	if !found || err != nil || len(b) != len(sig) {
		return who, nil, errParty
	}
	copy(sig[:], b)
	digest := claim.FetchDigest(n.o.Domain, id)
	if who, err = claim.Recover(digest, sig); err != nil {
		return who, nil, fmt.Errorf("%w: %w", errParty, err)
	}
	b[64] -= 27
	key, err := crypto.SigToPub(digest[:], b)
	if err != nil {
		return who, nil, fmt.Errorf("%w: %w", errParty, err)
	}
	to := ecies.ImportECDSAPublic(key)
	return who, func(plain []byte, what string) ([]byte, error) {
		return ecies.Encrypt(rand.Reader, to, plain, nil, claim.DeliveryInfo(id, what))
	}, nil
}

// drawnClaim serves the receipt of the claim that a draw of a batch gave to who holds that place of the
// draw, encrypted to his key whatever the class of its data. SPEC 15 §2.4.
func (n *Node) drawnClaim(w http.ResponseWriter, r *http.Request) {
	root, err := pathHash(r, "root")
	draw, err1 := pathInt(r, "draw", 1<<16-1)
	place, err2 := pathInt(r, "place", sampling.Places-1)
	if err := errors.Join(err, err1, err2); err != nil {
		fail(w, err)
		return
	}
	p := ledger.AuditPlace{Node: n.addr, Root: root, Draw: uint16(draw), Place: uint8(place)}
	raw, s, err := n.drawn(r, p)
	if err != nil {
		fail(w, err)
		return
	}
	plain, err := json.Marshal(map[string]any{"receipts": texts([][]byte{unsigned(raw)})})
	if err != nil {
		fail(w, err)
		return
	}
	deliver(w, plain, "receipt", s)
}

// drawn is the stored receipt of the claim at a place of an audit, and how it is delivered, if the place is
// that of who asks.
func (n *Node) drawn(r *http.Request, p ledger.AuditPlace) ([]byte, seal, error) {
	who, s, err := n.asks(r, sampling.PlaceID(p))
	if err != nil {
		return nil, nil, err
	}
	ids, _, err := n.store.batchOf(p.Root)
	if err != nil {
		return nil, nil, err
	}
	if n.o.Draw == nil {
		return nil, nil, errDrawn
	}
	if err := n.draws.enter(r.Context()); err != nil {
		return nil, nil, err
	}
	index, auditor, err := n.o.Draw(r.Context(), p)
	n.draws.leave()
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%w: the chain cannot be asked for the draw: %w", ErrBusy, err)
	case auditor != who || auditor == (claim.Address{}) || int(index) >= len(ids):
		return nil, nil, errDrawn
	}
	rec, err := n.receipt(ids[index])
	if err != nil {
		return nil, nil, err
	}
	if rec.Request.DataClass != claim.Public && rec.Request.DataClass != claim.Parties {
		return nil, nil, errSealed
	}
	raw, err := n.store.get(ids[index])
	return raw, s, err
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
