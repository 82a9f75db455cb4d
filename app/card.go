package app

import (
	"fmt"
	"slices"
	"strings"

	"elenchus/commitment/manifest"
	"elenchus/compute/machine"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/engine"
)

// ModelCard describes a model in full.
type ModelCard struct {
	Name         string   `json:"name"`
	ID           string   `json:"id"`
	Kind         string   `json:"kind"`         // token or graph
	Architecture string   `json:"architecture"` // what its operations say of it
	Parameters   int64    `json:"parameters"`   // weights of all matrices, shared ones once
	Class        string   `json:"class"`        // of the weights: r8, r16, b, g4, or several
	Layers       int      `json:"layers"`
	Width        int      `json:"width"` // of the residual stream
	Vocab        int      `json:"vocab"`
	Context      int      `json:"context"`      // positions
	WeightBytes  int64    `json:"weight_bytes"` // of all model tensors: about what a node holds
	MemoryBytes  int64    `json:"memory_bytes"` // about what serving it takes, less rows of prompts
	Aliases      []string `json:"aliases,omitempty"`
	Graph        string   `json:"graph_root"`
	Tokenizer    string   `json:"tokenizer"` // SHA-256
	Template     string   `json:"template"`  // SHA-256
	EndIDs       []int32  `json:"end_ids"`
}

// Describe reads a model that Load knows.
func (s Store) Describe(name string) (ModelCard, error) {
	man, name, err := s.Load(name)
	if err != nil {
		return ModelCard{}, err
	}
	c := ModelCard{
		Name: name, ID: man.ID().String(), Kind: kindName(man.Kind), Layers: int(man.Layers), Vocab: int(man.Vocab), Context: int(man.TMax),
		Graph: fmt.Sprintf("%x", man.Graph), Tokenizer: fmt.Sprintf("%x", man.Header.Tokenizer),
		Template: fmt.Sprintf("%x", man.Header.Template), EndIDs: man.Model.EndIDs,
	}
	if e := sizeOfEncoder(man); e.rows > 0 {
		c.Vocab, c.Context = e.vocab, e.rows
	}
	c.weigh(man)
	c.MemoryBytes = c.WeightBytes + c.WeightBytes/8 + engine.PackedBytes(man)
	if aliases, err := s.Aliases(); err == nil {
		c.Aliases = namesOf(aliases, c.ID)
	}
	c.Architecture = architecture(man, c.Width)
	return c, nil
}

// weightBytes is what the model tensors take.
func weightBytes(man *manifest.Manifest) int64 {
	var c ModelCard
	c.weigh(man)
	return c.WeightBytes
}

// weigh counts what the model tensors hold.
func (c *ModelCard) weigh(man *manifest.Manifest) {
	seen := map[*tensor.Tensor]bool{nil: true}
	classes, pairs := map[string]int{}, 0
	for i := range man.Model.Stages {
		ops := man.Model.Stages[i].Ops
		low := lowDigits(ops)
		for j := range ops {
			o := &ops[j]
			if class := weightClass(o.Op); class != "" && !seen[o.A] && !low[o.A] {
				c.Parameters += int64(o.A.Shape[0]) * columns(o)
				classes[class]++
			}
			if low[o.A] && !seen[o.A] {
				pairs++
			}
			for _, t := range []*tensor.Tensor{o.A, o.B} {
				if !seen[t] {
					seen[t] = true
					c.WeightBytes += int64(t.Len()) * int64(t.Type.Size())
				}
			}
		}
	}
	if ops := man.Model.Stages[0].Ops; len(ops) > 0 {
		c.Width = int(ops[len(ops)-1].Dims[2].C)
	}
	if pairs > 0 {
		if classes["r16"] = pairs; classes["r8"] == pairs { // the upper digit of each
			delete(classes, "r8")
		}
	}
	var names []string
	for class := range classes {
		names = append(names, class)
	}
	slices.Sort(names)
	c.Class = strings.Join(names, "+")
}

// weightClass is the class of the weights that an operation takes, "" if it takes none.
func weightClass(op opset.Code) string {
	switch op {
	case opset.MatMul, opset.Embed, opset.RowMatMul, opset.EmbedRows:
		return "r8"
	case opset.MatMulBlock, opset.EmbedBlock:
		return "b"
	case opset.MatMulG4:
		return "g4"
	}
	return ""
}

// columns is the number of weights of a row.
func columns(o *machine.Op) int64 {
	if o.Op == opset.Embed || o.Op == opset.EmbedBlock || o.Op == opset.EmbedRows {
		return int64(o.Dims[2].C)
	}
	return o.P[0]
}

// lowDigits are the weights that are second digits: of the later of two products whose row results
// are summed, or of two rows of an embedding.
func lowDigits(ops []machine.Op) map[*tensor.Tensor]bool {
	low := map[*tensor.Tensor]bool{}
	weights := func(s opset.Source) *tensor.Tensor {
		if s.Kind != opset.Tensor || int(s.Index) >= len(ops) {
			return nil
		}
		o := &ops[s.Index]
		if (o.Op == opset.Row || o.Op == opset.RowResult) && o.Src[0].Kind == opset.Tensor && int(o.Src[0].Index) < len(ops) {
			o = &ops[o.Src[0].Index]
		}
		if weightClass(o.Op) != "r8" {
			return nil
		}
		return o.A
	}
	for i := range ops {
		if ops[i].Op != opset.Add {
			continue
		}
		a, b := weights(ops[i].Src[0]), weights(ops[i].Src[1])
		if a != nil && b != nil && a != b && a.Shape == b.Shape {
			low[b] = true
		}
	}
	return low
}

// architecture tells what the operations of a model say of it.
func architecture(man *manifest.Manifest, width int) string {
	parts := []string{fmt.Sprintf("graph of %d stages", man.Layers)}
	if e := sizeOfEncoder(man); e.rows > 0 {
		parts[0] = fmt.Sprintf("encoder of %d layers, vectors of %d for texts of at most %d pieces", man.Layers-2, e.dim, e.rows)
	}
	if kindName(man.Kind) == "token" {
		parts[0] = fmt.Sprintf("decoder of %d layers of width %d", man.Layers, width)
	}
	used := map[opset.Code]bool{}
	for i := range man.Model.Stages {
		for j := range man.Model.Stages[i].Ops {
			used[man.Model.Stages[i].Ops[j].Op] = true
		}
	}
	for _, f := range []struct {
		op   opset.Code
		text string
	}{
		{opset.RoPE, "rotary positions"}, {opset.Position, "learned positions"}, {opset.HeadNorm, "head norms"},
		{opset.Center, "layer norms"}, {opset.SiLUMul, "silu gates"},
	} {
		if used[f.op] {
			parts = append(parts, f.text)
		}
	}
	return strings.Join(parts, ", ")
}
