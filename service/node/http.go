package node

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model"
)

// Bounds of the HTTP face.
const (
	maxBody     = 8 << 20
	maxList     = 256
	writeWithin = 30 * time.Second
)

// Handler is the node's HTTP face. SPEC 15.
//
//	GET  /v1/node                                  who, which models, which arena
//	POST /v1/jobs                                  lines of {"token"}, then {"receipt"} or {"error"}
//	POST /v1/cancel                                ends a job with its user's signature
//	POST /v1/hidden                                the mean of a decoder's hidden states, unclaimed
//	GET  /v1/claims?after=SEQ                      receipts in order, without signatures
//	GET  /v1/claims/{claim}                        one receipt, likewise
//	GET  /v1/claims/{claim}/states                 S_0.. as raw 32-byte hashes
//	GET  /v1/claims/{claim}/steps/{t}/{stage}/{i}  a tensor's bytes
//	GET  /v1/batches/{root}                        the receipts of a batch, in order
//	GET  /v1/batches/{root}/draws/{draw}/{place}   that of a drawn claim, for its auditor alone
func (n *Node) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/node", n.info)
	mux.HandleFunc("POST /v1/jobs", n.jobs)
	mux.HandleFunc("POST /v1/cancel", n.cancel)
	mux.HandleFunc("POST /v1/hidden", n.hidden)
	mux.HandleFunc("GET /v1/claims", n.listClaims)
	mux.HandleFunc("GET /v1/claims/{claim}", n.oneClaim)
	mux.HandleFunc("GET /v1/claims/{claim}/states", n.states)
	mux.HandleFunc("GET /v1/claims/{claim}/steps/{t}/{stage}/{tensor}", n.tensor)
	mux.HandleFunc("GET /v1/batches/{root}", n.batchClaims)
	mux.HandleFunc("GET /v1/batches/{root}/draws/{draw}/{place}", n.drawnClaim)
	return http.MaxBytesHandler(mux, maxBody)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that went away is not our error
}

// fail maps errors to statuses; the text goes to the client.
func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrBusy):
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	case errors.Is(err, ErrUnknownModel), errors.Is(err, ErrNoJob), errors.Is(err, errNotFound):
		status = http.StatusNotFound
	case errors.Is(err, errParty):
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", strings.TrimSpace(fetchScheme))
	case errors.Is(err, errSealed), errors.Is(err, errHidden):
		status = http.StatusForbidden
	case errors.Is(err, ErrRefused), errors.Is(err, errBadPath), errors.Is(err, trace.ErrTrace), errors.Is(err, decode.ErrJob), errors.Is(err, model.ErrModel):
		status = http.StatusBadRequest
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}

type modelInfo struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Vocab   int    `json:"vocab"`
	Context int    `json:"context"`
	Class   string `json:"class,omitempty"` // public ones say nothing
}

func infoOf(m *Model) modelInfo {
	h := &m.Manifest.Header
	i := modelInfo{ID: h.ID().String(), Name: m.Name, Vocab: int(h.Vocab), Context: int(h.TMax)}
	if h.Class != manifest.Public {
		i.Class = h.Class.String()
	}
	return i
}

func (n *Node) info(w http.ResponseWriter, _ *http.Request) {
	models := []modelInfo{}
	for _, m := range n.offered() {
		models = append(models, infoOf(m))
	}
	body := map[string]any{
		"address": "0x" + hex.EncodeToString(n.addr[:]), "chain_id": n.o.Domain.ChainID,
		"arena": "0x" + hex.EncodeToString(n.o.Domain.Arena[:]), "models": models,
	}
	if n.o.Plants != nil {
		body["planted"] = n.o.Plants.Every
	}
	reply(w, body)
}

// jobBody is the request of POST /v1/jobs: the canonical request and the ids behind its roots.
type jobBody struct {
	Request string  `json:"request"`
	Prompt  []int32 `json:"prompt"`
	Stop    []int32 `json:"stop"`
	Sampler string  `json:"sampler,omitempty"` // settings as receipts have them
	Odds    *int    `json:"logprobs,omitempty"`
	Salt    string  `json:"salt,omitempty"` // behind the root of a prompt that is salted
}

// jobLine is a line of the answer.
type jobLine struct {
	Token   *int32     `json:"token,omitempty"`
	Log     *int32     `json:"logprob,omitempty"` // Q16
	Top     [][2]int32 `json:"top,omitempty"`     // ids with theirs
	Receipt string     `json:"receipt,omitempty"`
	Error   string     `json:"error,omitempty"`
}

// tokenLine is the line of an id.
func tokenLine(id int32, o *decode.Odds) jobLine {
	l := jobLine{Token: &id}
	if o == nil {
		return l
	}
	l.Log = &o.Drawn.Log
	for _, t := range o.Top {
		l.Top = append(l.Top, [2]int32{t.ID, t.Log})
	}
	return l
}

func decodeJob(body io.Reader) (Job, error) {
	var b jobBody
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return Job{}, fmt.Errorf("%w: body: %w", ErrRefused, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Job{}, fmt.Errorf("%w: something follows the body's object", ErrRefused)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(b.Request)
	if err != nil {
		return Job{}, fmt.Errorf("%w: field request is not base64url: %w", ErrRefused, err)
	}
	r, err := claim.DecodeRequest(raw)
	if err != nil {
		return Job{}, fmt.Errorf("%w: field request: %w", ErrRefused, err)
	}
	job := Job{Request: r, Prompt: b.Prompt, Stop: b.Stop, Odds: b.Odds}
	if b.Sampler != "" {
		if raw, err = base64.RawURLEncoding.Strict().DecodeString(b.Sampler); err == nil {
			job.Sampler, err = decode.DecodeSampler(raw)
		}
		if err != nil {
			return Job{}, fmt.Errorf("%w: field sampler: %w", ErrRefused, err)
		}
	}
	if b.Salt != "" {
		if raw, err = base64.RawURLEncoding.Strict().DecodeString(b.Salt); err != nil {
			return Job{}, fmt.Errorf("%w: field salt is not base64url: %w", ErrRefused, err)
		}
		if len(raw) != len(job.Salt) {
			return Job{}, fmt.Errorf("%w: field salt has %d bytes, want %d", ErrRefused, len(raw), len(job.Salt))
		}
		copy(job.Salt[:], raw)
	}
	return job, nil
}

func (n *Node) jobs(w http.ResponseWriter, r *http.Request) {
	job, err := decodeJob(r.Body)
	if err == nil {
		_, err = n.check(&job)
	}
	if err != nil {
		fail(w, err)
		return
	}
	out := lineWriter{w: w, c: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "application/x-ndjson")
	rec, err := n.ServeOdds(r.Context(), job, func(id int32, o *decode.Odds) error { return out.line(tokenLine(id, o)) })
	if err != nil {
		n.o.Log.Warn("job failed", "err", err)
		if !out.sent {
			fail(w, err)
			return
		}
		_ = out.line(jobLine{Error: err.Error()})
		return
	}
	text, err := rec.Text()
	if err != nil {
		text = ""
		_ = out.line(jobLine{Error: err.Error()})
		return
	}
	_ = out.line(jobLine{Receipt: text})
}

// lineWriter writes JSON lines, each flushed under a deadline of its own.
type lineWriter struct {
	w    io.Writer
	c    *http.ResponseController
	sent bool
}

func (l *lineWriter) line(v jobLine) error {
	l.sent = true
	_ = l.c.SetWriteDeadline(time.Now().Add(writeWithin)) // not every writer has deadlines
	if err := json.NewEncoder(l.w).Encode(v); err != nil {
		return err
	}
	return l.c.Flush()
}

var errBadPath = errors.New("malformed path")

func pathHash(r *http.Request, name string) (h claim.Hash, err error) {
	b, err := hex.DecodeString(r.PathValue(name))
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("%w: %s %q is not 64 hex digits", errBadPath, name, r.PathValue(name))
	}
	return claim.Hash(b), nil
}

func pathInt(r *http.Request, name string, top int) (int, error) {
	v, err := strconv.Atoi(r.PathValue(name))
	if err != nil || v < 0 || v > top {
		return 0, fmt.Errorf("%w: %s %q is not in 0..%d", errBadPath, name, r.PathValue(name), top)
	}
	return v, nil
}

// texts turns stored receipts into their canonical text.
func texts(raw [][]byte) []string {
	out := make([]string, len(raw))
	for i, b := range raw {
		out[i] = base64.RawURLEncoding.EncodeToString(b)
	}
	return out
}

func (n *Node) listClaims(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	if err != nil && r.URL.Query().Has("after") {
		fail(w, fmt.Errorf("%w: after %q is no sequence number", errBadPath, r.URL.Query().Get("after")))
		return
	}
	raw, last, err := n.store.after(after, maxList)
	if err != nil {
		fail(w, err)
		return
	}
	public := raw[:0]
	for _, b := range raw {
		rec, err := receipt.Decode(b)
		if err != nil {
			fail(w, err)
			return
		}
		if rec.Request.DataClass == claim.Public {
			public = append(public, unsigned(b))
		}
	}
	reply(w, map[string]any{"receipts": texts(public), "next": last})
}

func (n *Node) oneClaim(w http.ResponseWriter, r *http.Request) {
	id, err := pathHash(r, "claim")
	if err != nil {
		fail(w, err)
		return
	}
	raw, err := n.store.get(id)
	if err != nil {
		fail(w, err)
		return
	}
	s, err := n.receiver(r, id)
	if err != nil {
		fail(w, err)
		return
	}
	if s == nil {
		reply(w, map[string]any{"receipts": texts([][]byte{unsigned(raw)})})
		return
	}
	body := map[string]any{"receipts": texts([][]byte{raw})}
	plain, err := json.Marshal(body)
	if err != nil {
		fail(w, err)
		return
	}
	deliver(w, plain, "receipt", s)
}

func (n *Node) batchClaims(w http.ResponseWriter, r *http.Request) {
	root, err := pathHash(r, "root")
	if err != nil {
		fail(w, err)
		return
	}
	body, err := n.batchBody(root)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, body)
}

// batchBody is a batch as everybody may see it: receipts, and the digests of all claims if one is not public.
func (n *Node) batchBody(root claim.Hash) (map[string]any, error) {
	ids, until, err := n.store.batchOf(root)
	if err != nil {
		return nil, err
	}
	receipts, leaves, hidden := make([]string, len(ids)), make([]string, len(ids)), false
	for i, id := range ids {
		raw, err := n.store.get(id)
		if err != nil {
			return nil, err
		}
		rec, err := receipt.Decode(raw)
		if err != nil {
			return nil, err
		}
		digest := rec.Claim.Digest(n.o.Domain)
		receipts[i], leaves[i] = shownInBatch(raw, rec.Request.DataClass), hex.EncodeToString(digest[:])
		hidden = hidden || receipts[i] == ""
	}
	body := map[string]any{"receipts": receipts, "until": until}
	if hidden {
		body["leaves"] = leaves
	}
	return body, nil
}

func (n *Node) states(w http.ResponseWriter, r *http.Request) {
	id, err := pathHash(r, "claim")
	if err != nil {
		fail(w, err)
		return
	}
	s, err := n.innerReceiver(r, id, false)
	if err != nil {
		fail(w, err)
		return
	}
	a, err := n.shown(r.Context(), id)
	if err != nil {
		fail(w, err)
		return
	}
	hashes := make([]byte, 0, len(a.Hashes)*len(claim.Hash{}))
	for _, h := range a.Hashes[1:] {
		hashes = append(hashes, h[:]...)
	}
	deliver(w, hashes, "states", s)
}

// shown is the commitment of a claim for a stranger, who waits for his turn.
func (n *Node) shown(ctx context.Context, id claim.Hash) (*trace.Answer, error) {
	if err := n.shows.enter(ctx); err != nil {
		return nil, err
	}
	defer n.shows.leave()
	_, a, _, err := n.answer(ctx, id)
	return a, err
}

func (n *Node) tensor(w http.ResponseWriter, r *http.Request) {
	id, err := pathHash(r, "claim")
	t, err1 := pathInt(r, "t", 1<<20)
	stage, err2 := pathInt(r, "stage", 1<<11)
	index, err3 := pathInt(r, "tensor", 127)
	if err := errors.Join(err, err1, err2, err3); err != nil {
		fail(w, err)
		return
	}
	s, err := n.innerReceiver(r, id, true)
	if err != nil {
		fail(w, err)
		return
	}
	b, err := n.tensorBytes(r, id, t, stage, index)
	if err != nil {
		fail(w, err)
		return
	}
	deliver(w, b, fmt.Sprintf("steps/%d/%d/%d", t, stage, index), s)
}

func (n *Node) tensorBytes(r *http.Request, id claim.Hash, t, stage, index int) ([]byte, error) {
	if err := n.shows.enter(r.Context()); err != nil {
		return nil, err
	}
	defer n.shows.leave()
	rec, m, err := n.stored(id)
	if err != nil {
		return nil, err
	}
	step, err := n.step(r.Context(), m, rec, id, t)
	if err != nil {
		return nil, err
	}
	st, err := step.Stage(stage)
	if err != nil {
		return nil, err
	}
	if index >= len(st.Tensors) {
		return nil, fmt.Errorf("%w: stage %d has %d tensors, no %d", trace.ErrTrace, stage, len(st.Tensors), index)
	}
	return st.Tensors[index].Bytes(0, st.Tensors[index].Len()), nil
}

// step is the last step that was asked for, or a new re-execution. The caller holds the place of shows.
func (n *Node) step(ctx context.Context, m *Model, rec *receipt.Receipt, id claim.Hash, t int) (*trace.Step, error) {
	if n.lastStep != nil && n.lastClaim == id && int(n.lastStep.Ctx.T) == t {
		return n.lastStep, nil
	}
	by, err := n.computer(ctx, id, m)
	if err != nil {
		return nil, err
	}
	step, err := m.replay(by, rec, t)
	if err == nil {
		n.lastStep, n.lastClaim = step, id
	}
	return step, err
}
