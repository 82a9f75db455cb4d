// Package hftokenizer reads tokenizer.json, the settings file of the tokenizers library.
//
// It stands on the importer floor beside gguf: in come the bytes of tokenizer.json and, if there is
// one, tokenizer_config.json, out goes a tokenizer that gives the same ids. Model types BPE, Unigram
// and WordPiece are known, with the normalizers, pre-tokenizers, post-processors and decoders that
// published models combine them with. Every other type, pattern or setting is refused by its name:
// a tokenizer that is nearly the same is another one. SPEC 04 §4.
//
//	tok, err := hftokenizer.Read(file, config, rows)
package hftokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"elenchus/compute/tokenizer"
)

// MaxBytes bounds each of the files.
const MaxBytes = 1 << 27

// ErrUnsupported is returned, wrapped, for files that ask for what this version does not do.
var ErrUnsupported = errors.New("not supported")

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrUnsupported)
}

// file is tokenizer.json.
type file struct {
	Added         []added `json:"added_tokens"`
	Normalizer    *part   `json:"normalizer"`
	PreTokenizer  *part   `json:"pre_tokenizer"`
	PostProcessor *part   `json:"post_processor"`
	Decoder       *part   `json:"decoder"`
	Model         *model  `json:"model"`
}

type added struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	Lstrip     bool   `json:"lstrip"`
	Rstrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// model is the section "model". Vocab is an object or, for Unigram, a list of pairs.
type model struct {
	Type              string          `json:"type"`
	Vocab             json.RawMessage `json:"vocab"`
	Merges            json.RawMessage `json:"merges"`
	UnkToken          *string         `json:"unk_token"`
	UnkID             *int64          `json:"unk_id"`
	Prefix            *string         `json:"continuing_subword_prefix"`
	Suffix            *string         `json:"end_of_word_suffix"`
	Dropout           *float64        `json:"dropout"`
	FuseUnk           bool            `json:"fuse_unk"`
	ByteFallback      bool            `json:"byte_fallback"`
	IgnoreMerges      bool            `json:"ignore_merges"`
	MaxCharactersWord *int            `json:"max_input_chars_per_word"`
}

// settings is tokenizer_config.json, as far as it says more than tokenizer.json.
type settings struct {
	BOS    json.RawMessage `json:"bos_token"`
	EOS    json.RawMessage `json:"eos_token"`
	AddBOS *bool           `json:"add_bos_token"`
	AddEOS *bool           `json:"add_eos_token"`
}

// reader is one Read: the configuration that grows, and facts that sections tell each other.
type reader struct {
	file
	settings
	config tokenizer.Config
	size   int
	ids    map[string]int32 // texts as the file has them
	letter bool             // the pre-tokenizer writes bytes as letters
	lead   bool             // a text is given a leading space
}

// Read makes the tokenizer of tokenizer.json. config is tokenizer_config.json, nil if there is none;
// of it only BOS, EOS and whether they are added are read. Ids that the file leaves out, and those
// from its last to size, the rows of the embedding (0 if that does not matter), become unused pieces
// "[UNUSED_id]". Errors match ErrUnsupported where a name is not known.
func Read(file, config []byte, size int) (*tokenizer.Tokenizer, error) {
	if size < 0 || size > tokenizer.MaxPieces {
		return nil, fmt.Errorf("hftokenizer: %d pieces, want 0..%d", size, tokenizer.MaxPieces)
	}
	r := &reader{size: size}
	for _, f := range []struct {
		name string
		data []byte
		to   any
	}{{"tokenizer.json", file, &r.file}, {"tokenizer_config.json", config, &r.settings}} {
		if f.data == nil && f.to == &r.settings {
			continue
		}
		if len(f.data) > MaxBytes || !utf8.Valid(f.data) {
			return nil, fmt.Errorf("hftokenizer: %s: %d bytes, want UTF-8 of at most %d", f.name, len(f.data), MaxBytes)
		}
		if err := json.Unmarshal(f.data, f.to); err != nil {
			return nil, fmt.Errorf("hftokenizer: %s: %w", f.name, err)
		}
	}
	if r.Model == nil {
		return nil, errors.New("hftokenizer: tokenizer.json has no model")
	}
	for _, read := range []func() error{r.readModel, r.readAdded, r.readNormalizer, r.readPreTokenizer, r.readPostProcessor, r.readEnds, r.readDecoder} {
		if err := read(); err != nil {
			return nil, fmt.Errorf("hftokenizer: %w", err)
		}
	}
	t, err := tokenizer.New(r.config)
	if err != nil {
		return nil, fmt.Errorf("hftokenizer: %w", err)
	}
	return t, nil
}

// readAdded appends pieces that the model does not have and marks all as cut out of the text.
func (r *reader) readAdded() error {
	for _, a := range r.Added {
		if a.ID < 0 || a.ID >= tokenizer.MaxPieces || a.Content == "" {
			return fmt.Errorf("added token %q has id %d, want a text and 0..%d", a.Content, a.ID, tokenizer.MaxPieces-1)
		}
		id := int32(a.ID)
		if have, ok := r.ids[a.Content]; ok && have != id {
			return fmt.Errorf("added token %q has id %d and in the vocabulary %d", a.Content, id, have)
		}
		r.grow(int(id) + 1)
		p := &r.config.Pieces[id]
		if _, ok := r.ids[a.Content]; !ok && p.Kind != tokenizer.Unused {
			return fmt.Errorf("added token %q has id %d, which is %q", a.Content, id, p.Text)
		}
		r.ids[a.Content] = id
		*p = tokenizer.Piece{Text: a.Content, Kind: tokenizer.UserDefined}
		if a.Special {
			p.Kind = tokenizer.Control
		}
		if id == r.config.Unknown {
			p.Kind = tokenizer.Unknown
		}
		r.attributes(a)
	}
	r.grow(r.size)
	for i, p := range r.config.Pieces {
		if p.Kind == tokenizer.Unused {
			r.config.Pieces[i].Text = fmt.Sprintf("[UNUSED_%d]", i)
		}
	}
	return nil
}

func (r *reader) attributes(a added) {
	var flags tokenizer.AttributeFlags
	for _, f := range []struct {
		on   bool
		flag tokenizer.AttributeFlags
	}{{a.Lstrip, tokenizer.StripLeft}, {a.Rstrip, tokenizer.StripRight}, {a.SingleWord, tokenizer.WholeWord}, {a.Normalized, tokenizer.Normalized}} {
		if f.on {
			flags |= f.flag
		}
	}
	if flags == 0 {
		return
	}
	at := len(r.config.Attributes)
	for at > 0 && r.config.Attributes[at-1].ID > int32(a.ID) {
		at--
	}
	r.config.Attributes = append(r.config.Attributes, tokenizer.Attribute{})
	copy(r.config.Attributes[at+1:], r.config.Attributes[at:])
	r.config.Attributes[at] = tokenizer.Attribute{ID: int32(a.ID), Flags: flags}
}

// grow makes n pieces at least; new ones are unused until something names them.
func (r *reader) grow(n int) {
	for len(r.config.Pieces) < n {
		r.config.Pieces = append(r.config.Pieces, tokenizer.Piece{Kind: tokenizer.Unused})
		if r.config.Algorithm == tokenizer.Unigram {
			r.config.Scores = append(r.config.Scores, 0)
		}
	}
}

// readEnds settles BOS and EOS: those of the post-processor, else those tokenizer_config.json names.
func (r *reader) readEnds() error {
	c := &r.config
	for _, e := range []struct {
		raw json.RawMessage
		add *bool
		id  *int32
		on  *bool
	}{{r.BOS, r.AddBOS, &c.BOS, &c.AddBOS}, {r.EOS, r.AddEOS, &c.EOS, &c.AddEOS}} {
		name, err := tokenName(e.raw)
		if err != nil {
			return err
		}
		if id, ok := r.ids[name]; ok && *e.id == tokenizer.None {
			*e.id = id
		}
		if e.add != nil {
			*e.on = *e.add && *e.id != tokenizer.None
		}
	}
	return nil
}

// tokenName reads a name, which is a string, an object with content, or null.
func tokenName(raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	var name string
	switch {
	case len(raw) == 0 || string(raw) == "null":
	case raw[0] == '{':
		var o struct {
			Content string `json:"content"`
		}
		if err := json.Unmarshal(raw, &o); err != nil {
			return "", fmt.Errorf("token name %.100q: %w", raw, err)
		}
		name = o.Content
	default:
		if err := json.Unmarshal(raw, &name); err != nil {
			return "", fmt.Errorf("token name %.100q: %w", raw, err)
		}
	}
	return name, nil
}
