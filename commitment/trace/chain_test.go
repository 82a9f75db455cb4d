package trace_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
)

type hash = merkle.Hash

// S_t is SHA-256 of these 106 bytes. SPEC 06 §3.1.
func TestStateBytes(t *testing.T) {
	s := trace.State{Step: 0x01020304, Y: 0x0a0b0c0d, F: 3, KV: hash{0x11}, Aux: hash{0x22}, Prev: hash{0x33}}
	pad := "00000000000000000000000000000000000000000000000000000000000000"
	want, err := hex.DecodeString("02" + "01020304" + "0a0b0c0d" + "03" + "11" + pad + "22" + pad + "33" + pad)
	if err != nil {
		t.Fatal(err)
	}
	got := s.Encode()
	if !bytes.Equal(got[:], want) || len(got) != 106 {
		t.Errorf("state is %x, want %x", got, want)
	}
	if s.Hash() != sha256.Sum256(want) {
		t.Error("S_t is not the hash of its bytes")
	}
}

// S_{-1} has the first prompt id, the empty KV tree and zeros. SPEC 06 §2.3, §3.2.
func TestInitialState(t *testing.T) {
	h := manifest.Header{Kind: 1, Vocab: 9, TMax: 8, Layers: 3, DPos: 3, DLayer: 2, DRow: 1}
	want := trace.State{Y: 7, KV: merkle.Zero(3 + 2 + 1 + 1)}
	if got := trace.Initial(&h, &decode.Job{Prompt: []int32{7}}); got != want {
		t.Errorf("S_-1 is %+v", got)
	}
}

// cache draws rows of positions; dkv elements are 2*dkv bytes.
func cache(seed uint64, layers, positions, dkv int) *machine.Cache {
	r := rand.New(rand.NewPCG(seed, 6))
	c := machine.NewCache(layers, positions, dkv)
	for l := range layers {
		for i := range c.K[l] {
			c.K[l][i], c.V[l][i] = int16(r.Uint32()), int16(r.Uint32())
		}
	}
	return c
}

// kvRoot hashes every leaf of the KV tree of positions 0..t in its place: the definition. SPEC 02 §4.2.
func kvRoot(h *manifest.Header, c *machine.Cache, t int) hash {
	level := make([]hash, 1<<h.KVDepth())
	for pos := range t + 1 {
		for layer := range int(h.Layers) {
			for v, rows := range [][]int16{c.K[layer], c.V[layer]} {
				var b []byte
				for _, x := range rows[pos*c.DKV : (pos+1)*c.DKV] {
					b = binary.LittleEndian.AppendUint16(b, uint16(x))
				}
				for q := 0; q*512 < len(b); q++ {
					leaf := make([]byte, 513)
					copy(leaf[1:], b[q*512:min(len(b), q*512+512)])
					level[((pos<<h.DLayer+layer)*2+v)<<h.DRow+q] = sha256.Sum256(leaf)
				}
			}
		}
	}
	for len(level) > 1 {
		next := make([]hash, len(level)/2)
		for i := range next {
			next[i] = sha256.Sum256(slices.Concat([]byte{1}, level[2*i][:], level[2*i+1][:]))
		}
		level = next
	}
	return level[0]
}

// geometries are headers with one and several pieces a row, one and several layers, full and
// half-full trees.
var geometries = []struct {
	name string
	dkv  int
	h    manifest.Header
}{
	{"one leaf a row", 12, manifest.Header{Layers: 2, DPos: 3, DLayer: 1, DRow: 0}},
	{"absent layer", 256, manifest.Header{Layers: 3, DPos: 3, DLayer: 2, DRow: 0}},
	{"three pieces of four", 600, manifest.Header{Layers: 1, DPos: 4, DLayer: 0, DRow: 2}},
	{"two pieces, five layers", 300, manifest.Header{Layers: 5, DPos: 2, DLayer: 3, DRow: 1}},
}

// The chain's KV roots are those of the whole tree, its states those of SPEC 06 §3.1, and the
// position leaf goes where a zero node was, with the same siblings. SPEC 06 §2.1, §2.2.
func TestChainIsTheDefinition(t *testing.T) {
	for _, g := range geometries {
		t.Run(g.name, func(t *testing.T) {
			n := 1 << g.h.DPos
			kv := cache(1, int(g.h.Layers), n, g.dkv)
			c := trace.NewChain(&manifest.Manifest{Header: g.h}, &decode.Job{Prompt: []int32{5}})
			prev := trace.Initial(&g.h, &decode.Job{Prompt: []int32{5}})
			for at := range n {
				root := c.Append(decode.Yield{Y: int32(at + 9), F: int32(at % 2)}, kv)
				want := trace.State{Step: uint32(at) + 1, Y: uint32(at + 9), F: uint8(at % 2), KV: kvRoot(&g.h, kv, at), Prev: prev.Hash()}
				a := c.Answer(nil)
				if got := a.States[at+1]; got != want || root != want.Hash() || a.Hashes[at+1] != root {
					t.Fatalf("S_%d is %+v, want %+v", at, got, want)
				}
				appendLaw(t, &g.h, a, at)
				prev = want
			}
		})
	}
}

func appendLaw(t *testing.T, h *manifest.Header, a *trace.Answer, at int) {
	t.Helper()
	before := merkle.NewTree(a.Positions[:at], int(h.DPos), h.PositionDepth())
	sib := before.Siblings(0, uint64(at), uint64(at)+1)
	if len(sib) != int(h.DPos) {
		t.Fatalf("%d siblings, want dPos = %d", len(sib), h.DPos)
	}
	for _, c := range []struct {
		root, leaf hash
	}{{a.States[at].KV, merkle.Zero(h.PositionDepth())}, {a.States[at+1].KV, a.Positions[at]}} {
		if err := merkle.VerifyNodes(c.root, int(h.DPos), uint64(at), []hash{c.leaf}, sib); err != nil {
			t.Fatalf("append at %d: %v", at, err)
		}
	}
}

// A row of zeros is a leaf like any other: only what is absent is a zero subtree. SPEC 06 §2.1.
func TestZeroRowsAreNotAbsent(t *testing.T) {
	h := manifest.Header{Layers: 1, DPos: 1, DLayer: 0, DRow: 1}
	kv := machine.NewCache(1, 2, 300)
	c := trace.NewChain(&manifest.Manifest{Header: h}, &decode.Job{Prompt: []int32{0}})
	c.Append(decode.Yield{}, kv)
	if got := c.Answer(nil).States[1].KV; got != kvRoot(&h, kv, 0) || got == merkle.Zero(h.KVDepth()) {
		t.Errorf("KV_0 of zero rows is %x", got)
	}
}

// Appending allocates nothing but the growth of the lists. DESIGN law 6.
func TestAppendAllocatesNothing(t *testing.T) {
	g := geometries[3]
	g.h.DPos = 12
	kv := cache(2, int(g.h.Layers), 2200, g.dkv)
	c := trace.NewChain(&manifest.Manifest{Header: g.h}, &decode.Job{Prompt: []int32{5}})
	for range 1100 { // beyond it the lists have room for another 200
		c.Append(decode.Yield{Y: 1}, kv)
	}
	if n := testing.AllocsPerRun(200, func() { c.Append(decode.Yield{Y: 1}, kv) }); n >= 1 {
		t.Errorf("%v allocations a token", n)
	}
}

// Roots over ids and states. SPEC 06 §3.4.
func TestIDTrees(t *testing.T) {
	ids := make([]int32, 17) // two leaves of 16 ids
	for i := range ids {
		ids[i] = int32(i<<24 | i)
	}
	b := make([]byte, 128)
	for i, id := range ids {
		binary.LittleEndian.PutUint32(b[4*i:], uint32(id))
	}
	leaf := func(p []byte) hash { return sha256.Sum256(append([]byte{0}, p...)) }
	l, r := leaf(b[:64]), leaf(b[64:])
	if got := trace.IDTree(ids).Root(); got != sha256.Sum256(slices.Concat([]byte{1}, l[:], r[:])) {
		t.Errorf("root of %d ids is %x", len(ids), got)
	}
	if got := trace.ScalarLeaf(-2); got != leaf(append([]byte{0xfe, 0xff, 0xff, 0xff}, make([]byte, 60)...)) {
		t.Errorf("leaf of -2 is %x", got)
	}
	a := &trace.Answer{Hashes: []hash{{1}, {2}, {3}, {4}}}
	x := sha256.Sum256(slices.Concat([]byte{1}, a.Hashes[1][:], a.Hashes[2][:]))
	y := sha256.Sum256(slices.Concat([]byte{1}, a.Hashes[3][:], make([]byte, 32)))
	if got := a.StateTree().Root(); got != sha256.Sum256(slices.Concat([]byte{1}, x[:], y[:])) {
		t.Errorf("state root is %x: S_-1 is not in it", got)
	}
}
