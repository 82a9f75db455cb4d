package step

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"elenchus/compute/opset"
	"elenchus/proving/circuit"
)

// UnitFields are a unit as fields of a file or a message: JSON in this order, hex in lower case.
type UnitFields struct {
	Op         string       `json:"op"`
	Descriptor string       `json:"descriptor"`
	Context    string       `json:"context"`
	Element    uint64       `json:"element"`
	Reads      []ReadFields `json:"reads"`
	Places     []uint64     `json:"places"`
}

// ReadFields are a read of a unit.
type ReadFields struct {
	Kind  uint8  `json:"kind"`
	Index uint8  `json:"index"`
	Total uint64 `json:"total"`
	Leaf  int    `json:"leaf"`
	Lo    uint64 `json:"lo"`
	Hi    uint64 `json:"hi"`
}

// FieldsOf are the fields of a unit.
func FieldsOf(u *circuit.Unit) UnitFields {
	d, c := u.Descriptor.Encode(), u.Context.Encode()
	f := UnitFields{Op: u.Descriptor.Op.String(), Descriptor: hex.EncodeToString(d[:]), Context: hex.EncodeToString(c[:]),
		Element: u.Index, Places: u.Places, Reads: []ReadFields{}}
	for _, r := range u.Reads {
		f.Reads = append(f.Reads, ReadFields{r.Kind, r.Index, r.Total, r.Leaf, r.Lo, r.Hi})
	}
	if f.Places == nil {
		f.Places = []uint64{}
	}
	return f
}

// Unit reads the fields; their bounds are checked, as by circuit's Unit.Check. That they are in their only
// form is for who compares them with FieldsOf.
func (f *UnitFields) Unit() (*circuit.Unit, error) {
	if len(f.Reads) > 4 || len(f.Places) > 4 {
		return nil, fmt.Errorf("%d reads, %d places", len(f.Reads), len(f.Places))
	}
	d, err := hex.DecodeString(f.Descriptor)
	if err != nil {
		return nil, err
	}
	u := &circuit.Unit{Index: f.Element, Places: f.Places}
	if u.Descriptor, err = opset.Decode(d); err != nil {
		return nil, err
	}
	c := make([]byte, opset.ContextSize)
	if err := fixed(f.Context, c); err != nil {
		return nil, err
	}
	u.Context = context(c)
	for _, r := range f.Reads {
		u.Reads = append(u.Reads, opset.Read{Source: opset.Source{Kind: r.Kind, Index: r.Index}, Total: r.Total, Leaf: r.Leaf, Lo: r.Lo, Hi: r.Hi})
	}
	return u, u.Check()
}

// ClusterFields are what a cluster is made of, as fields of a message.
type ClusterFields struct {
	Context   string           `json:"context"`
	Operators []OperatorFields `json:"operators"`
}

// OperatorFields are an operator of a cluster.
type OperatorFields struct {
	Tensor     uint8  `json:"tensor"`
	Descriptor string `json:"descriptor"`
}

// FieldsOfCluster are the fields of a cluster.
func FieldsOfCluster(x *opset.Cluster) *ClusterFields {
	c := x.Context.Encode()
	f := &ClusterFields{Context: hex.EncodeToString(c[:])}
	for i := range x.Operators {
		d := x.Operators[i].Descriptor.Encode()
		f.Operators = append(f.Operators, OperatorFields{x.Operators[i].Tensor, hex.EncodeToString(d[:])})
	}
	return f
}

// Cluster reads the fields. It returns the errors of opset.NewCluster.
func (f *ClusterFields) Cluster() (*opset.Cluster, error) {
	if len(f.Operators) > opset.ClusterOperators {
		return nil, fmt.Errorf("%w: %d operators", opset.ErrCluster, len(f.Operators))
	}
	c := make([]byte, opset.ContextSize)
	if err := fixed(f.Context, c); err != nil {
		return nil, err
	}
	var all []opset.Operator
	for _, o := range f.Operators {
		raw, err := hex.DecodeString(o.Descriptor)
		if err != nil {
			return nil, err
		}
		d, err := opset.Decode(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, opset.Operator{Tensor: o.Tensor, Descriptor: d})
	}
	at := context(c)
	return opset.NewCluster(all, &at)
}

// bindingFields are a binding but for operation and element, as fields of a file.
type bindingFields struct {
	Game     string `json:"game"`
	Chain    uint64 `json:"chain"`
	Verifier string `json:"verifier"`
	Prover   string `json:"prover"`
}

func fieldsOfBinding(b *Binding) bindingFields {
	return bindingFields{hex.EncodeToString(b.Game[:]), b.Chain, hex.EncodeToString(b.Verifier[:]), hex.EncodeToString(b.Prover[:])}
}

func (f *bindingFields) binding() (Binding, error) {
	b := Binding{Chain: f.Chain}
	for _, x := range []struct {
		text string
		to   []byte
	}{{f.Game, b.Game[:]}, {f.Verifier, b.Verifier[:]}, {f.Prover, b.Prover[:]}} {
		if err := fixed(x.text, x.to); err != nil {
			return b, err
		}
	}
	return b, nil
}

// textsOf are hashes in hex; none are an empty list.
func textsOf(hashes []circuit.Input) []string {
	out := make([]string, len(hashes))
	for i := range hashes {
		out[i] = hex.EncodeToString(hashes[i][:])
	}
	return out
}

// inputsOf reads what textsOf writes.
func inputsOf(texts []string) ([]circuit.Input, error) {
	var out []circuit.Input
	for _, text := range texts {
		var h circuit.Input
		if err := fixed(text, h[:]); err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

// context reads the packed form of SPEC 02 §2.
func context(b []byte) opset.Context {
	u := func(i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }
	return opset.Context{
		T: u(0), M: u(1), YPrev: int32(u(2)), MaxNew: u(3), TMax: u(4), Temperature: u(5),
		Seed: binary.BigEndian.Uint64(b[24:]), StopCount: b[32], Biased: b[33] == 1,
		TopK: u(9), TopP: u(10), MinP: u(11), Repetition: u(12), Presence: int32(u(13)), Frequency: int32(u(14)),
		StopLens: u(15), StopState: u(16), Grammared: b[34] == 1, GrammarState: u(17),
	}
}
