package conformance_test

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/opset"
	"elenchus/conformance/opsample"
)

var update = flag.Bool("update", false, "write testvectors/ops from the definition")

const (
	opVectors     = "../testvectors/ops"
	leastVectors  = 24      // per op
	patience      = 200_000 // samples to find one that meets a condition
	vectorsLimit  = 200_000 // bytes of a file
	narrowSamples = 700     // bytes of leaves that a vector may have while a narrower one may be found
)

// Every op has vectors, they show every condition of the op, and the definition agrees with each.
// go test ./conformance -run TestOpVectors -update writes them. SPEC 02 §4, STYLE 28.
func TestOpVectors(t *testing.T) {
	for _, op := range opset.Codes() {
		t.Run(op.String(), func(t *testing.T) {
			path := filepath.Join(opVectors, op.String()+".json")
			if *update {
				writeVectors(t, path, makeVectors(t, op))
			}
			checkVectors(t, op, path)
		})
	}
}

// Nothing lies in the folder of vectors but the files of the op set.
func TestOpVectorsNameOperations(t *testing.T) {
	files, err := os.ReadDir(opVectors)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := opset.Parse(strings.TrimSuffix(f.Name(), ".json")); !ok {
			t.Errorf("%s is not an operation", f.Name())
		}
	}
}

func checkVectors(t *testing.T, op opset.Code, path string) {
	t.Helper()
	file, err := opsample.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(file) < leastVectors {
		t.Errorf("%d vectors, want at least %d", len(file), leastVectors)
	}
	shown := map[string]bool{}
	for i, v := range file {
		c, err := v.Case()
		if err != nil {
			t.Fatalf("vector %d (%s): %v", i, v.Name, err)
		}
		if c.Descriptor.Op != op {
			t.Errorf("vector %d (%s) is of %s", i, v.Name, c.Descriptor.Op)
		}
		if err := c.Check(); err != nil {
			t.Errorf("vector %d (%s): %v", i, v.Name, err)
		}
		shown[v.Name] = true
	}
	for _, c := range conditionsOf(op) {
		if !shown[c.name] {
			t.Errorf("no vector shows %q", c.name)
		}
	}
}

func conditionsOf(op opset.Code) []condition {
	var out []condition
	for _, c := range slices.Concat(conditions, encoding, spelling, ruling) {
		if c.ops == nil || slices.Contains(c.ops, op) {
			out = append(out, c)
		}
	}
	return out
}

// makeVectors finds a sample for every condition of the op, then fills up with sane ones.
func makeVectors(t *testing.T, op opset.Code) []opsample.Vector {
	r := rand.New(rand.NewPCG(2026, uint64(op)))
	var out []opsample.Vector
	seen := map[string]bool{}
	add := func(c condition) {
		v, ok := find(t, r, op, c)
		if !ok {
			t.Errorf("no sample of %d meets %q", patience, c.name)
			return
		}
		if key := v.Descriptor + v.Context + strings.Join(v.Data, ""); !seen[key] || c.name != "sane" {
			seen[key] = true
			out = append(out, v)
		}
	}
	list := conditionsOf(op)
	for _, c := range list {
		add(c)
	}
	for len(out) < leastVectors+2 {
		add(list[0])
	}
	return out
}

// find samples until a condition holds; wide samples are passed over in the first half.
func find(t *testing.T, r *rand.Rand, op opset.Code, c condition) (v opsample.Vector, ok bool) {
	for n := range patience {
		d, ctx, i := opsample.Sample(r, op)
		style := opsample.Log
		if c.name != "sane" && n%2 == 1 {
			style = opsample.Style(r.IntN(int(opsample.Styles)))
		}
		s := opsample.NewSupply(r, &d, style)
		value, err := opset.Element(&d, &ctx, i, s.Fetch)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, l := range s.Leaves {
			size += len(l)
		}
		if size > narrowSamples && n < patience/100 {
			continue
		}
		if c.ok(&example{d, ctx, i, s.Values, s.Reads, value}) {
			return opsample.Record(c.name, &d, &ctx, i, s, value), true
		}
	}
	return v, false
}

func writeVectors(t *testing.T, path string, v []opsample.Vector) {
	t.Helper()
	var b strings.Builder
	b.WriteString("[\n")
	for i := range v {
		row, err := json.Marshal(v[i])
		if err != nil {
			t.Fatal(err)
		}
		b.Write(row)
		if i < len(v)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("]\n")
	if b.Len() > vectorsLimit {
		t.Errorf("%s would take %d bytes, more than %d", path, b.Len(), vectorsLimit)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
