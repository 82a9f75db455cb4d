package importer

import (
	"strings"
)

// Size is what an import needs, told before any weight is read.
type Size struct {
	Architecture string
	Parameters   int64 // elements of all tensors
	Bits         int   // of a weight that is kept in rows
	ModelBytes   int64 // of the model file, and of the model in memory
	MemoryBytes  int64 // at most, while importing
}

// Measure derives from names, shapes and settings what an import of the source with the options
// would need. Of faults it says nothing; Import does.
func Measure(f Source, o Options) Size {
	var s Size
	s.Architecture, _ = f.String("general.architecture")
	var weights, numbers int64
	var matrices []string
	for _, name := range f.Names() {
		n, k, _ := f.Shape(name) // at most 2^40 elements, which lie in the file
		s.Parameters += int64(n) * int64(k)
		if n > 1 && strings.HasSuffix(name, ".weight") {
			weights += int64(n) * int64(k)
			matrices = append(matrices, name)
		} else {
			numbers += int64(n) * int64(k)
		}
	}
	s.Bits = bitsFor(o.bits(), weights)
	o.Bits = s.Bits
	r := &reader{f: f, o: o}
	_, _, untied := f.Shape("output.weight")
	r.p.tied = !untied
	for _, name := range matrices {
		n, k, _ := f.Shape(name)
		s.ModelBytes += r.matrixBytes(name, n, k)
	}
	// Other numbers and angles are i32.
	layers, _ := f.Uint(s.Architecture + ".block_count")
	s.ModelBytes += 4*numbers + 4*angles(f, s.Architecture, o) + stageBytes*(3+int64(min(layers, 1<<10)))
	s.MemoryBytes = s.ModelBytes + s.ModelBytes/4 + overhead
	return s
}

// stageBytes is the size of a stage in the model file: 200 bytes for each of its tensors.
const stageBytes = 50 * 200

// overhead is what an import takes beside the model: buffers, tokenizer, the program itself.
const overhead = 64 << 20

// bitsFor is how many bits a weight has in a model of so many.
func bitsFor(want int, weights int64) int {
	switch {
	case want != 0:
		return want
	case weights <= SmallModel:
		return 16
	}
	return 8
}

// angles is the number of elements of the table of rotary angles.
func angles(f Source, arch string, o Options) int64 {
	get := func(key string) int64 {
		n, err := f.Uint(arch + "." + key)
		if err != nil || n > 1<<20 {
			return 0
		}
		return int64(n)
	}
	rotated, positions := get("rope.dimension_count"), int64(o.Context)
	if rotated == 0 {
		rotated = get("attention.key_length")
	}
	if heads := get("attention.head_count"); rotated == 0 && heads > 0 {
		rotated = get("embedding_length") / heads
	}
	if positions == 0 {
		positions = max(get("context_length"), MinContext)
	}
	return rotated * positions
}
