package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"elenchus/commitment/manifest"
	"elenchus/compute/model"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/importer/chat"
	"elenchus/importer/gguf"
	"elenchus/importer/hf"
)

// File imports a model: a GGUF file, a model folder with config.json and safetensors weights, or a
// safetensors file in such a folder.
func File(path string, o Options) (*manifest.Manifest, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	return Import(f, o)
}

// SourceCloser is a source that holds files open.
type SourceCloser interface {
	Source
	io.Closer
}

// Open opens a model of any supported format, which it tells by what path is and how it begins, not
// by its name. The caller closes it.
func Open(path string) (SourceCloser, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return hf.Open(path)
	}
	if filepath.Ext(path) == ".safetensors" {
		return hf.OpenFile(path)
	}
	return gguf.Open(path)
}

// Bytes imports a GGUF file that is in memory.
func Bytes(b []byte, o Options) (*manifest.Manifest, error) {
	f, err := gguf.New(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return Import(f, o)
}

// Import imports a decoder of a family that decoders lists, or an encoder.
func Import(f Source, o Options) (*manifest.Manifest, error) {
	if isEncoder(f) {
		return importEncoder(f, o)
	}
	text := &model.Model{}
	r, err := newReader(f, o)
	if err == nil {
		err = r.open()
	}
	tok, textErr := addText(text, f, o)
	// All that is known before the weights are read is told at once.
	if err := errors.Join(err, unsupported(f), textErr); err != nil {
		return nil, err
	}
	if err := r.choose(); err != nil {
		return nil, err
	}
	spec, err := r.spec()
	if err != nil {
		return nil, err
	}
	if err := r.unread(); err != nil {
		return nil, err
	}
	if tok != nil {
		spec.Text = Spell(tok, spec.Vocab)
	}
	m, err := model.Decoder(spec)
	if err != nil {
		return nil, err
	}
	m.Tokenizer, m.Template, m.EndIDs = text.Tokenizer, text.Template, text.EndIDs
	return manifest.Bind(m)
}

func newReader(f Source, o Options) (*reader, error) {
	arch, err := f.String("general.architecture")
	if err != nil {
		return nil, err
	}
	var known []string
	for _, m := range decoders() {
		if m.arch == arch {
			return &reader{f: f, m: m, o: o, faults: faults{}, all: len(f.Names())}, nil
		}
		known = append(known, m.arch)
	}
	return nil, fmt.Errorf("%w: architecture %q, this version imports %s", ErrUnsupported, arch, strings.Join(known, ", "))
}

// Spell are the bytes of a vocabulary as a tokenizer decodes them in the middle of a text; ids that
// it has no piece for have none. SPEC 04 §1.6.
func Spell(tok *tokenizer.Tokenizer, vocab int) *model.Text {
	return model.NewText(vocab, func(id int32) string {
		b, err := tok.Bytes(id)
		if err != nil {
			return ""
		}
		return b
	})
}

// addText sets tokenizer, template and end ids of a model and returns the tokenizer. It comes before
// the weights, which take longer to read.
func addText(m *model.Model, f Source, o Options) (*tokenizer.Tokenizer, error) {
	if o.NoText {
		return nil, nil
	}
	tok, err := f.Tokenizer()
	if err != nil {
		return nil, err
	}
	if m.Tokenizer, err = tok.MarshalBinary(); err != nil {
		return nil, err
	}
	layout, err := chatTemplate(tok, f, o)
	if err != nil {
		return nil, err
	}
	m.Template = layout.Encode()
	if tok.EOS() >= 0 {
		m.EndIDs = []int32{tok.EOS()}
	}
	return tok, addEnds(m, f)
}

// chatTemplate derives the chat template from the model's own.
func chatTemplate(tok *tokenizer.Tokenizer, f Source, o Options) (template.Template, error) {
	switch o.Template {
	case "", "auto":
	case "concat":
		return template.New(), nil
	default:
		return template.Template{}, fmt.Errorf("%w: template %q, want auto or concat", ErrUnsupported, o.Template)
	}
	if !f.Has(hf.ChatTemplate) {
		return template.New(), nil
	}
	text, err := f.String(hf.ChatTemplate)
	if err != nil {
		return template.Template{}, err
	}
	run := o.Chat
	if run == nil {
		run = chat.Run
	}
	name := func(id int32) string {
		p, err := tok.Piece(id)
		if err != nil {
			return ""
		}
		return p.Text
	}
	d, err := chat.Derive(context.Background(), chat.Source{Text: text, BOS: name(tok.BOS()), EOS: name(tok.EOS())}, run)
	if err != nil {
		return template.Template{}, fmt.Errorf("%w (import with the template \"concat\" to do without)", err)
	}
	if o.Notes != nil {
		for _, w := range d.Without {
			o.Notes("the chat template is imported without " + w)
		}
	}
	return d.Template, nil
}

// maxEndIDs is how many end ids a model file holds. SPEC 04 §4.5.
const maxEndIDs = 64

// addEnds takes the end ids that a source lists beyond the one of its tokenizer.
func addEnds(m *model.Model, f Source) error {
	if !f.Has(hf.EndIDs) {
		return nil
	}
	ids, err := f.Ints(hf.EndIDs)
	if err != nil {
		return err
	}
	if len(ids) > maxEndIDs {
		return fmt.Errorf("%w: %d end ids, at most %d", ErrUnsupported, len(ids), maxEndIDs)
	}
	m.EndIDs = nil
	for _, id := range ids {
		m.EndIDs = append(m.EndIDs, int32(id)) // <= 2^31 - 1
	}
	return nil
}
