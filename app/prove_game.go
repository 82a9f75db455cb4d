package app

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/compute/opset"
	"elenchus/engine"
	"elenchus/network/chain"
	"elenchus/network/peer"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
	"elenchus/proving/worker"
	"elenchus/service/challenger"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"

	"github.com/ethereum/go-ethereum/common"
)

// GameProofOptions name a game on a chain, and who proves what is in dispute there.
type GameProofOptions struct {
	Chain     *ChainLookup
	Game      string           // id, or at least 8 digits of it
	Model     string           // empty: what the store holds under the claim's model id
	Receipt   *receipt.Receipt // of the claim; nil: as its node serves it
	Whole     bool             // all of the tensor in hand, also where an element is
	System    string           // one of CircuitSystems; empty: that of which the chain has a key
	Prover    string           // account that will send the answer, hex; empty: that of Key
	Key       *ecdsa.PrivateKey
	Keys      string              // folder with the other halves of the keys that the chain has
	SRS       string              // file of the public reference string from which these follow; empty: they lie in Keys
	SRSDigest string              // its SHA-256, hex
	Outbox    string              // the answer is sent from Key's account, and kept in this folder on its way; empty: it is not sent
	Progress  func(done, all int) // may be nil
}

// GameOf is the game that a proof belongs to.
type GameOf struct {
	Game   string `json:"game"`
	State  string `json:"state"` // its hash, to which the proof is bound
	Claim  string `json:"claim"`
	Phase  string `json:"phase"`
	T      uint32 `json:"position"`
	Stage  uint16 `json:"stage"`
	Tensor uint8  `json:"tensor"`
	Shape  string `json:"shape"`
	Sent   bool   `json:"sent"`
}

// ProveGame proves what is in dispute in a game on a chain: the element that must be answered, or the tensor in hand,
// whether that is true or false. The proof is by the key that the chain has for the shape, bound to the state in which
// the game is now and to the account that will send it. It returns ErrNothingKnown for no such game, ErrNoModel for a
// model that is not at hand, and ErrCannot where nothing is to be proven or nobody here can.
func (s Store) ProveGame(ctx context.Context, o GameProofOptions) (*ProveReport, error) {
	account, err := o.account()
	if err != nil {
		return nil, err
	}
	systems, err := o.systems()
	if err != nil {
		return nil, err
	}
	if err := o.folder().Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	k, _, err := o.Chain.open(ctx)
	if err != nil {
		return nil, err
	}
	defer k.Client().Close()
	g, url, err := o.Chain.running(ctx, k, o.Game)
	if err != nil {
		return nil, err
	}
	state, job, seen, err := dispute.Replay(*g)
	if err != nil {
		return nil, fmt.Errorf("%w: what %s says of game %x does not fit together: %w", ErrCannot, o.Chain.RPC, g.Key, err)
	}
	if err := provableIn(g, &state, &o); err != nil {
		return nil, err
	}
	p := gameProof{s, &o, k, g, url, systems}
	x, err := p.contested(ctx, state, job, seen)
	if err != nil {
		return nil, err
	}
	b := step.Binding{Game: state.Slot(), Chain: k.Addresses().ChainID, Prover: account}
	return p.prove(ctx, &state, x, b)
}

// folder is where the keys are found.
func (o *GameProofOptions) folder() worker.Folder {
	return worker.Folder{Dir: o.Keys, Make: o.SRS != "", SRS: o.SRS, SRSDigest: o.SRSDigest}
}

// account is who will send the answer.
func (o *GameProofOptions) account() (claim.Address, error) {
	switch {
	case o.Outbox != "" && o.Key == nil:
		return claim.Address{}, fmt.Errorf("%w: an answer is sent from an account: name its key with --key FILE", ErrCannot)
	case o.Key != nil && o.Prover == "":
		return claim.AddressOf(o.Key), nil
	case o.Prover == "":
		return claim.Address{}, fmt.Errorf("%w: an answer holds for the account that sends it alone: name it with --prover ADDRESS or --key FILE", ErrCannot)
	case !common.IsHexAddress(o.Prover):
		return claim.Address{}, fmt.Errorf("%w: prover %q: want 20 bytes in hex", ErrCannot, o.Prover)
	}
	a := claim.Address(common.HexToAddress(o.Prover))
	if o.Key != nil && a != claim.AddressOf(o.Key) {
		return a, fmt.Errorf("%w: prover %s is not the account of the key, 0x%x: leave --prover out", ErrCannot, o.Prover, claim.AddressOf(o.Key))
	}
	return a, nil
}

// running is a game that goes on, and where its node serves.
func (l *ChainLookup) running(ctx context.Context, k *chain.Contracts, id string) (*ledger.Game, string, error) {
	head, err := k.Client().Head(ctx)
	if err != nil {
		return nil, "", err
	}
	id = strings.ToLower(strings.TrimPrefix(id, "0x"))
	if len(id) < 8 || len(id) > 64 || strings.Trim(id, "0123456789abcdef") != "" {
		return nil, "", fmt.Errorf("%w: game %q: give its id, or at least 8 digits of it; elenchus explain lists games", ErrCannot, id)
	}
	var games ledger.Games
	urls := map[claim.Address]string{}
	if err := l.each(ctx, k, head.Number, func(f ledger.Fact) error {
		games.Apply(f)
		if e, ok := f.Event.(ledger.Endpoint); ok {
			urls[e.Node] = e.URL
		}
		return nil
	}); err != nil {
		return nil, "", err
	}
	var found []ledger.Game
	for _, g := range games.All() {
		if strings.HasPrefix(fmt.Sprintf("%x", g.Key), id) {
			found = append(found, g)
		}
	}
	switch {
	case len(found) == 0:
		return nil, "", fmt.Errorf("%w: no game %s at arena 0x%x of %s; elenchus explain --rpc %s lists those of the deployment", ErrNothingKnown, id, l.At.Arena, l.RPC, l.RPC)
	case len(found) > 1:
		return nil, "", fmt.Errorf("%w: %d games begin with %s: give more digits", ErrCannot, len(found), id)
	}
	return &found[0], urls[found[0].Node], nil
}

// provableIn says why nothing can be proven in the state of a game.
func provableIn(g *ledger.Game, s *dispute.State, o *GameProofOptions) error {
	d := disputeOf(g)
	switch {
	case d.Phase != "open":
		return fmt.Errorf("%w: game %x is %s, nothing is in dispute there any more: %s", ErrCannot, g.Key, d.Phase, d.Why)
	case s.Class == manifest.Private:
		return fmt.Errorf("%w: game %x is about a private model, whose elements nobody can prove: hashes of its leaves are salted", ErrCannot, g.Key)
	case s.Class != manifest.Confidential:
		return fmt.Errorf("%w: game %x is about a model that shows its leaves: its answer is no proof, the contract computes it; node and watch answer by themselves", ErrCannot, g.Key)
	case s.Phase == dispute.Answer:
		return nil
	case s.Phase < dispute.Pick || s.Phase > dispute.Answer:
		return fmt.Errorf("%w: game %x is in phase %s: %s. There is something to prove once a tensor is in hand: all of it from phase %s on, one element in phase %s",
			ErrCannot, g.Key, s.Phase, d.Why, dispute.Pick, dispute.Answer)
	}
	o.Whole = true // no element was picked yet
	return nil
}

// gameProof is a proof about a game in the making.
type gameProof struct {
	store   Store
	o       *GameProofOptions
	chain   *chain.Contracts
	game    *ledger.Game
	url     string // of the game's node, empty if it has none
	systems []step.System
}

// contested computes the claim again and finds what the answer has to prove.
func (p *gameProof) contested(ctx context.Context, s dispute.State, j dispute.Job, seen []dispute.Move) (*contested, error) {
	peers := peer.New(&http.Client{Timeout: 30 * time.Second})
	if p.o.Key != nil {
		peers = peers.As(p.o.Key, p.chain.Domain())
	}
	r, err := p.receipt(ctx, peers)
	if err != nil {
		return nil, err
	}
	return unlessEnded(ctx, func() (*contested, error) {
		pool := engine.NewPool(0)
		defer pool.Close()
		m, err := p.model(r, pool)
		if err != nil {
			return nil, err
		}
		own, err := m.Knowledge(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("%w: compute claim %x again: %w", ErrCannot, p.game.ClaimID, err)
		}
		served := func(t uint32, stage, tensor int) ([]byte, bool) {
			if p.url == "" { // nobody is there to ask
				return nil, false
			}
			b, err := peers.Tensor(ctx, p.url, p.game.ClaimID, t, stage, tensor, maxServed)
			return b, err == nil
		}
		m1, _, err := dispute.Provable(s, j, seen, own, served, p.choice(ctx))
		if err != nil {
			return nil, fmt.Errorf("%w: game %x, stage %d, tensor %d: %w", ErrCannot, p.game.Key, s.Stage, s.Tensor, err)
		}
		return contestedBy(&s, m1)
	})
}

// choice picks the cluster of which the chain has a key, or the first; nil: one element is to be proven.
func (p *gameProof) choice(ctx context.Context) dispute.Choose {
	if !p.o.Whole {
		return nil
	}
	return func(all []*opset.Cluster) (int, error) {
		for n, x := range all {
			if _, on, err := p.registered(ctx, circuit.WholeShape(x)); err != nil || on != (claim.Hash{}) {
				return n, err
			}
		}
		return 0, nil // prove says which key is missing
	}
}

// maxServed bounds a tensor that a node serves, in bytes.
const maxServed = 1 << 26

// receipt is that of the claim: the caller's, or what its node serves.
func (p *gameProof) receipt(ctx context.Context, peers *peer.Client) (*receipt.Receipt, error) {
	r, from := p.o.Receipt, "the receipt"
	if r == nil {
		if p.url == "" {
			return nil, fmt.Errorf("%w: node 0x%x of game %x has registered no address: give the claim's receipt with --receipt FILE", ErrCannot, p.game.Node, p.game.Key)
		}
		var err error
		if r, err = peers.Receipt(ctx, p.url, p.game.ClaimID); err != nil {
			return nil, fmt.Errorf("%w: %s does not give the data of claim %x: %w: give its receipt with --receipt FILE, or ask as a party with --key FILE",
				ErrCannot, p.url, p.game.ClaimID, err)
		}
		from = p.url
	}
	if id := r.Claim.ID(p.chain.Domain()); id != p.game.ClaimID || r.Claim.RequestDigest != r.Named() {
		return nil, fmt.Errorf("%w: %s is of claim %x, game %x is about %x", ErrCannot, from, id, p.game.Key, p.game.ClaimID)
	}
	if len(r.Prompt) == 0 && len(r.Output) == 0 {
		return nil, fmt.Errorf("%w: %s names claim %x and has no ids of it: elenchus demand asks the chain for them", ErrCannot, from, p.game.ClaimID)
	}
	return r, nil
}

// model is that of the claim, ready to compute.
func (p *gameProof) model(r *receipt.Receipt, pool *engine.Pool) (*challenger.Model, error) {
	id := fmt.Sprintf("%x", r.Request.Model)
	man, _, err := p.store.Load(cmp.Or(p.o.Model, id))
	if errors.Is(err, ErrNoModel) && p.o.Model == "" {
		return nil, fmt.Errorf("%w: game %x is about model %s: import it (elenchus model import FILE --confidential) or name it with --model", ErrNoModel, p.game.Key, id)
	}
	if err != nil {
		return nil, err
	}
	if [32]byte(man.ID()) != r.Request.Model {
		return nil, fmt.Errorf("%w: game %x is about model %s, --model %s is %s", ErrCannot, p.game.Key, id, p.o.Model, man.ID())
	}
	w, err := checking(man, pool)
	if err != nil {
		return nil, err
	}
	return &challenger.Model{Manifest: w.man, Computer: w.run}, nil
}

// registered is the system of which the chain has a key for a shape, and its hash, zero if it has none.
func (p *gameProof) registered(ctx context.Context, shape [32]byte) (system step.System, on claim.Hash, err error) {
	for _, system = range p.systems {
		on, err = p.chain.ProofKey(ctx, uint8(system), shape)
		if err != nil || on != (claim.Hash{}) {
			return system, on, err
		}
	}
	return 0, on, nil
}

// systems are those that a key may be of.
func (o *GameProofOptions) systems() ([]step.System, error) {
	if o.System == "" {
		return []step.System{step.Groth16, step.PLONK}, nil
	}
	one, ok := step.ParseSystem(o.System)
	if !ok {
		return nil, fmt.Errorf("%w: proof system %q: use one of %v", ErrCannot, o.System, CircuitSystems())
	}
	return []step.System{one}, nil
}

// prove makes the proof with the key that the chain has, and the file.
func (p *gameProof) prove(ctx context.Context, s *dispute.State, c *contested, b step.Binding) (*ProveReport, error) {
	system, on, err := p.registered(ctx, c.shape)
	if err != nil {
		return nil, err
	}
	if on == (claim.Hash{}) {
		return nil, fmt.Errorf("%w: the chain has no key of shape %x, %s, for %v: its registrar must add one (node, watch and up make and register it with --registrar%s), or the game goes on without",
			ErrCannot, c.shape, c.name, p.systems, map[bool]string{true: " and --cluster"}[c.whole != nil])
	}
	b.Verifier = p.chain.Addresses().ProofVerifier(uint8(system))
	c.task.System, c.task.Keys = system, p.o.folder()
	x, err := startProver(ctx, c.task, c.name, stagesOf(p.o.Progress))
	if errors.Is(err, worker.ErrNoKey) {
		return nil, fmt.Errorf("%w: the chain has the %s key %x of %s, and its other half is not in %s: name the folder with --proof-keys, or the string that it follows from with --srs",
			ErrCannot, system, on, c.name, p.o.Keys)
	}
	if err != nil {
		return nil, err
	}
	defer x.Close()
	if own := claim.Keccak(x.key.Words); own != on {
		return nil, fmt.Errorf("%w: the chain has the %s key %x of %s, %s has another, %x: only the chain's can prove there", ErrCannot, system, on, c.name, p.o.Keys, own)
	}
	start := time.Now()
	proof, err := x.Prove(ctx, c.witness(b))
	if err != nil {
		return nil, err
	}
	r := c.report
	r.System, r.Origin, r.Circuit, r.Prove = system.String(), x.key.Origin, fmt.Sprintf("%x", x.size.Digest), millis(start)
	r.Of = &GameOf{Game: fmt.Sprintf("%x", p.game.Key), State: fmt.Sprintf("%x", b.Game), Claim: fmt.Sprintf("%x", p.game.ClaimID), Phase: s.Phase.String(),
		T: s.T, Stage: s.Stage, Tensor: s.Tensor, Shape: fmt.Sprintf("%x", c.shape)}
	if c.whole != nil {
		r.Of.Tensor = c.whole.Target().Tensor
	}
	if r.Proof, err = c.file(system, b, p.game.Key, x.key.Origin, proof); err != nil {
		return nil, err
	}
	return &r, p.send(ctx, c, system, b.Prover, proof, r.Of)
}

// send sends the answer, if that was asked for.
func (p *gameProof) send(ctx context.Context, c *contested, system step.System, account claim.Address, proof []byte, of *GameOf) error {
	if p.o.Outbox == "" {
		return nil
	}
	m, err := c.posted(system, account, proof)
	if err != nil {
		return err
	}
	i, err := p.chain.Intent(ledger.Move{Game: p.game.Key, State: p.game.State, Kind: uint8(m.Kind()), Payload: m.Encode()})
	if err != nil {
		return err
	}
	err = p.o.Chain.send(ctx, p.o.Key, p.o.Outbox, i)
	of.Sent = err == nil
	return err
}

// send sends a transaction of an account and waits until it is mined; dir keeps it on its way.
func (l *ChainLookup) send(ctx context.Context, key *ecdsa.PrivateKey, dir string, i chain.Intent) error {
	link, err := OpenLink(ctx, l.RPC, l.At, key, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer link.Close() //nolint:errcheck // the process ends
	return together(ctx, link.Run, func(ctx context.Context) error { return link.Do(ctx, i) })
}

// Standing tells what the chain says of the game and the state that a proof was made for, into the report. A proof of
// another chain or verifier than the deployment's, or of no game, is not asked about.
func (l *ChainLookup) Standing(ctx context.Context, r *ProofReport) error {
	k, _, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer k.Client().Close()
	at := k.Addresses()
	system, _ := step.ParseSystem(r.System)
	if r.Chain != at.ChainID || r.Verifier != fmt.Sprintf("%x", at.ProofVerifier(uint8(system))) {
		r.Now = fmt.Sprintf("another deployment: this one is chain %d with verifier %x", at.ChainID, at.ProofVerifier(uint8(system)))
		return nil
	}
	raw, err := hex.DecodeString(r.Of)
	if err != nil || len(raw) != len(claim.Hash{}) {
		r.Now = "no game is named"
		return nil
	}
	slot, err := k.Slot(ctx, claim.Hash(raw))
	switch {
	case err != nil:
		return err
	case fmt.Sprintf("%x", slot) == r.Game:
		r.Now = "the game is in this state: the answer can be sent"
	case slot.Empty():
		r.Now = "the game is over, or there is none"
	default:
		r.Now = "the game went on: the proof answers nothing any more"
	}
	return nil
}
