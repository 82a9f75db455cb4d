package conformance_test

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"elenchus/commitment/claim"
	"elenchus/proving/beacon"
	"elenchus/proving/check"
	"elenchus/settlement/sampling"
)

func big64(v uint64) *big.Int { return new(big.Int).SetUint64(v) }

// keyWords are a beacon's key as its constructor takes it.
func keyWords(t testing.TB, c *beacon.Chain) (words [8][32]byte) {
	t.Helper()
	b, err := c.Words()
	if err != nil {
		t.Fatal(err)
	}
	for i := range words {
		words[i] = [32]byte(b[32*i:])
	}
	return words
}

// Rounds are posted once, each under its own number, and have their times; the seed is that of the compressed
// signature, whichever half its second coordinate lies in. SPEC 11 §2.
func TestBeaconAtItsEdges(t *testing.T) {
	const genesis, period = 1000, 3
	local, err := beacon.NewLocal([32]byte{7}, genesis, period)
	if err != nil {
		t.Fatal(err)
	}
	s := newStand(t, "Beacon", keyWords(t, &local.Chain), big64(genesis), big64(period))
	sign := func(round uint64) (*beacon.Signature, []byte) {
		x, err := local.Sign(round)
		if err != nil {
			t.Fatal(err)
		}
		p := x.Point()
		return x, p[:]
	}
	halves := map[byte]bool{}
	for _, round := range []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 1 << 63, 1<<64 - 1} {
		x, point := sign(round)
		s.cfg.Time = genesis + round%1000
		s.want("BadRound", stranger, "post", big64(round), append(bytes.Clone(point), 0))
		s.want("BadRound", stranger, "post", big64(round), point[:95])
		if got := s.want("", stranger, "post", big64(round), point); len(got) == 0 || got[0] != x.Seed() {
			t.Errorf("round %d: the seed is %x, want %x", round, got, x.Seed())
		}
		s.want("RoundKnown", stranger, "post", big64(round), point)
		if got := s.want("", stranger, "seedOf", big64(round)); got[0] != x.Seed() || got[1].(*big.Int).Uint64() != s.cfg.Time {
			t.Errorf("round %d: %v", round, got)
		}
		c := x.Bytes()
		halves[c[0]&0x20] = true
	}
	if len(halves) != 2 {
		t.Error("all signatures lie in one half")
	}
	_, second := sign(2)
	beyond := new(big.Int).Lsh(big.NewInt(1), 64)
	s.want("BadRound", stranger, "post", beyond.Add(beyond, big.NewInt(2)), second)
	_, none := sign(0)
	s.want("BadRound", stranger, "post", new(big.Int), none)
	s.want("BadRound", stranger, "post", new(big.Int), second)
	for round, at := range map[uint64]uint64{0: genesis, 1: genesis, 2: genesis + period, 100: genesis + 99*period} {
		s.says(big64(at), "timeOf", big64(round))
	}
	for at, round := range map[uint64]uint64{0: 1, genesis - 1: 1, genesis: 1, genesis + 1: 2, genesis + 3: 2, genesis + 4: 3} {
		s.says(big64(round), "roundAt", big64(at))
	}
	s.refuses("BadKey", "Beacon", keyWords(t, &local.Chain), big64(genesis), new(big.Int))
	s.refuses("BadKey", "Beacon", [8][32]byte{}, big64(genesis), big64(period))
	off := keyWords(t, &local.Chain)
	off[7][31] ^= 1
	s.refuses("BadKey", "Beacon", off, big64(genesis), big64(period))
}

// An arena is announced by the governor, and is the current one only behind the longer of the directory's
// delay and the time that stake needs to leave the arena before it. SPEC 09 §10.4.
func TestDirectoryAtItsEdges(t *testing.T) {
	governor, first, second := account(1), account(2), account(3)
	for _, c := range []struct{ delay, unbonding, due uint64 }{{100, 50, 100}, {100, 100, 100}, {100, 101, 101}, {0, 7, 7}} {
		s := newStand(t, "Directory", governor, big64(c.delay))
		s.cfg.Time = 5000
		s.words(first, c.unbonding)
		s.words(second, 1)
		s.want("NotGovernor", stranger, "announce", first)
		s.want("NotArena", governor, "announce", account(9))
		s.want("NothingAnnounced", governor, "withdraw")
		s.want("NothingAnnounced", stranger, "change")
		s.want("", governor, "announce", first)
		s.cfg.Time += c.delay
		s.want("NotDue", stranger, "change")
		s.cfg.Time++
		s.want("", stranger, "change")
		s.says(first, "current")
		s.want("NothingAnnounced", stranger, "change")
		s.want("", governor, "announce", second)
		s.cfg.Time += c.due
		s.want("NotDue", stranger, "change")
		s.cfg.Time++
		s.back(func() { s.want("", stranger, "change"); s.says(second, "current") })
		s.want("NotGovernor", stranger, "withdraw")
		s.want("", governor, "withdraw")
		s.want("NothingAnnounced", stranger, "change")
		s.says(first, "current")
	}
}

// Endpoints, keys and headers are taken within their borders; see INodeRegistry.
func TestNodeRegistryAtItsEdges(t *testing.T) {
	s := newStand(t, "NodeRegistry")
	node, key := account(1), account(2)
	for size, reason := range map[int]string{0: "BadURL", 1: "", 512: "", 513: "BadURL"} {
		s.want(reason, node, "setEndpoint", strings.Repeat("u", size))
	}
	s.cfg.Time = 77
	s.want("KeyUsed", node, "addKey", common.Address{})
	s.want("KeyUnused", node, "retireKey", key)
	s.want("", node, "addKey", key)
	s.want("KeyUsed", node, "addKey", key)
	s.want("KeyUnused", stranger, "retireKey", key)
	s.want("", node, "retireKey", key)
	s.says(uint64(77), "keyOf", node, key)
	s.want("KeyUnused", node, "retireKey", key)
	s.want("KeyUsed", node, "addKey", key)
	header := make([]byte, 224)
	copy(header, "elenchus/model/1\x00\x01")
	for class, reason := range map[byte]string{0: "", 1: "", 2: "", 3: "BadHeader", 255: "BadHeader"} {
		header[33] = class
		s.want(reason, node, "registerModel", header)
	}
	header[33] = 0
	s.want("BadHeader", node, "registerModel", header[:223])
	s.want("BadHeader", node, "registerModel", append(bytes.Clone(header), 0))
	header[17] = 2
	s.want("BadHeader", node, "registerModel", header)
}

// A plant counts where its veil was laid more than a window before the batch was posted, and keeps the time
// at which it was shown first. SPEC 11 §5.2.
func TestPlantsAtTheirEdges(t *testing.T) {
	const window, laid = 90, 1000
	s := newStand(t, "NodeRegistry")
	node, arena := account(1), account(4)
	root, id, salt := [32]byte{1}, claim.Hash{2}, claim.Hash{3}
	veil := sampling.Veil(claim.Address(node), id, salt)
	// The contract stands for both: `batches` reads its third word, WINDOW the first.
	arenaSays := func(posted uint64) { s.words(arena, window, 0, posted, 0) }
	show := func(reason string, from common.Address) {
		s.want(reason, from, "showPlant", arena, root, [32]byte(id), [32]byte(salt))
	}
	arenaSays(laid + window + 1)
	show("NotPlanted", node)
	s.cfg.Time = laid
	s.want("", node, "plant", [][32]byte{{9}, veil})
	s.cfg.Time += 5
	s.want("", stranger, "plant", [][32]byte{veil, {8}})
	s.says(big64(laid), "veiledAt", veil)
	s.says(big64(laid+5), "veiledAt", [32]byte{8})
	arenaSays(0)
	show("NotPlanted", node)
	arenaSays(laid + window)
	show("NotPlanted", node)
	arenaSays(laid + window + 1)
	show("NotPlanted", stranger)
	shown := func() [32]byte { return sampling.Case(id, sampling.BatchKey(claim.Address(node), root)) }()
	s.says(new(big.Int), "shownAt", arena, shown)
	show("", node)
	s.says(big64(laid+5), "shownAt", arena, shown)
	s.cfg.Time += 50
	show("", node)
	s.says(big64(laid+5), "shownAt", arena, shown)
}

// The registrar alone names verifiers, of what has none, and only contracts. SPEC 02 §5, 10 §5.2.
func TestStepVerifierAtItsEdges(t *testing.T) {
	registrar, code, other, empty := account(1), account(2), account(3), account(4)
	s := newStand(t, "StepVerifier", registrar, []uint8{}, []common.Address{}, []common.Address{})
	s.words(code, 1)
	s.words(other, 1)
	s.refuses("NoCode", "StepVerifier", registrar, []uint8{}, []common.Address{}, []common.Address{code, empty})
	s.refuses("NoCode", "StepVerifier", registrar, []uint8{1}, []common.Address{empty}, []common.Address{})
	s.refuses("AlreadyRegistered", "StepVerifier", registrar, []uint8{1, 1}, []common.Address{code, other}, []common.Address{})
	s.refuses("InputHasNoVerifier", "StepVerifier", registrar, []uint8{0}, []common.Address{code}, []common.Address{})
	s.refuses("", "StepVerifier", registrar, []uint8{1, 2}, []common.Address{code, code}, []common.Address{code, code})
	for _, method := range []string{"register", "registerSystem"} {
		s.want("NotRegistrar", stranger, method, numerics, uint8(5), code)
		s.want("NoCode", registrar, method, numerics, uint8(5), empty)
		s.want("", registrar, method, numerics, uint8(5), code)
		s.want("", registrar, method, numerics+1, uint8(5), other)
	}
	s.want("InputHasNoVerifier", registrar, "register", numerics, uint8(0), code)
	s.want("AlreadyRegistered", registrar, "register", numerics, uint8(5), other)
	s.want("SystemRegistered", registrar, "registerSystem", numerics, uint8(5), other)
	s.want("NotRegistered", stranger, "verifierOf", uint8(6))
	s.want("UnknownSystem", stranger, "proofsAt", numerics, uint8(6))
	s.says(code, "verifierOf", uint8(5))
	s.says(code, "proofsAt", numerics, uint8(5))
	s.says(other, "verifierAt", numerics+1, uint8(5))
}

// A key of which any point is off its curve accepts no proof, and its reason is that of the twin; keys are named once,
// by the registrar, and are found by their hash. SPEC 10 §5.3, §5.4, §5.7.
func TestKeysOfProofsAtTheirEdges(t *testing.T) {
	for _, k := range forgeries() {
		f := k.read(t)
		words := unhex(t, f.Key)
		s, leaves, proof := f.Cases[0].parts(t)
		shape := [32]byte{7}
		b := newBench(t, k.contract, s.Chain, s.Verifier)
		about := statement{s.Game, s.Op, s.Element, s.Prover, s.Equal}
		if got := b.call(t, "verify", numerics, shape, about, leaves, proof); got != "UnknownShape" {
			t.Errorf("%s: a shape without key: %q", k.system, got)
		}
		for at := len(words) % 64; at+64 <= len(words); at += 64 {
			key := bytes.Clone(words)
			key[at+63] ^= 1
			b := newBench(t, k.contract, s.Chain, s.Verifier)
			if got := b.call(t, "register", numerics, shape, key); got != "" {
				t.Fatalf("register: %s", got)
			}
			if contract, twin := b.verdicts(t, key, s, leaves, proof); contract != "BadPoint" || twin != "BadPoint" {
				t.Errorf("%s: the words at %d are no point: contract %q, twin %q", k.system, at, contract, twin)
			}
		}
		d := newStand(t, k.contract, account(1))
		d.says([32]byte{}, "keyHash", numerics, shape)
		d.want("NotRegistrar", stranger, "register", numerics, shape, words)
		d.want("KeyLength", account(1), "register", numerics, shape, words[:len(words)-1])
		d.want("KeyLength", account(1), "register", numerics, shape, append(bytes.Clone(words), 0))
		d.want("", account(1), "register", numerics, shape, words)
		d.want("AlreadyRegistered", account(1), "register", numerics, shape, words)
		d.says([32]byte(claim.Keccak(words)), "keyHash", numerics, shape)
		d.says([32]byte{}, "keyHash", numerics+1, shape)
	}
	k := forgeries()[1]
	words := unhex(t, k.read(t).Key)
	words[28], words[29], words[30], words[31] = 0, 28, 0, 3
	d := newStand(t, k.contract, account(1))
	d.want("", account(1), "register", numerics, [32]byte{}, words)
	if err := check.Answer(words, &check.Statement{}, nil, nil); err == nil || err.Error() == "KeyHead" {
		t.Errorf("the largest domain: %v", err)
	}
}

// What an account allows is what is left of it; all is left of all. SPEC 09 §1.3.
func TestTokenAtItsEdges(t *testing.T) {
	s := newStand(t, "TestToken")
	owner, spender, to := account(1), account(2), account(3)
	all := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	s.want("", owner, "mint", owner, big64(100))
	s.want("Insufficient", spender, "transferFrom", owner, to, big64(1))
	s.want("", owner, "approve", spender, big64(30))
	s.want("Insufficient", spender, "transferFrom", owner, to, big64(31))
	s.want("", spender, "transferFrom", owner, to, big64(10))
	s.says(big64(20), "allowance", owner, spender)
	s.want("", spender, "transferFrom", owner, to, big64(20))
	s.want("", owner, "approve", spender, all)
	s.want("Insufficient", spender, "transferFrom", owner, to, big64(71))
	s.want("", spender, "transferFrom", owner, to, big64(70))
	s.says(all, "allowance", owner, spender)
	s.says(big64(100), "balanceOf", to)
	s.want("Insufficient", to, "transfer", owner, big64(101))
	s.want("", to, "transfer", owner, big64(100))
}
