package app

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"elenchus/commitment/trace"
	"elenchus/compute/grammar"
	"elenchus/compute/tokenizer"
	"elenchus/service/gateway"
)

// mostBound is how many grammars of a model are kept with their roots.
const mostBound = 64

// grammars binds automata to the tokens of a model, and keeps what came out but for the tables, which
// nodes make for themselves.
type grammars struct {
	mu         sync.Mutex // guards what follows
	vocabulary *grammar.Vocabulary
	bound      []boundGrammar // the last used one last
}

type boundGrammar struct {
	ends []int32
	g    *grammar.Grammar
}

// bind is the grammar of an automaton over the tokens of a tokenizer and ids that have none.
func (c *grammars) bind(tok *tokenizer.Tokenizer, vocab int, automaton []byte, ends []int32) (*grammar.Grammar, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, b := range c.bound {
		if slices.Equal(b.ends, ends) && bytes.Equal(b.g.Source, automaton) {
			c.bound = append(slices.Delete(c.bound, i, i+1), b)
			return b.g, nil
		}
	}
	if c.vocabulary == nil {
		all := make([][]byte, vocab)
		for id := range all {
			text, err := tok.Bytes(int32(id))
			if err == nil {
				all[id] = []byte(text)
			}
		}
		c.vocabulary = grammar.NewVocabulary(vocab, func(id int) []byte { return all[id] })
	}
	g, err := trace.BindGrammar(c.vocabulary, &grammar.Grammar{Source: automaton}, ends)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", gateway.ErrInvalid, err)
	}
	g = &grammar.Grammar{Source: g.Source, Root: g.Root}
	c.bound = append(c.bound, boundGrammar{slices.Clone(ends), g})
	c.bound = c.bound[max(0, len(c.bound)-mostBound):]
	return g, nil
}

func (c codec) Bind(_ context.Context, automaton []byte, ends []int32) (*grammar.Grammar, error) {
	if len(ends) == 0 {
		return nil, fmt.Errorf("%w: the model has no ids that end an answer, which a grammar needs", gateway.ErrInvalid)
	}
	return c.m.grammars.bind(c.m.tok, int(c.m.man.Vocab), automaton, ends)
}
