package trace

import (
	"bytes"
	"fmt"

	"elenchus/commitment/merkle"
	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	"elenchus/compute/model"
)

// Vocabulary are the tokens of a token model, as its text has them. The error matches model.ErrModel.
func Vocabulary(m *model.Model) (*grammar.Vocabulary, error) {
	text, err := m.Text()
	if err != nil {
		return nil, err
	}
	all := make([]byte, len(text.Bytes.I8))
	for i, b := range text.Bytes.I8 {
		all[i] = byte(b)
	}
	places := text.Places.I32
	return grammar.NewVocabulary(len(places)/2, func(id int) []byte {
		lo := places[2*id]
		return all[lo : lo+places[2*id+1]]
	}), nil
}

// BindGrammar makes the token table of a grammar, in which an answer ends with one of ends, and the root
// over it. A grammar that has a root already must have that one. Errors match grammar.ErrGrammar, or
// ErrTrace if the root is another.
func BindGrammar(v *grammar.Vocabulary, g *grammar.Grammar, ends []int32) (*grammar.Grammar, error) {
	a, err := grammar.Decode(g.Source)
	if err != nil {
		return nil, err
	}
	out := &grammar.Grammar{Source: bytes.Clone(g.Source)}
	if out.Table, err = v.Table(a, ends); err != nil {
		return nil, err
	}
	out.Root = merkle.NewWide(out.Table).Root()
	if g.Root != [32]byte{} && g.Root != out.Root {
		return nil, fmt.Errorf("%w: the grammar's table has root %x, the request says %x", ErrTrace, out.Root[:8], g.Root[:8])
	}
	return out, nil
}

// Bound is a job whose grammar, if it has one, has its table: made here unless it is there already.
// Errors are those of BindGrammar and Vocabulary.
func Bound(m *model.Model, job decode.Job) (decode.Job, error) {
	if g := job.Sampler.Grammar; g == nil || g.Table != nil {
		return job, nil
	}
	v, err := Vocabulary(m)
	if err != nil {
		return job, err
	}
	job.Sampler.Grammar, err = BindGrammar(v, job.Sampler.Grammar, job.StopIDs)
	return job, err
}
