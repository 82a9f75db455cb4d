package trace

import (
	"crypto/sha256"
	"encoding/binary"

	"elenchus/commitment/merkle"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
)

// AuxSize is the length of the preimage of an AUX in bytes.
const AuxSize = 69

// Memory is what a state holds beside token and rows; what a request does not use is 0. SPEC 06 §3.5.
type Memory struct {
	Counts  merkle.Hash // root of the count tree
	Stop    uint32      // state of the stop strings
	Grammar merkle.Hash // state of the grammar
}

// Hash is AUX of a request that remembers.
func (m *Memory) Hash() merkle.Hash {
	b := append(make([]byte, 0, AuxSize), 3)
	b = append(b, m.Counts[:]...)
	b = binary.BigEndian.AppendUint32(b, m.Stop)
	return sha256.Sum256(append(b, m.Grammar[:]...))
}

// Remember is the memory of S_{-1}, nil if the request remembers nothing.
func Remember(job *decode.Job) *Memory {
	if s := Settings(&job.Sampler); !s.Remembers(Lists(&job.Sampler)) {
		return nil
	}
	m := &Memory{}
	if c := newCounter(job); c != nil {
		m.Counts = c.table.Root()
	}
	return m
}

// remember is the memory after the next step, which yields y.
func (c *Chain) remember(y *decode.Yield) Memory {
	m := c.memories[len(c.memories)-1]
	if c.stops {
		m.Stop = y.Stop
	}
	if c.grammar {
		m.Grammar = GrammarState(y.Grammar)
	}
	if c.counter != nil {
		c.counter.add(uint32(y.Y))
		m.Counts = c.counter.table.Root()
	}
	return m
}

// counter keeps the count tree of a run. SPEC 06 §3.6.
type counter struct {
	table  *merkle.Table
	prompt int // ids
	steps  int // counted
}

// newCounter counts the first id of the prompt: it stands at S_{-1}. It is nil where nothing looks
// at counts.
func newCounter(job *decode.Job) *counter {
	if !job.Sampler.Counts() {
		return nil
	}
	c := &counter{merkle.NewTable(), len(job.Prompt), 0}
	c.table.Set(uint32(job.Prompt[0]), opset.CountPrompt)
	return c
}

// add counts the token of the next step.
func (c *counter) add(y uint32) {
	c.steps++
	c.count(y, c.steps < c.prompt)
}

func (c *counter) count(y uint32, absorb bool) {
	if y < merkle.TableElements { // beyond, it is no token of any model
		c.table.Set(y, opset.Counted(c.table.At(y), absorb))
	}
}

// CountTable is the count tree over ids of the prompt that were read and ids that were drawn.
func CountTable(read, drawn []int32) *merkle.Table {
	c := counter{table: merkle.NewTable()}
	for _, id := range read {
		c.count(uint32(id), true)
	}
	for _, id := range drawn {
		c.count(uint32(id), false)
	}
	return c.table
}

// GrammarState is a state of a grammar as memories hold it: big-endian, behind zeros.
func GrammarState(state uint32) (h merkle.Hash) {
	binary.BigEndian.PutUint32(h[len(h)-4:], state)
	return h
}

// BiasTree is the tree of a bias, kind 8 of SPEC 02 §1.2.
func BiasTree(bias []opset.TokenBias) *merkle.Table {
	t := merkle.NewTable()
	for _, b := range bias {
		t.Set(uint32(b.ID), uint32(b.Value))
	}
	return t
}
