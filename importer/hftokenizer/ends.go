package hftokenizer

import (
	"fmt"

	"elenchus/compute/tokenizer"
)

// readPostProcessor finds the tokens that are put around a text.
func (r *reader) readPostProcessor() error {
	if r.PostProcessor == nil {
		return nil
	}
	return r.postProcess(*r.PostProcessor, 0)
}

func (r *reader) postProcess(p part, depth int) error {
	switch p.Type {
	case "ByteLevel": // changes offsets alone
	case "Sequence":
		if depth > maxDepth {
			return unsupported("post-processors in more than %d sequences", maxDepth)
		}
		for _, q := range p.Processors {
			if err := r.postProcess(q, depth+1); err != nil {
				return err
			}
		}
	case "BertProcessing", "RobertaProcessing":
		for _, e := range []struct {
			pair  []any
			begin bool
		}{{p.Cls, true}, {p.Sep, false}} {
			name := ""
			if len(e.pair) == 2 {
				name, _ = e.pair[0].(string)
			}
			if err := r.around(name, e.begin); err != nil {
				return err
			}
		}
	case "TemplateProcessing":
		text := false
		for _, row := range p.Single {
			if row.Special == nil {
				text = true
				continue
			}
			if err := r.around(row.Special.ID, !text); err != nil {
				return err
			}
		}
	default:
		return unsupported("post-processor %q", p.Type)
	}
	return nil
}

// around puts a token before or after every text.
func (r *reader) around(name string, begin bool) error {
	id, ok := r.ids[name]
	if !ok {
		return fmt.Errorf("the post-processor adds %q, which is no piece", name)
	}
	to, on := &r.config.EOS, &r.config.AddEOS
	if begin {
		to, on = &r.config.BOS, &r.config.AddBOS
	}
	if *on {
		return unsupported("a post-processor that adds more than one token before or after a text")
	}
	*to, *on = id, true
	return nil
}

// readDecoder checks that the file decodes as the tokenizer will, and learns whether the leading
// space of a text goes.
func (r *reader) readDecoder() error {
	if r.Decoder == nil {
		if r.config.Algorithm == tokenizer.RankedBPE && !r.letter {
			return unsupported("model BPE without a decoder")
		}
		r.config.AddSpacePrefix = r.config.Algorithm == tokenizer.WordPiece || r.lead && !r.letter
		return nil
	}
	kinds := []part{*r.Decoder}
	if r.Decoder.Type == "Sequence" {
		kinds = r.Decoder.Decoders
	}
	strip, bytes := false, false
	for _, d := range kinds {
		ok := false
		switch d.Type {
		case "ByteLevel":
			ok = r.letter
		case "WordPiece":
			ok, strip = r.config.Algorithm == tokenizer.WordPiece, true
		case "Metaspace":
			ok, strip = !r.letter, strip || d.Scheme != tokenizer.PrependNever && or(d.PrefixOn, true)
		case "Replace":
			ok = !r.letter && d.Pattern != nil && d.Pattern.String != nil && *d.Pattern.String == space && d.Content == " "
		case "Fuse":
			ok = true
		case "ByteFallback":
			ok, bytes = true, true
		case "Strip":
			ok, strip = d.Content == " " && d.Start == 1 && d.Stop == 0, true
		}
		if !ok {
			return unsupported("decoder %q with model %s", d.Type, r.Model.Type)
		}
	}
	if r.Model.ByteFallback && !bytes {
		return unsupported("byte_fallback without the decoder ByteFallback")
	}
	r.config.AddSpacePrefix = strip && !r.letter
	return nil
}
