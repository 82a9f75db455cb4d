package app

import (
	"context"
	"crypto/ecdsa"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"elenchus/app/meter"
	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/model"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/importer"
	"elenchus/network/peer"
	"elenchus/service/gateway"
)

// Backend is the gateway's network of nodes: it turns jobs into requests, sends them to nodes in
// turn, and hands each receipt to the watchers.
type Backend struct {
	Domain   claim.Domain
	User     claim.Address     // whom requests name
	Key      *ecdsa.PrivateKey // of the user, who ends answers with it; nil: nothing is claimed of those that are left
	Peers    *peer.Client
	Nodes    []string // base URLs
	Watchers []string // base URLs of challengers that take receipts
	Created  int64    // unix seconds, for the model list
	Entropy  func([]byte)

	Meter *meter.Set // nil: nobody looks

	// Rewrite changes the conversation before it is rendered; nil leaves it. A lying gateway does so.
	Rewrite func([]gateway.Message) []gateway.Message

	turn atomic.Uint64
	wait sync.WaitGroup

	mu     sync.Mutex       // guards what follows
	hosts  map[string]*host // by base URL
	models []*backendModel  // that the gateway was started with
	stored []*backendModel  // of the store, as it is now
}

type backendModel struct {
	man    *manifest.Manifest
	name   string
	tok    *tokenizer.Tokenizer
	tmpl   template.Template
	syntax *template.Syntax // nil: it writes no calls

	encoder encoderSize
	card    ModelCard // of which only what the weights say is set

	grammars *grammars
}

// AddModel makes a model known under a name; its text side is needed to render prompts.
func (b *Backend) AddModel(name string, man *manifest.Manifest) error {
	m, err := newBackendModel(name, man)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.models = append(b.models, m)
	return nil
}

// newBackendModel reads the text side of a model.
func newBackendModel(name string, man *manifest.Manifest) (*backendModel, error) {
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", name, err)
	}
	if text, err := man.Model.Text(); man.Model.Kind == model.KindToken && (err != nil || !text.Equal(importer.Spell(tok, man.Model.Vocab))) {
		return nil, fmt.Errorf("model %s: the bytes in which it matches stop strings are not those of its tokenizer; import it again", name)
	}
	t, err := template.Parse(man.Model.Template)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", name, err)
	}
	light := outline(man.Header) // the weights are the nodes' affair
	light.Model.EndIDs = man.Model.EndIDs
	var card ModelCard
	card.weigh(man)
	card.Architecture = architecture(man, card.Width)
	m := &backendModel{man: light, name: name, tok: tok, tmpl: t, encoder: sizeOfEncoder(man), card: card, grammars: &grammars{}}
	m.syntax = t.Syntax().Of(tok, man.Model.EndIDs)
	return m, nil
}

// Models lists the models.
func (b *Backend) Models(context.Context) ([]gateway.Model, error) {
	all := b.list()
	out := make([]gateway.Model, len(all))
	for i, m := range all {
		out[i] = gateway.Model{
			ID: m.man.ID().String(), Name: m.name, Created: b.Created, ContextLength: int(m.man.TMax), Vocab: int(m.man.Vocab),
			Stop: m.man.Model.EndIDs, Architecture: m.card.Architecture, Class: m.card.Class, Parameters: m.card.Parameters, Bytes: m.card.WeightBytes,
			Private: m.man.Class == manifest.Private,
		}
		if e := m.encoder; e.rows > 0 {
			out[i].ContextLength, out[i].Vocab, out[i].Vectors = e.rows, e.vocab, e.dim
		}
	}
	return out, nil
}

func (b *Backend) find(id string) (*backendModel, error) {
	for _, m := range b.list() {
		if m.man.ID().String() == id {
			return m, nil
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
func (c codec) Syntax() *template.Syntax { return c.m.syntax }

// Effort says whether the template has a form for an effort of reasoning.
func (c codec) Effort(e template.Effort) (ok, own bool) { return c.m.tmpl.Effort(e) }

// Thoughts is how an answer tells its reasoning apart.
func (c codec) Thoughts(chat template.Conversation) *template.Thoughts {
	return c.m.tmpl.Thoughts(chat)
}

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

// Piece is what an id adds in the middle of a text.
func (c codec) Piece(id int32) string {
	text, err := c.m.tok.Bytes(id)
	if err != nil {
		return "" // ids of the vocabulary alone come here
	}
	return text
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

func (d decoder) Until(strings []string) { d.d.Until(strings) }

func (d decoder) Aloud(words ...string) { d.d.Aloud(words...) }

func (d decoder) Stopped() string { return d.d.Stopped() }

// Submit sends a job to the first node that takes it, in the order of the job's route.
func (b *Backend) Submit(ctx context.Context, j gateway.Job) (gateway.Stream, error) {
	m, err := b.find(j.Model)
	if err != nil {
		return nil, err
	}
	r, salt := b.request(m, &j)
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", gateway.ErrInvalid, err)
	}
	q := peer.Question{Request: r, Prompt: j.Prompt, Stop: j.Stop, Sampler: j.Sampler, Salt: salt}
	if j.Logprobs {
		q.Odds = &j.TopLogprobs
	}
	nodes, err := b.order(ctx, &j.Route, j.Model)
	if err != nil {
		return nil, err
	}
	s := &search{b: b, question: q, vocab: int(m.man.Vocab), left: nodes}
	if err := s.next(ctx); err != nil {
		return nil, err
	}
	return newStream(ctx, s, asked{digest: r.Digest(b.Domain), salt: salt}), nil
}

// request is the typed request of a job, and the salt of its prompt if it has one. SPEC 07 §2.
func (b *Backend) request(m *backendModel, j *gateway.Job) (claim.Request, [32]byte) {
	var nonce [8]byte
	var salt [32]byte
	b.Entropy(nonce[:])
	if j.DataClass != claim.Public {
		b.Entropy(salt[:])
	}
	r := claim.Request{
		Model: merkle.Hash(m.man.ID()), PromptRoot: trace.PromptTree(j.Prompt, salt).Root(), PromptCount: uint32(len(j.Prompt)),
		MaxNew: uint32(j.MaxNew), Temperature: uint32(j.TemperatureQ16), Seed: j.Seed, StopCount: uint8(len(j.Stop)),
		Extras:    trace.Settings(&j.Sampler).Extras(),
		DataClass: j.DataClass, User: b.User, Nonce: binary.BigEndian.Uint64(nonce[:]),
	}
	if len(j.Stop) > 0 {
		r.StopRoot = trace.IDTree(j.Stop).Root()
	}
	return r, salt
}
