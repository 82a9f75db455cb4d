package node

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
)

// Hider is a Computer that also gives the mean of a decoder's hidden states.
type Hider interface {
	Hidden(ctx context.Context, ids []int32) ([]int32, error)
}

// hidden answers POST /v1/hidden. SPEC 15 §3.
func (n *Node) hidden(w http.ResponseWriter, r *http.Request) {
	v, err := n.mean(r)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, map[string]any{"vector": v})
}

func (n *Node) mean(r *http.Request) ([]int32, error) {
	var body struct {
		Model  string  `json:"model"`
		Prompt []int32 `json:"prompt"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return nil, fmt.Errorf("%w: body: %w", ErrRefused, err)
	}
	id, err := hex.DecodeString(body.Model)
	if err != nil || len(id) != len(claim.Hash{}) {
		return nil, fmt.Errorf("%w: model %.64q is not 64 hex digits", ErrRefused, body.Model)
	}
	m, err := n.model(model32(id))
	if err != nil {
		return nil, err
	}
	if c := m.Manifest.Class; c != manifest.Public {
		return nil, fmt.Errorf("%w: model %s is %s: its hidden states are not shown", ErrRefused, m.Name, c)
	}
	h, ok := m.Computer.(Hider)
	if !ok || m.graph() {
		return nil, fmt.Errorf("%w: model %s has no hidden states to show", ErrRefused, m.Name)
	}
	if err := n.runs.enter(r.Context()); err != nil {
		return nil, err
	}
	defer n.runs.leave()
	return h.Hidden(r.Context(), body.Prompt)
}
