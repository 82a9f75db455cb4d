package step

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"elenchus/compute/opset"
	"elenchus/proving/circuit"
)

// WholeFormat names the proof files about whole tensors.
const WholeFormat = "elenchus/proof/whole/1"

// WholeOp stands in the place of an operation in the binding of a proof about a whole tensor. SPEC 10 §4.7.
const WholeOp uint8 = 255

// OfWhole is the binding with the operation and the element of a proof about the tensor that a cluster gives.
func (b Binding) OfWhole(x *opset.Cluster) Binding {
	b.Op, b.Element = WholeOp, uint64(x.Target().Tensor)
	return b
}

// WholeFile is a proof about a whole tensor: which leaves its operators give for which leaves, by their hashes. It
// has no value of the leaves in it. The zero value is illegal. SPEC 10 §4.7.
type WholeFile struct {
	System  System
	Cluster *opset.Cluster
	Binding Binding         // with OfWhole
	Leaves  []circuit.Input // of the target, then of each input
	Proof   []byte
	Origin  string   // of the key; empty: DevelopmentOrigin
	Of      [32]byte // as in File
}

// wholeJSON is the file: fields in this order, hex in lower case, no spaces.
type wholeJSON struct {
	Format string `json:"format"`
	Origin string `json:"origin"`
	System string `json:"system"`
	ClusterFields
	bindingFields
	Leaves []string `json:"leaves"`
	Proof  string   `json:"proof"`
	Of     string   `json:"of,omitempty"`
}

// NewWholeFile is the file of a proof of a whole tensor that was made under a binding with OfWhole.
func NewWholeFile(s System, w *circuit.Whole, b Binding, origin string, proof []byte) (*WholeFile, error) {
	hashes, err := w.Hashes()
	return &WholeFile{System: s, Cluster: w.Cluster, Binding: b.OfWhole(w.Cluster), Leaves: hashes, Proof: proof, Origin: origin}, err
}

// Check decides on the file with the key of its circuit. It returns the errors of Key.Verify.
func (f *WholeFile) Check(k *Key) error {
	if k.System != f.System {
		return fmt.Errorf("%w: a proof of %s, a key of %s", ErrProof, f.System, k.System)
	}
	if n := f.Cluster.Leaves(); uint64(len(f.Leaves)) != n {
		return fmt.Errorf("%w: %d leaves, the cluster has %d", ErrProof, len(f.Leaves), n)
	}
	public, err := circuit.Public(f.Binding.Hash(), true, f.Leaves)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return k.Verify(f.Proof, public)
}

// Encode is the file's only encoding, a line of JSON.
func (f *WholeFile) Encode() ([]byte, error) {
	j := wholeJSON{Format: WholeFormat, Origin: cmp.Or(f.Origin, DevelopmentOrigin), System: f.System.String(), ClusterFields: *FieldsOfCluster(f.Cluster),
		bindingFields: fieldsOfBinding(&f.Binding), Leaves: textsOf(f.Leaves), Proof: hex.EncodeToString(f.Proof), Of: ofText(f.Of)}
	b, err := json.Marshal(j)
	return append(b, '\n'), err
}

// IsWholeFile says whether bytes begin as proof files about whole tensors do.
func IsWholeFile(b []byte) bool { return bytes.HasPrefix(b, []byte(`{"format":"`+WholeFormat+`"`)) }

// DecodeWhole reads a file; what Encode would not write is refused with ErrFile.
func DecodeWhole(b []byte) (*WholeFile, error) {
	return decodeOnly[*WholeFile](b, &wholeJSON{})
}

func (j *wholeJSON) file() (*WholeFile, error) {
	if err := checkOrigin(j.Origin); err != nil {
		return nil, err
	}
	f := &WholeFile{Origin: j.Origin}
	var ok bool
	if f.System, ok = ParseSystem(j.System); !ok {
		return nil, fmt.Errorf("system %q", j.System)
	}
	var err error
	if f.Cluster, err = j.Cluster(); err != nil {
		return nil, err
	}
	if n := f.Cluster.Leaves(); uint64(len(j.Leaves)) != n {
		return nil, fmt.Errorf("%d leaves, the cluster has %d", len(j.Leaves), n)
	}
	b, err := j.binding()
	if err != nil {
		return nil, err
	}
	f.Binding = b.OfWhole(f.Cluster)
	if f.Leaves, err = inputsOf(j.Leaves); err != nil {
		return nil, err
	}
	if f.Of, err = ofGame(j.Of); err != nil {
		return nil, err
	}
	f.Proof, err = hex.DecodeString(j.Proof)
	return f, err
}
