package conformance_test

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"elenchus/compute/opset"
	"elenchus/conformance/opsample"
	"elenchus/contracts"
	"elenchus/network/chain"
	"elenchus/network/devchain"
	"elenchus/proving/circuit"
	"elenchus/proving/step"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// answerOf is an answer about an element at the shape of a 1B model; its target leaf holds the value,
// or one more.
func answerOf(t *testing.T, op opset.Code, equal bool) *circuit.Answer {
	t.Helper()
	d, c := shape1B(op)
	return answerAt(t, op, d.Count(&c)/2, equal)
}

// answerAt is answerOf an element.
func answerAt(t *testing.T, op opset.Code, index uint64, equal bool) *circuit.Answer {
	t.Helper()
	d, c := shape1B(op)
	s := opsample.NewSupply(rand.New(rand.NewPCG(7, uint64(op))), &d, opsample.Log)
	value, err := opset.Element(&d, &c, index, s.Fetch)
	if err != nil {
		t.Fatal(err)
	}
	if !equal {
		value ^= 1
	}
	size := d.Type.Size()
	target := bytes.Repeat([]byte{0xa5}, int(d.Leaf))
	at := int(index) % (int(d.Leaf) / size) * size
	for i := range size {
		target[at+i] = byte(value >> (8 * i))
	}
	k := 0
	a, err := circuit.PrepareAnswer(&d, &c, index, target, func(opset.Read) ([]byte, error) {
		k++
		return s.Leaves[k-1], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if a.Equal != equal {
		t.Fatalf("%s: equal %v", op, a.Equal)
	}
	return a
}

// statement is IProofVerifier.Statement.
type statement struct {
	Game    [32]byte
	Op      uint8
	Element uint64
	Prover  common.Address
	Equal   bool
}

// verifiers are the contracts of the proof systems.
func verifiers() map[step.System]string {
	return map[step.System]string{step.Groth16: "ProofVerifier", step.PLONK: "PlonkVerifier"}
}

// court is the verifier of a proof system on an embedded chain.
type court struct {
	*outboxBed
	abi      abi.ABI
	verifier common.Address
	eth      *ethclient.Client
}

func newCourt(t *testing.T, s step.System) *court {
	t.Helper()
	c := &court{outboxBed: newOutboxBed(t, devchain.OnDemand)}
	text, creation, err := contracts.Artifact(verifiers()[s])
	if err != nil {
		t.Fatal(err)
	}
	if c.abi, err = abi.JSON(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	args, err := c.abi.Pack("", c.signer.Address())
	if err != nil {
		t.Fatal(err)
	}
	c.with(t, c.opts, func(b *chain.Outbox) {
		c.verifier = c.mined(t, b, chain.Intent{Key: "court", Data: append(creation, args...)}).ContractAddress
	})
	if c.eth, err = ethclient.Dial(c.HTTP()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.eth.Close)
	return c
}

// send mines a call and returns its gas.
func (c *court) send(t *testing.T, key, method string, args ...any) (gas uint64) {
	t.Helper()
	data := c.pack(t, method, args...)
	c.with(t, c.opts, func(b *chain.Outbox) {
		gas = c.mined(t, b, chain.Intent{Key: key, To: &c.verifier, Data: data}).GasUsed
	})
	return gas
}

func (c *court) pack(t *testing.T, method string, args ...any) []byte {
	t.Helper()
	data, err := c.abi.Pack(method, args...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// ask calls and returns the name of the error that it reverts with, "" if it does not.
func (c *court) ask(t *testing.T, method string, args ...any) string {
	t.Helper()
	_, err := c.eth.CallContract(context.Background(), ethereum.CallMsg{From: c.signer.Address(), To: &c.verifier, Data: c.pack(t, method, args...)}, nil)
	if err == nil {
		return ""
	}
	var reverted rpc.DataError
	if !errors.As(err, &reverted) {
		t.Fatal(err)
	}
	data := common.FromHex(fmt.Sprint(reverted.ErrorData()))
	for _, e := range c.abi.Errors {
		if len(data) >= 4 && bytes.Equal(data[:4], e.ID[:4]) {
			return e.Name
		}
	}
	return fmt.Sprintf("%x", data)
}

// proven is an answer with its proof for a court.
type proven struct {
	a         *circuit.Answer
	key       *step.Key
	statement statement
	leaves    [][32]byte
	proof     []byte
}

func (c *court) prove(t *testing.T, key *step.Key, a *circuit.Answer, game byte) *proven {
	t.Helper()
	p := &proven{a: a, key: key, statement: statement{Game: [32]byte{game}, Op: uint8(a.Descriptor.Op), Element: a.Index, Prover: c.signer.Address(), Equal: a.Equal}}
	bind := (&step.Binding{
		Game: p.statement.Game, Op: p.statement.Op, Element: p.statement.Element, Chain: devchain.DefaultChainID,
		Verifier: c.verifier, Prover: p.statement.Prover,
	}).Hash()
	w, err := a.Assignment(bind)
	if err != nil {
		t.Fatal(err)
	}
	if p.proof, err = key.Prove(w); err != nil {
		t.Fatal(err)
	}
	public, err := a.Public(bind)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Verify(p.proof, public); err != nil {
		t.Fatal(err)
	}
	if p.leaves, err = a.Hashes(); err != nil {
		t.Fatal(err)
	}
	p.proof = key.System.Posted(p.proof, public[1])
	return p
}

const numerics = uint16(1)

// gasBound bounds a whole transaction with three leaves, and what each leaf beyond those of an
// elementwise operation adds: calldata and two products of numbers.
type gasBound struct{ answer, leaf uint64 }

func gasBounds() map[step.System]gasBound {
	return map[step.System]gasBound{step.Groth16: {240_000, 800}, step.PLONK: {310_000, 800}}
}

// An element is proven, equal and different, and checked on chain with nothing of its leaves but their
// hashes; whatever is changed is refused with its reason. SPEC 10 §5.
func TestAnswersAreProvenOnChain(t *testing.T) {
	t.Parallel()
	provenOnChain(t, step.Groth16)
	if soak { // forged_plonk.json holds contract and twin in every run
		provenOnChain(t, step.PLONK)
	}
}

func provenOnChain(t *testing.T, system step.System) {
	t.Helper()
	ops := []opset.Code{opset.Add}
	if soak {
		ops = append(ops, opset.MatMul)
	}
	keys := map[opset.Code]*step.Key{}
	for _, op := range ops {
		k, err := step.DevelopmentKey(system, answerOf(t, op, true).AnswerCircuit(), crand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[op] = k
	}
	c := newCourt(t, system)
	for _, op := range ops {
		yes, no := answerOf(t, op, true), answerOf(t, op, false)
		words, err := keys[op].Words()
		if err != nil {
			t.Fatal(err)
		}
		shape := yes.Shape()
		if no.Shape() != shape {
			t.Fatal("two shapes")
		}
		registered := c.send(t, op.String(), "register", numerics, shape, words)
		p := c.prove(t, keys[op], yes, 1)
		gas := c.send(t, op.String()+" yes", "verify", numerics, shape, p.statement, p.leaves, p.proof)
		q := c.prove(t, keys[op], no, 1)
		c.send(t, op.String()+" no", "verify", numerics, shape, q.statement, q.leaves, q.proof)
		t.Logf("%s, %s: %d constraints, %d public inputs, register %d gas, answer %d gas", system, op, keys[op].Constraints, keys[op].Publics(), registered, gas)
		if most := gasBounds()[system].answer + gasBounds()[system].leaf*uint64(len(p.leaves)-3); gas > most {
			t.Errorf("%s: an answer takes %d gas, more than %d", op, gas, most)
		}
		c.refusals(t, p, q)
		noLeafBytes(t, c.pack(t, "verify", numerics, shape, p.statement, p.leaves, p.proof), yes)
	}
}

// refusals changes one thing after the other; p says equal, q different.
func (c *court) refusals(t *testing.T, p, q *proven) {
	t.Helper()
	shape := p.a.Shape()
	try := func(what, want string, change func(s *statement, leaves [][32]byte, proof []byte) (uint16, [32]byte, [][32]byte, []byte)) {
		t.Helper()
		s, leaves, proof := p.statement, append([][32]byte{}, p.leaves...), bytes.Clone(p.proof)
		version, shape, leaves, proof := change(&s, leaves, proof)
		if got := c.ask(t, "verify", version, shape, s, leaves, proof); got != want {
			t.Errorf("%s, %s: %q, want %q", p.a.Descriptor.Op, what, got, want)
		}
	}
	type edit = func(s *statement, leaves [][32]byte, proof []byte) (uint16, [32]byte, [][32]byte, []byte)
	of := func(f func(s *statement, leaves [][32]byte, proof []byte)) edit {
		return func(s *statement, l [][32]byte, b []byte) (uint16, [32]byte, [][32]byte, []byte) {
			f(s, l, b)
			return numerics, shape, l, b
		}
	}
	try("nothing", "", of(func(*statement, [][32]byte, []byte) {}))
	try("another game", "ProofRefused", of(func(s *statement, _ [][32]byte, _ []byte) { s.Game[0]++ }))
	try("another op", "ProofRefused", of(func(s *statement, _ [][32]byte, _ []byte) { s.Op++ }))
	try("another element", "ProofRefused", of(func(s *statement, _ [][32]byte, _ []byte) { s.Element++ }))
	try("another prover", "ProofRefused", of(func(s *statement, _ [][32]byte, _ []byte) { s.Prover[0]++ }))
	try("the other verdict", "ProofRefused", of(func(s *statement, _ [][32]byte, _ []byte) { s.Equal = false }))
	try("another target", "ProofRefused", of(func(_ *statement, l [][32]byte, _ []byte) { l[0] = q.leaves[0] }))
	try("another leaf", "ProofRefused", of(func(_ *statement, l [][32]byte, _ []byte) { l[len(l)-1][31] ^= 1 }))
	try("a leaf beyond the field", "LeafOutOfField", of(func(_ *statement, l [][32]byte, _ []byte) { l[1] = [32]byte(bytes.Repeat([]byte{0xff}, 32)) }))
	try("another proof", "ProofRefused", of(func(_ *statement, _ [][32]byte, b []byte) { copy(b, q.proof) }))
	try("A off the curve", "BadPoint", of(func(_ *statement, _ [][32]byte, b []byte) { b[31] ^= 1 }))
	try("A beyond the field", "BadPoint", of(func(_ *statement, _ [][32]byte, b []byte) { b[0], b[32] = 0xff, 0xff }))
	try("B off the curve", "BadPoint", of(func(_ *statement, _ [][32]byte, b []byte) { b[100] ^= 1 }))
	try("C off the curve", "BadPoint", of(func(_ *statement, _ [][32]byte, b []byte) { b[255] ^= 1 }))
	try("no proof", "ProofRefused", of(func(_ *statement, _ [][32]byte, b []byte) { clear(b) }))
	try("another digest", "ProofRefused", of(func(_ *statement, _ [][32]byte, b []byte) { b[len(b)-1] ^= 1 }))
	try("a digest beyond the field", "ScalarOutOfField", of(func(_ *statement, _ [][32]byte, b []byte) { b[len(b)-32] = 0xff }))
	try("a short proof", "ProofLength", func(_ *statement, l [][32]byte, b []byte) (uint16, [32]byte, [][32]byte, []byte) {
		return numerics, shape, l, b[:255]
	})
	try("a leaf too few", "ProofRefused", func(_ *statement, l [][32]byte, b []byte) (uint16, [32]byte, [][32]byte, []byte) {
		return numerics, shape, l[1:], b
	})
	try("another shape", "UnknownShape", func(_ *statement, l [][32]byte, b []byte) (uint16, [32]byte, [][32]byte, []byte) {
		return numerics, [32]byte{1}, l, b
	})
	try("another version", "UnknownShape", func(_ *statement, l [][32]byte, b []byte) (uint16, [32]byte, [][32]byte, []byte) {
		return numerics + 1, shape, l, b
	})
	words, err := p.key.Words()
	if err != nil {
		t.Fatal(err)
	}
	if got := c.ask(t, "register", numerics, shape, words); got != "AlreadyRegistered" {
		t.Errorf("a second key: %q", got)
	}
	if got := c.ask(t, "register", numerics, [32]byte{9}, words[:len(words)-1]); got != "KeyLength" {
		t.Errorf("a short key: %q", got)
	}
}

// noLeafBytes: what goes to the chain has no run of bytes of a leaf. SPEC 10 §4.
func noLeafBytes(t *testing.T, calldata []byte, a *circuit.Answer) {
	t.Helper()
	for _, leaf := range append([][]byte{a.Target}, a.Leaves...) {
		for at := 0; at+16 <= len(leaf); at += 16 {
			if part := leaf[at : at+16]; !bytes.Equal(part, make([]byte, 16)) && bytes.Contains(calldata, part) {
				t.Errorf("calldata holds %x of a leaf", part)
			}
		}
	}
}
