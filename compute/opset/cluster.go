package opset

import (
	"errors"
	"fmt"
	"slices"
)

// ErrCluster marks operations that cannot be proven at once.
var ErrCluster = errors.New("no cluster")

// ErrClusterRead marks, of those, one that reads from what lies outside of a stage.
var ErrClusterRead = errors.New("a source outside of the stage")

// Bounds of a cluster, as contracts have them. SPEC 10 §4.8.
const (
	ClusterOperators = 8
	ClusterElements  = 4096 // that its operations make together
	ClusterLeaves    = 512  // of its target and of what it reads
	clusterData      = 6144 // bytes of the leaves that one element reads
)

// clustered are the operations of clusters: what they read follows from descriptor, position and index, by
// steps of one size, so that the reads of the first and the last element bound those between them.
var clustered = [...]Code{MaxAbs, Max, Sum, SumSquares, NormInv, NormApply, Row, Add, Mul, ReLU, SiLUMul, Scale, Quant, RoPE, Exp2Op, DivOp,
	HeadNorm, Activate, Center}

// Clusters says whether an operation can be part of a cluster.
func (c Code) Clusters() bool { return slices.Contains(clustered[:], c) }

// Operator is one operation of a stage, with the number of the tensor that it makes.
type Operator struct {
	Tensor     uint8
	Descriptor Descriptor
}

// ClusterInput is a run of leaves that a cluster reads from outside: of a tensor of the stage, or of a model
// tensor of one of its operators.
type ClusterInput struct {
	Source   Source
	Operator int // whose descriptor has the root; -1 for a tensor of the stage
	Total    uint64
	Leaf     int
	From, To uint64 // leaves
}

// Read is what the input covers.
func (n *ClusterInput) Read() Read {
	leaf := uint64(n.Leaf)
	return Read{Source: n.Source, Total: n.Total, Leaf: n.Leaf, Lo: n.From * leaf, Hi: min(n.To*leaf, n.Total)}
}

// Wire is a read of an operator of a cluster: of what an earlier operator makes, or of an input.
type Wire struct {
	Read     Read
	Operator int // -1 for an input
	Input    int // -1 for an operator
}

// Cluster makes the whole tensor of its last operator out of runs of leaves. The zero value is illegal; NewCluster
// makes clusters.
type Cluster struct {
	Operators []Operator // ascending by tensor
	Context   Context
	Inputs    []ClusterInput // in the order of their first use
	First     [][]Wire       // reads of the first element of each operator,
	Last      [][]Wire       // and of the last
}

// NewCluster finds what operators read from outside, the last of which makes the target. It returns ErrCluster for
// what cannot be proven at once. It reads no data. SPEC 10 §4.8.
func NewCluster(operators []Operator, c *Context) (*Cluster, error) {
	if len(operators) == 0 || len(operators) > ClusterOperators {
		return nil, fmt.Errorf("%w: %d operators, 1 to %d can be", ErrCluster, len(operators), ClusterOperators)
	}
	x := &Cluster{Operators: operators, Context: *c}
	elements := uint64(0)
	for k := range operators {
		d := &operators[k].Descriptor
		if k > 0 && operators[k].Tensor <= operators[k-1].Tensor || !d.Op.Clusters() || d.Leaf == 0 {
			return nil, fmt.Errorf("%w: operator %d is %s of tensor %d", ErrCluster, k, d.Op, operators[k].Tensor)
		}
		n := d.Count(c)
		if n == 0 || n > ClusterElements || elements+n > ClusterElements {
			return nil, fmt.Errorf("%w: %d elements and %d of %s, at most %d can be", ErrCluster, elements, n, d.Op, ClusterElements)
		}
		elements += n
		first, err := x.wires(k, 0)
		if err != nil {
			return nil, err
		}
		last, err := x.wires(k, n-1)
		if err != nil {
			return nil, err
		}
		if len(first) != len(last) {
			return nil, fmt.Errorf("%w: %s reads %d and %d times", ErrCluster, d.Op, len(first), len(last))
		}
		x.First, x.Last = append(x.First, first), append(x.Last, last)
	}
	if n := x.Leaves(); n > ClusterLeaves {
		return nil, fmt.Errorf("%w: %d leaves, at most %d can be", ErrCluster, n, ClusterLeaves)
	}
	return x, nil
}

// Target is the operator that makes the tensor.
func (x *Cluster) Target() *Operator { return &x.Operators[len(x.Operators)-1] }

// TargetLeaves is the number of leaves of the target.
func (x *Cluster) TargetLeaves() uint64 {
	d := &x.Target().Descriptor
	return (d.Bytes(&x.Context) + uint64(d.Leaf) - 1) / uint64(d.Leaf)
}

// Leaves is the number of leaves of target and inputs.
func (x *Cluster) Leaves() uint64 {
	n := x.TargetLeaves()
	for i := range x.Inputs {
		n += x.Inputs[i].To - x.Inputs[i].From
	}
	return n
}

// wires are the reads of element i of operator k on data that are zero; inputs grow so that they cover them.
func (x *Cluster) wires(k int, i uint64) ([]Wire, error) {
	var out []Wire
	size := uint64(0)
	_, err := Element(&x.Operators[k].Descriptor, &x.Context, i, func(r Read) ([]byte, error) {
		if r.Leaf < 1 || r.Lo >= r.Hi || r.Hi > r.Total || r.Hi-r.Lo > clusterData {
			return nil, fmt.Errorf("%w: read [%d,%d) of %d bytes", ErrCluster, r.Lo, r.Hi, r.Total)
		}
		w, err := x.wire(k, r)
		if err != nil {
			return nil, err
		}
		a, b := r.Leaves()
		if size += (b - a) * uint64(r.Leaf); size > clusterData {
			return nil, fmt.Errorf("%w: an element reads more than %d bytes", ErrCluster, clusterData)
		}
		out = append(out, w)
		return make([]byte, r.Hi-r.Lo), nil
	})
	return out, err
}

// wire finds where a read of operator k leads.
func (x *Cluster) wire(k int, r Read) (Wire, error) {
	operator := -1
	switch r.Kind {
	case Tensor:
		for j := range k {
			if x.Operators[j].Tensor == r.Index {
				return Wire{Read: r, Operator: j, Input: -1}, nil
			}
		}
	case RootA, RootB:
		operator = k
	default:
		return Wire{}, fmt.Errorf("%w: %w: %s reads a source of kind %d", ErrCluster, ErrClusterRead, x.Operators[k].Descriptor.Op, r.Kind)
	}
	a, b := r.Leaves()
	for n := range x.Inputs {
		in := &x.Inputs[n]
		if in.Source != r.Source || in.Operator != operator {
			continue
		}
		if in.Total != r.Total || in.Leaf != r.Leaf {
			return Wire{}, fmt.Errorf("%w: tensor %d is read as %d and as %d bytes", ErrCluster, r.Index, in.Total, r.Total)
		}
		in.From, in.To = min(in.From, a), max(in.To, b)
		return Wire{Read: r, Operator: -1, Input: n}, nil
	}
	x.Inputs = append(x.Inputs, ClusterInput{Source: r.Source, Operator: operator, Total: r.Total, Leaf: r.Leaf, From: a, To: b})
	return Wire{Read: r, Operator: -1, Input: len(x.Inputs) - 1}, nil
}

// Data is how many bytes the leaves have that reads of one element cover.
func Data(reads []Wire) (n uint64) {
	for i := range reads {
		a, b := reads[i].Read.Leaves()
		n += (b - a) * uint64(reads[i].Read.Leaf)
	}
	return n
}
