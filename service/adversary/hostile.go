package adversary

import (
	"math"

	"elenchus/commitment/manifest"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// HostileModel is a model that whoever serves it could not defend.
type HostileModel struct {
	Name  string
	Model *model.Model
}

// HostileModels are changes of an honest model, each of which gives a computation with an element
// that no answer shows or no verifier knows. GAME hole 8.
func HostileModels(honest *manifest.Manifest) []HostileModel {
	of := func(name string, change func(m *model.Model)) HostileModel {
		m := *honest.With(func(t *tensor.Tensor) *tensor.Tensor { return t }).Model
		change(&m)
		return HostileModel{name, &m}
	}
	in := func(name string, hit func(o *machine.Op) bool, change func(o *machine.Op)) HostileModel {
		return of(name, func(m *model.Model) {
			for s := range m.Stages {
				for i := range m.Stages[s].Ops {
					if o := &m.Stages[s].Ops[i]; i > 0 && hit(o) {
						change(o)
						return
					}
				}
			}
		})
	}
	any := func(*machine.Op) bool { return true }
	scaled := func(o *machine.Op) bool { return o.B != nil && o.B.Type == tensor.I32 }
	reduces := func(o *machine.Op) bool { return o.Op == opset.Max || o.Op == opset.Sum }
	return []HostileModel{
		in("an operation that no verifier knows", any, func(o *machine.Op) { o.Op = math.MaxUint8 }),
		in("one reduction over everything", reduces, func(o *machine.Op) { o.Dims[2] = opset.Dim{C: 1} }),
		in("a tensor beyond every proof", any, func(o *machine.Op) { o.Dims[1] = opset.Dim{C: math.MaxUint32} }),
		in("an operand that is not computed yet", any, func(o *machine.Op) { o.Src[0] = opset.Source{Kind: opset.Tensor, Index: model.MaxTensors - 1} }),
		in("a row mantissa that overflows", scaled, func(o *machine.Op) {
			w := tensor.New(tensor.I32, o.B.Shape[:]...)
			copy(w.I32, o.B.I32)
			w.I32[0] = math.MaxInt32
			o.B = w
		}),
		of("a context without an end", func(m *model.Model) { m.TMax = math.MaxInt32 }),
		of("a vocabulary beyond the sampler", func(m *model.Model) { m.Vocab = 1 << 24 }),
	}
}
