package machine

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// tableTrial draws a token table: mostly one that a grammar could have, sometimes any numbers.
func tableTrial(r *rand.Rand, z *trial, tokens int) {
	classes, rows := int(span(r, 1, 9)), int(span(r, 1, 9))
	z.d.P[0], z.d.Src[1] = int64(tokens), opset.Source{Kind: opset.Grammar}
	z.c.Grammared, z.c.GrammarState = r.IntN(8) > 0, uint32(r.IntN(rows)*classes)
	for range tokens {
		z.c.GrammarTable = append(z.c.GrammarTable, int32(r.IntN(classes)))
	}
	for range rows * classes {
		z.c.GrammarTable = append(z.c.GrammarTable, int32(r.IntN(2)*(1+r.IntN(rows)*classes)))
	}
	switch r.IntN(6) {
	case 0:
		z.c.GrammarState = []uint32{r.Uint32(), math.MaxUint32, opset.GrammarCount, 1 << 31}[r.IntN(4)]
	case 1:
		for i := range z.c.GrammarTable {
			z.c.GrammarTable[i] = int32(r.Uint32()) >> r.IntN(31)
		}
	case 2:
		z.c.GrammarTable = z.c.GrammarTable[:r.IntN(len(z.c.GrammarTable)+1)]
	}
}

func maskTrial(r *rand.Rand, z *trial) {
	n := int(span(r, 1, 40))
	z.d.Dims, z.src[0] = vec(n), drawn(r, tensor.I32, n, 31)
	tableTrial(r, z, n)
}

func grammarTrial(r *rand.Rand, z *trial) {
	z.d.Dims, z.src[0] = vec(1), drawn(r, tensor.I32, 1, 6)
	tableTrial(r, z, int(span(r, 1, 40)))
}

// fetchTable reads the token table, behind which all is zero.
func (z *trial) fetchTable(r opset.Read) ([]byte, error) {
	if r.Total != 4*opset.GrammarCount || r.Leaf != opset.LeafBytes {
		return nil, fmt.Errorf("a token table of %d bytes in leaves of %d", r.Total, r.Leaf)
	}
	out := make([]byte, r.Hi-r.Lo)
	for i := range len(out) / 4 {
		if at := int(r.Lo)/4 + i; at < len(z.c.GrammarTable) {
			binary.LittleEndian.PutUint32(out[4*i:], uint32(z.c.GrammarTable[at]))
		}
	}
	return out, nil
}
