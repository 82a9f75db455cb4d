package conformance_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/graph"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/conformance/oracle"
	"elenchus/importer"
	"elenchus/models"
)

// admit judges a model with its tensors.
func admit(m *model.Model) error {
	p := &graph.Program{Token: m.Kind == model.KindToken, Vocab: uint32(m.Vocab), TMax: uint32(m.TMax), Layers: m.Layers, DKV: m.DKV}
	for _, s := range m.Stages {
		var ds []opset.Descriptor
		for i := range s.Ops {
			ds = append(ds, s.Ops[i].Descriptor)
		}
		p.Stages = append(p.Stages, ds)
	}
	if err := graph.Validate(p); err != nil {
		return err
	}
	for s := range m.Stages {
		for i := range m.Stages[s].Ops {
			if err := admitOperands(&m.Stages[s].Ops[i]); err != nil {
				return fmt.Errorf("stage %d tensor %d: %w", s, i, err)
			}
		}
	}
	return nil
}

func admitOperands(o *machine.Op) error {
	if o.A != nil {
		if err := graph.CheckOperand(&o.Descriptor, opset.RootA, o.A); err != nil {
			return err
		}
	}
	if o.B == nil {
		return nil
	}
	return graph.CheckOperand(&o.Descriptor, opset.RootB, o.B)
}

func valid(t *testing.T, m *manifest.Manifest) {
	t.Helper()
	if err := admit(m.Model); err != nil {
		t.Fatal(err)
	}
}

// disturb gives weights and parameters extreme values that the validator may or may not admit.
func disturb(r *rand.Rand, m *model.Model) {
	for s := range m.Stages {
		for i := range m.Stages[s].Ops {
			o := &m.Stages[s].Ops[i]
			if o.B != nil && r.IntN(4) == 0 {
				for k := range o.B.I32 {
					if k%2 == 0 {
						o.B.I32[k] = []int32{1<<24 - 1, -(1<<24 - 1), 1}[r.IntN(3)]
					} else {
						o.B.I32[k] = []int32{0, 1, 20, 40, 62, 63, 1 << 30, -1, -40, -1 << 31}[r.IntN(10)]
					}
				}
			}
			if o.A != nil && r.IntN(6) == 0 {
				extreme(r, o)
			}
		}
	}
	numeric := []opset.Code{opset.NormInv, opset.NormApply, opset.RoPE, opset.Score, opset.Exp2Op, opset.SiLUMul, opset.Temper}
	for range 1 + r.IntN(4) {
		ops := m.Stages[1+r.IntN(len(m.Stages)-1)].Ops
		for i := range ops {
			if o, k := &ops[i], r.IntN(4); slices.Contains(numeric, o.Op) && r.IntN(6) == 0 && o.P[k] != 0 {
				o.P[k] = []int64{0, 1, 62, -62, 30, 1 << 24, -1 << 24, 1 << 30, 1<<54 - 1, 1 << 60, 1 << 40, o.P[k] + 1, o.P[k] / 2}[r.IntN(13)]
			}
		}
	}
}

// extreme fills a model tensor with the ends of its range; padding stays zero.
func extreme(r *rand.Rand, o *machine.Op) {
	for k := range o.A.I8 {
		if o.A.I8[k] != 0 {
			o.A.I8[k] = []int8{127, -128}[r.IntN(2)]
		}
	}
	for k := range o.A.I32 {
		o.A.I32[k] = []int32{1 << 30, -1 << 30}[r.IntN(2)]
		if o.Op == opset.NormApply {
			o.A.I32[k] = []int32{1<<31 - 1, -1 << 31}[r.IntN(2)]
		}
	}
}

// What the validator admits, kernels in 64 bits compute as the definition over the integers does:
// the bounds of G19 hold at the ends of weights and parameters. STYLE 18, 20.
func TestAdmittedProgramsComputeAsDefined(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 8))
	admitted, refused := 0, 0
	for seed := range uint64(200) {
		m := modeltest.Llama(seed, modeltest.Tiny())
		disturb(r, m)
		if admit(m) != nil {
			refused++
			continue
		}
		admitted++
		man := bind(t, m)
		job := decode.Job{Prompt: []int32{1, 5, 9}, StopIDs: []int32{2, 9}, MaxNew: 3, Temperature: 52429, Seed: seed}
		for _, at := range []int{1, 2} {
			step, err := trace.Replay(man, job, at, nil, nil, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			for s := 0; s <= int(man.Layers); s++ {
				compareStage(t, man, step, s, map[opset.Code]bool{}, r)
			}
			compareStage(t, man, step, step.Head(), map[opset.Code]bool{}, r)
		}
	}
	t.Logf("%d programs admitted, %d refused", admitted, refused)
	if admitted < 10 || refused < 10 {
		t.Errorf("%d programs admitted, %d refused: one side was hardly tried", admitted, refused)
	}
}

// The default model and the models of the tests are valid, weights included. SPEC 04 §3.
func TestShippedModelsAreValid(t *testing.T) {
	m, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	valid(t, m)
	for _, m := range []*model.Model{modeltest.Llama(3, modeltest.Tiny()), modeltest.Llama(3, modeltest.Wide()), modeltest.Toy(), modeltest.MLP(5)} {
		valid(t, bind(t, m))
	}
}

// Public models that the importer takes are valid, weights included.
func TestPublicModelsAreValid(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(oracle.Models(t), "llama", "*.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 1<<26 {
			continue // the large ones are the same architecture
		}
		t.Run(filepath.Base(f), func(t *testing.T) {
			m, err := importer.File(f, importer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			valid(t, m)
		})
	}
}
