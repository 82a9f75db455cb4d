package arenatest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/conformance/arenatest"
	"elenchus/engine"
	"elenchus/network/peer"
	"elenchus/service/adversary"
	"elenchus/service/challenger"
	"elenchus/service/node"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

const (
	window = 90 * time.Second
	url    = "http://node.test"
)

// me is the challenger.
var me = claim.Address{0xc}

var domain = claim.Domain{ChainID: 31337, Arena: claim.Address{0xa}}

// direct is a transport that hands requests to a handler without a network.
type direct struct{ h http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// stage is a node, a challenger and their chain inside a bubble of virtual time.
type stage struct {
	t     *testing.T
	chain *arenatest.Chain
	node  *node.Node
	watch *challenger.Challenger
	man   *manifest.Manifest

	handed bool // the challenger gets the receipt, too
	class  uint8
	user   claim.Address // zero: somebody
}

func newStage(t *testing.T, man *manifest.Manifest, attack *adversary.Attack) *stage {
	t.Helper()
	s := &stage{t: t, man: man, chain: arenatest.New(domain, dispute.Params{D0: 8, Grace: 8}, time.Now)}
	key, err := crypto.ToECDSA([]byte("a key of thirty-two bytes, fixed"))
	if err != nil {
		t.Fatal(err)
	}
	honest := engine.Computer{Manifest: man}
	var computer node.Computer = &honest
	var link node.Chain = s.chain.Account(claim.AddressOf(key))
	if attack != nil {
		computer, link = attack.Computer(honest), attack.Chain(link)
	}
	s.node, err = node.New(node.Options{Key: key, Domain: domain, Chain: link, Dir: t.TempDir(), Window: window,
		Models: []node.Model{{Name: "tiny", Manifest: man, Computer: computer}}})
	if err != nil {
		t.Fatal(err)
	}
	h := s.node.Handler()
	if attack != nil {
		h = attack.Handler(h)
	}
	s.watch, err = challenger.New(challenger.Options{Account: me, Secret: [32]byte{1}, Domain: domain, Chain: s.chain.Account(me),
		Source: peer.New(&http.Client{Transport: direct{h}}), Models: []challenger.Model{{Manifest: man, Computer: &honest}},
		Dir: t.TempDir(), MaxBond: claim.Units(1 << 40)})
	if err != nil {
		t.Fatal(err)
	}
	s.chain.Announce(s.node.Address(), url)
	return s
}

func request(man *manifest.Manifest, j decode.Job) node.Job {
	r := claim.Request{Model: claim.Hash(man.ID()), PromptRoot: trace.IDTree(j.Prompt).Root(), PromptCount: uint32(len(j.Prompt)), MaxNew: j.MaxNew,
		Temperature: j.Temperature, Seed: j.Seed, User: claim.Address{0xd}, Price: claim.Units(5), Extras: trace.Settings(&j.Sampler).Extras()}
	if len(j.StopIDs) > 0 {
		r.StopRoot, r.StopCount = trace.IDTree(j.StopIDs).Root(), uint8(len(j.StopIDs))
	}
	return node.Job{Request: r, Prompt: j.Prompt, Stop: j.StopIDs, Sampler: j.Sampler}
}

// hidden is a job as it is asked for one data class.
func hidden(j node.Job, class uint8) node.Job {
	if j.Request.DataClass = class; class != claim.Public {
		j.Salt = [32]byte{0x5a, class}
	}
	j.Request.PromptRoot = trace.PromptTree(j.Prompt, j.Salt).Root()
	return j
}

// play lets all roles run until a game is resolved or the time is over, and returns how it ended.
func (s *stage) play(j decode.Job, most time.Duration) (r *receipt.Receipt, end *ledger.Resolved) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	errs := make(chan error, 2)
	go func() { errs <- s.node.Run(ctx) }()
	go func() { errs <- s.watch.Run(ctx) }()
	asked := hidden(request(s.man, j), s.class)
	if s.user != (claim.Address{}) {
		asked.Request.User = s.user
	}
	r, err := s.node.Serve(ctx, asked, nil)
	if err == nil && s.handed { // as a gateway does
		err = s.watch.Submit(r)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for until := time.Now().Add(most); time.Now().Before(until) && end == nil; {
		time.Sleep(time.Second)
		s.chain.Mine()
		synctest.Wait()
		for _, f := range s.chain.Facts() {
			if e, ok := f.Event.(ledger.Resolved); ok {
				end = &e
			}
		}
	}
	cancel()
	for range 2 {
		if err := <-errs; err != nil {
			s.t.Errorf("a role stopped: %v", err)
		}
	}
	if err := s.node.Close(); err != nil {
		s.t.Error(err)
	}
	if err := s.watch.Close(); err != nil {
		s.t.Error(err)
	}
	return r, end
}

// claimOf is the claim that a game is about.
func claimOf(facts []ledger.Fact, game claim.Hash) (id claim.Hash) {
	for _, f := range facts {
		if e, ok := f.Event.(ledger.Opened); ok && e.Game == game {
			id = e.ClaimID
		}
	}
	return id
}

func job() decode.Job {
	return decode.Job{Prompt: []int32{5, 17, 290, 4, 44}, StopIDs: []int32{2, 9}, MaxNew: 8, Temperature: 1 << 16, Seed: 11}
}

func bind(t *testing.T) *manifest.Manifest {
	t.Helper()
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	return man
}

// Every attack of a node ends refuted, by the roles as they run in earnest; an attack whose answer
// is the honest one is left alone. The honest challenger makes no move that reverts. GAME §1.
func TestLyingNodesAreRefuted(t *testing.T) {
	man := bind(t)
	honest := engine.Computer{Manifest: man}
	for _, name := range adversary.Names() {
		for seed := range uint64(max(1, map[string]int{"byte": 6, "wrong-stop": 2, "wrong-mask": 2}[name])) {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				asked := job()
				switch name {
				case "wrong-penalty":
					asked.Sampler = decode.Sampler{Repetition: 80000, Presence: 1 << 15, Bias: []opset.TokenBias{{ID: 9, Value: -1 << 16}}}
				case "biased-sampling":
					asked.Sampler = decode.Sampler{TopK: 200, TopP: 1<<30 - 1<<26, MinP: 1 << 24}
				case "padding":
					a, _, err := honest.Generate(t.Context(), asked, nil)
					if err != nil {
						t.Fatal(err)
					}
					asked.StopIDs = []int32{a.Outputs[3]}
				case "wrong-stop":
					asked.Sampler.Stops = [][]string{{"bbab", "aaab", "?"}, {"bbab?", "?"}}[seed]
				case "wrong-mask":
					asked.StopIDs, asked.Sampler.Grammar = []int32{2}, []*grammar.Grammar{modeltest.Letters(3), modeltest.Marked()}[seed]
				}
				asked, err := trace.Bound(man.Model, asked)
				if err != nil {
					t.Fatal(err)
				}
				want, finish, err := honest.Generate(t.Context(), asked, nil)
				if err != nil {
					t.Fatal(err)
				}
				synctest.Test(t, func(t *testing.T) {
					a, err := adversary.New(name, seed)
					if err != nil {
						t.Fatal(err)
					}
					s := newStage(t, man, a)
					s.handed = name == "withhold"
					r, end := s.play(asked, window)
					same := r.Claim.StateRoot == want.StateTree().Root() && r.Claim.OutputRoot == trace.IDTree(want.Outputs).Root() && r.Claim.Finish == finish
					v, checked := s.watch.Verdicts()[r.ID()]
					switch {
					case name == "wrong-stop" && (same || r.Claim.Finish == finish || finish == opset.FinishString != (seed == 0)):
						t.Errorf("the honest answer ends with %d, the claim with %d", finish, r.Claim.Finish)
					case !checked || !v.Known || v.True != same:
						t.Errorf("verdict %+v, the answer is honest: %v (%s)", v, same, a.Note)
					case same && end != nil:
						t.Errorf("a true claim was challenged: %+v", end)
					case !same && (end == nil || dispute.Phase(end.Phase) != dispute.Refuted || claimOf(s.chain.Facts(), end.Game) != r.ID()):
						t.Errorf("the lie ends in %+v; %d facts, refused %v", end, len(s.chain.Facts()), s.chain.Refused(me))
					}
					for _, err := range s.chain.Refused(me) {
						t.Errorf("a move was reverted: %v", err)
					}
				})
			})
		}
	}
}

// An honest node is claimed, batched, audited and left alone.
func TestHonestNodeIsLeftAlone(t *testing.T) {
	man := bind(t)
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, man, nil)
		r, end := s.play(job(), 20*time.Second)
		v := s.watch.Verdicts()[r.ID()]
		if end != nil || !v.Known || !v.True || len(s.chain.Refused(s.node.Address())) != 0 {
			t.Errorf("verdict %+v, end %+v, refused %v", v, end, s.chain.Refused(s.node.Address()))
		}
		batches := 0
		for _, f := range s.chain.Facts() {
			switch e := f.Event.(type) {
			case ledger.BatchPosted:
				batches++
				if e.Count != 1 || e.Node != s.node.Address() {
					t.Errorf("batch %+v", e)
				}
			case ledger.Committed:
				t.Errorf("a challenge: %+v", e)
			}
		}
		if batches != 1 {
			t.Errorf("%d batches", batches)
		}
	})
}

// An honest node wins against a challenger whose own computation is wrong: it answers every move
// in time, resolves the game and keeps its claim. GAME §1 rule 31.
func TestHonestNodeNeverLoses(t *testing.T) {
	man := bind(t)
	for _, name := range []string{"model-swap", "bad-kv", "needle", "truncated", "wrong-token"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, man, nil)
				a, err := adversary.New(name, 7)
				if err != nil {
					t.Fatal(err)
				}
				wrong := a.Computer(engine.Computer{Manifest: man})
				if err := s.watch.Close(); err != nil {
					t.Fatal(err)
				}
				s.watch, err = challenger.New(challenger.Options{Account: me, Domain: domain, Chain: s.chain.Account(me),
					Source: peer.New(&http.Client{Transport: direct{s.node.Handler()}}), Models: []challenger.Model{{Manifest: man, Computer: wrong}},
					Dir: t.TempDir(), MaxBond: claim.Units(1 << 40)})
				if err != nil {
					t.Fatal(err)
				}
				r, end := s.play(job(), window)
				if end == nil || dispute.Phase(end.Phase) != dispute.Lost || end.Voided || claimOf(s.chain.Facts(), end.Game) != r.ID() {
					t.Errorf("the honest node's game ends in %+v, refused %v", end, s.chain.Refused(s.node.Address()))
				}
			})
		})
	}
}
