package machine

import (
	"elenchus/compute/kernel"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// handlers hands each operation to its kernel.
var handlers = [...]func(*call){
	opset.Embed: func(r *call) {
		y := int(r.c.YPrev)
		if y < 0 || y >= int(r.op.P[0]) {
			y = 0
		}
		kernel.Embed(r.out.I32, r.src(0).I8, r.src(1).I32, y, int(r.op.P[1]))
	},
	opset.MaxAbs:     maxAbs,
	opset.Max:        maxOp,
	opset.Sum:        sum,
	opset.ArgKey:     func(r *call) { kernel.ArgKey(r.out.I64, r.src(0).I32, r.rowLen(), int(r.op.P[2]), 0, r.outRows()) },
	opset.SumSquares: func(r *call) { r.set.SumSquares(r.out.I64, r.src(0).I32, r.src(1).I64[0], int(r.op.P[2])) },
	opset.NormInv: func(r *call) {
		kernel.NormInv(r.out.I64, r.src(0).I64[0], r.src(1).I64[0], r.op.P[0], r.op.P[1])
	},
	opset.NormApply: normApply,
	opset.MatMul:    matMul,
	opset.Row:       row,
	opset.Add:       func(r *call) { r.set.Add(r.out.I32, r.src(0).I32, r.src(1).I32) },
	opset.Mul:       func(r *call) { kernel.Mul(r.out.I32, r.src(0).I32, r.src(1).I32, r.op.P[1]) },
	opset.ReLU:      func(r *call) { kernel.ReLU(r.out.I32, r.src(0).I32) },
	opset.SiLUMul: func(r *call) {
		r.set.SiLUMul(r.out.I32, r.src(0).I32, r.src(1).I32, r.op.P[1], r.op.P[2])
	},
	opset.Scale: func(r *call) { r.out.I64[0] = kernel.Scale(r.src(0).I64[0]) },
	opset.Quant: func(r *call) {
		s := r.op.P[1]
		if a := r.src(1); a != nil {
			s = a.I64[0]
		}
		r.set.Quant(r.out.I16, r.src(0).I32, s)
	},
	opset.RoPE:      rope,
	opset.Score:     score,
	opset.Exp2Op:    exp2,
	opset.Transpose: transpose,
	opset.Mix:       mix,
	opset.DivOp:     func(r *call) { r.set.Div(r.out.I16, r.src(0).I64, r.src(1).I64, int(r.op.P[1])) },
	opset.Temper:    func(r *call) { kernel.Temper(r.out.I32, r.src(0).I32, r.op.P[1], r.c.Temperature) },
	opset.Draw:      draw,
	opset.Select:    selectOp,
	opset.Token:     token,
	opset.StopOp:    stop,
	opset.PromptOp: func(r *call) {
		r.out.I32[0] = r.c.Prompt[min(int(r.c.T)+1, len(r.c.Prompt)-1)]
	},

	opset.MatMulBlock: matMulBlock,
	opset.MatMulG4:    matMulBlock,
	opset.EmbedBlock:  embedBlock,
	opset.HeadNorm: func(r *call) {
		p := &r.op.P
		kernel.HeadNorm(r.out.I32, r.src(0).I32, r.src(1).I32, p[2], p[3], p[4], p[5])
	},
	opset.Activate: func(r *call) {
		p := &r.op.P
		kernel.Activate(r.out.I32, r.src(0).I32, p[2], p[3], p[4], p[5], p[6])
	},
	opset.Center: func(r *call) { kernel.Center(r.out.I32, r.src(0).I32, r.src(1).I64[0], r.op.P[0]) },
	opset.Position: func(r *call) {
		kernel.Embed(r.out.I32, r.src(0).I8, r.src(1).I32, min(int(r.c.T), int(r.op.P[0])-1), int(r.op.P[1]))
	},
	opset.Penalise:     penalise,
	opset.Rank:         rank,
	opset.Hist:         hist,
	opset.Digit:        digit,
	opset.Keep:         keep,
	opset.StopState:    func(r *call) { r.out.I32[0] = stopState(r.op, r.c, r.src(0).I32[0]) },
	opset.Mask:         mask,
	opset.GrammarState: func(r *call) { r.out.I32[0] = nextGrammar(r.op, r.c, r.src(0).I32[0]) },
	opset.Order:        func(r *call) { kernel.Order(r.out.I32, r.src(0).I32) },
	opset.Slot:         func(r *call) { kernel.Slot(r.out.I32, r.src(0).I32) },
	opset.Gather:       func(r *call) { kernel.Gather(r.out.I32, r.src(0).I32, r.src(1).I32) },
	opset.Share:        share,
	opset.RowMatMul:    rowMatMul,
	opset.RowResult:    rowResult,
	opset.RowScale:     func(r *call) { kernel.RowScale(r.out.I64, r.src(0).I64) },
	opset.RowQuant:     func(r *call) { kernel.RowQuant(r.out.I16, r.src(0).I32, r.src(1).I64, int(r.op.P[1])) },
	opset.Combine:      func(r *call) { kernel.Combine(r.out.I32, r.src(0).I32, r.src(1).I32, r.op.P[2]) },
	opset.EmbedRows:    embedRows,
	opset.Live:         liveRows,
	opset.RowScore:     rowScore,
	opset.RowMix:       rowMix,
	opset.Turn:         func(r *call) { kernel.Turn(r.out.I32, r.src(0).I32, r.src(1).I32) },
	opset.RowCenter: func(r *call) {
		kernel.RowCenter(r.out.I32, r.src(0).I32, r.src(1).I64, int(r.op.P[1]))
	},
	opset.RowSquares: rowSquares,
	opset.RowInv:     func(r *call) { kernel.RowInv(r.out.I64, r.src(0).I64, r.src(1).I64, r.op.P[0], r.op.P[1]) },
	opset.RowNorm:    rowNorm,
	opset.RowAdd:     func(r *call) { kernel.RowAdd(r.out.I32, r.src(0).I32, r.src(1).I32) },
}

func maxAbs(r *call) {
	n, f := r.rowLen(), int(r.op.P[2])
	if x := r.src(0); x.Type == tensor.I32 {
		r.set.MaxAbs(r.out.I64, x.I32, n, f, 0, r.outRows())
	} else {
		kernel.MaxAbs(r.out.I64, x.I64, n, f, 0, r.outRows())
	}
}

func maxOp(r *call) {
	n, f := r.rowLen(), int(r.op.P[2])
	if x := r.src(0); x.Type == tensor.I32 {
		r.set.Max(r.out.I64, x.I32, n, f, 0, r.outRows())
	} else {
		kernel.Max(r.out.I64, x.I64, n, f, 0, r.outRows())
	}
}

func sum(r *call) {
	n, f := r.rowLen(), int(r.op.P[2])
	if x := r.src(0); x.Type == tensor.I32 {
		r.set.Sum(r.out.I64, x.I32, n, f, 0, r.outRows())
	} else {
		kernel.Sum(r.out.I64, x.I64, n, f, 0, r.outRows())
	}
}

func normApply(r *call) {
	var gamma []int32
	if g := r.src(2); g != nil {
		gamma = g.I32
	}
	a := r.src(1).I64
	r.set.NormApply(r.out, r.src(0).I32, [2]int64{a[0], a[1]}, r.op.P[0], gamma, r.op.P[1])
}

func matMul(r *call) {
	x, w := r.src(0).I16, r.src(1).I8
	r.split(r.outRows(), func(lo, hi int) {
		kernel.MatMul(r.out.I64, x, w, int(r.op.P[0]), int(r.op.P[1]), lo, hi)
	})
}

func matMulBlock(r *call) {
	x, w := r.src(0).I16, r.src(1).I8
	b, _ := r.op.Layout()
	r.split(r.outRows(), func(lo, hi int) {
		if b.Bits == 4 {
			kernel.MatMulG4(r.out.I64, x, w, int(r.op.P[0]), b, lo, hi)
		} else {
			kernel.MatMulBlock(r.out.I64, x, w, int(r.op.P[0]), b, lo, hi)
		}
	})
}

func embedBlock(r *call) {
	y := int(r.c.YPrev)
	if y < 0 || y >= int(r.op.P[0]) {
		y = 0
	}
	b, _ := r.op.Layout()
	kernel.EmbedBlock(r.out.I32, r.src(0).I8, r.src(1).I32, y, b)
}

func row(r *call) {
	s := int64(0)
	if a := r.src(2); a != nil {
		s = a.I64[0]
	}
	kernel.Row(r.out, r.src(0).I64, r.src(1).I32, int(r.op.P[0]), s, 0, r.out.Len())
}

func rope(r *call) {
	rd := int(r.op.P[2])
	t := min(int(r.c.T), int(r.op.P[5])-1)
	angle := r.src(1).I32[t*rd : (t+1)*rd]
	r.set.RoPE(r.out.I16, r.src(0).I32, angle, int(r.op.P[1]), rd, int(r.op.P[4]), r.op.P[3])
}

func score(r *call) {
	p := &r.op.P
	r.split(int(p[6]), func(lo, hi int) {
		r.set.Score(r.out.I32, r.src(0).I16, r.kv.K[r.layer], int(p[0]), int(p[1]), int(p[5]),
			int(r.op.First(r.c)), int(r.op.Span(r.c)), p[2], p[3], lo, hi)
	})
}

func exp2(r *call) {
	n := r.rowLen()
	r.split(r.out.Len()/n, func(lo, hi int) {
		r.set.Exp2(r.out.I32, r.src(0).I32, r.src(1).I64, n, int(r.op.P[2]), lo, hi)
	})
}

func transpose(r *call) {
	if r.out.Len() == 0 {
		return
	}
	kernel.Transpose(r.out.I16, r.kv.V[r.layer], r.kv.DKV, int(r.op.First(r.c)), int(r.op.Span(r.c)))
}

// mix reads the V cache instead of the transposed tensor, whose elements are the cache's, unless
// that tensor exists: then an observer may have changed it.
func mix(r *call) {
	p := &r.op.P
	hd, group, dkv, span := int(p[0]), int(p[1]), int(p[5]), int(r.op.Span(r.c))
	if vt := r.src(1); vt.Len() > 0 {
		kernel.MixTransposed(r.out.I64, r.src(0).I32, vt.I16, hd, group, span, 0, int(p[2]))
		return
	}
	r.split(int(p[2]), func(lo, hi int) {
		r.set.Mix(r.out.I64, r.src(0).I32, r.kv.V[r.layer], hd, group, dkv, int(r.op.First(r.c)), span, lo, hi)
	})
}

func draw(r *call) {
	z := uint64(max(0, r.src(0).I64[0]))
	r.out.I64[0] = int64(kernel.MulHigh(opset.Uniform(r.c.Seed, r.c.T), z))
}

func selectOp(r *call) {
	q, rem := int64(0), r.src(1).I64[0]
	if r.op.P[3] != 1 {
		q, rem = r.src(1).I64[0], r.src(1).I64[1]
	}
	if x := r.src(0); x.Type == tensor.I32 {
		kernel.Select(r.out.I64, x.I32, int(r.op.P[1]), q, rem)
	} else {
		kernel.Select(r.out.I64, x.I64, int(r.op.P[1]), q, rem)
	}
}

func token(r *call) {
	y := int64(1<<32-1) - r.src(0).I64[0]&(1<<32-1)
	if r.c.Temperature != 0 && r.src(1).I64[0] > 0 {
		y = r.src(2).I64[0]
	}
	r.out.I32[0] = int32(tensor.Sat64(y, tensor.I32))
}

func stop(r *call) {
	y := r.src(0).I32[0]
	if r.src(3).I32[0] == opset.GrammarDead {
		r.out.I32[0] = opset.FinishGrammar
		return
	}
	for _, id := range r.c.StopIDs {
		if id == y {
			r.out.I32[0] = opset.FinishEnd
			return
		}
	}
	r.out.I32[0] = int32(opset.Limit(r.c))
	if r.src(2).I32[0] == opset.StopDone {
		r.out.I32[0] = opset.FinishString
	}
}
