package opset

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"slices"

	"elenchus/compute/tensor"
)

// Operations that turn logits into the next token and the finish code.

func temper(e *env, j uint64) *big.Int {
	x := e.one(e.d.Src[0], tensor.I32, e.d.Count(e.c), j)
	return tensor.Div(bmul(b64(x), e.d.P[1]), b64(int64(e.c.Temperature)))
}

// Uniform is u of the draw: it depends on seed and position alone. SPEC 02 §4 op 24.
func Uniform(seed uint64, t uint32) uint64 {
	b := []byte("draw")
	b = binary.BigEndian.AppendUint64(b, seed)
	b = binary.BigEndian.AppendUint32(b, t)
	h := sha256.Sum256(b)
	return binary.BigEndian.Uint64(h[:8])
}

func draw(e *env, _ uint64) *big.Int {
	z := b64(max(0, e.one(e.d.Src[0], tensor.I64, 1, 0)))
	u := new(big.Int).SetUint64(Uniform(e.c.Seed, e.c.T))
	return u.Rsh(u.Mul(u, z), 64)
}

func selectOp(e *env, i uint64) *big.Int {
	n, f := max(e.p(0), 1), max(e.p(1), 1)
	q, r := int64(0), int64(0)
	if e.d.P[3] == 1 {
		r = e.one(e.d.Src[1], tensor.I64, 1, 0)
	} else {
		a := e.read(e.d.Src[1], tensor.I64, LeafBytes, 2, 0, 2)
		q, r = a[0], a[1]
	}
	c := min(uint64(max(q, 0)), (n+f-1)/f-1)
	lo := c * f
	x := e.read(e.d.Src[0], e.dtype(2), LeafBytes, n, lo, min(lo+f, n))
	rem, prefix := b64(r), new(big.Int)
	j := 0
	for ; j < len(x)-1; j++ {
		next := new(big.Int).Add(prefix, b64(x[j]))
		if next.Cmp(rem) > 0 {
			break
		}
		prefix = next
	}
	if i == 0 {
		return b64(int64(lo) + int64(j))
	}
	return rem.Sub(rem, prefix)
}

func token(e *env, _ uint64) *big.Int {
	key := e.one(e.d.Src[0], tensor.I64, 1, 0)
	z := e.one(e.d.Src[1], tensor.I64, 1, 0)
	sel := e.read(e.d.Src[2], tensor.I64, LeafBytes, 2, 0, 2)
	if e.c.Temperature == 0 || z <= 0 {
		return b64(1<<32 - 1 - key&(1<<32-1))
	}
	return b64(sel[0])
}

// Finish codes, SPEC 06 §4.
const (
	FinishRun       = 0
	FinishEnd       = 1
	FinishString    = 2
	FinishLength    = 3
	FinishContext   = 4
	FinishCancelled = 5
	FinishGrammar   = 6
)

// MaxStop is the largest number of stop ids in a request.
const MaxStop = 64

func stop(e *env, _ uint64) *big.Int {
	y, end := e.one(e.d.Src[0], tensor.I32, 1, 0), false
	if n := min(uint64(e.c.StopCount), MaxStop); n > 0 {
		end = slices.Contains(e.read(e.d.Src[1], tensor.I32, LeafBytes, n, 0, n), y)
	}
	state := e.one(e.d.Src[2], tensor.I32, 1, 0)
	grammar := e.one(e.d.Src[3], tensor.I32, 1, 0)
	switch {
	case grammar == GrammarDead:
		return b64(FinishGrammar)
	case end:
		return b64(FinishEnd)
	case state == StopDone:
		return b64(FinishString)
	}
	return b64(Limit(e.c))
}

// Limit is the finish code of a step whose token ends nothing by itself.
func Limit(c *Context) int64 {
	t := int64(c.T)
	switch {
	case t+2-int64(c.M) >= int64(c.MaxNew):
		return FinishLength
	case t+2 > int64(c.TMax):
		return FinishContext
	}
	return FinishRun
}

func prompt(e *env, _ uint64) *big.Int {
	m := max(uint64(e.c.M), 1)
	return b64(e.one(e.d.Src[0], tensor.I32, m, min(uint64(e.c.T)+1, m-1)))
}
