package app

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/network/peer"
	"elenchus/service/gateway"
)

// Backend is the gateway's network of nodes: it turns jobs into requests, sends them to nodes in
// turn, and hands each receipt to the watchers.
type Backend struct {
	Domain   claim.Domain
	User     claim.Address // whom requests name
	Peers    *peer.Client
	Nodes    []string // base URLs
	Watchers []string // base URLs of challengers that take receipts
	Created  int64    // unix seconds, for the model list
	Entropy  func([]byte)

	// Rewrite changes the conversation before it is rendered; nil leaves it. A lying gateway does so.
	Rewrite func([]gateway.Message) []gateway.Message

	models []backendModel
	turn   atomic.Uint64
	wait   sync.WaitGroup
}

type backendModel struct {
	man  *manifest.Manifest
	name string
	tok  *tokenizer.Tokenizer
	tmpl template.Template
}

// AddModel makes a model known under a name; its text side is needed to render prompts.
func (b *Backend) AddModel(name string, man *manifest.Manifest) error {
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		return fmt.Errorf("model %s: %w", name, err)
	}
	t, err := template.Parse(man.Model.Template)
	if err != nil {
		return fmt.Errorf("model %s: %w", name, err)
	}
	light := outline(man.Header) // the weights are the nodes' affair
	light.Model.EndIDs = man.Model.EndIDs
	b.models = append(b.models, backendModel{man: light, name: name, tok: tok, tmpl: t})
	return nil
}

// Models lists the models.
func (b *Backend) Models(context.Context) ([]gateway.Model, error) {
	out := make([]gateway.Model, len(b.models))
	for i, m := range b.models {
		out[i] = gateway.Model{
			ID: m.man.ID().String(), Name: m.name, Created: b.Created, ContextLength: int(m.man.TMax), Vocab: int(m.man.Vocab),
			Stop: m.man.Model.EndIDs,
		}
	}
	return out, nil
}

func (b *Backend) find(id string) (*backendModel, error) {
	for i := range b.models {
		if b.models[i].man.ID().String() == id {
			return &b.models[i], nil
		}
	}
	return nil, fmt.Errorf("%w: %s", gateway.ErrModelNotFound, id)
}

// Codec is the text side of a model.
func (b *Backend) Codec(_ context.Context, id string) (gateway.Codec, error) {
	m, err := b.find(id)
	if err != nil {
		return nil, err
	}
	return codec{m, b.Rewrite}, nil
}

type codec struct {
	m       *backendModel
	rewrite func([]gateway.Message) []gateway.Message
}

func (c codec) EncodeChat(chat template.Conversation) ([]int32, error) {
	if c.rewrite != nil {
		chat.Messages = c.rewrite(chat.Messages)
	}
	if len(chat.Tools) > 0 && c.Syntax() == nil {
		return nil, fmt.Errorf("%w: the template of this model has no form for tools that are called: leave tools out", gateway.ErrInvalid)
	}
	parts, err := c.m.tmpl.Render(chat)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", gateway.ErrInvalid, err)
	}
	return some(template.PromptOf(c.m.tok, parts))
}

// Syntax is how the model writes calls of tools.
func (c codec) Syntax() *template.Syntax { return c.m.tmpl.Syntax() }

func (c codec) EncodeText(text string) ([]int32, error) {
	return some(template.Prompt(c.m.tok, text))
}

// some refuses a prompt without tokens.
func some(ids []int32) ([]int32, error) {
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: the prompt has no tokens", gateway.ErrInvalid)
	}
	return ids, nil
}

func (c codec) NewDecoder(prompt []int32) gateway.Decoder {
	at := tokenizer.Continuation
	if len(prompt) <= 1 {
		at = tokenizer.Start // nothing but the beginning-of-sequence id stands before
	}
	return decoder{c.m.tok.NewDecoder(at)}
}

type decoder struct{ d *tokenizer.Decoder }

func (d decoder) Write(id int32) string {
	s, err := d.d.Next(id)
	if err != nil {
		return "" // the gateway has checked the id against the vocabulary
	}
	return s
}

func (d decoder) Flush() string { return d.d.Flush() }

// Submit sends a job to the next node in turn that takes it.
func (b *Backend) Submit(ctx context.Context, j gateway.Job) (gateway.Stream, error) {
	m, err := b.find(j.Model)
	if err != nil {
		return nil, err
	}
	r := b.request(m, &j)
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", gateway.ErrInvalid, err)
	}
	first := int(b.turn.Add(1)-1) % max(1, len(b.Nodes))
	var errs []error
	full := 0
	for i := range b.Nodes {
		url := b.Nodes[(first+i)%len(b.Nodes)]
		a, err := b.Peers.Job(ctx, url, r, j.Prompt, j.Stop, j.Sampler)
		var refused *peer.StatusError
		if errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
			return nil, fmt.Errorf("%w: %s", gateway.ErrInvalid, refused.Text)
		}
		if err == nil {
			return newStream(ctx, b, a, asked{digest: r.Digest(b.Domain)}), nil
		}
		if errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable {
			full++
		}
		errs = append(errs, fmt.Errorf("node %s: %w", url, err))
	}
	if full > 0 && full == len(b.Nodes) {
		return nil, fmt.Errorf("%w: %w", gateway.ErrBusy, errors.Join(errs...))
	}
	return nil, fmt.Errorf("%w: no node took the request: %w", gateway.ErrUnavailable, errors.Join(errs...))
}

// request is the typed request of a job. SPEC 07 §2.
func (b *Backend) request(m *backendModel, j *gateway.Job) claim.Request {
	var nonce [8]byte
	b.Entropy(nonce[:])
	r := claim.Request{
		Model: merkle.Hash(m.man.ID()), PromptRoot: trace.IDTree(j.Prompt).Root(), PromptCount: uint32(len(j.Prompt)),
		MaxNew: uint32(j.MaxNew), Temperature: uint32(j.TemperatureQ16), Seed: j.Seed, StopCount: uint8(len(j.Stop)),
		Extras:    trace.Settings(&j.Sampler).Extras(),
		DataClass: claim.Public, User: b.User, Nonce: binary.BigEndian.Uint64(nonce[:]),
	}
	if len(j.Stop) > 0 {
		r.StopRoot = trace.IDTree(j.Stop).Root()
	}
	return r
}

// asked is what a receipt must be about: the request, and the ids that the node sent before it.
type asked struct {
	digest claim.Hash
	sent   []int32
}

// stream hands a node's lines on. One goroutine reads; it ends with the job's context.
type stream struct {
	id     string
	events chan gateway.Event
	err    error // set before events is closed
}

func newStream(ctx context.Context, b *Backend, a *peer.Answer, q asked) *stream {
	s := &stream{id: hex.EncodeToString(q.digest[:]), events: make(chan gateway.Event, 64)}
	go s.read(ctx, b, a, q)
	return s
}

func (s *stream) read(ctx context.Context, b *Backend, a *peer.Answer, q asked) {
	defer close(s.events)
	defer a.Close() //nolint:errcheck // the answer is over
	for {
		l, err := a.Next()
		if errors.Is(err, io.EOF) {
			err = errors.New("the node ended its answer without a receipt")
		}
		if err != nil {
			s.err = err
			return
		}
		e := gateway.Event{}
		if l.Token != nil {
			e.Token = *l.Token
			q.sent = append(q.sent, e.Token) // the gateway stops a node at the request's maxNew
		} else if e.Finish, e.Receipt, s.err = b.finish(ctx, l.Receipt, q); s.err != nil {
			return
		}
		select {
		case s.events <- e:
		case <-ctx.Done():
			s.err = ctx.Err()
			return
		}
		if e.Receipt != "" {
			return
		}
	}
}

// ReceiptID is the request's digest: known before the first token.
func (s *stream) ReceiptID() string { return s.id }

// Next is the next event; when ctx ends nothing is lost.
func (s *stream) Next(ctx context.Context) (gateway.Event, error) {
	select {
	case e, ok := <-s.events:
		if !ok {
			if s.err == nil {
				return e, io.EOF
			}
			return e, s.err
		}
		return e, nil
	case <-ctx.Done():
		return gateway.Event{}, ctx.Err()
	}
}
