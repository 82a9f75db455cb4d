package conformance_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

	"elenchus/compute/opset"
	"elenchus/contracts"
	"elenchus/proving/check"
	"elenchus/proving/circuit"
	"elenchus/proving/step"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/params"
)

// forgeries are a key, an answer that holds under it, and answers that do not, with the reason by which
// each is refused, of every proof system.
func forgeries() []corpus {
	return []corpus{
		{step.Groth16, "ProofVerifier", "../testvectors/proofs/forged.json", encodings},
		{step.PLONK, "PlonkVerifier", "../testvectors/proofs/forged_plonk.json", plonkEncodings},
	}
}

// corpus is a file of forgeries and the contract that refuses them.
type corpus struct {
	system    step.System
	contract  string
	path      string
	encodings func(add forge, foreign []byte)
}

type forgedFile struct {
	Op     string       `json:"op"`
	Origin string       `json:"origin"` // of the key
	Key    string       `json:"key"`    // words, SPEC 10 §5.3, §5.7
	Cases  []forgedCase `json:"cases"`
}

type forgedCase struct {
	Name     string   `json:"name"`
	Game     string   `json:"game"`
	Op       uint8    `json:"op"`
	Element  uint64   `json:"element"`
	Chain    uint64   `json:"chain"`
	Verifier string   `json:"verifier"`
	Prover   string   `json:"prover"`
	Equal    bool     `json:"equal"`
	Leaves   []string `json:"leaves"`
	Proof    string   `json:"proof"`
	Key      string   `json:"key,omitempty"` // in place of the file's
	Want     string   `json:"want"`          // "" or the reason
}

// bench is a verifier of proofs in an EVM without a chain, at any address of any chain.
type bench struct {
	cfg *runtime.Config
	abi abi.ABI
	at  common.Address
}

func newBench(t testing.TB, contract string, chain uint64, at [20]byte) *bench {
	t.Helper()
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := contracts.Artifact(contract)
	if err != nil {
		t.Fatal(err)
	}
	code, err := contracts.Runtime(contract)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := abi.JSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	config := *params.MergedTestChainConfig
	config.ChainID = new(big.Int).SetUint64(chain)
	b := &bench{&runtime.Config{ChainConfig: &config, State: db, GasLimit: 30_000_000, BlockNumber: big.NewInt(1),
		EVMConfig: vm.Config{Tracer: watching}}, parsed, at}
	db.SetCode(b.at, code, 0)
	return b
}

// call returns the name of the error that the call reverts with, "" if it does not. The registrar of
// bare code is the zero address, which calls come from.
func (b *bench) call(t testing.TB, method string, args ...any) string {
	t.Helper()
	data, err := b.abi.Pack(method, args...)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := runtime.Call(b.at, data, b.cfg)
	if err == nil {
		return ""
	}
	for _, e := range b.abi.Errors {
		if len(out) >= 4 && bytes.Equal(out[:4], e.ID[:4]) {
			return e.Name
		}
	}
	return fmt.Sprintf("%v: %x", err, out)
}

// verdicts are what contract and twin say about a case.
func (b *bench) verdicts(t testing.TB, words []byte, s *check.Statement, leaves [][32]byte, proof []byte) (contract, twin string) {
	t.Helper()
	contract = b.call(t, "verify", numerics, [32]byte{7}, statement{s.Game, s.Op, s.Element, s.Prover, s.Equal}, leaves, proof)
	if err := check.Answer(words, s, leaves, proof); err != nil {
		twin = err.Error()
	}
	return contract, twin
}

func (c *forgedCase) parts(t *testing.T) (s *check.Statement, leaves [][32]byte, proof []byte) {
	t.Helper()
	s = &check.Statement{Game: [32]byte(unhex(t, c.Game)), Op: c.Op, Element: c.Element, Chain: c.Chain,
		Verifier: [20]byte(unhex(t, c.Verifier)), Prover: [20]byte(unhex(t, c.Prover)), Equal: c.Equal}
	for _, h := range c.Leaves {
		leaves = append(leaves, [32]byte(unhex(t, h)))
	}
	return s, leaves, unhex(t, c.Proof)
}

func (k *corpus) read(t *testing.T) *forgedFile {
	t.Helper()
	if *update {
		k.write(t)
	}
	var f forgedFile
	d := json.NewDecoder(strings.NewReader(read(t, k.path)))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		t.Fatal(err)
	}
	return &f
}

// Contracts and twin refuse every forged answer by the reason that the vectors name, and accept the
// true one; every reason that an answer can be refused by is shown. SPEC 10 §5.4, STYLE 30, 33.
func TestForgedProofsAreRefusedByTheirReason(t *testing.T) {
	for _, k := range forgeries() {
		f := k.read(t)
		words := unhex(t, f.Key)
		shown := map[string]bool{}
		for _, c := range f.Cases {
			key := words
			if c.Key != "" {
				key = unhex(t, c.Key)
			}
			s, leaves, proof := c.parts(t)
			b := newBench(t, k.contract, s.Chain, s.Verifier)
			if got := b.call(t, "register", numerics, [32]byte{7}, key); got != "" {
				t.Fatalf("register: %s", got)
			}
			contract, twin := b.verdicts(t, key, s, leaves, proof)
			if contract != c.Want || twin != c.Want {
				t.Errorf("%s, %s: contract %q, twin %q, want %q", k.system, c.Name, contract, twin, c.Want)
			}
			shown[c.Want] = true
		}
		reasons := []string{"", "ProofLength", "LeafOutOfField", "ScalarOutOfField", "BadPoint", "ProofRefused"}
		for _, reason := range reasons {
			if !shown[reason] {
				t.Errorf("%s: no vector shows %q", k.system, reason)
			}
		}
		if err := check.Answer(words[:len(words)-1], &check.Statement{}, nil, nil); err != check.ErrKeyLength {
			t.Errorf("a short key: %v", err)
		}
	}
}

// The first word of a PLONK key has one encoding, within bounds, and a key one length. SPEC 10 §5.7.
func TestHeadsOfPLONKKeysAreChecked(t *testing.T) {
	k := forgeries()[1]
	words := unhex(t, k.read(t).Key)
	b := newBench(t, k.contract, 1, [20]byte{})
	for name, change := range map[string]struct {
		want string
		edit func(key []byte) []byte
	}{
		"a byte less":        {"KeyLength", func(key []byte) []byte { return key[:len(key)-1] }},
		"a point more":       {"KeyLength", func(key []byte) []byte { return append(key, make([]byte, 64)...) }},
		"a high bit":         {"KeyHead", func(key []byte) []byte { key[0] = 1; return key }},
		"a domain of 2^29":   {"KeyHead", func(key []byte) []byte { key[29] = 29; return key }},
		"two inputs":         {"KeyHead", func(key []byte) []byte { key[31] = 2; return key }},
		"four inputs":        {"KeyHead", func(key []byte) []byte { key[31] = 4; return key }},
		"259 inputs":         {"KeyHead", func(key []byte) []byte { key[30] = 1; return key }},
		"inputs beyond rows": {"KeyHead", func(key []byte) []byte { key[29] = 1; return key }},
	} {
		key := change.edit(bytes.Clone(words))
		if got := b.call(t, "register", numerics, [32]byte{7}, key); got != change.want {
			t.Errorf("%s: the contract says %q, want %q", name, got, change.want)
		}
		if err := check.Answer(key, &check.Statement{}, nil, nil); err == nil || err.Error() != change.want {
			t.Errorf("%s: the twin says %v, want %q", name, err, change.want)
		}
	}
}

// Contract and twin agree on any bytes in the place of proof and leaves.
func FuzzProofVerifierAgreesWithItsTwin(f *testing.F) { fuzzTwin(f, forgeries()[0]) }

// Contract and twin agree on any bytes in the place of proof and leaves.
func FuzzPlonkVerifierAgreesWithItsTwin(f *testing.F) { fuzzTwin(f, forgeries()[1]) }

func fuzzTwin(f *testing.F, k corpus) {
	raw, err := os.ReadFile(k.path)
	if err != nil {
		f.Fatal(err)
	}
	var file forgedFile
	if err := json.Unmarshal(raw, &file); err != nil {
		f.Fatal(err)
	}
	words, err := hex.DecodeString(file.Key)
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range file.Cases {
		proof, _ := hex.DecodeString(c.Proof)
		leaf, _ := hex.DecodeString(c.Leaves[0])
		f.Add(proof, leaf, c.Equal)
	}
	f.Fuzz(func(t *testing.T, proof, leaf []byte, equal bool) {
		s := &check.Statement{Chain: 1, Equal: equal}
		b := newBench(t, k.contract, s.Chain, s.Verifier)
		b.call(t, "register", numerics, [32]byte{7}, words)
		leaves := make([][32]byte, 2)
		copy(leaves[0][:], leaf)
		if contract, twin := b.verdicts(t, words, s, leaves, proof); contract != twin {
			t.Fatalf("contract %q, twin %q", contract, twin)
		}
	})
}

// write makes a development key of relu, a true answer, and changes of it.
func (k *corpus) write(t *testing.T) {
	t.Helper()
	a := answerOf(t, opset.ReLU, true)
	key, words := developed(t, k.system, a)
	binding := step.Binding{Game: [32]byte{1, 2, 3}, Chain: 1337, Verifier: [20]byte{4, 5}, Prover: [20]byte{6}}
	good, err := key.Answer(a, binding)
	if err != nil {
		t.Fatal(err)
	}
	binding.Game[0]++
	foreign, err := key.Answer(a, binding)
	if err != nil {
		t.Fatal(err)
	}
	posted, err := good.Posted()
	if err != nil {
		t.Fatal(err)
	}
	other, err := foreign.Posted()
	if err != nil {
		t.Fatal(err)
	}
	file := forgedFile{Op: opset.ReLU.String(), Origin: step.DevelopmentOrigin, Key: hex.EncodeToString(words)}
	add := func(name, want string, change func(c *forgedCase, proof []byte) []byte) {
		g := good.Binding
		c := forgedCase{Name: name, Game: hex.EncodeToString(g.Game[:]), Op: g.Op, Element: g.Element, Chain: g.Chain,
			Verifier: hex.EncodeToString(g.Verifier[:]), Prover: hex.EncodeToString(g.Prover[:]), Equal: good.Equal, Want: want}
		for _, h := range good.Leaves {
			c.Leaves = append(c.Leaves, hex.EncodeToString(h[:]))
		}
		c.Proof = hex.EncodeToString(change(&c, bytes.Clone(posted)))
		file.Cases = append(file.Cases, c)
	}
	statements(add)
	k.encodings(add, other)
	k.keys(t, add, words)
	raw, err := json.MarshalIndent(file, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("../testvectors/proofs", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.path, append(raw, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// developed is a development key for an answer, and its words.
func developed(t *testing.T, s step.System, a *circuit.Answer) (*step.Key, []byte) {
	t.Helper()
	key, err := step.DevelopmentKey(s, a.AnswerCircuit(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	words, err := key.Words()
	if err != nil {
		t.Fatal(err)
	}
	return key, words
}

// keys are true proofs under other keys: of another setup, of another circuit with as many public
// inputs, and one whose points are none.
func (k *corpus) keys(t *testing.T, add forge, words []byte) {
	t.Helper()
	with := func(key []byte) func(*forgedCase, []byte) []byte {
		return func(c *forgedCase, proof []byte) []byte {
			c.Key = hex.EncodeToString(key)
			return proof
		}
	}
	_, again := developed(t, k.system, answerOf(t, opset.ReLU, true))
	_, other := developed(t, k.system, answerAt(t, opset.ReLU, 1, true))
	add("a key of another setup", "ProofRefused", with(again))
	add("a key of another circuit", "ProofRefused", with(other))
	bad := bytes.Clone(words)
	bad[100] ^= 1
	add("a key with a point off the curve", "BadPoint", with(bad))
	if k.system == step.PLONK {
		foreign := append(bytes.Clone(words[:len(words)-128]), again[len(again)-128:]...)
		add("a key with the reference string of another", "ProofRefused", with(foreign))
		tau := bytes.Clone(words)
		tau[len(tau)-1] ^= 1
		add("a key with a reference string off the curve", "BadPoint", with(tau))
		half := bytes.Clone(words)
		half[29]--
		add("a key of half the domain", "ProofRefused", with(half))
	}
}

type forge = func(name, want string, change func(c *forgedCase, proof []byte) []byte)

// statements are true proofs of something else.
func statements(add forge) {
	of := func(f func(c *forgedCase)) func(*forgedCase, []byte) []byte {
		return func(c *forgedCase, proof []byte) []byte {
			f(c)
			return proof
		}
	}
	const refused = "ProofRefused"
	add("true", "", of(func(*forgedCase) {}))
	add("another game", refused, of(func(c *forgedCase) { c.Game = strings.Repeat("09", 32) }))
	add("another op", refused, of(func(c *forgedCase) { c.Op++ }))
	add("another element", refused, of(func(c *forgedCase) { c.Element++ }))
	add("another chain", refused, of(func(c *forgedCase) { c.Chain++ }))
	add("another verifier", refused, of(func(c *forgedCase) { c.Verifier = strings.Repeat("09", 20) }))
	add("another prover", refused, of(func(c *forgedCase) { c.Prover = strings.Repeat("09", 20) }))
	add("the other verdict", refused, of(func(c *forgedCase) { c.Equal = !c.Equal }))
	add("leaves in another order", refused, of(func(c *forgedCase) { c.Leaves[0], c.Leaves[1] = c.Leaves[1], c.Leaves[0] }))
	add("leaf 0", refused, of(func(c *forgedCase) { c.Leaves[1] = strings.Repeat("00", 32) }))
	add("leaf beyond the field", "LeafOutOfField", of(func(c *forgedCase) { c.Leaves[1] = strings.Repeat("ff", 32) }))
	add("leaf of the order itself", "LeafOutOfField", of(func(c *forgedCase) {
		c.Leaves[1] = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001"
	}))
	add("a leaf too few", refused, of(func(c *forgedCase) { c.Leaves = c.Leaves[:1] }))
	add("a leaf too many", refused, of(func(c *forgedCase) { c.Leaves = append(c.Leaves, c.Leaves[0]) }))
	add("a leaf of 0 too many", refused, of(func(c *forgedCase) { c.Leaves = append(c.Leaves, strings.Repeat("00", 32)) }))
}

// digests are digests of hashes behind a proof of n bytes that are not the proof's.
func digests(add forge, n int) {
	at := func(f func(digest []byte)) func(*forgedCase, []byte) []byte {
		return func(_ *forgedCase, proof []byte) []byte {
			f(proof[n:])
			return proof
		}
	}
	add("another digest", "ProofRefused", at(func(d []byte) { d[31] ^= 1 }))
	add("a digest of 0", "ProofRefused", at(func(d []byte) { clear(d) }))
	add("a digest and the order", "ScalarOutOfField", at(func(d []byte) {
		new(big.Int).Add(new(big.Int).SetBytes(d), circuit.Curve.ScalarField()).FillBytes(d)
	}))
	add("a digest of the order itself", "ScalarOutOfField", at(func(d []byte) { circuit.Curve.ScalarField().FillBytes(d) }))
}

// encodings are bytes that are no proof of this statement, or none at all.
func encodings(add forge, foreign []byte) {
	of := func(f func(proof []byte) []byte) func(*forgedCase, []byte) []byte {
		return func(_ *forgedCase, proof []byte) []byte { return f(proof) }
	}
	set := func(at int, v byte) func(*forgedCase, []byte) []byte {
		return of(func(p []byte) []byte {
			p[at] = v
			return p
		})
	}
	add("the proof of another game", "ProofRefused", of(func([]byte) []byte { return foreign }))
	add("nothing", "ProofLength", of(func([]byte) []byte { return nil }))
	digests(add, 256)
	add("a byte less", "ProofLength", of(func(p []byte) []byte { return p[:len(p)-1] }))
	add("without a digest", "ProofLength", of(func(p []byte) []byte { return p[:256] }))
	add("a byte more", "ProofLength", of(func(p []byte) []byte { return append(p, 0) }))
	add("all zero: points at infinity", "ProofRefused", of(func(p []byte) []byte {
		clear(p)
		return p
	}))
	add("A beyond the field", "BadPoint", set(0, 0xff))
	add("A with the mark of infinity", "BadPoint", of(func(p []byte) []byte {
		clear(p[:64])
		p[0] = 0x40
		return p
	}))
	add("A off the curve", "BadPoint", of(func(p []byte) []byte {
		p[63] ^= 1
		return p
	}))
	add("B beyond the field", "BadPoint", set(64, 0xff))
	add("B off the curve", "BadPoint", of(func(p []byte) []byte {
		p[191] ^= 1
		return p
	}))
	add("B with its parts exchanged", "BadPoint", of(func(p []byte) []byte {
		return append(append(append(append(p[:64:64], p[96:128]...), p[64:96]...), p[128:192]...), p[192:]...)
	}))
	add("C off the curve", "BadPoint", of(func(p []byte) []byte {
		p[255] ^= 1
		return p
	}))
	add("A in the place of C", "ProofRefused", of(func(p []byte) []byte {
		copy(p[192:], p[:64])
		return p
	}))
}

// plonkEncodings are bytes that are no proof of this statement, or none at all: every field of a proof
// is changed in every way that can be.
func plonkEncodings(add forge, foreign []byte) {
	of := func(f func(proof []byte) []byte) func(*forgedCase, []byte) []byte {
		return func(_ *forgedCase, proof []byte) []byte { return f(proof) }
	}
	add("the proof of another game", "ProofRefused", of(func([]byte) []byte { return foreign }))
	add("nothing", "ProofLength", of(func([]byte) []byte { return nil }))
	digests(add, 768)
	add("a byte less", "ProofLength", of(func(p []byte) []byte { return p[:len(p)-1] }))
	add("without a digest", "ProofLength", of(func(p []byte) []byte { return p[:768] }))
	add("a byte more", "ProofLength", of(func(p []byte) []byte { return append(p, 0) }))
	add("with a commitment and its opening", "ProofLength", of(func(p []byte) []byte { return append(p, make([]byte, 96)...) }))
	add("all zero: points at infinity", "ProofRefused", of(func(p []byte) []byte {
		clear(p)
		return p
	}))
	order := circuit.Curve.ScalarField().Bytes()
	points := map[string]int{"L": 0, "R": 64, "O": 128, "H0": 192, "H1": 256, "H2": 320, "Z": 544, "W": 640, "Wz": 704}
	for _, name := range []string{"L", "R", "O", "H0", "H1", "H2", "Z", "W", "Wz"} {
		at := points[name]
		add(name+" off the curve", "BadPoint", of(func(p []byte) []byte {
			p[at+63] ^= 1
			return p
		}))
		add(name+" beyond the field", "BadPoint", of(func(p []byte) []byte {
			p[at] = 0xff
			return p
		}))
		add(name+" at infinity", "ProofRefused", of(func(p []byte) []byte {
			clear(p[at : at+64])
			return p
		}))
		add(name+" with the mark of infinity", "BadPoint", of(func(p []byte) []byte {
			clear(p[at : at+64])
			p[at] = 0x40
			return p
		}))
		add(name+" of another proof", "ProofRefused", of(func(p []byte) []byte {
			copy(p[at:at+64], foreign[at:])
			return p
		}))
	}
	for i, name := range []string{"l", "r", "o", "s1", "s2", "the next Z"} {
		at := 384 + 32*i
		if i == 5 {
			at = 608
		}
		add(name+" and one", "ProofRefused", of(func(p []byte) []byte {
			p[at+31] ^= 1
			return p
		}))
		add(name+" of the order itself", "ScalarOutOfField", of(func(p []byte) []byte {
			copy(p[at:], order)
			return p
		}))
		add(name+" beyond the field", "ScalarOutOfField", of(func(p []byte) []byte {
			p[at] = 0xff
			return p
		}))
	}
	add("W and Wz exchanged", "ProofRefused", of(func(p []byte) []byte {
		return append(append(append(p[:640:640], p[704:768]...), p[640:704]...), p[768:]...)
	}))
	add("all openings 0", "ProofRefused", of(func(p []byte) []byte {
		clear(p[384:544])
		clear(p[608:640])
		return p
	}))
}
