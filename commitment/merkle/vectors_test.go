package merkle_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"testing"

	"elenchus/commitment/merkle"
)

var update = flag.Bool("update", false, "write the vectors again")

const vectorFile = "../../testvectors/trees/openings.json"

// opening is a case of the vector file: leaves (or nodes, with LeafBytes 0) from index First on.
// Outcome is "opens" or the one rule that refuses it.
type opening struct {
	Name      string   `json:"name"`
	Outcome   string   `json:"outcome"`
	Root      string   `json:"root"`
	Depth     int      `json:"depth"`
	First     uint64   `json:"first"`
	LeafBytes int      `json:"leafBytes"`
	Data      string   `json:"data"`
	Siblings  []string `json:"siblings"`
}

// outcomes is the closed list. STYLE 30.
var outcomes = []string{"opens", "partial leaf", "no leaves", "depth out of range", "range outside the tree", "too few siblings", "too many siblings", "another root"}

// cases builds the vectors from the definition in merkle_test.go, not from the package.
func cases() []opening {
	const n = 11
	leaves, hashes := level0(64, n)
	full := levels(hashes, 4)
	root := full[4][0]
	make1 := func(name, outcome string, root hash, depth int, a uint64, leafBytes int, data []byte, sib []hash) opening {
		o := opening{name, outcome, hex.EncodeToString(root[:]), depth, a, leafBytes, hex.EncodeToString(data), []string{}}
		for _, s := range sib {
			o.Siblings = append(o.Siblings, hex.EncodeToString(s[:]))
		}
		return o
	}
	at := func(name, outcome string, a, b int, change func(*opening)) opening {
		o := make1(name, outcome, root, 4, uint64(a), 64, leaves[64*a:64*b], brute(full, a, b))
		if change != nil {
			change(&o)
		}
		return o
	}
	flip := func(s string) string { return map[bool]string{true: "1", false: "0"}[s[0] == '0'] + s[1:] }
	one, deep := full[0][5], full[2][1]
	out := []opening{
		at("one leaf", "opens", 3, 4, nil),
		at("a range from an odd to an odd place", "opens", 3, 7, nil),
		at("the last leaf, beside an absent one", "opens", 10, 11, nil),
		at("all leaves", "opens", 0, 11, nil),
		make1("a tree of one leaf", "opens", hashes[0], 0, 0, 64, leaves[:64], nil),
		make1("an inner node, leafBytes 0", "opens", root, 2, 1, 0, deep[:], brute(full[2:], 1, 2)),
		make1("a level-0 hash, leafBytes 0", "opens", root, 4, 5, 0, one[:], brute(full, 5, 6)),
		at("63 bytes", "partial leaf", 3, 4, func(o *opening) { o.Data = o.Data[2:] }),
		at("nothing", "no leaves", 3, 4, func(o *opening) { o.Data = "" }),
		at("depth 64", "depth out of range", 3, 4, func(o *opening) { o.Depth = 64 }),
		at("a negative depth", "depth out of range", 3, 4, func(o *opening) { o.Depth = -1 }),
		at("leaf 16 of 16", "range outside the tree", 3, 4, func(o *opening) { o.First = 16 }),
		at("an index whose end overflows", "range outside the tree", 3, 4, func(o *opening) { o.First = 1<<64 - 1 }),
		at("the last sibling is missing", "too few siblings", 3, 4, func(o *opening) { o.Siblings = o.Siblings[:3] }),
		at("a zero sibling is left out", "too few siblings", 10, 11, func(o *opening) { o.Siblings = slices.Delete(o.Siblings, 0, 1) }),
		at("a sibling of a collapsed level", "too many siblings", 3, 4, func(o *opening) { o.Siblings = append(o.Siblings, o.Root) }),
		at("another leaf", "another root", 3, 4, func(o *opening) { o.Data = flip(o.Data) }),
		at("another sibling", "another root", 3, 4, func(o *opening) { o.Siblings[2] = flip(o.Siblings[2]) }),
		at("siblings in another order", "another root", 3, 7, func(o *opening) { o.Siblings[0], o.Siblings[1] = o.Siblings[1], o.Siblings[0] }),
		at("the neighbour's place", "another root", 2, 3, func(o *opening) { o.First = 8 }),
		at("another root", "another root", 3, 4, func(o *opening) { o.Root = flip(o.Root) }),
		make1("a node opened as a leaf", "another root", root, 3, 2, 64, slices.Concat(full[0][4][:], full[0][5][:]), brute(full[1:], 2, 3)),
	}
	return out
}

// Openings are judged as the vectors say, by the rule that they name. SPEC 01 §2.4, §2.5.
func TestVectors(t *testing.T) {
	if *update {
		b, err := json.MarshalIndent(cases(), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var all []opening
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, o := range all {
		if !slices.Contains(outcomes, o.Outcome) {
			t.Errorf("%s: outcome %q is not in the list", o.Name, o.Outcome)
		}
		seen[o.Outcome] = true
		if err := o.verify(t); (err == nil) != (o.Outcome == "opens") || err != nil && !errors.Is(err, merkle.ErrOpening) {
			t.Errorf("%s: want %s, got %v", o.Name, o.Outcome, err)
		}
	}
	for _, o := range outcomes {
		if !seen[o] {
			t.Errorf("no vector has outcome %q", o)
		}
	}
}

func (o *opening) verify(t *testing.T) error {
	t.Helper()
	root, data := unhex(t, o.Root), unhex(t, o.Data)
	var sib []hash
	for _, s := range o.Siblings {
		sib = append(sib, hash(unhex(t, s)))
	}
	if o.LeafBytes != 0 {
		return merkle.Verify(hash(root), o.Depth, o.First, o.LeafBytes, data, sib)
	}
	var nodes []hash
	for ; len(data) >= 32; data = data[32:] {
		nodes = append(nodes, hash(data[:32]))
	}
	return merkle.VerifyNodes(hash(root), o.Depth, o.First, nodes, sib)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
