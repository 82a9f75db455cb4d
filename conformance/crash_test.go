package conformance_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/app"
	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/network/chain"
	"elenchus/network/peer"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// crash is a network in which one process dies. A node of an attack is found out by the challenger;
// an honest one is attacked by a challenger that believes in an error.
type crash struct {
	attack string // of the node; "": honest
	role   string // whose process dies
	at     string // where it dies by itself; "": it is killed in the middle of the game
	quick  bool   // also without ELENCHUS_SOAK
}

// crashes are all points at which a role may die. A node sends four transactions before it serves
// (mint, approve, deposit, endpoint), then its batch and its moves; a challenger sends three (mint,
// approve, fund), then commit, open and its moves.
func crashes() []crash {
	out := []crash{
		{"", "node1", "before signing", false}, {"bad-kv", "node1", "before signing", false},
		{"", "node1", "signed, not sent", false}, {"bad-kv", "node1", "signed, not sent", true},
		{"", "node1", "batch recorded, not sent", false}, {"bad-kv", "node1", "batch recorded, not sent", false},
		{"bad-kv", "watch", "challenge recorded, not sent", false}, {"bad-kv", "watch", "committed, not opened", false},
		{"bad-kv", "watch", "move computed, not sent", true}, {"bad-kv", "watch", "", false},
		{"", "griefer", "move computed, not sent", false},
		{"", "node1", "", false}, {"bad-kv", "node1", "", false}, {"", "chain", "", false}, {"bad-kv", "chain", "", true},
	}
	for _, step := range []string{"unsigned", "stored", "sent", "mined", "recorded"} {
		out = append(out,
			crash{"", "node1", "outbox " + step + "@5", false}, crash{"", "node1", "outbox " + step + "@6", false},
			crash{"bad-kv", "watch", "outbox " + step + "@4", false}, crash{"bad-kv", "watch", "outbox " + step + "@5", false},
			crash{"bad-kv", "watch", "outbox " + step + "@7", false},
		)
	}
	return out
}

// Whatever process is cut off, wherever: after its restart a liar is convicted and an honest node
// loses nothing, there is one claim, one batch and one game, and receipts are still served.
func TestACrashChangesNoVerdict(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "elenchus")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", exe, "elenchus/cmd/elenchus").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range crashes() {
		if !c.quick && os.Getenv("ELENCHUS_SOAK") == "" {
			continue
		}
		name := strings.Join([]string{c.attack, c.role, c.at}, "/")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.play(t, exe)
		})
	}
}

// troupe is a network of processes as its user and a bystander of the chain see it.
type troupe struct {
	t       *testing.T
	n       *app.Network
	k       *chain.Contracts
	peers   *peer.Client
	url     string // of the node
	node    claim.Address
	games   ledger.Games
	batches []ledger.BatchPosted
}

func (c *crash) play(t *testing.T, exe string) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	p := chain.DevnetParams()
	p.Window, p.ReplyTime, p.Grace = 300, 90, 90 // a restart is no delay
	cfg := app.NetworkConfig{Exe: []string{exe}, Dir: t.TempDir(), Nodes: 1, Listen: "127.0.0.1:0", Fork: "osaka", Params: p, NodeAttack: c.attack}
	if c.attack == "" {
		cfg.WatchAttack = "griefer"
	}
	if c.at != "" {
		cfg.CrashAt = map[string]string{c.role: c.at}
	}
	s := enter(ctx, t, cfg)
	got, err := s.ask(ctx)
	serving := c.at == "before signing" || c.at == "signed, not sent"
	if serving == (err == nil) {
		t.Fatalf("the node's answer: %v", err)
	}
	if c.at != "" {
		s.revive(ctx, c.role)
	}
	if c.at == "before signing" {
		if got, err = s.ask(ctx); err != nil {
			t.Fatal(err)
		}
	}
	s.follow(ctx, func() {
		if c.at == "" {
			if err := s.n.Kill(c.role); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			s.revive(ctx, c.role)
		}
	})
	s.verdict(ctx, c.attack != "")
	s.kept(ctx, got)
}

// enter starts a network and goes to its chain.
func enter(ctx context.Context, t *testing.T, cfg app.NetworkConfig) *troupe {
	t.Helper()
	n, err := app.StartNetwork(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(logs(cfg.Dir))
		}
	})
	return &troupe{t: t, n: n, k: load(ctx, t, n.RPC, n.Addresses), peers: peer.New(http.DefaultClient), url: n.Nodes[0], node: n.Accounts["node1"]}
}

// load goes to the contracts of a chain.
func load(ctx context.Context, t *testing.T, rpc string, at chain.Addresses) *chain.Contracts {
	t.Helper()
	client, err := chain.Dial(ctx, rpc, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	k, err := chain.Load(ctx, client, at)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// logs are the ends of the roles' logs.
func logs(dir string) string {
	var out strings.Builder
	files, _ := filepath.Glob(filepath.Join(dir, "*.log")) // none: nothing to show
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		out.WriteString("== " + filepath.Base(f) + "\n" + string(b[max(0, len(b)-3000):]) + "\n")
	}
	return out.String()
}

// revive waits for the end of a role and starts it again.
func (s *troupe) revive(ctx context.Context, role string) {
	s.t.Helper()
	if err := s.n.Ended(ctx, role); err != nil {
		s.t.Fatal(err)
	}
	url, err := s.n.Restart(ctx, role)
	if err != nil {
		s.t.Fatal(err)
	}
	if role == "node1" && url != s.url {
		s.t.Fatalf("the node came back at %s, it was at %s", url, s.url)
	}
}

// ask sends the node a job, always the same, and returns the receipt.
func (s *troupe) ask(ctx context.Context) (*receipt.Receipt, error) {
	man, _, err := app.LoadModel("default")
	if err != nil {
		s.t.Fatal(err)
	}
	prompt := []int32{1, 40, 41, 42, 43}
	r := claim.Request{Model: merkle.Hash(man.ID()), PromptRoot: trace.IDTree(prompt).Root(), PromptCount: 5, MaxNew: 6,
		DataClass: claim.Public, Nonce: 7}
	a, err := s.peers.Job(ctx, s.url, r, prompt, nil, decode.Sampler{})
	if err != nil {
		return nil, err
	}
	defer a.Close() //nolint:errcheck // the answer is over
	for {
		l, err := a.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("no receipt")
		}
		if err != nil {
			return nil, err
		}
		if l.Receipt != "" {
			return receipt.Parse(l.Receipt)
		}
	}
}

// follow watches the chain until a game is resolved; halfway calls once when the node has moved.
func (s *troupe) follow(ctx context.Context, halfway func()) {
	s.t.Helper()
	half := false
	s.watch(ctx, func() {
		if !half {
			half = true
			halfway()
		}
	})
}

// watch follows the chain until a game is resolved; moved calls at news of a game in which the node has moved.
func (s *troupe) watch(ctx context.Context, moved func()) {
	s.t.Helper()
	done := errors.New("resolved")
	err := s.k.Watch(ctx, chain.FactOptions{Interval: 100 * time.Millisecond}, func(_ context.Context, b chain.FactBatch) error {
		for _, f := range b.Facts {
			s.games.Apply(f)
			if e, ok := f.Event.(ledger.BatchPosted); ok && !f.Removed {
				s.batches = append(s.batches, e)
			} else if ok {
				s.batches = slices.DeleteFunc(s.batches, func(b ledger.BatchPosted) bool { return b == e })
			}
		}
		for _, g := range s.games.All() {
			if g.Resolved != nil {
				return done
			}
			if len(g.Moves) > 1 {
				moved()
			}
		}
		return nil
	})
	if !errors.Is(err, done) {
		s.t.Fatalf("%d batches, %d games: %v", len(s.batches), len(s.games.All()), err)
	}
}

// verdict wants one claim and one game, lost by who lied.
func (s *troupe) verdict(ctx context.Context, liar bool) {
	s.t.Helper()
	games := s.games.All()
	if len(games) != 1 || len(s.batches) != 1 || s.batches[0].Count != 1 {
		s.t.Fatalf("%d games about batches %+v", len(games), s.batches)
	}
	end, want := games[0].Resolved, dispute.Lost
	if liar {
		want = dispute.Refuted
	}
	if end.Phase != uint8(want) || end.Voided || end.Slashed.IsZero() == liar || (games[0].Convicted != nil) != liar {
		s.t.Fatalf("resolved as %+v, convicted %+v", end, games[0].Convicted)
	}
	a, err := s.k.Account(ctx, s.node)
	if err != nil {
		s.t.Fatal(err)
	}
	stake := tokens(100_000)
	if a.Jailed != liar || a.Games != 0 || a.Stake != stake.Less(end.Slashed) {
		s.t.Fatalf("the node has %+v", a)
	}
}

// kept wants the node to serve its receipt, alone and in its batch.
func (s *troupe) kept(ctx context.Context, got *receipt.Receipt) {
	s.t.Helper()
	all, _, err := s.peers.Claims(ctx, s.url, 0)
	if err != nil || len(all) != 1 {
		s.t.Fatalf("%d receipts are served, %v", len(all), err)
	}
	in, err := s.peers.Batch(ctx, s.url, s.batches[0].Root)
	if err != nil || len(in) != 1 {
		s.t.Fatalf("%d receipts are served of the batch, %v", len(in), err)
	}
	for _, r := range []*receipt.Receipt{in[0].Receipt, got} {
		if r != nil && r.Claim != all[0].Claim {
			s.t.Fatalf("claim %+v became %+v", r.Claim, all[0].Claim)
		}
	}
	if id := all[0].Claim.ID(s.k.Domain()); id != s.games.All()[0].ClaimID {
		s.t.Fatalf("the game was about claim %x, the node's is %x", s.games.All()[0].ClaimID, id)
	}
}
