package graph

import (
	"encoding/binary"
	"fmt"

	"elenchus/compute/opset"
)

// place is where a read of the elements of an operation may lie.
type place struct {
	read  opset.Read // with the largest tree
	width uint64     // bytes of the longest
	step  uint64     // all begin at multiples of it; 0: at byte 0
}

// Worst is an upper bound of Answer over all elements, positions and bytes: each read is taken at
// the worst place that its length and alignment allow. c gives tMax and the length of the lists; d
// must have passed the invariants before this one. Lengths and alignments are found by trying
// elements: places are affine in the coordinates of an element and in the positions attended.
func Worst(d *opset.Descriptor, c opset.Context, stages int) (Cost, error) {
	reads, err := placesOf(d, c)
	if err != nil {
		return Cost{}, err
	}
	cost := fixedCost(stages)
	for i := range reads {
		most := Cost{}
		for k := range reads[i] {
			one := reads[i][k].cost(d)
			most.Bytes, most.Hashes = max(most.Bytes, one.Bytes), max(most.Hashes, one.Hashes)
		}
		cost.Bytes, cost.Hashes = cost.Bytes+most.Bytes, cost.Hashes+most.Hashes
	}
	cost.Reads = len(reads) - 1
	return cost, nil
}

// cost is that of the opening at the worst place.
func (p *place) cost(d *opset.Descriptor) (k Cost) {
	leaf, depth := uint64(p.read.Leaf), depthOf(p.read.Total, p.read.Leaf)
	within, align := leaf, p.step/leaf
	if p.step != 0 && p.step%leaf != 0 {
		within, align = gcd(p.step, leaf), 1
	}
	w := min((p.width+leaf-within+leaf-1)/leaf, 1<<uint(depth))
	if p.read.Kind == opset.KV { // pieces of one row: above it there is one node
		rows := int(d.P[7] & 63)
		siblings, nodes := worstOpening(w, align, rows)
		k.add(p.read, int(w), siblings+depth-rows, nodes+depth-rows)
		return k
	}
	siblings, nodes := worstOpening(w, align, depth)
	k.add(p.read, int(w), siblings, nodes)
	return k
}

// worstOpening bounds the opening of w leaves that begin at a multiple of align leaves, or at the
// first leaf if align is 0.
func worstOpening(w, align uint64, depth int) (siblings, nodes int) {
	begin := align == 0
	for l := range depth {
		beside := uint64(1)<<uint(depth-l) - w // nodes of this level that are not opened
		need := w & 1
		next := (w + 1) / 2
		if !begin && align&1 == 1 && w&1 == 0 { // both ends may be odd
			need, next = 2, w/2+1
		}
		siblings += int(min(need, beside))
		w = min(next, 1<<uint(depth-l-1))
		nodes += int(w)
		if align&1 == 0 {
			align /= 2
		}
	}
	return siblings, nodes
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// trials is how many elements are tried at each position.
const trials = 24

// placesOf tries elements and notes the places of the target (first) and of each read; reads that
// have the same number may come from several sources.
func placesOf(d *opset.Descriptor, c opset.Context) ([][]place, error) {
	out := make([][]place, 1)
	last := max(c.TMax, 1) - 1
	for i, t := range []uint32{last, last - min(last, 1), last - min(last, 2), last / 2, last / 3, last - last%128, 0, 1, 2, 4} {
		c.T, c.YPrev, c.M = min(t, last), int32(i*i), c.TMax
		n, z := d.Count(&c), uint64(d.Type.Size())
		shape := d.Shape(&c)
		for k := range uint64(trials) {
			index := trial(k, n, shape)
			reads, err := readsOf(d, &c, index, k)
			if err != nil {
				return nil, err
			}
			target := opset.Read{Source: opset.Source{Kind: opset.Tensor}, Total: n * z, Leaf: int(d.Leaf), Lo: index * z, Hi: index*z + z}
			for r, read := range append([]opset.Read{target}, reads...) {
				if r == len(out) {
					out = append(out, nil)
				}
				out[r] = note(out[r], read)
			}
		}
	}
	return out, nil
}

// trial picks the first elements, those around a step of each coordinate, and others.
func trial(k, n uint64, shape [3]uint64) uint64 {
	last, plane := shape[2], shape[1]*shape[2]
	first := [...]uint64{0, 1, 2, 3, 5, last - 1, last, last + 1, 2 * last, 3 * last, plane, plane + 1, plane - 1, n - 1, n / 2, n / 3}
	if k < uint64(len(first)) {
		return min(first[k], n-1)
	}
	return (n / trials * k) + k%max(n/trials, 1)
}

func note(list []place, r opset.Read) []place {
	for i := range list {
		if p := &list[i]; p.read.Source == r.Source {
			p.width, p.step = max(p.width, r.Hi-r.Lo), gcd(p.step, r.Lo)
			if r.Total > p.read.Total {
				p.read = r
			}
			return list
		}
	}
	return append(list, place{r, r.Hi - r.Lo, r.Lo})
}

// readsOf are the reads of an element, where bytes decide their place those that k leads to.
func readsOf(d *opset.Descriptor, c *opset.Context, index, k uint64) ([]opset.Read, error) {
	var out []opset.Read
	_, err := opset.Element(d, c, index, func(r opset.Read) ([]byte, error) {
		if r.Lo >= r.Hi || r.Hi > r.Total || r.Leaf < 1 || r.Hi-r.Lo > 1<<16 {
			return nil, fmt.Errorf("read [%d,%d) of %d bytes in leaves of %d", r.Lo, r.Hi, r.Total, r.Leaf)
		}
		out = append(out, r)
		b := make([]byte, max(r.Hi-r.Lo, 8))
		switch {
		case d.Op == opset.StopState: // a place and a length
			binary.LittleEndian.PutUint64(b, k|opset.TokenBytes<<32)
		case leads(d.Op):
			binary.LittleEndian.PutUint64(b, k)
		}
		return b[:r.Hi-r.Lo], nil
	})
	return out, err
}

// leads says whether bytes of an operation decide the place of a later read.
func leads(c opset.Code) bool {
	switch c {
	case opset.Mask, opset.GrammarState, opset.Select, opset.Gather, opset.RowMatMul, opset.RowResult, opset.EmbedRows:
		return true
	}
	return false
}
