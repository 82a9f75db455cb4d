package graph

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// The invariants of a program. Each has its own error, which errors.Is finds in what Validate
// returns. SPEC 04 §3.
var (
	ErrCount     = errors.New("G1: number of stages or tensors")
	ErrForm      = errors.New("G2: descriptor is not canonical")
	ErrOp        = errors.New("G3: operation stands where it may not")
	ErrTarget    = errors.New("G4: element type that the operation does not make")
	ErrSources   = errors.New("G5: kinds of sources")
	ErrOrder     = errors.New("G6: source that is not computed before")
	ErrDims      = errors.New("G7: dims of the target")
	ErrShape     = errors.New("G8: type or size of a source")
	ErrSize      = errors.New("G9: size or window beyond the limit")
	ErrParameter = errors.New("G10: parameter out of range")
	ErrFanIn     = errors.New("G11: reduction beyond its fan-in")
	ErrWeights   = errors.New("G12: weight leaves")
	ErrLeaf      = errors.New("G13: leaf size of a tensor")
	ErrRows      = errors.New("G14: K and V rows")
	ErrState     = errors.New("G15: part of the state that the stage does not have")
	ErrInterface = errors.New("G16: stages do not fit each other")
	ErrToken     = errors.New("G17: token or finish code that is not made by its operation")
	ErrNorm      = errors.New("G18: norm of another tensor")
	ErrOverflow  = errors.New("G19: numbers beyond the proven bounds")
	ErrAnswer    = errors.New("G20: element that cannot be answered")
	ErrThreshold = errors.New("G21: threshold of another tensor")
)

// Program is what Validate judges: the stages of a model and the limits of its header.
type Program struct {
	Token  bool   // token model: embed, layers, EMIT head, ABSORB head; else a graph model
	Vocab  uint32 // token model
	TMax   uint32 // token model: positions
	Layers int    // token model: layers; graph model: stages
	DKV    int    // token model: elements of a K or V row
	Stages [][]opset.Descriptor
}

// Limits of a program, those of the model header. SPEC 06 §1.1.
const (
	maxPositions = 1 << 20
	maxLayers    = 1 << 10
	maxElements  = 1 << 32 // of one tensor at the last position
)

// invariant is one rule, checked stage by stage; a rule may assume those before it.
type invariant struct {
	err   error
	check func(v *stage) error
}

var invariants = [...]invariant{
	{ErrCount, (*stage).count},
	{ErrForm, (*stage).form},
	{ErrOp, (*stage).ops},
	{ErrTarget, (*stage).targets},
	{ErrSources, (*stage).sources},
	{ErrOrder, (*stage).order},
	{ErrDims, (*stage).dims},
	{ErrShape, (*stage).shapes},
	{ErrSize, (*stage).sizes},
	{ErrParameter, (*stage).parameters},
	{ErrFanIn, (*stage).fanIn},
	{ErrWeights, (*stage).weights},
	{ErrLeaf, (*stage).leaves},
	{ErrRows, (*stage).rows},
	{ErrState, (*stage).state},
	{ErrInterface, (*stage).interfaces},
	{ErrToken, (*stage).token},
	{ErrNorm, (*stage).norms},
	{ErrOverflow, (*stage).overflow},
	{ErrAnswer, (*stage).answer},
	{ErrThreshold, (*stage).thresholds},
}

// Validate says whether every stage of the program is one that kernels compute as defined and that
// an honest node can defend at every element and position. The first violation is returned, wrapped
// in the error of its invariant. It does not see model tensors: see Operand. SPEC 04 §3.
func Validate(p *Program) error {
	if err := p.stages(); err != nil {
		return err
	}
	known := []costed{}
	for _, in := range invariants {
		for s := range p.Stages {
			v := &stage{p: p, n: s, ds: p.Stages[s], known: &known}
			if err := in.check(v); err != nil {
				return fmt.Errorf("%w: stage %d: %w", in.err, s, err)
			}
		}
	}
	return nil
}

func (p *Program) stages() error {
	want := p.Layers
	if p.Token {
		want += 3
		if p.Vocab == 0 || p.TMax < 2 || p.TMax > maxPositions || p.DKV < 1 {
			return fmt.Errorf("%w: vocabulary %d, %d positions, rows of %d", ErrCount, p.Vocab, p.TMax, p.DKV)
		}
	}
	if p.Layers < 1 || p.Layers > maxLayers || len(p.Stages) != want {
		return fmt.Errorf("%w: %d stages for %d layers, want %d", ErrCount, len(p.Stages), p.Layers, want)
	}
	return nil
}

// stage is one stage under judgement.
type stage struct {
	p     *Program
	n     int
	ds    []opset.Descriptor
	known *[]costed
}

func (v *stage) layer() bool  { return v.p.Token && v.n >= 1 && v.n <= v.p.Layers }
func (v *stage) emit() bool   { return v.p.Token && v.n == v.p.Layers+1 }
func (v *stage) absorb() bool { return v.p.Token && v.n == v.p.Layers+2 }

// positions is tMax; a graph model has one.
func (v *stage) positions() uint32 {
	if v.p.Token {
		return v.p.TMax
	}
	return 1
}

// each runs a rule on every operation.
func (v *stage) each(rule func(i int, d *opset.Descriptor) error) error {
	for i := 1; i < len(v.ds); i++ {
		if err := rule(i, &v.ds[i]); err != nil {
			return fmt.Errorf("tensor %d (%s): %w", i, v.ds[i].Op, err)
		}
	}
	return nil
}

func (v *stage) count() error {
	if len(v.ds) < 2 || len(v.ds) > MaxTensors || v.ds[0].P[0] != int64(len(v.ds)) {
		return fmt.Errorf("%d tensors, the input declares %d, the limit is %d", len(v.ds), first(v.ds), MaxTensors)
	}
	return nil
}

func first(ds []opset.Descriptor) int64 {
	if len(ds) == 0 {
		return 0
	}
	return ds[0].P[0]
}

func (v *stage) form() error {
	for i := range v.ds {
		b := v.ds[i].Encode()
		if _, err := opset.Decode(b[:]); err != nil {
			return fmt.Errorf("tensor %d: %w", i, err)
		}
		for k, m := range v.ds[i].Dims {
			if m.C == 0 || m.C > math.MaxInt32 || m.K > math.MaxInt32 {
				return fmt.Errorf("tensor %d: dim %d is %+v", i, k, m)
			}
		}
	}
	return nil
}

func (v *stage) ops() error {
	if len(v.ds) > 0 && v.ds[0].Op != opset.Input {
		return fmt.Errorf("tensor 0 is %s, not the input", v.ds[0].Op)
	}
	return v.each(func(_ int, d *opset.Descriptor) error {
		if int(d.Op) >= len(signatures) || signatures[d.Op] == nil {
			return errors.New("is not an operation")
		}
		return nil
	})
}

func known(d *opset.Descriptor) bool { return int(d.Op) < len(signatures) && signatures[d.Op] != nil }

// signed runs a rule on every operation that exists, with its signature.
func (v *stage) signed(rule func(i int, d *opset.Descriptor, s signature) error) error {
	return v.each(func(i int, d *opset.Descriptor) error {
		if !known(d) {
			return nil
		}
		return rule(i, d, signatures[d.Op](d))
	})
}

func (v *stage) targets() error {
	return v.signed(func(_ int, d *opset.Descriptor, _ signature) error {
		if !slices.Contains(d.Op.Targets(), d.Type) {
			return fmt.Errorf("target is %s, want one of %v", d.Type, d.Op.Targets())
		}
		return nil
	})
}

func (v *stage) sources() error {
	return v.signed(func(_ int, d *opset.Descriptor, s signature) error {
		var a, b bool
		for k, src := range d.Src {
			a, b = a || src.Kind == opset.RootA, b || src.Kind == opset.RootB
			if k >= len(s.operands) && src.Kind == opset.None {
				continue
			}
			if k < len(s.operands) && (slices.Contains(s.operands[k].kinds, src.Kind) || s.operands[k].optional && src.Kind == opset.None) {
				continue
			}
			return fmt.Errorf("source %d is of kind %d", k, src.Kind)
		}
		if !a && d.RootA != [32]byte{} || !b && d.RootB != [32]byte{} {
			return errors.New("has the root of a model tensor that it does not use")
		}
		return nil
	})
}

func (v *stage) order() error {
	return v.each(func(i int, d *opset.Descriptor) error {
		for k, s := range d.Src {
			if s.Kind == opset.Tensor && int(s.Index) >= i {
				return fmt.Errorf("source %d is tensor %d", k, s.Index)
			}
		}
		return nil
	})
}

func (v *stage) dims() error {
	return v.signed(func(_ int, d *opset.Descriptor, s signature) error {
		if d.Dims != s.dims {
			return fmt.Errorf("dims are %v, its parameters give %v", d.Dims, s.dims)
		}
		return nil
	})
}

// shapes compares each source with what the operation reads.
func (v *stage) shapes() error {
	return v.signed(func(i int, d *opset.Descriptor, s signature) error {
		for k, o := range s.operands {
			src := d.Src[k]
			if src.Kind != opset.Tensor || int(src.Index) >= len(v.ds) || o.types == nil {
				continue
			}
			x := &v.ds[src.Index]
			have, ok := dims(x.Dims, x.Window)
			want, t := o.size.settle(v.positions()), v.positions()
			if !ok || have.settle(t) != want || !slices.Contains(o.types, x.Type) {
				return fmt.Errorf("source %d is %s of %+v, want %v of %+v", k, x.Type, have.settle(t), o.types, want)
			}
			if leaf := max(o.leaf, opset.LeafBytes); x.Leaf != leaf {
				return fmt.Errorf("source %d has leaves of %d bytes, want %d", k, x.Leaf, leaf)
			}
		}
		return nil
	})
}

func (v *stage) sizes() error {
	for i := range v.ds {
		d := &v.ds[i]
		s, ok := dims(d.Dims, d.Window)
		if !ok || s.c > maxElements || s.top(v.positions()) > maxElements {
			return fmt.Errorf("tensor %d (%s) has more than %d elements or two growing dims", i, d.Op, uint64(maxElements))
		}
		if d.Window > v.positions() || d.Window != 0 && !growsIn(d) {
			return fmt.Errorf("tensor %d (%s): window of %d over %d positions", i, d.Op, d.Window, v.positions())
		}
		if s.k != 0 && (!v.layer() || i == 0) {
			return fmt.Errorf("tensor %d (%s) grows with the position outside of a layer", i, d.Op)
		}
	}
	return nil
}

// growsIn says whether an operation attends positions.
func growsIn(d *opset.Descriptor) bool { return d.Dims[2].K != 0 }

func (v *stage) parameters() error {
	return v.signed(func(_ int, d *opset.Descriptor, s signature) error {
		for k, p := range d.P {
			r := zero
			if k < len(s.params) {
				r = s.params[k]
			}
			if p < r.lo || p > r.hi {
				return fmt.Errorf("p%d is %d, outside %d..%d", k, p, r.lo, r.hi)
			}
		}
		return special(d)
	})
}

// special are relations between parameters.
func special(d *opset.Descriptor) error {
	switch p := &d.P; d.Op {
	case opset.RoPE:
		if p[2]%2 != 0 || p[2] > p[1] || p[0]%p[1] != 0 {
			return fmt.Errorf("%d elements in heads of %d with %d rotated", p[0], p[1], p[2])
		}
	case opset.HeadNorm:
		if p[0]%p[1] != 0 {
			return fmt.Errorf("%d elements in heads of %d", p[0], p[1])
		}
	case opset.Score:
		if p[6]%p[1] != 0 || p[6]/p[1]*p[0] != p[5] {
			return fmt.Errorf("%d heads of %d, %d to a K head, rows of %d", p[6], p[0], p[1], p[5])
		}
	case opset.Mix:
		if p[2]%p[1] != 0 || p[2]/p[1]*p[0] != p[5] {
			return fmt.Errorf("%d heads of %d, %d to a V head, rows of %d", p[2], p[0], p[1], p[5])
		}
	}
	return rowSpecial(d)
}

func (v *stage) fanIn() error {
	return v.signed(func(_ int, d *opset.Descriptor, _ signature) error {
		chunk, t := int64(1), tensor.I32
		switch d.Op {
		case opset.MaxAbs, opset.Max, opset.Sum, opset.ArgKey, opset.SumSquares:
			chunk, t = d.P[2], tensor.DType(d.P[3])
		case opset.Select:
			chunk, t = d.P[1], tensor.DType(d.P[2])
		case opset.Hist:
			chunk = d.P[1]
		}
		if chunk < 1 || chunk > fanIn(t) {
			return fmt.Errorf("chunks of %d %s, want 1..%d", chunk, t, fanIn(t))
		}
		return nil
	})
}

func (v *stage) weights() error {
	return v.signed(func(_ int, d *opset.Descriptor, _ signature) error {
		k, chunk, padded := int64(d.Dims[2].C), d.P[2], d.P[1]
		switch d.Op {
		case opset.MatMul, opset.RowMatMul:
			k, chunk = d.P[0], d.P[1]
			padded = ceilDiv(k, chunkOf(k)) * chunkOf(k)
		case opset.Embed, opset.EmbedRows, opset.Position:
		case opset.MatMulBlock, opset.MatMulG4, opset.EmbedBlock:
			if b, ok := d.Layout(); !ok || int64(b.Chunk) != chunkOf(columns(d)) {
				return fmt.Errorf("leaves of %v for rows of %d", d.P[1:5], columns(d))
			}
			return nil
		case opset.StopState:
			if d.P[1]%opset.LeafBytes != 0 {
				return fmt.Errorf("%d bytes of tokens, want a multiple of %d", d.P[1], opset.LeafBytes)
			}
			return nil
		default:
			return nil
		}
		want := chunkOf(k)
		if chunk != want || padded != ceilDiv(k, want)*want {
			return fmt.Errorf("rows of %d in leaves of %d, padded to %d, want leaves of %d", k, chunk, padded, want)
		}
		return nil
	})
}

func (v *stage) leaves() error {
	for i := range v.ds {
		want := uint16(opset.LeafBytes)
		if v.layer() && i > 0 && (int64(i) == v.ds[0].P[1] || int64(i) == v.ds[0].P[2]) {
			want = opset.KVLeafBytes
		}
		if v.ds[i].Leaf != want {
			return fmt.Errorf("tensor %d (%s) has leaves of %d bytes, want %d", i, v.ds[i].Op, v.ds[i].Leaf, want)
		}
	}
	return nil
}
