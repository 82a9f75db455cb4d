// Package peer talks to nodes over HTTP: it asks for answers and fetches what they serve.
//
// It stands on the network floor. What comes back is bounded, decoded strictly and not believed:
// callers check it against roots and signatures. SPEC 15.
//
//	c := peer.New(http.DefaultClient)
//	info, err := c.Info(ctx, "http://127.0.0.1:9001")
package peer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/compute/decode"
)

// Bounds on what a node may send.
const (
	maxJSON = 64 << 20
	maxLine = 16 << 20
)

// StatusError is an answer other than 200.
type StatusError struct {
	Status int
	Text   string // the node's own words
}

// Error gives status and text.
func (e *StatusError) Error() string { return fmt.Sprintf("node answers %d: %s", e.Status, e.Text) }

// ErrReply marks a reply that is not what the protocol says.
var ErrReply = errors.New("malformed reply of a node")

// Client talks to nodes. It is safe for concurrent use.
type Client struct {
	http   *http.Client
	key    *ecdsa.PrivateKey // of a party; nil: of nobody
	domain claim.Domain      // in which key signs
}

// New uses the given HTTP client.
func New(c *http.Client) *Client { return &Client{http: c} }

// Model is a model that a node serves.
type Model struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Vocab   int    `json:"vocab"`
	Context int    `json:"context"`
}

// Info is what a node says of itself.
type Info struct {
	Address string  `json:"address"`
	ChainID uint64  `json:"chain_id"`
	Arena   string  `json:"arena"`
	Models  []Model `json:"models"`
}

func (c *Client) get(ctx context.Context, url string, top int64) ([]byte, error) {
	return c.getAs(ctx, url, top, "")
}

// getAs is get with an Authorization header, unless it is empty.
func (c *Client) getAs(ctx context.Context, url string, top int64, as string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if as != "" {
		req.Header.Set("Authorization", as)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end or given up
	b, err := io.ReadAll(io.LimitReader(resp.Body, top+1))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &StatusError{resp.StatusCode, errorText(b)}
	}
	if int64(len(b)) > top {
		return nil, fmt.Errorf("%w: %s sends more than %d bytes", ErrReply, url, top)
	}
	return b, nil
}

// errorText is the error field of a JSON body, or the body cut short.
func errorText(b []byte) string {
	var e struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(b, &e) == nil && e.Error != "" {
		return e.Error
	}
	return strings.TrimSpace(string(b[:min(len(b), 200)]))
}

// Info asks a node who it is.
func (c *Client) Info(ctx context.Context, url string) (Info, error) {
	var i Info
	b, err := c.get(ctx, url+"/v1/node", 1<<20)
	if err != nil {
		return i, err
	}
	if err := json.Unmarshal(b, &i); err != nil {
		return i, fmt.Errorf("%w: %w", ErrReply, err)
	}
	return i, nil
}

func (c *Client) receipts(ctx context.Context, url string) ([]*receipt.Receipt, uint64, error) {
	b, err := c.get(ctx, url, maxJSON)
	if err != nil {
		return nil, 0, err
	}
	return decodeReceipts(b)
}

func decodeReceipts(b []byte) ([]*receipt.Receipt, uint64, error) {
	var body struct {
		Receipts []string `json:"receipts"`
		Next     uint64   `json:"next"`
	}
	err := json.Unmarshal(b, &body)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrReply, err)
	}
	out := make([]*receipt.Receipt, len(body.Receipts))
	for i, text := range body.Receipts {
		if out[i], err = receipt.Parse(text); err != nil {
			return nil, 0, fmt.Errorf("%w: receipt %d: %w", ErrReply, i, err)
		}
	}
	return out, body.Next, nil
}

// Batch returns the claims of a batch in order: receipts, or digests where the node keeps them for their
// parties.
func (c *Client) Batch(ctx context.Context, url string, root claim.Hash) ([]receipt.Place, error) {
	b, err := c.get(ctx, url+"/v1/batches/"+hex.EncodeToString(root[:]), maxJSON)
	if err != nil {
		return nil, err
	}
	var body struct {
		Receipts []string `json:"receipts"`
		Leaves   []string `json:"leaves"` // of all, if one is hidden
	}
	if err := json.Unmarshal(b, &body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReply, err)
	}
	out := make([]receipt.Place, len(body.Receipts))
	for i, text := range body.Receipts {
		if text != "" {
			out[i].Receipt, err = receipt.Parse(text)
		} else if len(body.Leaves) != len(out) {
			err = errors.New("neither a receipt nor a digest")
		} else if raw, bad := hex.DecodeString(body.Leaves[i]); bad != nil || len(raw) != len(out[i].Leaf) {
			err = fmt.Errorf("digest %q is not 64 hex digits", body.Leaves[i])
		} else {
			out[i].Leaf = claim.Hash(raw)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: claim %d of the batch: %w", ErrReply, i, err)
		}
	}
	return out, nil
}

// Claims lists receipts after a sequence number, and the number to go on from.
func (c *Client) Claims(ctx context.Context, url string, after uint64) ([]*receipt.Receipt, uint64, error) {
	return c.receipts(ctx, fmt.Sprintf("%s/v1/claims?after=%d", url, after))
}

// States returns the n state hashes of a claim.
func (c *Client) States(ctx context.Context, url string, id claim.Hash, n int) ([]claim.Hash, error) {
	b, err := c.data(ctx, url, id, "states", int64(n)*32)
	if err != nil {
		return nil, err
	}
	if len(b) != 32*n {
		return nil, fmt.Errorf("%w: %d bytes are not %d states", ErrReply, len(b), n)
	}
	out := make([]claim.Hash, n)
	for i := range out {
		copy(out[i][:], b[32*i:])
	}
	return out, nil
}

// Tensor returns at most size bytes of a tensor of a step.
func (c *Client) Tensor(ctx context.Context, url string, id claim.Hash, t uint32, stage, tensor, size int) ([]byte, error) {
	return c.data(ctx, url, id, fmt.Sprintf("steps/%d/%d/%d", t, stage, tensor), int64(size))
}

// Answer is a running answer of a node. It is not safe for concurrent use.
type Answer struct {
	body io.Closer
	scan *bufio.Scanner
}

// Line is a token or, last, the receipt.
type Line struct {
	Token   *int32     `json:"token"`
	Log     *int32     `json:"logprob"` // of the token, Q16, where odds were asked for
	Top     [][2]int32 `json:"top"`     // ids with theirs
	Receipt string     `json:"receipt"`
	Error   string     `json:"error"`
}

// Odds are the odds of the line's token: nil if it has none, an error if they are none.
func (l *Line) Odds(vocab int) (*decode.Odds, error) {
	if l.Token == nil || l.Log == nil {
		return nil, nil
	}
	o := &decode.Odds{Drawn: decode.Likely{ID: *l.Token, Log: *l.Log}}
	if len(l.Top) > decode.MaxOdds || *l.Log > 0 {
		return nil, fmt.Errorf("%w: odds of id %d: %d with %d alternatives", ErrReply, *l.Token, *l.Log, len(l.Top))
	}
	for _, t := range l.Top {
		if t[0] < 0 || int(t[0]) >= vocab || t[1] > 0 {
			return nil, fmt.Errorf("%w: odds of id %d: %d", ErrReply, t[0], t[1])
		}
		o.Top = append(o.Top, decode.Likely{ID: t[0], Log: t[1]})
	}
	return o, nil
}

// Question is what a node is asked: a request, the ids behind its roots, and the settings behind its extras.
type Question struct {
	Request      claim.Request
	Prompt, Stop []int32
	Sampler      decode.Sampler
	Salt         [32]byte // of the prompt; zero of a public request
	Odds         *int     // alternatives wanted in the odds of each id; nil: no odds
}

// Job asks a node for an answer; the answer ends with ctx. Close it. s are the settings behind the
// request's extras.
func (c *Client) Job(ctx context.Context, url string, r claim.Request, prompt, stop []int32, s decode.Sampler) (*Answer, error) {
	return c.Ask(ctx, url, Question{Request: r, Prompt: prompt, Stop: stop, Sampler: s})
}

// Ask is Job with everything that a node may be asked.
func (c *Client) Ask(ctx context.Context, url string, q Question) (*Answer, error) {
	fields := map[string]any{
		"request": base64.RawURLEncoding.EncodeToString(q.Request.Encode()), "prompt": q.Prompt, "stop": q.Stop,
	}
	if !q.Sampler.None() {
		fields["sampler"] = base64.RawURLEncoding.EncodeToString(q.Sampler.Encode())
	}
	if q.Salt != ([32]byte{}) {
		fields["salt"] = base64.RawURLEncoding.EncodeToString(q.Salt[:])
	}
	if q.Odds != nil {
		fields["logprobs"] = *q.Odds
	}
	resp, err := c.post(ctx, url+"/v1/jobs", fields)
	if err != nil {
		return nil, err
	}
	a := &Answer{body: resp.Body, scan: bufio.NewScanner(resp.Body)}
	a.scan.Buffer(make([]byte, 0, 4096), maxLine)
	return a, nil
}

// Cancel ends the answer to a request, named by its digest, after count ids, with the signature of its user
// (claim.CancelDigest). The receipt comes as the answer's last line. SPEC 15 §3.9.
func (c *Client) Cancel(ctx context.Context, url string, request claim.Hash, count uint32, s claim.Signature) error {
	resp, err := c.post(ctx, url+"/v1/cancel", map[string]any{
		"request": hex.EncodeToString(request[:]), "count": count, "signature": base64.RawURLEncoding.EncodeToString(s[:]),
	})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// post sends a JSON body and returns the answer if it is 200; the caller closes it.
func (c *Client) post(ctx context.Context, url string, fields map[string]any) (*http.Response, error) {
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
		return nil, errors.Join(&StatusError{resp.StatusCode, errorText(b)}, resp.Body.Close())
	}
	return resp, nil
}

// Hidden asks a node for the mean of a decoder's hidden states over ids. Nobody claims it.
func (c *Client) Hidden(ctx context.Context, url string, model claim.Hash, ids []int32) ([]int32, error) {
	resp, err := c.post(ctx, url+"/v1/hidden", map[string]any{"model": hex.EncodeToString(model[:]), "prompt": ids})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end or given up
	var v struct {
		Vector []int32 `json:"vector"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxLine)).Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReply, err)
	}
	if len(v.Vector) == 0 {
		return nil, fmt.Errorf("%w: a vector without elements", ErrReply)
	}
	return v.Vector, nil
}

// Next is the next line; io.EOF follows the receipt.
func (a *Answer) Next() (Line, error) {
	var l Line
	if !a.scan.Scan() {
		if err := a.scan.Err(); err != nil {
			return l, err
		}
		return l, io.EOF
	}
	if err := json.Unmarshal(a.scan.Bytes(), &l); err != nil {
		return l, fmt.Errorf("%w: %w", ErrReply, err)
	}
	if l.Error != "" {
		return l, fmt.Errorf("node: %s", l.Error)
	}
	if l.Token == nil && l.Receipt == "" {
		return l, fmt.Errorf("%w: a line without token or receipt", ErrReply)
	}
	return l, nil
}

// Close ends the answer.
func (a *Answer) Close() error { return a.body.Close() }
