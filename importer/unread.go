package importer

import (
	"fmt"
	"slices"
	"strings"
)

// take notes that a tensor has its place in the model.
func (r *reader) take(name string) {
	if r.taken == nil {
		r.taken = map[string]bool{}
	}
	r.taken[name] = true
}

// unread lists what the source has and the model does not, layers together: a model without its
// biases is another model, so nothing is left out in silence.
func (r *reader) unread() error {
	counts := map[string]int{}
	for _, name := range r.f.Names() {
		if !r.taken[name] {
			counts[kindOfTensor(name)]++
		}
	}
	if len(counts) == 0 {
		return nil
	}
	var list []string
	for name, n := range counts {
		list = append(list, fmt.Sprintf("%s x%d", name, n))
	}
	slices.Sort(list)
	return fmt.Errorf("%w: tensors without a place in the architecture: %s", ErrUnsupported, strings.Join(list, ", "))
}

// kindOfTensor is the name without the number of its layer.
func kindOfTensor(name string) string {
	rest, ok := strings.CutPrefix(name, "blk.")
	if _, after, found := strings.Cut(rest, "."); ok && found {
		return "blk.N." + after
	}
	return name
}
