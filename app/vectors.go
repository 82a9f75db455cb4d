package app

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/model"
	"elenchus/engine"
	"elenchus/network/peer"
	"elenchus/service/gateway"
)

// Methods of vectors, for people.
const (
	byEncoder = "encoder"
	byMean    = "mean of the hidden states behind the last layer of a decoder, scaled to length 1; nobody claims it"
)

// encoderSize is what a gateway must know of an encoder; the zero value is of other models.
type encoderSize struct{ rows, dim, vocab int }

func sizeOfEncoder(man *manifest.Manifest) encoderSize {
	rows, dim, ok := man.Model.EncoderRows()
	if !ok {
		return encoderSize{}
	}
	return encoderSize{rows, dim, man.Model.Stages[0].Ops[1].A.Shape[0]} // embed_rows and its table
}

// Embed makes the vector of a text: an encoder's with a receipt, which the watchers get too, else the
// mean of a decoder's hidden states, which no claim is about.
func (b *Backend) Embed(ctx context.Context, j gateway.EmbedJob) (gateway.Vector, error) {
	m, err := b.find(j.Model)
	if err != nil {
		return gateway.Vector{}, err
	}
	nodes, err := b.order(ctx, &gateway.Route{}, j.Model)
	if err != nil {
		return gateway.Vector{}, err
	}
	if m.encoder.rows == 0 {
		return b.hidden(ctx, m, j.Prompt, nodes)
	}
	in, err := model.EncoderInput(j.Prompt, nil, m.encoder.rows)
	if err != nil {
		return gateway.Vector{}, fmt.Errorf("%w: %w", gateway.ErrInvalid, err)
	}
	var nonce [8]byte
	b.Entropy(nonce[:])
	r := claim.Request{
		Model: merkle.Hash(m.man.ID()), PromptRoot: trace.IDTree(in.I32).Root(), DataClass: claim.Public, User: b.User,
		Nonce: binary.BigEndian.Uint64(nonce[:]),
	}
	s := &search{b: b, question: peer.Question{Request: r, Prompt: in.I32}, left: nodes}
	for {
		if err := s.next(ctx); err != nil {
			return gateway.Vector{}, err
		}
		out, text, err := s.vector(ctx, m)
		if err != nil {
			s.failed(err)
			continue // a vector is sent whole: another node can still give it
		}
		want := r.Digest(b.Domain)
		return gateway.Vector{Values: engine.Floats(out, m.tmpl.Unit()), Method: byEncoder, Receipt: text, ReceiptID: hex.EncodeToString(want[:])}, nil
	}
}

// vector reads the answer of an encoder's node: its receipt.
func (s *search) vector(ctx context.Context, m *backendModel) ([]int32, string, error) {
	defer s.answer.Close() //nolint:errcheck // the answer is over
	l, err := s.answer.Next()
	if err == io.EOF || err == nil && l.Receipt == "" {
		err = fmt.Errorf("%w: no receipt of a vector", peer.ErrReply)
	}
	if err != nil {
		return nil, "", err
	}
	r, err := receipt.Parse(l.Receipt)
	if err != nil {
		return nil, "", err
	}
	want := s.question.Request.Digest(s.b.Domain)
	switch {
	case r.Domain != s.b.Domain || r.Claim.RequestDigest != want || r.Request.Digest(s.b.Domain) != want:
		return nil, "", fmt.Errorf("node %x sends a receipt of another request", r.Claim.Node)
	case len(r.Output) != m.encoder.dim || trace.IDTree(r.Output).Root() != r.Claim.OutputRoot:
		return nil, "", fmt.Errorf("node %x sent a vector of %d elements that is not the one of its receipt", r.Claim.Node, len(r.Output))
	}
	if err := r.Claim.Check(r.Request); err != nil {
		return nil, "", err
	}
	if err := claim.VerifySigner(r.Claim.Digest(s.b.Domain), r.Signature, r.Claim.Node); err != nil {
		return nil, "", fmt.Errorf("receipt of node %x: %w", r.Claim.Node, err)
	}
	s.b.watch(ctx, l.Receipt)
	return r.Output, l.Receipt, nil
}

// hidden asks for the mean of a decoder's hidden states.
func (b *Backend) hidden(ctx context.Context, m *backendModel, ids []int32, nodes []string) (gateway.Vector, error) {
	s := &search{b: b, left: nodes}
	for len(s.left) > 0 && ctx.Err() == nil {
		s.url, s.left = s.left[0], s.left[1:]
		out, err := b.Peers.Hidden(ctx, s.url, merkle.Hash(m.man.ID()), ids)
		if err == nil {
			return gateway.Vector{Values: engine.Floats(out, true), Method: byMean}, nil
		}
		if err := s.refused(err); err != nil {
			return gateway.Vector{}, err
		}
	}
	return gateway.Vector{}, s.nobody(ctx)
}
