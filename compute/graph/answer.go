package graph

import "elenchus/compute/opset"

// What an answer carries besides data and siblings. SPEC 08 §2, §7.10.
const (
	stateBytes = 432
	jobBytes   = 316
	hashBytes  = 32
	rootDepth  = 7 // log2 MaxTensors: the path of a root in the keccak tree of R2
)

// Limits of an answer. GAME rule 20 asks for 5,120 bytes and 130 hashes, and every operation but
// one keeps to that at 131,072 positions and 64 heads. Rows over positions begin inside leaves at
// most t, and a chunk of mix that crosses the middle of both its trees has two siblings a level in
// each: 6,096 bytes and 159 hashes.
const (
	MaxAnswerBytes  = 6144
	MaxAnswerHashes = 160
	MaxAnswerReads  = 4
)

// Cost is what an answer takes: bytes of calldata without ABI words, tree hashes that the contract
// computes (leaves, nodes and root paths), and reads.
type Cost struct {
	Bytes  int
	Hashes int
	Reads  int
}

// Answer is the exact cost of answering element index of d in context c, for a graph tree over
// stages stages and stages of MaxTensors tensors. Reads whose place depends on earlier reads are
// taken where zero bytes put them. It returns the error of opset.Element.
func Answer(d *opset.Descriptor, c *opset.Context, index uint64, stages int) (Cost, error) {
	reads, err := readsOf(d, c, index, 0)
	if err != nil {
		return Cost{}, err
	}
	cost := fixedCost(stages)
	z := uint64(d.Type.Size())
	target := opset.Read{Source: opset.Source{Kind: opset.Tensor}, Total: d.Bytes(c), Leaf: int(d.Leaf), Lo: index * z, Hi: (index + 1) * z}
	for _, r := range append([]opset.Read{target}, reads...) {
		a, b := r.Leaves()
		depth := depthOf(r.Total, r.Leaf)
		siblings, nodes := opening(a, b, depth)
		cost.add(r, int(b-a), siblings, nodes)
	}
	cost.Reads = len(reads)
	return cost, nil
}

// fixedCost is the part that every answer has: state, job, descriptor and its path, data length.
func fixedCost(stages int) Cost {
	depth := rootDepth + log2(uint64(stages))
	return Cost{Bytes: stateBytes + jobBytes + opset.DescriptorSize + hashBytes*depth + 4, Hashes: 1 + depth}
}

// add counts the opening of a read.
func (k *Cost) add(r opset.Read, leaves, siblings, nodes int) {
	k.Bytes += leaves*r.Leaf + hashBytes*siblings
	k.Hashes += leaves + nodes
	if r.Kind == opset.Tensor {
		k.Bytes += hashBytes * (1 + rootDepth)
		k.Hashes += 1 + rootDepth
	}
}

// depthOf is the depth of the tree over total bytes. SPEC 01 §2.3.
func depthOf(total uint64, leaf int) int {
	return log2((total + uint64(leaf) - 1) / uint64(leaf))
}

// opening counts the siblings and the inner nodes of leaves [a, b). SPEC 01 §2.4.
func opening(a, b uint64, depth int) (siblings, nodes int) {
	for range depth {
		siblings += int(a&1) + int(b&1)
		a, b = a/2, (b+1)/2
		nodes += int(b - a)
	}
	return siblings, nodes
}
