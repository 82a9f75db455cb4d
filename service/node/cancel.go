package node

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"elenchus/commitment/claim"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
)

// ErrNoJob says that nothing is being answered that could be cancelled.
var ErrNoJob = errors.New("no such request is being answered")

// live is a request that is being answered.
type live struct {
	request claim.Request

	mu     sync.Mutex // guards what follows
	made   int        // ids that were handed out
	count  int        // of them when the user ended the answer; 0: he has not
	cancel claim.Signature
}

// through hands ids to emit until the user ends the answer. An id counts before it is sent: its reader may
// cancel at once.
func (l *live) through(emit func(int32, *decode.Odds) error) func(int32, *decode.Odds) error {
	return func(id int32, o *decode.Odds) error {
		l.mu.Lock()
		over := l.count > 0
		if !over {
			l.made++
		}
		l.mu.Unlock()
		if over {
			return decode.ErrCut
		}
		if emit == nil {
			return nil
		}
		return emit(id, o)
	}
}

// end is what the user ended: the first ids of an answer, and his signature.
func (l *live) end(a *trace.Answer) (*trace.Answer, claim.Signature) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 {
		return a, claim.Signature{}
	}
	return a.Cut(l.count), l.cancel
}

// enlist makes a request known as one that is being answered, until done is called.
func (n *Node) enlist(digest claim.Hash, r claim.Request) (l *live, done func()) {
	l = &live{request: r}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.live[digest] = l
	return l, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.live[digest] == l {
			delete(n.live, digest)
		}
	}
}

// Cancel ends an answer in the making after count ids, as the user of its request signed. What was computed
// beyond is dropped; the answer's receipt says that it was cancelled, unless it is complete by then. It refuses
// with ErrNoJob or ErrRefused. SPEC 15 §3.9.
func (n *Node) Cancel(digest claim.Hash, count uint32, s claim.Signature) error {
	n.mu.Lock()
	l := n.live[digest]
	n.mu.Unlock()
	if l == nil {
		return fmt.Errorf("%w: %x", ErrNoJob, digest)
	}
	c := claim.Claim{Count: count, Finish: claim.FinishCancelled}
	if err := c.CheckCancel(n.o.Domain, l.request, s); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case count == 0 || int64(count) > int64(l.made):
		return fmt.Errorf("%w: cancelled after %d ids, %d were sent", ErrRefused, count, l.made)
	case l.count > 0 && l.count != int(count):
		return fmt.Errorf("%w: it was cancelled after %d ids already", ErrRefused, l.count)
	}
	l.count, l.cancel = int(count), s
	return nil
}

// cancelBody is the body of POST /v1/cancel.
type cancelBody struct {
	Request   string `json:"request"`
	Count     uint32 `json:"count"`
	Signature string `json:"signature"`
}

func (n *Node) cancel(w http.ResponseWriter, r *http.Request) {
	var b cancelBody
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		fail(w, fmt.Errorf("%w: body: %w", ErrRefused, err))
		return
	}
	digest, err := hex.DecodeString(b.Request)
	if err != nil || len(digest) != len(claim.Hash{}) {
		fail(w, fmt.Errorf("%w: field request is not 64 hex digits", ErrRefused))
		return
	}
	sig, err := base64.RawURLEncoding.Strict().DecodeString(b.Signature)
	if err != nil || len(sig) != len(claim.Signature{}) {
		fail(w, fmt.Errorf("%w: field signature is not base64url of 65 bytes", ErrRefused))
		return
	}
	if err := n.Cancel(claim.Hash(digest), b.Count, claim.Signature(sig)); err != nil {
		fail(w, err)
		return
	}
	reply(w, struct{}{})
}
