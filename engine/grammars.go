package engine

import (
	"bytes"
	"slices"
	"sync"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/grammar"
)

// Grammars keeps the token tables of grammars that were used last, so that requests of one schema share
// one. The zero value is empty; it is safe for concurrent use and may be shared by computers.
type Grammars struct {
	mu           sync.Mutex // guards what follows
	vocabularies []vocabulary
	bound        []boundGrammar // the last used one last
}

// Entries that are kept: a table has up to 16 MiB.
const (
	mostVocabularies = 4
	mostBound        = 8
)

type vocabulary struct {
	graph merkle.Hash // of the model
	v     *grammar.Vocabulary
}

type boundGrammar struct {
	graph merkle.Hash
	ends  []int32
	g     *grammar.Grammar
}

// Bind gives the grammar of a job its table. A nil receiver keeps nothing. Errors are those of
// trace.Bound.
func (c *Grammars) Bind(man *manifest.Manifest, job decode.Job) (decode.Job, error) {
	g := job.Sampler.Grammar
	if c == nil || g == nil || g.Table != nil {
		return trace.Bound(man.Model, job)
	}
	if kept := c.find(man.Header.Graph, g, job.StopIDs); kept != nil {
		job.Sampler.Grammar = kept
		return job, nil
	}
	v, err := c.vocabulary(man)
	if err != nil {
		return job, err
	}
	if job.Sampler.Grammar, err = trace.BindGrammar(v, g, job.StopIDs); err != nil {
		return job, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bound = append(c.bound, boundGrammar{man.Header.Graph, slices.Clone(job.StopIDs), job.Sampler.Grammar})
	c.bound = c.bound[max(0, len(c.bound)-mostBound):]
	return job, nil
}

// find is the table that is kept for a grammar, if its root is the one wanted or none is.
func (c *Grammars) find(graph merkle.Hash, g *grammar.Grammar, ends []int32) *grammar.Grammar {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, b := range c.bound {
		if b.graph == graph && slices.Equal(b.ends, ends) && bytes.Equal(b.g.Source, g.Source) && (g.Root == [32]byte{} || g.Root == b.g.Root) {
			c.bound = append(slices.Delete(c.bound, i, i+1), b)
			return b.g
		}
	}
	return nil
}

func (c *Grammars) vocabulary(man *manifest.Manifest) (*grammar.Vocabulary, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.vocabularies {
		if v.graph == man.Header.Graph {
			return v.v, nil
		}
	}
	v, err := trace.Vocabulary(man.Model)
	if err != nil {
		return nil, err
	}
	c.vocabularies = append(c.vocabularies, vocabulary{man.Header.Graph, v})
	c.vocabularies = c.vocabularies[max(0, len(c.vocabularies)-mostVocabularies):]
	return v, nil
}
