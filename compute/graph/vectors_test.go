package graph_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/graph"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
)

var update = flag.Bool("update", false, "write the vectors again")

const vectorFile = "../../testvectors/programs/invariants.json"

// judged is the vector file: valid programs, and changes of some descriptors of one, each with the first invariant
// that it violates, of all but G19 and G20; "valid" if none.
type judged struct {
	Programs map[string]laidOut `json:"programs"`
	Cases    []verdict          `json:"cases"`
}

// laidOut is a program; descriptors are hex.
type laidOut struct {
	Token  bool       `json:"token"`
	Vocab  uint32     `json:"vocab"`
	TMax   uint32     `json:"tMax"`
	Layers int        `json:"layers"`
	DKV    int        `json:"dkv"`
	Stages [][]string `json:"stages"`
}

type verdict struct {
	Program string    `json:"program"`
	Changes []changed `json:"changes"`
	Outcome string    `json:"outcome"`
}

type changed struct {
	Stage      int    `json:"stage"`
	Tensor     int    `json:"tensor"`
	Descriptor string `json:"descriptor"`
}

func spelled(d *opset.Descriptor) string {
	b := d.Encode()
	return hex.EncodeToString(b[:])
}

func layOut(p *graph.Program) laidOut {
	out := laidOut{p.Token, p.Vocab, p.TMax, p.Layers, p.DKV, nil}
	for _, ds := range p.Stages {
		var stage []string
		for i := range ds {
			stage = append(stage, spelled(&ds[i]))
		}
		out.Stages = append(out.Stages, stage)
	}
	return out
}

// judge compares a program with the one that it was made of.
func judge(name string, was laidOut, p *graph.Program) verdict {
	v := verdict{Program: name, Changes: []changed{}, Outcome: "valid"}
	for s, ds := range layOut(p).Stages {
		for i, d := range ds {
			if d != was.Stages[s][i] {
				v.Changes = append(v.Changes, changed{s, i, d})
			}
		}
	}
	err := graph.Validate(p)
	if errors.Is(err, graph.ErrOverflow) || errors.Is(err, graph.ErrAnswer) {
		all := graph.Violations(p) // which goes on behind the first
		err = nil
		if slices.Contains(all, graph.ErrThreshold) {
			err = graph.ErrThreshold
		}
	}
	if err != nil {
		v.Outcome, _, _ = strings.Cut(err.Error(), ":")
	}
	return v
}

// copied is a program that may be spoilt.
func copied(p *graph.Program) *graph.Program {
	out := *p
	out.Stages = nil
	for _, ds := range p.Stages {
		out.Stages = append(out.Stages, slices.Clone(ds))
	}
	return &out
}

// judgements are the spoils of TestEachInvariantRejectsAlone, and changes of a few bytes drawn at random.
func judgements(t *testing.T) judged {
	base := map[string]*graph.Program{
		"llama": program(modeltest.Llama(3, modeltest.Tiny())), "mlp": program(modeltest.MLP(5)), "experts": program(modeltest.Llama(4, modeltest.Experts())),
		"encoder": program(modeltest.Encoder(2, 8, 64)), "blocks": program(modeltest.Llama(5, modeltest.Blocks())), "family": program(modeltest.Family(6)),
	}
	names := []string{"blocks", "encoder", "experts", "family", "llama", "mlp"}
	out := judged{Programs: map[string]laidOut{}}
	for _, name := range names {
		out.Programs[name] = layOut(base[name])
		out.Cases = append(out.Cases, judge(name, out.Programs[name], base[name]))
	}
	for _, s := range spoils(t) {
		name := map[bool]string{true: "mlp", false: "llama"}[s.mlp]
		p := copied(base[name])
		s.change(p.Stages[s.stage], find(t, p.Stages[s.stage], s.op, s.nth))
		out.Cases = append(out.Cases, judge(name, out.Programs[name], p))
	}
	r := rand.New(rand.NewPCG(64, 3))
	for i := range 240 {
		name := names[i%len(names)]
		p := copied(base[name])
		ds := p.Stages[r.IntN(len(p.Stages))]
		at := r.IntN(len(ds))
		b := ds[at].Encode()
		b[drawnByte(r)] ^= 1 << r.IntN(8)
		d, err := opset.Decode(b[:])
		if err != nil {
			continue
		}
		ds[at] = d
		out.Cases = append(out.Cases, judge(name, out.Programs[name], p))
	}
	return out
}

// drawnByte is one of a descriptor: of its dims, its sources or a parameter, the lowest bytes of which matter most.
func drawnByte(r *rand.Rand) int {
	const dims, sources, parameters = 8, 32, 40
	switch r.IntN(4) {
	case 0:
		return dims + r.IntN(sources-dims)
	case 1:
		return sources + r.IntN(parameters-sources)
	case 2:
		return parameters + r.IntN(88)
	}
	return parameters + 8*r.IntN(7) + 7
}

// Programs are valid, or violate what the vectors say. SPEC 03 §4.
func TestInvariantVectors(t *testing.T) {
	all := judgements(t)
	outcomes := map[string]int{}
	for _, c := range all.Cases {
		outcomes[c.Outcome]++
	}
	for n := 1; n <= 21; n++ {
		if name := fmt.Sprintf("G%d", n); outcomes[name] == 0 && !slices.Contains([]int{19, 20}, n) {
			t.Errorf("no vector for %s", name)
		}
	}
	want, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	want = append(bytes.ReplaceAll(want, []byte(`},{`), []byte("},\n{")), '\n')
	if *update {
		if err := os.WriteFile(vectorFile, want, 0o644); err != nil { //nolint:gosec // read by everybody
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(vectorFile); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the vectors say something else (%v): write them again with -update and say why", err)
	}
	t.Log(outcomes)
}
