package app

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"elenchus/commitment/claim"
	"elenchus/models"
	"elenchus/network/chain"

	"github.com/ethereum/go-ethereum/common"
)

// NetworkConfig describes a whole network on one machine: every role a process of its own.
type NetworkConfig struct {
	Exe       []string // command that runs a role: the own binary and what goes before the role's name
	Dir       string   // state of all roles
	Models    []string // that every role holds; none: the default one
	Store     bool     // every role serves the models of the user's store, too, as they come and go
	Nodes     int
	Listen    string // gateway
	AllowPull bool   // clients of the gateway may have models fetched
	Fork      string
	Params    chain.DeployParams

	NodeAttack    string // of node 1
	WatchAttack   string // of a second challenger, which runs only then
	GatewayAttack string
	Impostor      bool
	Audits        bool   // a local beacon, nodes that pay for audits, a watcher that audits
	Plant         uint64 // with Audits: one of so many claims of a node is planted; 0: none
	Beacon        string // with Audits: drand or drand:URL[,URL]; "": a local one
	ProofSystem   string // of answers about confidential models; "": plonk with SRS, else groth16
	SRS           string // file of a public reference string, from which keys of proofs follow; "": development keys
	SRSDigest     string // its SHA-256, hex
	Cluster       bool   // keys of whole tensors are made, too
	Seed          uint64
	// CrashAt names, by role, where its first process kills itself; see crashEnv. Tests of faults use it.
	CrashAt   map[string]string
	Stderr    io.Writer // the roles' logs; nil: a file per role in Dir
	LogFormat string    // of the roles' logs: text or json; "": text
	Log       *slog.Logger
}

// Network is a running network.
type Network struct {
	cfg        NetworkConfig
	RPC        string
	Gateway    string
	Nodes      []string
	Watch      string
	Addresses  chain.Addresses
	Accounts   map[string]claim.Address // by role: node1.., watch, griefer, gateway, deployer
	Deployment string

	mu    sync.Mutex // guards roles
	roles map[string]*child
}

// child is one role's process.
type child struct {
	name    string
	args    []string
	env     []string
	url     string      // where it serves, once spawn returned
	metrics chan string // takes the address of its metrics
	cmd     *exec.Cmd
	in      io.WriteCloser // closing it tells the role that its parent is gone
	done    chan struct{}
	err     error
}

// nodeStake and watchCredit are what devnet roles hold, in token units: 18 decimals.
var (
	nodeStake, _   = claim.ParseAmount("100000000000000000000000")
	watchCredit, _ = claim.ParseAmount("10000000000000000000000")
	auditFees, _   = claim.ParseAmount("10000000000000000000000")
)

// StartNetwork starts chain, contracts, nodes, challenger and gateway; it returns when the gateway
// serves. Close it.
func StartNetwork(ctx context.Context, cfg NetworkConfig) (*Network, error) {
	cfg.CrashAt = maps.Clone(cfg.CrashAt)
	n := &Network{cfg: cfg, roles: map[string]*child{}, Accounts: map[string]claim.Address{}, Deployment: filepath.Join(cfg.Dir, "deployment.json")}
	if n.cfg.Log == nil {
		n.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Network) start(ctx context.Context) error {
	if err := n.keys(); err != nil {
		return err
	}
	args := []string{"chain", "--dir", filepath.Join(n.cfg.Dir, "chain"), "--fork", n.cfg.Fork}
	for _, name := range n.roleNames() {
		a := n.Accounts[name]
		args = append(args, "--fund", common.Address(a).Hex())
	}
	var err error
	if n.RPC, err = n.spawn(ctx, "chain", args...); err != nil {
		return err
	}
	if err := n.deploy(ctx); err != nil {
		return err
	}
	if err := n.startNodes(ctx); err != nil {
		return err
	}
	if err := n.startOthers(ctx); err != nil {
		return err
	}
	return n.writeTargets(ctx)
}

// roleNames are the accounts of the network, in a fixed order: they are part of the genesis.
func (n *Network) roleNames() []string {
	out := []string{"deployer", "watch", "griefer", "impostor", "gateway"}
	for i := range max(n.cfg.Nodes, 3) {
		out = append(out, "node"+strconv.Itoa(i+1))
	}
	return out
}

func (n *Network) keyFile(name string) string { return filepath.Join(n.cfg.Dir, "keys", name) }

func (n *Network) keys() error {
	for _, name := range n.roleNames() {
		k, err := NewKey(n.keyFile(name))
		if err != nil {
			return err
		}
		n.Accounts[name] = claim.AddressOf(k)
	}
	return nil
}

// deploy puts the contracts on the chain unless an earlier run did.
func (n *Network) deploy(ctx context.Context) error {
	c, err := chain.Dial(ctx, n.RPC, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	if at, err := ReadDeployment(n.Deployment); err == nil {
		if _, err := chain.Load(ctx, c, at); err == nil {
			n.Addresses = at
			return nil
		}
	}
	key, err := ReadKey(n.keyFile("deployer"))
	if err != nil {
		return err
	}
	s, err := chain.NewSigner(key)
	if err != nil {
		return err
	}
	p := n.cfg.Params
	if p.Registrar == (common.Address{}) { // keys of proofs are development keys here, made when they are needed
		p.Registrar = common.Address(n.Accounts["deployer"])
	}
	if n.Addresses, err = chain.Deploy(ctx, c, s, p); err != nil {
		return fmt.Errorf("deploy the contracts: %w", err)
	}
	if n.cfg.Audits {
		if err := n.addAudits(ctx, c, s); err != nil {
			return fmt.Errorf("deploy the contracts of audits: %w", err)
		}
	}
	b, err := n.Addresses.Encode()
	if err != nil {
		return err
	}
	return os.WriteFile(n.Deployment, b, 0o600)
}

func (n *Network) roleArgs(role, name string, stake claim.Amount) []string {
	return append([]string{
		role, "--rpc", n.RPC, "--deployment", n.Deployment, "--key", n.keyFile(name), "--dir", filepath.Join(n.cfg.Dir, name),
		"--listen", "127.0.0.1:0", "--stake", stake.String(), "--log-level", "debug",
		"--proof-keys", filepath.Join(n.cfg.Dir, "proof-keys"), "--registrar", n.keyFile("deployer"),
		"--cluster=" + strconv.FormatBool(n.cfg.Cluster), "--proof-system", n.cfg.ProofSystem, "--srs", n.cfg.SRS, "--srs-digest", n.cfg.SRSDigest,
	}, n.modelArgs()...)
}

// modelArgs say which models a role has.
func (n *Network) modelArgs() (args []string) {
	for _, name := range n.models() {
		args = append(args, "--model", name)
	}
	if n.cfg.Store {
		args = append(args, "--store")
	}
	return args
}

// models are those that every role holds.
func (n *Network) models() []string {
	if len(n.cfg.Models) == 0 {
		return []string{models.Name}
	}
	return n.cfg.Models
}

// startNodes starts all nodes and the challengers side by side.
func (n *Network) startNodes(ctx context.Context) error {
	n.Nodes = make([]string, n.cfg.Nodes)
	var tasks []func(context.Context) error
	for i := range n.cfg.Nodes {
		name := "node" + strconv.Itoa(i+1)
		args := n.roleArgs("node", name, nodeStake)
		if n.cfg.Audits {
			args = append(args, "--audit-fees", auditFees.String(), "--plant", strconv.FormatUint(n.cfg.Plant, 10), "--plant-user",
				common.Address(n.Accounts["gateway"]).Hex())
		}
		if i == 0 && n.cfg.NodeAttack != "" {
			args = append(args, "--attack", n.cfg.NodeAttack, "--seed", strconv.FormatUint(n.cfg.Seed, 10))
		}
		tasks = append(tasks, func(ctx context.Context) (err error) {
			n.Nodes[i], err = n.spawn(ctx, name, args...)
			return err
		})
	}
	tasks = append(tasks, func(ctx context.Context) (err error) {
		args := n.roleArgs("watch", "watch", watchCredit)
		if n.cfg.Audits {
			args = append(args, "--beacon", n.beacon())
		}
		n.Watch, err = n.spawn(ctx, "watch", args...)
		return err
	})
	if n.cfg.WatchAttack != "" {
		tasks = append(tasks, func(ctx context.Context) error {
			_, err := n.spawn(ctx, "griefer", append(n.roleArgs("watch", "griefer", watchCredit), "--attack", n.cfg.WatchAttack)...)
			return err
		})
	}
	if n.cfg.Impostor {
		tasks = append(tasks, func(ctx context.Context) error {
			_, err := n.spawn(ctx, "impostor", append(n.roleArgs("watch", "impostor", claim.Amount{}), "--attack", "impostor")...)
			return err
		})
	}
	return all(ctx, tasks...)
}

// all runs tasks at once and waits for every one; the result joins their errors.
func all(ctx context.Context, tasks ...func(context.Context) error) error {
	errs := make([]error, len(tasks))
	var wg sync.WaitGroup
	for i, t := range tasks {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = t(ctx)
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (n *Network) startOthers(ctx context.Context) error {
	args := []string{
		"gateway", "--rpc", n.RPC, "--deployment", n.Deployment, "--key", n.keyFile("gateway"), "--listen", n.cfg.Listen,
		"--dir", filepath.Join(n.cfg.Dir, "gateway"), "--watcher", n.Watch,
	}
	args = append(args, n.modelArgs()...)
	for _, url := range n.Nodes {
		args = append(args, "--node", url)
	}
	if n.cfg.AllowPull {
		args = append(args, "--allow-pull")
	}
	if n.cfg.GatewayAttack != "" {
		args = append(args, "--attack", n.cfg.GatewayAttack)
	}
	var err error
	n.Gateway, err = n.spawn(ctx, "gateway", args...)
	return err
}

// spawn starts a role and waits for its ready line, "role URL".
func (n *Network) spawn(ctx context.Context, name string, args ...string) (string, error) {
	args = append(slices.Clone(args), "--metrics", "127.0.0.1:0", "--log-format", cmp.Or(n.cfg.LogFormat, "text"))
	c := &child{name: name, args: args, done: make(chan struct{}), metrics: make(chan string, 1)}
	n.mu.Lock()
	if at, ok := n.cfg.CrashAt[name]; ok {
		c.env = []string{crashEnv + "=" + at}
		delete(n.cfg.CrashAt, name) // once
	}
	n.mu.Unlock()
	ready := make(chan string, 1)
	if err := c.start(n.cfg, ready); err != nil {
		return "", fmt.Errorf("start %s: %w", name, err)
	}
	n.mu.Lock()
	n.roles[name] = c
	n.mu.Unlock()
	select {
	case url := <-ready:
		c.url = url
		n.cfg.Log.Info("role", "name", name, "url", url)
		return url, nil
	case <-c.done:
		return "", fmt.Errorf("%s stopped before it served: %w\n%s", name, c.err, n.tail(name))
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(startWithin):
		return "", fmt.Errorf("%s did not serve within %s\n%s", name, startWithin, n.tail(name))
	}
}

// startWithin bounds the start of a role; importing a large model takes most of it.
const startWithin = 5 * time.Minute

func (n *Network) logFile(name string) string { return filepath.Join(n.cfg.Dir, name+".log") }

// tail is the end of a role's log.
func (n *Network) tail(name string) string {
	b, err := os.ReadFile(n.logFile(name))
	if err != nil {
		return ""
	}
	return string(b[max(0, len(b)-2000):])
}

func (c *child) start(cfg NetworkConfig, ready chan string) error {
	argv := append(append([]string(nil), cfg.Exe...), c.args...)
	c.cmd = exec.Command(argv[0], argv[1:]...) //nolint:gosec,noctx // the own binary; it ends with its standard input
	c.cmd.Env = append(os.Environ(), append([]string{childEnv + "=1"}, c.env...)...)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(cfg.Dir, c.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	c.cmd.Stderr = log
	out, err1 := c.cmd.StdoutPipe()
	in, err2 := c.cmd.StdinPipe()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	c.in = in
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			if len(f) != 2 {
				continue
			}
			to := ready
			if f[0] == metricsLine {
				to = c.metrics
			}
			select {
			case to <- f[1]:
			default:
			}
		}
		c.err = c.cmd.Wait()
		_ = log.Close()
		close(c.done)
	}()
	return nil
}

// stop ends a role by closing its standard input, and kills it after a while.
func (c *child) stop() {
	_ = c.in.Close()
	select {
	case <-c.done:
	case <-time.After(8 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// Kill ends a role at once, as a power cut would.
func (n *Network) Kill(name string) error {
	n.mu.Lock()
	c := n.roles[name]
	n.mu.Unlock()
	if c == nil {
		return fmt.Errorf("there is no role %q", name)
	}
	err := c.cmd.Process.Kill()
	<-c.done
	return err
}

// Ended returns when the process of a role has ended, or with ctx's error.
func (n *Network) Ended(ctx context.Context, name string) error {
	n.mu.Lock()
	c := n.roles[name]
	n.mu.Unlock()
	if c == nil {
		return fmt.Errorf("there is no role %q", name)
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s still runs: %w", name, ctx.Err())
	}
}

// Restart starts a role that ended again, with its arguments and at its address: the others know it
// under that.
func (n *Network) Restart(ctx context.Context, name string) (string, error) {
	n.mu.Lock()
	c := n.roles[name]
	n.mu.Unlock()
	if c == nil {
		return "", fmt.Errorf("there is no role %q", name)
	}
	return n.spawn(ctx, name, atAddress(c.args, c.url)...)
}

// atAddress are the arguments of a role with the address of url in place of a free one.
func atAddress(args []string, url string) []string {
	host := strings.TrimPrefix(url, "http://")
	if host == url || host == "" {
		return args // it serves nothing, or never did
	}
	out := slices.Clone(args)
	if i := slices.Index(out, "--listen"); i >= 0 {
		out[i+1] = host
		return out
	}
	_, port, _ := strings.Cut(host, ":")
	if i := slices.Index(out, "--port"); i >= 0 {
		out[i+1] = port
		return out
	}
	return append(out, "--port", port)
}

// Wait returns when a role ends by itself, with its error, or with ctx.
func (n *Network) Wait(ctx context.Context) error {
	n.mu.Lock()
	gone := make(chan *child, len(n.roles))
	for _, c := range n.roles {
		go func() {
			<-c.done
			gone <- c
		}()
	}
	n.mu.Unlock()
	select {
	case c := <-gone:
		return fmt.Errorf("%s stopped: %w\n%s", c.name, c.err, n.tail(c.name))
	case <-ctx.Done():
		return nil
	}
}

// Close ends all roles, the chain last.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var wg sync.WaitGroup
	for name, c := range n.roles {
		if name == "chain" {
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			c.stop()
		}()
	}
	wg.Wait()
	if c := n.roles["chain"]; c != nil {
		c.stop()
	}
	clear(n.roles)
	return nil
}
