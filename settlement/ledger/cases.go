package ledger

import "slices"

// Cases folds facts into what verdicts hold. The zero value knows none. It is not safe for
// concurrent use.
type Cases struct {
	facts map[Hash][]Fact // by case, in chain order
	order []Hash
}

// Apply takes a fact, in any order; a removed fact is forgotten.
func (c *Cases) Apply(f Fact) {
	var id Hash
	switch e := f.Event.(type) {
	case Resolved:
		id = e.Case
	case Settled:
		id = e.Case
	default:
		return
	}
	if c.facts == nil {
		c.facts = map[Hash][]Fact{}
	}
	list, known := c.facts[id]
	if !known && f.Removed {
		return
	}
	if !known {
		c.order = append(c.order, id)
	}
	c.facts[id] = merge(list, f)
}

// Held is what the verdict on a case holds, nil if nothing.
func (c *Cases) Held(id Hash) []byte {
	var held []byte
	for _, f := range c.facts[id] {
		switch e := f.Event.(type) {
		case Resolved:
			if len(e.Held) > 0 { // a lost challenge changes nothing
				held = e.Held
			}
		case Settled:
			held = nil
		}
	}
	return held
}

// All are the cases of which something was said, in the order in which they were first seen.
func (c *Cases) All() []Hash { return slices.Clone(c.order) }

// merge puts a fact into a list in chain order, or takes a removed one out.
func merge(list []Fact, f Fact) []Fact {
	at, found := slices.BinarySearchFunc(list, f, compare)
	switch {
	case f.Removed && found:
		return slices.Delete(list, at, at+1)
	case !f.Removed && !found:
		return slices.Insert(list, at, f)
	}
	return list
}
