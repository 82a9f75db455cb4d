package dispute

import (
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/compute/opset"
)

// Kind numbers a move as in SPEC 08 §4; the zero value is illegal.
type Kind uint8

// The moves of a running game. Commit (1), open (2) and resolve (15) begin and end it.
const (
	KindCommit   Kind = 1
	KindOpen     Kind = 2
	KindChildren Kind = 3
	KindChild    Kind = 4
	KindReveal   Kind = 5
	KindStage    Kind = 6
	KindRows     Kind = 7
	KindLayer    Kind = 8
	KindTensors  Kind = 9
	KindPick     Kind = 10
	KindRaw      Kind = 11
	KindElement  Kind = 12
	KindAnswer   Kind = 13
	KindTimeout  Kind = 14
	KindResolve  Kind = 15
	KindInclude  Kind = 16
	KindPublish  Kind = 17
	KindDecrypt  Kind = 18
)

var kindNames = [...]string{"", "commit", "open", "children", "child", "reveal", "stage", "rows", "layer", "tensors",
	"pick", "raw", "element", "answer", "timeout", "resolve", "include", "publish", "decrypt"}

// String is the name of the arena's function.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("move(%d)", uint8(k))
	}
	return kindNames[k]
}

// StageKV is the stage number that disputes the KV rows of position t.
const StageKV uint16 = 0xffff

// Descend is the element index of a pick that asks for the children of a withheld tensor.
const Descend = ^uint64(0)

// Move is one move of a running game. Its lists have the lengths that the state before it gives;
// Encode writes them as they are, and DecodeMove reads exactly these lengths.
type Move interface {
	Kind() Kind
	// Encode is the payload of SPEC 08 §7.
	Encode() []byte
}

// Children are the present children of the subtree in hand.
type Children struct{ Hashes []Hash }

// Child picks a child of the subtree in hand.
type Child struct {
	Number uint8
	Hash   Hash
	Path   []Hash // from the child's level upward
}

// Reveal posts what step t starts from, its boundaries and its KV row. Graph models have Job and
// Boundaries only.
type Reveal struct {
	Job          Job
	Lists        claim.Lists // only if the job has lists
	Before       Preimage    // Aux follows from Recall
	After        Preimage    // Aux likewise, Previous is the hash of Before
	Recall       Recall      // only if the request remembers
	StatePath    []Hash      // of S_{t-1} and S_t, at t = 0 of the latter alone
	PromptLeaf   []byte      // 64 bytes, only if t = 0
	PromptPath   []Hash
	Boundaries   []Hash
	PositionLeaf Hash
	PositionPath []Hash
	OutputLeaf   []byte // 64 bytes, only if t >= m-1
	OutputPath   []Hash
}

// PickStage names the first stage whose boundary differs, or StageKV.
type PickStage struct{ Stage uint16 }

// RowHashes posts the row hashes of position t, and the position leaf's path in the boundary tree.
type RowHashes struct {
	Rows []Hash
	Path []Hash
}

// PickLayer names the first layer whose row differs.
type PickLayer struct{ Layer uint16 }

// Tensors posts the tensor roots of the stage.
type Tensors struct {
	Input        [opset.DescriptorSize]byte
	InputPath    []Hash
	Roots        []Hash
	FirstPath    []Hash // of root 0 in the boundary tree
	LastPath     []Hash // of the last root in the boundary tree
	HasRows      bool   // the stage makes a KV row: the rest is there
	PositionLeaf Hash
	PositionPath []Hash
	LayerPath    []Hash
	Memory       Memory // only for EMIT of a request with stop strings or a grammar
}

// PickTensor names an element, or a tensor to descend into.
type PickTensor struct {
	Tensor     uint8
	Index      uint64
	Root       Hash // the rest only with Index Descend
	RootPath   []Hash
	Descriptor [opset.DescriptorSize]byte
	GraphPath  []Hash
}

// RawLeaf posts the bytes of the leaf in hand.
type RawLeaf struct{ Bytes []byte }

// PickElement names the element within the posted leaf; in a leaf of the outputs it brings the job.
type PickElement struct {
	Element uint16
	Job     *Job // only in phase OutputsPick
}

// ReadOpening opens one read of an answer.
type ReadOpening struct {
	Tensor   bool // the read is of a tensor of the stage: root and path are there
	Root     Hash
	RootPath []Hash
	Siblings []Hash
}

// AnswerMove opens everything that the picked element depends on.
type AnswerMove struct {
	Job        Job
	Lists      claim.Lists // only if the job has lists
	Memory     Memory      // only if the request remembers
	Descriptor [opset.DescriptorSize]byte
	GraphPath  []Hash
	Outside    bool // the index is not below the element count: nothing follows
	Descended  bool // the target's leaf is in hand: no root, path and siblings
	Root       Hash
	RootPath   []Hash
	Leaf       []byte
	Siblings   []Hash
	Data       []byte        // the leaves of every read, in order
	Reads      []ReadOpening // one for each read
}

// Timeout ends a missed turn; it has no payload.
type Timeout struct{}

// Kinds of the moves.
func (Children) Kind() Kind    { return KindChildren }
func (Child) Kind() Kind       { return KindChild }
func (Reveal) Kind() Kind      { return KindReveal }
func (PickStage) Kind() Kind   { return KindStage }
func (RowHashes) Kind() Kind   { return KindRows }
func (PickLayer) Kind() Kind   { return KindLayer }
func (Tensors) Kind() Kind     { return KindTensors }
func (PickTensor) Kind() Kind  { return KindPick }
func (RawLeaf) Kind() Kind     { return KindRaw }
func (PickElement) Kind() Kind { return KindElement }
func (AnswerMove) Kind() Kind  { return KindAnswer }
func (Timeout) Kind() Kind     { return KindTimeout }

// legal are the phases in which a move is next. SPEC 08 §4.
func (k Kind) legal(s *State) bool {
	leaf := s.Level == 0
	switch k {
	case KindChildren:
		return s.Phase == States || s.Phase == Outputs && !leaf || s.Phase == Tensor
	case KindChild:
		return s.Phase == StatesPick || s.Phase == OutputsPick && !leaf || s.Phase == TensorPick
	case KindReveal:
		return s.Phase == R1
	case KindStage:
		return s.Phase == Stage
	case KindRows:
		return s.Phase == Rows
	case KindLayer:
		return s.Phase == Layer
	case KindTensors:
		return s.Phase == R2
	case KindPick:
		return s.Phase == Pick
	case KindRaw:
		return s.Phase == Raw || s.Phase == Outputs && leaf
	case KindElement:
		return s.Phase == Element || s.Phase == OutputsPick && leaf
	case KindAnswer:
		return s.Phase == Answer
	case KindInclude:
		return s.Phase == Demand
	case KindPublish:
		return s.Phase == Publication
	case KindDecrypt:
		return s.Phase == Check
	case KindTimeout:
		return s.Phase.Turn() != Nobody
	}
	return false
}
