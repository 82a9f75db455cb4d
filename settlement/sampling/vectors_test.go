package sampling_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/settlement/sampling"
)

var update = flag.Bool("update", false, "write the vectors")

// drawVector is one place of a draw and what follows from it. SPEC 11 §3, §4.
type drawVector struct {
	Seed, Batch string
	Draw        uint16
	Place       uint8
	Count       uint64
	Seats       uint64
	Index       uint64 // of the claim
	Seat        uint64
	Vacant      bool // there is no seat: the draw is refused
	Audit       string
	States      uint64
	Leaf        uint64 // of the KV tree, of a model with 12 layers, dLayer 4, dRow 1
	Stage       uint64 // of a graph model of 13 stages
	StageBits   string // of the leaf of its output
	Commit      string // of auditor 01..01 who says true about salted root = seed with nonce = batch
	SaltedLeaf  string // of 512 bytes 5a
}

const drawFile = "../../testvectors/audits/draws.json"

func drawVectors() []drawVector {
	var out []drawVector
	for i, seats := range []uint64{0, 1, 2, 7, 1000} {
		for place := range uint8(sampling.Places) {
			seed, batch := claim.Keccak([]byte{byte(i)}), claim.Keccak([]byte("batch"), []byte{byte(i)})
			v := drawVector{Seed: hex.EncodeToString(seed[:]), Batch: hex.EncodeToString(batch[:]), Draw: uint16(300 * i), Place: place,
				Count: uint64(1 + 1000*i), Seats: seats, States: uint64(1 + 41*i)}
			index, seat, ok := sampling.Draw(seed, batch, v.Draw, place, v.Count, seats)
			v.Index, v.Seat, v.Vacant = index, seat, !ok
			audit := sampling.ID(batch, v.Draw, place)
			v.Audit = hex.EncodeToString(audit[:])
			v.Leaf = sampling.Leaf(seed, audit, &manifest.Header{Layers: 12, DLayer: 4, DRow: 1}, v.States)
			stage, bits := sampling.Stage(seed, audit, &manifest.Header{Layers: 13})
			v.Stage, v.StageBits = stage, fmt.Sprintf("%016x", bits)
			var who claim.Address
			var row [512]byte
			for k := range who {
				who[k] = 1
			}
			for k := range row {
				row[k] = 0x5a
			}
			commit := sampling.Commit(who, audit, sampling.True, seed, batch)
			salt := trace.Salt{Auditor: who, Audit: audit}
			leaf := salt.Leaf(row[:])
			v.Commit, v.SaltedLeaf = hex.EncodeToString(commit[:]), hex.EncodeToString(leaf[:])
			out = append(out, v)
		}
	}
	return out
}

// Draws, leaves and commits are those of the vectors; -update writes them. SPEC 11 §9.
func TestDrawVectors(t *testing.T) {
	got, err := json.MarshalIndent(drawVectors(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(drawFile, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(drawFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("the vectors say something else: -update writes them")
	}
}

// Each way to spoil a proof is refused. SPEC 11 §4.4, §4.5.
func TestSpoiltProofsAreRefused(t *testing.T) {
	w := newWorld(t, manifest.Public)
	salt := trace.Salt{Auditor: [20]byte{1}, Audit: hashOf("audit")}
	own := w.step.Salted(salt)
	leaf := uint64(0)
	p, err := sampling.Prove(claim.Signature{}, w.answer, own, leaf)
	if err != nil || p.Row.Leaf == nil {
		t.Fatalf("no leaf: %v", err)
	}
	good := p.Encode()
	check := func(b []byte) error {
		q, err := sampling.DecodeProof(b, &w.man.Header, w.states)
		if err != nil {
			return err
		}
		return q.Check(&w.claim, &w.man.Header, w.states, salt, claim.Hash(own.Root()), leaf)
	}
	if err := check(good); err != nil {
		t.Fatal(err)
	}
	for i := len(claim.Signature{}); i < len(good); i += 7 {
		spoilt := append([]byte(nil), good...)
		spoilt[i] ^= 1
		if err := check(spoilt); !errors.Is(err, sampling.ErrProof) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	for _, n := range []int{0, 64, len(good) - 512, len(good) - 1} {
		if err := check(good[:n]); !errors.Is(err, sampling.ErrProof) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if err := check(append(good, 0)); !errors.Is(err, sampling.ErrProof) {
		t.Errorf("a byte more: %v", err)
	}
}
