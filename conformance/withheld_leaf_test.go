package conformance_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/proving/step"
	"elenchus/settlement/dispute"
)

// perRow is how many elements the largest leaf of a confidential model has: i16 in 512 bytes.
const perRow = opset.KVLeafBytes / 2

// siege is a game in which the node withheld a leaf of a row and has to prove its elements one after the other. In
// the place of the verifier stands code that takes any proof and uses as much gas as a PLONK proof: the game is about money.
type siege struct {
	*vault
	x      *trial
	answer dispute.ProofMove // about element 0
	inputs *merkle.Tree
	tip    uint64 // wei that a sender pays above the base fee
}

// costly is code that counts down from n, 26 gas each, and returns a word.
func costly(n int) []byte {
	return []byte{0x62, byte(n >> 16), byte(n >> 8), byte(n), 0x5b, 0x60, 1, 0x90, 0x03, 0x80, 0x60, 4, 0x57, 0x60, 32, 0x60, 0, 0xf3}
}

func newSiege(t *testing.T) *siege {
	t.Helper()
	w := &siege{vault: newVault(t)}
	w.cfg.State.SetCode(w.site, costly(12_000), 0)
	w.decides = func(*dispute.Proven) error { return nil }
	x := w.bar.at(t, "served", 0)
	d := opset.Descriptor{Op: opset.Quant, Type: tensor.I16, Leaf: opset.KVLeafBytes, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: perRow}},
		Src: [4]opset.Source{{Kind: opset.Tensor, Index: 1}}, P: [11]int64{0, 4}}
	hashes := make([]claim.Hash, perRow*4/opset.LeafBytes)
	for i := range hashes {
		hashes[i] = claim.Hash{1, byte(i)}
	}
	w.inputs = merkle.NewTree(hashes, merkle.Depth(uint64(len(hashes))), 0)
	roots := []claim.Hash{{1}, w.inputs.Root(), {3}}
	s := &x.state
	s.Phase, s.Class, s.Flags, s.T, s.Layers, s.Stage, s.Tensor, s.Count = dispute.Element, manifest.Confidential, 0, 2, 2, 1, 2, uint8(len(roots))
	s.Tensors, s.Type, s.Leaf, s.Total, s.Subtree, s.Index, s.Level = claim.NewTree(roots).Root(), uint8(tensor.I16), opset.KVLeafBytes, opset.KVLeafBytes, claim.Hash{4}, 0, 0
	s.Deadline, s.Last = w.cfg.Time, 0
	x.moves = nil
	encoded, path := w.describe(t, x, &d, int(s.Tensor))
	w.answer = dispute.ProofMove{Job: x.job, Descriptor: [opset.DescriptorSize]byte(encoded), System: uint8(step.Groth16), Prover: claim.Address{9}, Descended: true,
		DataSize: opset.LeafBytes, Proof: make([]byte, 800)}
	for i := 0; i < len(path); i += 32 {
		w.answer.GraphPath = append(w.answer.GraphPath, claim.Hash(path[i:]))
	}
	for i := range w.answer.Proof {
		w.answer.Proof[i] = 0xa5
	}
	w.answer.Reads = []dispute.ProofRead{{Tensor: true, Root: roots[1], RootPath: claim.NewTree(roots).Path(1)}}
	w.x = x
	return w
}

// ask is the opener's pick of an element, at a base fee in wei; it returns the reason of a refusal.
func (w *siege) ask(i int, baseFee int64) string {
	w.t.Helper()
	w.fees(baseFee)
	return w.try(w.t, w.x, w.opener, dispute.KindElement, dispute.PickElement{Element: uint16(i)}.Encode())
}

// prove is the node's answer about an element, at a base fee in wei; holds: the element is the value. It returns the gas of
// the transaction.
func (w *siege) prove(i int, holds bool, baseFee int64) uint64 {
	w.t.Helper()
	w.fees(baseFee)
	m := w.answer
	m.Equal = holds
	at := uint64(i * 4 / opset.LeafBytes)
	m.Reads = []dispute.ProofRead{m.Reads[0]}
	m.Reads[0].Hashes, m.Reads[0].Siblings = w.inputs.Levels[0][at:at+1], w.inputs.Siblings(0, at, at+1)
	input, err := w.arena.Pack("answer", [32]byte(w.x.key), w.x.state.Encode(), m.Encode())
	if err != nil {
		w.t.Fatal(err)
	}
	// What the transaction is, and not what the contract takes it for: try reads more of the chain behind it.
	w.back(func() {
		if _, name := w.raw(w.node, w.arenaAt, input); name != "" {
			w.t.Fatalf("answer about element %d: %s", i, name)
		}
	})
	zeros := uint64(bytes.Count(input, []byte{0}))
	full := uint64(len(input)) - zeros
	gas := max(params.TxGas+4*zeros+16*full+w.used, params.TxGas+10*zeros+40*full)
	if name := w.try(w.t, w.x, w.node, dispute.KindAnswer, m.Encode()); name != "" {
		w.t.Fatalf("answer about element %d: %s", i, name)
	}
	return gas
}

func (w *siege) fees(baseFee int64) {
	w.cfg.BaseFee = big.NewInt(baseFee)
	w.cfg.GasPrice = new(big.Int).Add(w.cfg.BaseFee, new(big.Int).SetUint64(w.tip))
}

func (w *siege) credits() (node, opener *big.Int) {
	w.t.Helper()
	return w.bar.ask(w.t, "creditOf", w.node), w.bar.ask(w.t, "creditOf", w.opener)
}

// worth is what gas costs at the price that is paid now, in token units.
func (w *siege) worth(gas uint64) *big.Int {
	v := new(big.Int).SetUint64(gas)
	v.Mul(v, w.cfg.GasPrice).Mul(v, w.p.TokenPerEther.Big())
	return v.Div(v, big.NewInt(1e18))
}

// asked is how many elements of the leaf are played.
func asked() int {
	if soak {
		return perRow
	}
	return 12
}

// An honest node that is asked for every element of a leaf, one proof after the other, is repaid all of its gas and
// keeps what it would have had without them, though the base fee is six times that of the asking: the opener pays, unit for unit. SPEC 08 §4.11, 09 §3.5.
func TestHonestNodeIsRepaidForEveryElement(t *testing.T) {
	t.Parallel()
	w := newSiege(t)
	w.tip = w.p.TipCap
	asking, answering := int64(1e9), int64(5e9) // 6 times with the tip: what a bond is for
	first := w.x.state.Escrow
	_, had := w.credits()
	added, dearest := new(big.Int), uint64(0)
	for i := range asked() {
		before := w.x.state.Escrow
		if name := w.ask(i, asking); name != "" {
			t.Fatalf("element %d: %s", i, name)
		}
		more, err := w.p.ProofBond(uint64(asking))
		if sum, err1 := before.Add(more); err != nil || err1 != nil || w.x.state.Escrow != sum {
			t.Fatalf("element %d adds to %s and leads to %s, %v", i, before, w.x.state.Escrow, err)
		}
		added.Add(added, more.Big())
		node, _ := w.credits()
		gas := w.prove(i, true, answering)
		now, _ := w.credits()
		dearest = max(dearest, gas)
		if paid := now.Sub(now, node); paid.Cmp(w.worth(gas)) < 0 {
			t.Fatalf("element %d: repaid %d of %d", i, paid, w.worth(gas))
		}
		if w.x.state.Escrow.Cmp(before) < 0 || w.x.state.Escrow.Cmp(first) < 0 {
			t.Fatalf("element %d: the escrow was %s, is %s", i, before, w.x.state.Escrow)
		}
	}
	if _, has := w.credits(); new(big.Int).Sub(had, has).Cmp(added) != 0 {
		t.Errorf("the opener paid %d, not %d", had.Sub(had, has), added)
	}
	t.Logf("%d answers of at most %d gas", asked(), dearest)
	w.solvent(t, "asked", w.x.state.Escrow, nil)
	if !soak {
		w.cfg.Time = w.x.state.Deadline + 1 // he asks no more
		if name := w.try(t, w.x, stranger, dispute.KindTimeout, w.x.job.Encode()); name != "" {
			t.Fatal(name)
		}
	}
	if w.x.state.Phase != dispute.Lost {
		t.Fatalf("ended in %s", w.x.state.Phase)
	}
	before := w.x.state
	w.ended(t, w.x, &before)
}

// A liar that drags the game through true elements gains nothing, and its opener gets all of it back while the games of
// the case cost at most half of the slash. SPEC 09 §3.5, §4.4.
func TestWhoeverFindsTheFalseElementGetsEverythingBack(t *testing.T) {
	t.Parallel()
	w := newSiege(t)
	const fee = 10_000_000 // 256 picks and answers cost 5 tokens
	node, had := w.credits()
	sure, last := w.x.state.Escrow.Big(), asked()-1
	for i := range asked() {
		if name := w.ask(i, fee); name != "" {
			t.Fatalf("element %d: %s", i, name)
		}
		w.prove(i, i != last, fee)
	}
	cost, half := w.x.state.Cost.Big(), new(big.Int).Rsh(w.x.state.Hold.Big(), 1)
	if w.x.state.Phase != dispute.Refuted || cost.Cmp(half) > 0 {
		t.Fatalf("ended in %s at a cost of %d, half of the slash is %d", w.x.state.Phase, cost, half)
	}
	paid, _ := w.credits()
	paid.Sub(paid, node)
	w.resolved(t, w.x)
	_, has := w.credits()
	want := had.Add(had, sure) // what he had, and what the game cost but for what was paid out of the escrow: his own gas
	want.Add(want, cost).Sub(want, paid)
	if has.Cmp(want) != 0 {
		t.Errorf("the opener has %d, want %d", has, want)
	}
}

// Who cannot pay for the next proof cannot ask for it, and loses. SPEC 09 §3.5.
func TestAsksWithoutCreditAreRefused(t *testing.T) {
	t.Parallel()
	w := newSiege(t)
	_, has := w.credits()
	w.must(t, w.opener, w.arenaAt, w.arena, "withdraw", has)
	if name := w.call(t, w.opener, "element", [32]byte(w.x.key), w.x.state.Encode(), dispute.PickElement{}.Encode(), []byte{}); name != "Insufficient" {
		t.Errorf("asked without credit: %q", name)
	}
	w.cfg.Time = w.x.state.Deadline + 1
	if name := w.try(t, w.x, common.Address{7}, dispute.KindTimeout, w.x.job.Encode()); name != "" || w.x.state.Phase != dispute.Lost {
		t.Errorf("%q, in %s", name, w.x.state.Phase)
	}
}

// An element of the outputs of a confidential claim is an id, which nobody proves: it leads to R1 and adds nothing.
func TestElementsOfOutputsAddNothing(t *testing.T) {
	t.Parallel()
	w := newSiege(t)
	s := &w.x.state
	s.Phase, s.Leaf, s.Type, s.Total = dispute.OutputsPick, opset.LeafBytes, uint8(tensor.I32), 4*uint64(w.x.job.Count)
	w.place(w.x)
	before := s.Escrow
	if name := w.try(t, w.x, w.opener, dispute.KindElement, dispute.PickElement{Job: &w.x.job}.Encode()); name != "" || s.Phase != dispute.R1 || s.Escrow != before {
		t.Errorf("%q: in %s, the escrow was %s, is %s", name, s.Phase, before, s.Escrow)
	}
}
