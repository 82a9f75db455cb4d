// Package mutants changes decisions of the compiled contracts while an EVM runs them.
//
// It stands in conformance and is imported by tests alone. A mutant is one decision of the bytecode — an
// `if`, a loop, `&&`, `||`, `?:` or a comparison — that comes out otherwise than it was written; whoever
// tests the contracts must notice. A Probe is the tracer of an EVM: it notes which decisions a test
// reaches, or makes one of them come out wrong. The bytecode and its gas stay as they are. The list of
// decisions is made from the sources by contracts/branches.mjs.
//
//	p, err := mutants.NewProbe(decisions)
//	cfg.EVMConfig.Tracer = p.Hooks()
//	p.Become(&mutants.Mutant{Decision: d, How: mutants.Never})
package mutants

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/vm"

	"elenchus/contracts"
)

// How a decision comes out.
type How uint8

// A branch is always or never taken; a comparison of equal operands comes out the other way.
const (
	Always How = 1 + iota
	Never
	Equal
)

// String is the word for it in tables.
func (h How) String() string { return [...]string{"", "always", "never", "equal"}[h] }

// Met is how a decision came out while somebody watched: a set.
type Met uint8

// A branch was taken or not; a comparison had equal operands, or others.
const (
	Taken Met = 1 << iota
	Passed
	Same
	Other
)

// Decision is a JUMPI or a comparison in the code of a contract, with the source that it came from.
type Decision struct {
	Contract string `json:"contract"`
	Part     string `json:"part"` // "runtime" or "creation"
	PC       uint64 `json:"pc"`
	Op       string `json:"op"`   // "branch" or "compare"
	Kind     string `json:"kind"` // if, loop, &&, ||, ?:, or the comparison
	File     string `json:"file"`
	Line     int    `json:"line"`
	Text     string `json:"text"` // of the source, at most 100 characters
}

// Mutant is a decision that comes out otherwise.
type Mutant struct {
	Decision
	How How
}

// Seen reports whether the mutant comes out otherwise at least once where the decision was met like that.
func (m *Mutant) Seen(met Met) bool {
	return met&[...]Met{Always: Passed, Never: Taken, Equal: Same}[m.How] != 0
}

// Key names a mutant across compilations of unchanged source: mutants that a compiler made of the same
// source share it.
func (m *Mutant) Key() string {
	return fmt.Sprintf("%s | %s | %s | %s", m.Contract, m.File, m.How, m.Text)
}

// Parse reads the list of contracts/branches.mjs.
func Parse(b []byte) (all []Decision, err error) {
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("mutants: list of decisions: %w", err)
	}
	return all, nil
}

// Of lists the mutants of decisions: two of a branch, one of a comparison.
func Of(all []Decision) (list []Mutant) {
	for _, d := range all {
		if d.Op == "compare" {
			list = append(list, Mutant{d, Equal})
			continue
		}
		list = append(list, Mutant{d, Always}, Mutant{d, Never})
	}
	return list
}

// Probe watches an EVM. It is not for concurrent use.
type Probe struct {
	code  map[string][]byte // "contract/part", immutables zero
	names map[*byte]string  // code that ran, by its first byte
	at    map[string]map[uint64]bool
	hit   map[Place]Met
	is    *Mutant
	where string
}

// Place is where a decision stands: "contract/part" and the program counter.
type Place struct {
	Code string
	PC   uint64
}

// Place is where the decision stands.
func (d *Decision) Place() Place { return Place{d.Contract + "/" + d.Part, d.PC} }

// NewProbe makes a probe of these decisions; it fails where a contract has no artifact.
func NewProbe(all []Decision) (*Probe, error) {
	p := &Probe{code: map[string][]byte{}, names: map[*byte]string{}, at: map[string]map[uint64]bool{}, hit: map[Place]Met{}}
	for _, d := range all {
		where := d.Place().Code
		if p.at[where] == nil {
			p.at[where] = map[uint64]bool{}
			code, err := codeOf(d.Contract, d.Part)
			if err != nil {
				return nil, err
			}
			p.code[where] = code
		}
		p.at[where][d.PC] = true
	}
	return p, nil
}

func codeOf(name, part string) (code []byte, err error) {
	if part == "creation" {
		_, code, err = contracts.Artifact(name)
		return code, err
	}
	return contracts.Runtime(name)
}

// Become makes the probe a mutant from now on, or none.
func (p *Probe) Become(m *Mutant) {
	p.is, p.where = m, ""
	if m != nil {
		p.where = m.Place().Code
	}
}

// Reached gives how each decision was met since the last call, while the probe was no mutant.
func (p *Probe) Reached() map[Place]Met {
	hit := p.hit
	p.hit = map[Place]Met{}
	return hit
}

// Hooks is the probe as an EVM takes it.
func (p *Probe) Hooks() *tracing.Hooks {
	return &tracing.Hooks{OnOpcode: func(pc uint64, op byte, _, _ uint64, scope tracing.OpContext, _ []byte, _ int, err error) {
		if err == nil {
			p.step(pc, vm.OpCode(op), scope)
		}
	}}
}

func (p *Probe) step(pc uint64, op vm.OpCode, scope tracing.OpContext) {
	switch op {
	case vm.JUMPI, vm.LT, vm.GT, vm.SLT, vm.SGT:
	default:
		return
	}
	if p.is != nil && p.is.PC != pc {
		return
	}
	where := p.name(scope.ContractCode())
	if p.is == nil {
		if p.at[where][pc] {
			p.hit[Place{where, pc}] |= met(op, scope)
		}
		return
	}
	if where == p.where {
		p.turn(op, scope)
	}
}

// met is how the instruction comes out.
func met(op vm.OpCode, scope tracing.OpContext) Met {
	s := scope.StackData()
	a, b := &s[len(s)-1], &s[len(s)-2]
	switch {
	case op == vm.JUMPI && b.IsZero():
		return Passed
	case op == vm.JUMPI:
		return Taken
	case a.Eq(b):
		return Same
	}
	return Other
}

// turn changes the stack before the instruction sees it.
func (p *Probe) turn(op vm.OpCode, scope tracing.OpContext) {
	s := scope.StackData()
	a, b := &s[len(s)-1], &s[len(s)-2] // of JUMPI: destination, condition
	switch {
	case p.is.How == Always:
		b.SetOne()
	case p.is.How == Never:
		b.Clear()
	case !a.Eq(b):
	case op == vm.LT || op == vm.SLT:
		a.Clear()
		b.SetOne()
	default:
		a.SetOne()
		b.Clear()
	}
}

// name finds the contract that a code belongs to; constructors have their arguments behind it.
func (p *Probe) name(code []byte) string {
	if len(code) == 0 {
		return ""
	}
	if name, ok := p.names[&code[0]]; ok {
		return name
	}
	name := ""
	for where, c := range p.code {
		if len(c) == len(code) && fits(c, code) || strings.HasSuffix(where, "/creation") && bytes.HasPrefix(code, c) {
			name = where
		}
	}
	p.names[&code[0]] = name
	return name
}

// fits reports whether code is what a constructor makes of a template, whose immutables are zero.
func fits(template, code []byte) bool {
	for i, b := range template {
		if b != 0 && b != code[i] {
			return false
		}
	}
	return true
}
