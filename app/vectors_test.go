package app

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus"
	"elenchus/app/meter"
	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/model"
	"elenchus/conformance/arenatest"
	"elenchus/engine"
	"elenchus/importer"
	"elenchus/models"
	"elenchus/network/peer"
	"elenchus/service/challenger"
	"elenchus/service/gateway"
	"elenchus/service/node"
	"elenchus/settlement/dispute"
)

const sentences = "../importer/testdata/encoders/sentence"

// vectorNode is the URL of a node that serves models.
func vectorNode(t *testing.T, d claim.Domain, men ...*manifest.Manifest) string {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	chain := arenatest.New(d, dispute.Params{D0: 8, Grace: 8}, time.Now)
	o := node.Options{Key: key, Domain: d, Chain: chain.Account(claim.AddressOf(key)), Dir: t.TempDir(), Window: time.Minute}
	for _, man := range men {
		set := &residents{keep: -1}
		w := whole{man: man, run: &engine.Computer{Manifest: man}}
		r := set.add("m", 0, &w, nil)
		// Nodes know a model that they may have let go by its header alone.
		o.Models = append(o.Models, node.Model{Name: "m", Manifest: outline(man.Header), Computer: r, Whole: r.manifest})
	}
	n, err := node.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(n.Handler())
	t.Cleanup(func() {
		s.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.URL
}

// The vector of a text, from gateway to node and back, is the library's, and its receipt verifies; an
// answering model gives the mean of its hidden states and nothing that anyone claims.
func TestVectorsOfTexts(t *testing.T) {
	d := claim.Domain{ChainID: 31337, Arena: claim.Address{0xa}}
	man, err := importer.File(sentences, importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	answers, err := importer.Bytes(models.Default(), importer.Options{Bits: 8})
	if err != nil {
		t.Fatal(err)
	}
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	defer broken.Close()
	b := &Backend{Domain: d, Peers: peer.New(http.DefaultClient), Nodes: []string{broken.URL, vectorNode(t, d, man, answers)},
		Entropy: func(p []byte) { _, _ = rand.Read(p) }}
	if err := errors.Join(b.AddModel("vectors", man), b.AddModel("answers", answers)); err != nil {
		t.Fatal(err)
	}
	list, err := b.Models(t.Context())
	if err != nil || list[0].Vectors != 32 || list[0].ContextLength != 24 || list[0].Vocab != 58 || list[1].Vectors != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	raw, err := os.ReadFile(sentences + "/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref []struct {
		Text   string    `json:"text"`
		Vector []float64 `json:"vector"`
	}
	if err := json.Unmarshal(raw, &ref); err != nil || len(ref) == 0 {
		t.Fatal(err)
	}
	codec, err := b.Codec(t.Context(), man.ID().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range ref {
		ids, err := codec.EncodeText(r.Text)
		if err != nil {
			t.Fatal(err)
		}
		v, err := b.Embed(t.Context(), gateway.EmbedJob{Model: man.ID().String(), Prompt: ids})
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range r.Vector {
			if math.Abs(float64(v.Values[i])-w) > 0.0005 {
				t.Fatalf("%q: element %d is %f, the library has %f", r.Text, i, v.Values[i], w)
			}
		}
		report, err := elenchus.Verify(t.Context(), v.Receipt, elenchus.Options{Model: elenchus.NewModel(man)})
		if err != nil || report.Outcome() != receipt.Holds {
			t.Errorf("%q: %v, %+v", r.Text, err, report)
		}
	}
	v, err := b.Embed(t.Context(), gateway.EmbedJob{Model: answers.ID().String(), Prompt: []int32{1, 2, 3}})
	square := 0.0
	for _, x := range v.Values {
		square += float64(x) * float64(x)
	}
	if err != nil || v.Receipt != "" || v.Method == byEncoder || math.Abs(square-1) > 1e-5 {
		t.Errorf("a decoder's vector: %v, method %q, length %f", err, v.Method, square)
	}
	if _, err := b.Embed(t.Context(), gateway.EmbedJob{Model: man.ID().String(), Prompt: make([]int32, 25)}); !errors.Is(err, gateway.ErrInvalid) {
		t.Errorf("25 pieces of 24: %v", err)
	}
	if _, err := b.Embed(t.Context(), gateway.EmbedJob{Model: answers.ID().String(), Prompt: []int32{1 << 30}}); !errors.Is(err, gateway.ErrInvalid) {
		t.Errorf("an id of nothing: %v", err)
	}
	var none model.Model
	if s := sizeOfEncoder(&manifest.Manifest{Model: &none}); s != (encoderSize{}) {
		t.Errorf("%+v", s)
	}
}

// What wraps the computers of roles still runs graph models.
func TestWrappersRunGraphs(t *testing.T) {
	man, err := importer.File(sentences, importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := model.EncoderInput([]int32{2, 9, 3}, nil, 24)
	if err != nil {
		t.Fatal(err)
	}
	var watch challenger.Computer = timed{computer(man, nil), meter.New("watch")}
	r, ok := watch.(challenger.Replayer)
	if !ok {
		t.Fatal("the challenger's computer replays no graphs")
	}
	step, err := r.Replay(in.I32)
	if err != nil {
		t.Fatal(err)
	}
	set := &residents{keep: -1}
	var serve node.Computer = counting{set.add("m", 0, &whole{man: man, run: computer(man, nil)}, nil), meter.New("node")}
	run, ok := serve.(node.Runner)
	if !ok {
		t.Fatal("the node's computer runs no graphs")
	}
	if out, states, err := run.Run(t.Context(), in.I32); err != nil || !slices.Equal(out, step.Output().I32) || states != trace.BoundaryTree(step.Boundaries()).Root() {
		t.Errorf("%v, %v, replayed %v", out, err, step.Output().I32)
	}
	var c ModelCard
	if c.weigh(man); c.Parameters != 58*32+2*32+2*(4*32*32+2*32*48) || c.Class != "r16" {
		t.Errorf("%d parameters of class %s", c.Parameters, c.Class)
	}
	if text := architecture(man, 0); !strings.Contains(text, "encoder of 2 layers, vectors of 32 for texts of at most 24 pieces") {
		t.Errorf("architecture %q", text)
	}
}
