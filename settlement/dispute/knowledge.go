package dispute

import (
	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
)

// Tree is a hash tree that a player can read at every level; *merkle.Tree is one.
type Tree interface {
	// Depth is the number of levels above level 0.
	Depth() int
	// At is the node at a level and index, a zero subtree where nothing is.
	At(level int, index uint64) Hash
	// SiblingsTo leads nodes [a, b) of a level to the node at level top above them. SPEC 01 §2.4.
	SiblingsTo(level int, a, b uint64, top int) []Hash
}

var _ Tree = (*merkle.Tree)(nil)

// Knowledge is what a player knows of the claim's job from its own recomputation: for the node the
// computation that it claimed, for the opener the honest one. Methods must not fail on places that
// job and state allow; an error (data lost, recomputation refused) goes to the caller of Next.
type Knowledge interface {
	// States is the tree over the player's own states, of the depth that the claim's count gives.
	// An honest run that ends before the claim's count has absent leaves at the end.
	States() (Tree, error)
	// Outputs is the tree of the i32 output ids of the claim's count, and their padded bytes.
	Outputs() (Tree, []byte, error)
	// Prompt is leaf 0 of the prompt ids and its siblings.
	Prompt() (leaf []byte, siblings []Hash, err error)
	// Preimage is what S_t hashes, t >= -1.
	Preimage(t int64) (Preimage, error)
	// Lists are the roots behind the settings of the request.
	Lists() (claim.Lists, error)
	// Recall is what R1 shows of the memories of S_{t-1} and S_t, zero if the request remembers nothing.
	Recall(t uint32) (Recall, error)
	// Step is the trace of step t; for a graph model t is 0.
	Step(t uint32) (Step, error)
}

// Step is a player's own trace of one step.
type Step interface {
	// Boundaries are b_0..b_L.
	Boundaries() ([]Hash, error)
	// Append is the position leaf of t and its siblings in KV_{t-1}, lowest first.
	Append() (leaf Hash, siblings []Hash, err error)
	// Rows are the L row hashes of position t.
	Rows() ([]Hash, error)
	// Stage is the trace of one stage.
	Stage(stage int) (Trace, error)
}

// Trace is a player's own trace of one stage of one step.
type Trace interface {
	// Descriptors are the stage's descriptors in order, and their siblings in the graph tree.
	Descriptors() ([]opset.Descriptor, [][]Hash, error)
	// Roots are the roots of the stage's tensors.
	Roots() ([]Hash, error)
	// Tensor is the tree of a tensor and its bytes, padded to whole leaves.
	Tensor(tensor int) (Tree, []byte, error)
	// Source opens a read of a model tensor, the KV tree, the prompt or the stop ids: the bytes of
	// the covering leaves and their siblings.
	Source(d *opset.Descriptor, r opset.Read) (leaves []byte, siblings []Hash, err error)
}

// Served gives the accused's bytes of a tensor, padded to whole leaves or not, where the accused served
// them off chain; ok is false where it did not. The bytes are checked against the posted root.
type Served func(t uint32, stage, tensor int) (data []byte, ok bool)

// Withheld is the Served of an accused that serves nothing.
func Withheld(uint32, int, int) ([]byte, bool) { return nil, false }
