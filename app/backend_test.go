package app

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"elenchus/importer"
	"elenchus/models"
	"elenchus/network/peer"
	"elenchus/service/gateway"
)

// Nodes that are all full make the gateway say "later", others that it cannot serve at all.
func TestFullNodesAreBusyNotGone(t *testing.T) {
	man, err := importer.Bytes(models.Default(), importer.Options{Bits: 8})
	if err != nil {
		t.Fatal(err)
	}
	answer := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	full, broken, refusing := answer(http.StatusServiceUnavailable), answer(http.StatusInternalServerError), answer(http.StatusBadRequest)
	for _, c := range []struct {
		nodes []string
		want  error
	}{
		{[]string{full, full}, gateway.ErrBusy}, {[]string{full, broken}, gateway.ErrUnavailable}, {nil, gateway.ErrUnavailable},
		{[]string{full, refusing}, gateway.ErrInvalid},
	} {
		b := &Backend{Peers: peer.New(http.DefaultClient), Nodes: c.nodes, Entropy: func(p []byte) { _, _ = rand.Read(p) }}
		if err := b.AddModel("m", man); err != nil {
			t.Fatal(err)
		}
		job := gateway.Job{Model: man.ID().String(), Prompt: []int32{1, 2}, MaxNew: 1}
		if _, err := b.Submit(t.Context(), job); !errors.Is(err, c.want) {
			t.Errorf("nodes %v: %v, want %v", c.nodes, err, c.want)
		}
	}
}
