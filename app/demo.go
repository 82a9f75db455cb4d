package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/network/chain"
	"elenchus/service/adversary"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// Attacks are the stories that Demo can play.
func Attacks() []string {
	out := []string{"none"}
	for _, c := range adversary.Catalogue() {
		out = append(out, c.Name)
	}
	return append(out, "griefer", "impostor", "hidden-prompt")
}

// inCourt says whether a story is played in one process on a chain whose clock the story moves: those
// whose attacker needs more than a role of the network can do.
func inCourt(attack string) bool {
	_, known := adversary.Find(attack)
	return known && (attack == "padding" || attack == "forged-cancel" || !slices.Contains(adversary.Names(), attack))
}

// How the last move of a game is answered.
const (
	AnswerNative = "native" // with the leaves
	AnswerProof  = "zk"     // by a proof about a confidential model
)

// demoByProof plays a story of the kit with the model as a confidential one; none and griefer are the
// defence of a true claim.
func demoByProof(ctx context.Context, o DemoOptions) (*DemoResult, error) {
	told := o.Attack
	if o.Attack == "none" || o.Attack == "griefer" {
		o.Attack = "rich-griefer"
	}
	if _, ok := adversary.Find(o.Attack); !ok {
		return nil, fmt.Errorf("%w: attack %q is not played with answers by proof", ErrCannot, o.Attack)
	}
	r, err := demoInCourt(ctx, o)
	if err != nil {
		return nil, err
	}
	r.Attack = told
	return r, nil
}

// DemoOptions choose a story.
type DemoOptions struct {
	Exe    []string // command that runs a role
	Attack string
	Seed   uint64
	Model  string
	Answer string // native or zk
	System string // of answers by proof, one of CircuitSystems; empty: the first
	// Cluster has whole tensors answered by one proof where that is shorter; with answers by proof only.
	Cluster bool
	Dir     string    // "": a new one, removed at the end
	Story   io.Writer // nil: silence
}

// DemoResult is what a story came to. DESIGN §5.
type DemoResult struct {
	Attack           string            `json:"attack"`
	Verdict          string            `json:"verdict"` // upheld, slashed, void or refused
	ConvictedOp      *string           `json:"convicted_op"`
	ConvictedElement *uint64           `json:"convicted_element"`
	Answer           string            `json:"answer"`
	System           string            `json:"proof_system,omitempty"` // of answers by proof
	Changed          *bool             `json:"changed,omitempty"`
	VerifyExit       *int              `json:"verify_exit,omitempty"`
	Gas              map[string]uint64 `json:"gas"`
	Moves            int               `json:"moves"`
	Transactions     int               `json:"transactions"`      // of games, from commit to resolve: gas.total is theirs
	Cluster          bool              `json:"cluster,omitempty"` // a whole tensor was settled by one proof
	Balances         map[string]string `json:"balances"`          // token units: wallet, stake and credit
	HonestLost       json.Number       `json:"honest_lost"`
	AttackersLost    string            `json:"attackers_lost,omitempty"` // token units, gas included; negative: gained
	Seconds          float64           `json:"seconds"`
	Want             string            `json:"-"`
	Note             string            `json:"note,omitempty"`
}

// Failure is an error unless the story ended as it must: nobody honest lost, no cheat got away.
func (r *DemoResult) Failure() error {
	if r.Verdict != r.Want {
		return fmt.Errorf("attack %s ended %s, it must end %s", r.Attack, r.Verdict, r.Want)
	}
	if r.HonestLost != "0" {
		return fmt.Errorf("attack %s: honest parties lost %s token units", r.Attack, r.HonestLost)
	}
	if r.VerifyExit != nil && *r.VerifyExit != 1 {
		return fmt.Errorf("attack %s: verify ended with %d, it must end with 1", r.Attack, *r.VerifyExit)
	}
	return nil
}

// demoTokens is the length of an answer.
const demoTokens = 24

// demoParams are clocks in which a whole story fits into two minutes.
func demoParams() chain.DeployParams {
	p := chain.DevnetParams()
	p.Window, p.ReplyTime, p.Grace, p.RewardDelay = 40, 8, 4, 5
	return p
}

// demo is a story under way.
type demo struct {
	o        DemoOptions
	n        *Network
	k        *chain.Contracts
	began    time.Time
	before   map[string]wealth
	receipts map[claim.Hash]*receipt.Receipt // by node address
	games    ledger.Games
	txs      map[claim.Hash]string // transaction -> what it did
	head     ledger.Head
	result   DemoResult
}

// wealth is what a party owns.
type wealth struct {
	tokens claim.Amount
	wei    *big.Int
}

// Demo plays a story through the processes and the wiring of `up` and reports how it ended.
func Demo(ctx context.Context, o DemoOptions) (*DemoResult, error) {
	if !slices.Contains(Attacks(), o.Attack) {
		return nil, fmt.Errorf("attack %q is none of %s", o.Attack, strings.Join(Attacks(), ", "))
	}
	if o.Answer != AnswerNative && o.Answer != AnswerProof {
		return nil, fmt.Errorf("%w: answer %q: %s or %s", ErrCannot, o.Answer, AnswerNative, AnswerProof)
	}
	if o.System != "" && o.Answer != AnswerProof {
		return nil, fmt.Errorf("%w: proof system %q without answers by proof: add --answer %s, or leave it out", ErrCannot, o.System, AnswerProof)
	}
	if o.Cluster && o.Answer != AnswerProof {
		return nil, fmt.Errorf("%w: proofs of whole tensors without answers by proof: add --answer %s", ErrCannot, AnswerProof)
	}
	if o.Story == nil {
		o.Story = io.Discard
	}
	if o.Answer == AnswerProof {
		return demoByProof(ctx, o)
	}
	if inCourt(o.Attack) {
		return demoInCourt(ctx, o)
	}
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "elenchus-demo-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // best effort
		o.Dir = dir
	}
	d := &demo{o: o, began: time.Now(), receipts: map[claim.Hash]*receipt.Receipt{}, txs: map[claim.Hash]string{}}
	d.result = DemoResult{Attack: o.Attack, Answer: o.Answer, Gas: map[string]uint64{}, Balances: map[string]string{}}
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	if err := d.play(ctx); err != nil {
		return nil, err
	}
	return &d.result, nil
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.o.Story, "%6.1f s  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

func (d *demo) play(ctx context.Context) error {
	cfg := NetworkConfig{
		Exe: d.o.Exe, Dir: d.o.Dir, Models: modelList(d.o.Model), Nodes: 3, Listen: "127.0.0.1:0", Fork: "osaka", Params: demoParams(), Seed: d.o.Seed,
		Log: slog.New(slog.DiscardHandler),
	}
	switch {
	case slices.Contains(adversary.Names(), d.o.Attack):
		cfg.NodeAttack = d.o.Attack
	case d.o.Attack == "griefer":
		cfg.WatchAttack = "griefer"
	case d.o.Attack == "impostor":
		cfg.WatchAttack, cfg.Impostor = "griefer", true
	case d.o.Attack == "hidden-prompt":
		cfg.GatewayAttack = "hidden-prompt"
	}
	var err error
	if d.n, err = StartNetwork(ctx, cfg); err != nil {
		return err
	}
	defer d.n.Close() //nolint:errcheck // the story is over
	d.say("chain, contracts, 3 staked nodes, challenger and gateway are up; attack: %s", d.o.Attack)
	c, err := chain.Dial(ctx, d.n.RPC, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	if d.k, err = chain.Load(ctx, c, d.n.Addresses); err != nil {
		return err
	}
	if d.before, err = d.wealths(ctx); err != nil {
		return err
	}
	if err := d.ask(ctx); err != nil {
		return err
	}
	if err := d.follow(ctx); err != nil {
		return err
	}
	return d.finish(ctx)
}

// ask puts one question to each node through the gateway.
func (d *demo) ask(ctx context.Context) error {
	prompts := []string{"Once upon a time", "One day, Tom", "The little dog"}
	for i := range d.n.Nodes {
		text, rec, err := d.chat(ctx, prompts[i%len(prompts)])
		if err != nil {
			return err
		}
		r, err := receipt.Parse(rec)
		if err != nil {
			return err
		}
		var key claim.Hash
		copy(key[:], r.Claim.Node[:])
		d.receipts[key] = r
		d.say("node %x answers %q: %q", r.Claim.Node[:4], prompts[i%len(prompts)], clip(text))
		if d.o.Attack == "hidden-prompt" && i == 0 {
			if err := d.verifyHidden(ctx, prompts[0], text, r); err != nil {
				return err
			}
		}
	}
	if len(d.receipts) != len(d.n.Nodes) {
		return fmt.Errorf("%d nodes answered, want %d", len(d.receipts), len(d.n.Nodes))
	}
	return nil
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}

// demoSchema is what answers of the demo with a grammar look like.
const demoSchema = `{"type":"object","properties":{"title":{"type":"string","maxLength":12},"age":{"type":"integer","minimum":1,"maximum":99}},
"required":["title","age"]}`

// chat is one request to the gateway, as any client makes it.
func (d *demo) chat(ctx context.Context, prompt string) (text, rec string, err error) {
	fields := map[string]any{
		"model": d.n.modelTitle(), "temperature": 0, "max_tokens": demoTokens, "messages": []map[string]string{{"role": "user", "content": prompt}},
	}
	switch d.o.Attack {
	case "biased-sampling": // greedy requests draw nothing
		fields["temperature"], fields["top_p"], fields["seed"] = 1, 0.9, 7
	case "none", "griefer", "wrong-penalty": // what is honest is so with every setting
		fields["repetition_penalty"], fields["presence_penalty"], fields["frequency_penalty"] = 1.2, 0.5, 0.25
		fields["logit_bias"] = map[string]float64{"300": -1.5, "301": 0.5}
	}
	if d.o.Attack == "wrong-mask" {
		fields["response_format"] = map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "story", "schema": json.RawMessage(demoSchema)}}
	}
	if d.o.Attack == "none" || d.o.Attack == "wrong-stop" { // strings that lie across tokens
		fields["stop"] = []string{"e ", ", a", "zebra"}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return "", "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.n.Gateway+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return "", "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return "", "", err
	}
	var answer struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || resp.StatusCode != http.StatusOK || len(answer.Choices) != 1 {
		return "", "", fmt.Errorf("the gateway answers %d: %s", resp.StatusCode, clip(string(raw)))
	}
	return answer.Choices[0].Message.Content, resp.Header.Get("X-Elenchus-Receipt"), nil
}

func (d *demo) receiptOf(role string) *receipt.Receipt {
	a := d.n.Accounts[role]
	var key claim.Hash
	copy(key[:], a[:])
	return d.receipts[key]
}

// follow watches the chain until the story has ended.
func (d *demo) follow(ctx context.Context) error {
	want, games := "upheld", 0
	switch d.o.Attack {
	case "griefer", "impostor":
		games = len(d.n.Nodes)
	case "none", "hidden-prompt":
	default:
		lied, err := d.guilty(ctx)
		if err != nil {
			return err
		}
		if d.o.Attack == "byte" {
			d.result.Changed = &lied
		}
		if lied {
			want, games = "slashed", 1
		}
	}
	d.result.Want = want
	done := errors.New("the story is over")
	err := d.k.Watch(ctx, chain.FactOptions{Interval: pollEvery}, func(ctx context.Context, b chain.FactBatch) error {
		d.head = ledger.Head{Number: b.Head.Number, Time: b.Head.Time}
		for _, f := range b.Facts {
			d.note(f)
		}
		over, err := d.over(ctx, games)
		if err != nil {
			return err
		}
		if over {
			return done
		}
		return nil
	})
	if errors.Is(err, done) {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("the story did not end in time: %d of %d games resolved\n%s", d.resolved(), games, d.n.tail("watch"))
	}
	return err
}

func (d *demo) resolved() (n int) {
	for _, g := range d.games.All() {
		if g.Resolved != nil {
			n++
		}
	}
	return n
}

// over says whether nothing more will happen: all expected games are closed, rewards settled; with
// none expected, the challenger has checked every claim and found it true.
func (d *demo) over(ctx context.Context, games int) (bool, error) {
	if d.resolved() < max(games, len(d.games.All())) {
		return false, nil
	}
	if games == 0 {
		return d.allChecked(ctx)
	}
	for _, g := range d.games.All() {
		v, err := d.k.Verdict(ctx, g.Resolved.Case)
		if err != nil || v.Held != (claim.Hash{}) {
			return false, err
		}
	}
	return true, nil
}

// allChecked asks the challenger for its verdicts.
func (d *demo) allChecked(ctx context.Context) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.n.Watch+"/v1/verdicts", nil)
	if err != nil {
		return false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	var rows []struct {
		True bool `json:"true"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&rows); err != nil {
		return false, err
	}
	posted := 0
	for _, what := range d.txs {
		if what == "post" {
			posted++
		}
	}
	return len(rows) >= len(d.receipts) && posted >= len(d.n.Nodes), nil
}

// note keeps a fact and tells it.
func (d *demo) note(f ledger.Fact) {
	d.games.Apply(f)
	if f.Removed {
		delete(d.txs, f.Tx)
		return
	}
	switch e := f.Event.(type) {
	case ledger.BatchPosted:
		d.txs[f.Tx] = "post"
		d.say("batch %x of %d claims posted", e.Root[:4], e.Count)
	case ledger.BatchReleased:
		d.txs[f.Tx] = "release"
	case ledger.Committed:
		d.txs[f.Tx] = "commit"
		d.say("a hidden challenge is committed")
	case ledger.Opened:
		d.txs[f.Tx] = "open"
		d.say("game %x opens against claim %x", e.Game[:4], e.ClaimID[:4])
	case ledger.Moved:
		d.moved(f.Tx, e.Game, dispute.Kind(e.Move))
	case ledger.Decided:
		d.moved(f.Tx, e.Game, dispute.Kind(e.Move))
	case ledger.Convicted:
		d.convicted(e)
	case ledger.Resolved:
		d.txs[f.Tx] = "resolve"
		d.say("game %x resolved: slashed %s", e.Game[:4], e.Slashed)
	}
}

// moved tells a move, once for its transaction.
func (d *demo) moved(tx, game claim.Hash, k dispute.Kind) {
	if _, known := d.txs[tx]; known {
		return
	}
	d.txs[tx] = gasKind(k)
	d.result.Moves++
	d.say("game %x: %s", game[:4], k)
}

// gasKind names the row of the gas table that a move belongs to.
func gasKind(k dispute.Kind) string {
	switch k {
	case dispute.KindReveal, dispute.KindRows, dispute.KindTensors:
		return "reveal"
	case dispute.KindChildren, dispute.KindRaw:
		return "descend"
	case dispute.KindAnswer:
		return "answer"
	case dispute.KindTimeout:
		return "timeout"
	case dispute.KindCommit, dispute.KindOpen, dispute.KindResolve:
		return k.String()
	}
	return "pick"
}

func (d *demo) finish(ctx context.Context) error {
	slashed := false
	for _, g := range d.games.All() {
		slashed = slashed || g.Resolved != nil && !g.Resolved.Slashed.IsZero()
	}
	d.result.Verdict = "upheld"
	if slashed {
		d.result.Verdict = "slashed"
	}
	if err := d.gas(ctx); err != nil {
		return err
	}
	if err := d.losses(ctx); err != nil {
		return err
	}
	d.result.Seconds = float64(time.Since(d.began).Milliseconds()) / 1000
	d.say("verdict: %s; honest parties lost %s", d.result.Verdict, d.result.HonestLost)
	return nil
}
