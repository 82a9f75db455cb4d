package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
)

// Bounds of sowing: how many of the latest claims a plant may look like, and how many faults are tried
// until one shows.
const (
	maxModels = 256
	maxFaults = 16
)

// uniform is uniform in 0..n-1, n at least 1, out of the system's randomness.
func uniform(n uint64) uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // it never fails
		if hi, lo := bits.Mul64(binary.BigEndian.Uint64(b[:]), n); lo >= -n%n {
			return hi
		}
	}
}

// sow prepares a plant that looks like the latest claims: it computes an own job falsely and keeps what
// it would claim. Without claims to look like there is none.
func (n *Node) sow(ctx context.Context) error {
	like, other, err := n.alike()
	if err != nil || like == nil {
		return err
	}
	mix := splice
	if like.Request.Graph() {
		mix = spliceInputs
	}
	prompt, shared := mix(like.Prompt, other.Prompt, n.o.Plants.draw)
	if prompt == nil {
		return nil
	}
	j := Job{Request: like.Request, Prompt: prompt, Stop: like.Stop, Sampler: like.Sampler}
	j.Request.PromptRoot = trace.IDTree(prompt).Root()
	if !like.Request.Graph() {
		j.Request.PromptCount = uint32(len(prompt))
	}
	j.Request.Nonce = n.o.Plants.draw(^uint64(0))
	if j.Request.Seed != 0 {
		j.Request.Seed = n.o.Plants.draw(1 << 63)
	}
	if len(n.o.Plants.Users) == 0 {
		for i := range j.Request.User {
			j.Request.User[i] = byte(n.o.Plants.draw(256))
		}
	}
	m, err := n.check(&j)
	if err != nil {
		return err
	}
	if err := n.runs.enter(ctx); err != nil {
		return err
	}
	defer n.runs.leave()
	lie := func() (*receipt.Receipt, uint64, error) { return n.falsely(ctx, m, &j, shared) }
	if m.graph() {
		lie = func() (*receipt.Receipt, uint64, error) { return n.falseRun(ctx, m, &j) }
	}
	r, seed, err := lie()
	if err != nil {
		return err
	}
	return n.plant(r, seed)
}

// plant keeps a plant; its veil is laid by the next look.
func (n *Node) plant(r *receipt.Receipt, seed uint64) error {
	raw, err := r.Encode()
	if err != nil {
		return err
	}
	id := r.ID()
	p := plant{Claim: id, Salt: n.saltOf(id), Asked: r.Claim.RequestDigest, Seed: seed, Receipt: raw}
	if err := n.store.putPlant(p); err != nil {
		return err
	}
	n.garden.mu.Lock()
	defer n.garden.mu.Unlock()
	n.garden.plants[id], n.garden.asked[p.Asked] = &p, true
	return nil
}

// falsely computes a job with a fault that shows behind the first shared positions, which other claims
// show, too: there a difference would tell the plant.
func (n *Node) falsely(ctx context.Context, m *Model, j *Job, shared int) (*receipt.Receipt, uint64, error) {
	honest, _, err := m.Computer.Generate(ctx, j.decoded(), nil)
	if err != nil {
		return nil, 0, err
	}
	for range maxFaults {
		seed := n.o.Plants.draw(1 << 63)
		fault, err := n.o.Plants.Fault(ctx, m, seed)
		if err != nil {
			return nil, 0, err
		}
		a, finish, err := fault.Generate(ctx, j.decoded(), nil)
		if err != nil {
			return nil, 0, err
		}
		first := 0
		for first < min(len(a.Hashes), len(honest.Hashes)) && a.Hashes[first] == honest.Hashes[first] {
			first++
		}
		same := first == len(a.Hashes) && first == len(honest.Hashes) && slices.Equal(a.Outputs, honest.Outputs)
		if same || first <= shared {
			continue
		}
		r, err := n.planned(j, claim.Claim{Count: uint32(len(a.Outputs)), Finish: finish, StateRoot: a.StateTree().Root()}, a.Outputs)
		return r, seed, err
	}
	return nil, 0, fmt.Errorf("none of %d faults shows in a job of %d ids", maxFaults, len(j.Prompt))
}

// planned is what a plant would claim: without times and signature.
func (n *Node) planned(j *Job, c claim.Claim, output []int32) (*receipt.Receipt, error) {
	c.Version, c.Node, c.RequestDigest, c.OutputRoot = claim.Version, n.addr, j.Request.Digest(n.o.Domain), trace.IDTree(output).Root()
	if err := c.Check(j.Request); err != nil {
		return nil, err
	}
	return &receipt.Receipt{Domain: n.o.Domain, Request: j.Request, Claim: c, Prompt: j.Prompt, Stop: j.Stop, Output: output, Sampler: j.Sampler}, nil
}

// alike draws the claim that a plant is to look like, and another one about the same model for its
// words; nil if there is none. Only claims are looked at whose data is public anyway, and that were never
// planted.
func (n *Node) alike() (like, other *receipt.Receipt, err error) {
	ids, err := n.store.latest(maxModels)
	if err != nil {
		return nil, nil, err
	}
	var fit []*receipt.Receipt
	for _, id := range ids {
		weeded, err := n.store.weeded(id)
		if err != nil {
			return nil, nil, err
		}
		if weeded || n.planted(id) != nil {
			continue
		}
		r, err := n.receipt(id)
		if err != nil {
			return nil, nil, err
		}
		m, err := n.model(r.Request.Model)
		users := n.o.Plants.Users
		if err != nil || !m.audited() || r.Request.DataClass != claim.Public || len(users) > 0 && !slices.Contains(users, r.Request.User) {
			continue
		}
		fit = append(fit, r)
	}
	if len(fit) == 0 {
		return nil, nil, nil
	}
	like = fit[n.o.Plants.draw(uint64(len(fit)))]
	fit = slices.DeleteFunc(fit, func(r *receipt.Receipt) bool {
		return r.Request.Model != like.Request.Model || r.Request.PromptRoot == like.Request.PromptRoot
	})
	if len(fit) == 0 {
		return like, like, nil
	}
	return like, fit[n.o.Plants.draw(uint64(len(fit)))], nil
}

// splice is a prompt between two: what both begin and end with, and between that the first words of one
// and the last of the other. shared is how many ids it begins with like the first. Of one prompt alone
// it exchanges two ids; nil where all are the same.
func splice(a, b []int32, draw func(uint64) uint64) (out []int32, shared int) {
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	if head == len(a) && head == len(b) {
		return exchange(a, draw)
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	i := head + int(draw(uint64(len(a)-tail-head+1)))
	j := head + int(draw(uint64(len(b)-tail-head+1)))
	out = append(slices.Clone(a[:i]), b[j:]...)
	if len(out) > len(a) { // it is to fit where a fitted
		out = append(out[:len(a)-tail], out[len(out)-tail:]...)
	}
	for shared < min(len(out), len(a)) && out[shared] == a[shared] {
		shared++
	}
	if len(out) == 0 || slices.Equal(out, a) || slices.Equal(out, b) {
		return exchange(a, draw)
	}
	return out, shared
}

// exchange is a prompt in which two different neighbours have changed places.
func exchange(a []int32, draw func(uint64) uint64) (out []int32, shared int) {
	var at []int
	for i := range len(a) - 1 {
		if a[i] != a[i+1] {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return nil, 0
	}
	i := at[draw(uint64(len(at)))]
	out = slices.Clone(a)
	out[i], out[i+1] = out[i+1], out[i]
	return out, i
}
