package graph

import "slices"

// Violations runs every invariant on every stage and lists the errors of those that fail.
func Violations(p *Program) []error {
	var out []error
	if p.stages() != nil {
		out = append(out, ErrCount)
	}
	known := []costed{}
	for _, in := range invariants {
		for s := range p.Stages {
			v := &stage{p: p, n: s, ds: p.Stages[s], known: &known}
			if in.check(v) != nil && !slices.Contains(out, in.err) {
				out = append(out, in.err)
			}
		}
	}
	return out
}

// Invariants are the errors of all of them.
func Invariants() []error {
	var out []error
	for _, in := range invariants {
		out = append(out, in.err)
	}
	return out
}
