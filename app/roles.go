package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"elenchus/app/meter"
	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/engine"
	"elenchus/network/chain"
	"elenchus/network/peer"
	"elenchus/service/challenger"
	"elenchus/service/gateway"

	"github.com/ethereum/go-ethereum/crypto"
)

// Role is what every role on a chain needs.
type Role struct {
	RPC          string // JSON-RPC address of the chain
	Deployment   string // file of addresses
	Key          string // key file
	Passphrase   string // file of the passphrase of an encrypted key; "": asked at a terminal
	Dir          string // state directory
	Listen       string // address to serve on; port 0 picks one
	Models       []string
	Store        bool         // the user's store, too, as it is while the role runs
	Stake        claim.Amount // nodes: stake to hold; challengers: credit for bonds
	Attack       string       // experiments: what this role does wrong
	Seed         uint64
	PrefixMiB    int           // nodes: rows of prompts to keep for later ones; 0: a sixteenth of the free memory, below 0: none
	RowsMiB      int           // nodes: most for rows of answers in the making; 0: half of the free memory, below 0: unbounded
	Recheck      float64       // nodes: share of answers that are computed again, up to a random step, before they are signed
	Scrub        int64         // nodes, watchers: MiB of packed weights a second that are compared with their checksums; 0: none
	Metrics      string        // address of the operator's face: metrics and readiness; "": none
	KeepAlive    time.Duration // nodes: how long a model stays in memory after its last use; below 0: loaded at the start, for ever
	AllowPull    bool          // gateways: fetch models for clients into the user's store
	Beacon       string        // watchers: key file of a local beacon, or drand, under which they audit; "": they do not
	BeaconWithin time.Duration // the longest to wait for one address of drand; 0: 5 s
	AuditFees    claim.Amount  // nodes: to have paid in advance for audits
	Plant        uint64        // nodes: one of so many claims is false on purpose, for auditors to find; 0: none
	PlantUsers   []claim.Address
	ProofKeys    string    // nodes, watchers: folder of keys of proofs about confidential models; "": one in Dir
	ProofSystem  string    // of these proofs, by name; "": plonk with SRS, else groth16
	SRS          string    // file of a public reference string, from which keys of proofs follow; "": development keys are made
	SRSDigest    string    // its SHA-256, hex
	Cluster      bool      // with Registrar: keys of whole tensors, too
	Registrar    string    // development: key file of who may register keys of proofs; "": they are on the chain
	Ready        io.Writer // gets the line "role URL" once the role serves
	Log          *slog.Logger

	opened *ecdsa.PrivateKey // the key, once it was read
}

// LoadModel reads a model: "default", a name or id of the user's store, an .elm file, or a file that
// the importer knows.
func LoadModel(name string) (*manifest.Manifest, string, error) {
	store, _ := OpenStore("") // without a home directory the default model and files still load
	return store.Load(name)
}

// title is the name of a model file without folder and extension.
func title(path string) string {
	base := filepath.Base(path)
	if !fileLike(base) { // a folder, whose name may have dots
		return base
	}
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// key opens the role's key, once: an encrypted one takes a second and perhaps somebody at the terminal.
func (r *Role) key() (*ecdsa.PrivateKey, error) {
	if r.opened != nil {
		return r.opened, nil
	}
	var err error
	r.opened, err = KeyFile{r.Key, r.Passphrase, AskPassphrase(false)}.Read()
	return r.opened, err
}

// link opens a role's link.
func (r *Role) link(ctx context.Context) (*Link, error) { return r.linkAt(ctx, pace{poll: pollEvery}) }

func (r *Role) linkAt(ctx context.Context, p pace) (*Link, error) {
	key, err := r.key()
	if err != nil {
		return nil, err
	}
	at, err := ReadDeployment(r.Deployment)
	if err != nil {
		return nil, err
	}
	return openLink(ctx, r.RPC, at, key, r.Dir, r.Log, p)
}

// drainWithin is how long requests that go on may take to end once a role is told to stop.
const drainWithin = 5 * time.Second

// serve runs the tasks of a role and, once it is ready, its HTTP face, until ctx ends or one of them
// fails: who asks before waits, so that a node claims nothing before its stake is there. When ctx ends
// the face goes first: answers in the making are finished, signed and stored while the tasks still run.
func (r *Role) serve(ctx context.Context, name string, o *ops, h http.Handler, ready func(url string) error, tasks ...func(context.Context) error) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", r.Listen, err)
	}
	var up atomic.Bool
	o.need("start", func(context.Context) error {
		if !up.Load() {
			return errors.New("this role is still starting, or stopping")
		}
		return nil
	})
	url := "http://" + ln.Addr().String()
	face := func(ctx context.Context) error {
		defer ln.Close() //nolint:errcheck // the server closes it, too
		if err := ready(url); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(r.Ready, name, url); err != nil {
			return err
		}
		up.Store(true)
		context.AfterFunc(ctx, func() { up.Store(false) })
		return serveUntil(ctx, httpServer(h), ln, drainWithin)
	}
	return together(context.WithoutCancel(ctx), append(tasks, stoppedBy(ctx, face), stoppedBy(ctx, func(ctx context.Context) error {
		return o.serve(ctx, r.Metrics, r.announceMetrics)
	}))...)
}

// httpServer is a server with the bounds that all faces have.
func httpServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
}

// announceMetrics says where the operator's face is.
func (r *Role) announceMetrics(url string) error {
	_, err := fmt.Fprintln(r.Ready, metricsLine, url)
	return err
}

// metricsLine begins the line that says so.
const metricsLine = "metrics"

// stoppedBy is a task that also ends when another context does.
func stoppedBy(outer context.Context, task func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(outer, cancel)()
		return task(ctx)
	}
}

// together runs tasks until all ended; the first that ends stops the others. The result is the
// first error that is not a cancellation.
func together(ctx context.Context, tasks ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(tasks))
	for _, t := range tasks {
		go func() {
			err := t(ctx)
			cancel()
			errs <- err
		}()
	}
	var first error
	for range tasks {
		if err := <-errs; first == nil && err != nil && !errors.Is(err, context.Canceled) {
			first = err
		}
	}
	return first
}

// computer is the honest computer of a model; a nil pool means one thread.
func computer(man *manifest.Manifest, pool *engine.Pool) *engine.Computer {
	c := &engine.Computer{Manifest: man, Grammars: &engine.Grammars{}}
	if pool != nil {
		c.Split = pool.Split
	}
	return c
}

// Watch runs a challenger until ctx ends.
func (r *Role) Watch(ctx context.Context) error {
	l, err := r.link(ctx)
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // the process ends
	face := newOps(meter.Watch)
	l.watchOver(face)
	key, err := r.key()
	if err != nil {
		return err
	}
	o := challenger.Options{
		Account: l.account, Domain: l.Contracts.Domain(), Chain: l, Source: peer.New(http.DefaultClient).As(key, l.Contracts.Domain()), Dir: r.Dir,
		MaxBond: r.Stake, Window: l.Contracts.Params().Window, Log: r.Log, CrashPoint: crashPoint(""),
	}
	prove, err := r.proving(ctx, l)
	if err != nil {
		return err
	}
	defer prove.close()
	o.Prove, o.Whole = prove.of(l.account), prove.whole(l.account)
	o.Covered = func(ctx context.Context, node claim.Address) bool { return covered(ctx, l.Contracts, node) }
	o.Secret = claim.Keccak([]byte("elenchus/watch/1"), crypto.FromECDSA(key))
	pool := engine.NewPool(0)
	defer pool.Close()
	named, stored := &residents{keep: -1, log: r.Log}, &residents{keep: watchKeeps, log: r.Log}
	held, err := r.watched(&o, named, stored, pool, face.meter)
	if err != nil {
		return err
	}
	defer held()
	if err := disturb(&o, r.Attack, pool); err != nil {
		return err
	}
	c, err := challenger.New(o)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // the process ends
	measureWatch(face, c, l)
	a, err := r.auditor(ctx, l, &o, c.SubmitAt)
	if err != nil {
		return err
	}
	ready := func(string) error { return l.holdCredit(ctx, r.Stake) }
	tasks := append(prove.tasks, l.Run, c.Run, named.patrol(r.Scrub<<20), stored.patrol(r.Scrub<<20))
	if a != nil {
		defer a.Close() //nolint:errcheck // the process ends
		ready = func(string) error { return errors.Join(l.holdCredit(ctx, r.Stake), l.holdSeat(ctx)) }
		tasks = append(tasks, a.Run)
	}
	return r.serve(ctx, "watch", face, watchHandler(c, face), ready, tasks...)
}

// GatewayOptions are those of a gateway.
type GatewayOptions = gateway.Options

// ReadKeys reads a file of API keys, none without a name; see gateway.ReadKeys.
func ReadKeys(path string) ([]gateway.Key, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was read
	keys, err := gateway.ReadKeys(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// Gateway runs a gateway over the given nodes until ctx ends; the options say who may use it and how.
func (r *Role) Gateway(ctx context.Context, nodes, watchers []string, o GatewayOptions, pay PayOptions) error {
	at, err := ReadDeployment(r.Deployment)
	if err != nil {
		return err
	}
	b, err := r.backend(at, nodes, watchers)
	if err != nil {
		return err
	}
	for _, name := range r.Models {
		release, err := b.load(name)
		if err != nil {
			return err
		}
		defer release()
	}
	defer b.Close()
	c, err := newCatalog(b, r)
	if err != nil {
		return err
	}
	face := newOps(meter.Gateway)
	b.Meter, o.Log = face.meter, r.Log
	o.Observe, o.Ready = observe(face.meter), b.reachable
	if r.AllowPull {
		o.Pull = c.pull
	}
	tasks := []func(context.Context) error{c.run}
	if pay.Price != "" && pay.Price != "0" {
		run, end, err := r.till(ctx, pay, &o)
		if err != nil {
			return err
		}
		defer end()
		tasks = append(tasks, run)
	}
	forget, err := r.remember(&o)
	if err != nil {
		return err
	}
	defer forget()
	o.Browser = b.browser(r.Models, r.RPC, at)
	g, err := gateway.New(b, o)
	if err != nil {
		return err
	}
	face.need("nodes", b.reachable)
	face.before(func() { face.meter.Set("elenchus_gateway_answers_running", float64(g.Running())) })
	ln, err := listenFree(ctx, r.Listen)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(r.Ready, "gateway http://%s\n", ln.Addr()); err != nil {
		return err
	}
	return together(context.WithoutCancel(ctx), append(tasks, stoppedBy(ctx, func(ctx context.Context) error { return g.Serve(ctx, ln) }),
		stoppedBy(ctx, func(ctx context.Context) error { return face.serve(ctx, r.Metrics, r.announceMetrics) }))...)
}

// backend is what a gateway over the given nodes asks, without models.
func (r *Role) backend(at chain.Addresses, nodes, watchers []string) (*Backend, error) {
	key, err := r.key()
	if err != nil {
		return nil, err
	}
	b := &Backend{
		Domain: claim.Domain{ChainID: at.ChainID, Arena: claim.Address(at.Arena)}, User: claim.AddressOf(key), Key: key,
		Peers: peer.New(&http.Client{}), Nodes: nodes, Watchers: watchers, Created: time.Now().Unix(),
		Entropy: func(p []byte) { _, _ = rand.Read(p) }, // never fails since Go 1.24
	}
	if r.Attack == "hidden-prompt" {
		b.Rewrite = hiddenPrompt
	} else if r.Attack != "" {
		return nil, fmt.Errorf("a gateway's attack is \"hidden-prompt\", not %q", r.Attack)
	}
	return b, nil
}

// till opens the link by which a gateway is paid; run moves its transfers, end frees it.
func (r *Role) till(ctx context.Context, pay PayOptions, o *GatewayOptions) (run func(context.Context) error, end func(), err error) {
	if r.Dir == "" {
		return nil, nil, fmt.Errorf("%w: transfers on their way are kept in a state directory: give --dir", errPay)
	}
	l, err := r.linkAt(ctx, pace{poll: pollEvery, inFlight: payInFlight})
	if err != nil {
		return nil, nil, err
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c, err := newCashier(life, l, pay)
	if err != nil {
		cancel()
		return nil, nil, errors.Join(err, l.Close())
	}
	o.Cashier = c
	return l.Run, func() {
		cancel()
		c.late.Wait()
		_ = l.Close() // the process ends
	}, nil
}

// holdStake brings the account's stake up to least. On a chain with the test token it mints what is
// missing; elsewhere it says how much that is.
func (l *Link) holdStake(ctx context.Context, least claim.Amount) error {
	if err := l.finish(ctx, "stake/"); err != nil {
		return err
	}
	a, err := l.Contracts.Account(ctx, l.account)
	if err != nil {
		return err
	}
	err = l.bring(ctx, "stake", least.Less(a.Stake), l.Contracts.Deposit)
	if err != nil && a.Jailed { // no new batches, but open games are still to be defended
		l.log.Warn("the account is jailed and its stake is not brought up", "err", err)
		return nil
	}
	return err
}

// holdCredit is holdStake for the credit that bonds are taken from.
func (l *Link) holdCredit(ctx context.Context, least claim.Amount) error {
	if err := l.finish(ctx, "credit/"); err != nil {
		return err
	}
	have, err := l.Contracts.Credit(ctx, l.account)
	if err != nil {
		return err
	}
	return l.bring(ctx, "credit", least.Less(have), l.Contracts.Fund)
}

// finish waits for what an earlier life left in the outbox under keys of a kind. Whatever comes of
// it, it is in the balances that are read next: what it brings is not brought twice.
func (l *Link) finish(ctx context.Context, kind string) error {
	keys, err := l.Outbox.Pending()
	if err != nil {
		return err
	}
	for _, key := range keys {
		if !strings.HasPrefix(key, kind) {
			continue
		}
		var revert *chain.RevertError
		if _, err := l.Outbox.Wait(ctx, key); err != nil && !errors.As(err, &revert) && !errors.Is(err, chain.ErrRefused) {
			return fmt.Errorf("account %x waits to finish %s: %w", l.account, key, err)
		}
	}
	return nil
}

func (l *Link) bring(ctx context.Context, what string, missing claim.Amount, put func(string, claim.Amount) (chain.Intent, error)) error {
	return l.bringTo(ctx, what, missing, l.Contracts.Approve, put)
}

// bringTo mints what the account lacks, where anybody may, approves what is missing and puts it.
func (l *Link) bringTo(ctx context.Context, what string, missing claim.Amount, approved, put func(string, claim.Amount) (chain.Intent, error)) error {
	if missing.IsZero() {
		return nil
	}
	have, err := l.Contracts.TokenBalance(ctx, l.account)
	if err != nil {
		return err
	}
	tag := fmt.Sprintf("%s/%d/", what, time.Now().UnixNano())
	if lack := missing.Less(have); !lack.IsZero() {
		mint, err := l.Contracts.Mint(tag+"mint", l.account, lack)
		mint.Gas = 0 // with a trial run: a token that nobody may mint costs nothing
		if err == nil {
			err = l.Do(ctx, mint)
		}
		if err != nil {
			return fmt.Errorf("account %x lacks %s token units for its %s and cannot mint them: %w", l.account, lack, what, err)
		}
	}
	approve, err1 := approved(tag+"approve", missing)
	deposit, err2 := put(tag+"put", missing)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if err := l.Do(ctx, approve, deposit); err != nil {
		return fmt.Errorf("bring %s token units of %s for account %x: %w", missing, what, l.account, err)
	}
	return nil
}

// crashEnv names the point at which a role kills itself, for tests of faults: its name, or name@n for
// the nth time that it is reached. Points of the outbox begin with "outbox ".
const crashEnv = "ELENCHUS_CRASH_AT"

// crashPoint ends the process at the point that the environment names, if it is one of a kind (the
// beginning of its name), without any clean-up. It is nil when there is none.
func crashPoint(kind string) func(string) {
	at, count, counted := strings.Cut(os.Getenv(crashEnv), "@")
	if at == "" {
		return nil
	}
	n := int64(1)
	if counted {
		n, _ = strconv.ParseInt(count, 10, 64) // 0, which is never reached, when it is no number
	}
	var reached atomic.Int64
	return func(name string) {
		if kind+name != at || reached.Add(1) != n {
			return
		}
		if p, err := os.FindProcess(os.Getpid()); err == nil {
			_ = p.Kill()
		}
		runtime.Goexit()
	}
}
