package hftokenizer

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"elenchus/compute/tokenizer"
)

// part is a normalizer, pre-tokenizer, post-processor or decoder: a type and the fields of all of
// them.
type part struct {
	Type string `json:"type"`

	Normalizers   []part `json:"normalizers"`
	PreTokenizers []part `json:"pretokenizers"`
	Processors    []part `json:"processors"`
	Decoders      []part `json:"decoders"`

	Prepend    string        `json:"prepend"`
	Pattern    *matched      `json:"pattern"`
	Content    string        `json:"content"`
	StripLeft  *bool         `json:"strip_left"`
	StripRight *bool         `json:"strip_right"`
	Charsmap   *string       `json:"precompiled_charsmap"`
	Clean      *bool         `json:"clean_text"`
	Chinese    *bool         `json:"handle_chinese_chars"`
	Accents    *bool         `json:"strip_accents"`
	Lowercase  *bool         `json:"lowercase"`
	PrefixOn   *bool         `json:"add_prefix_space"`
	UseRegex   *bool         `json:"use_regex"`
	Behavior   string        `json:"behavior"`
	Invert     bool          `json:"invert"`
	Individual bool          `json:"individual_digits"`
	Replace    string        `json:"replacement"`
	Scheme     string        `json:"prepend_scheme"`
	Split      *bool         `json:"split"`
	Start      int           `json:"start"`
	Stop       int           `json:"stop"`
	Cleanup    bool          `json:"cleanup"`
	Single     []templateRow `json:"single"`
	Sep        []any         `json:"sep"`
	Cls        []any         `json:"cls"`
}

// matched is a pattern of Split or Replace.
type matched struct {
	String *string
	Regex  *string
}

type templateRow struct {
	Special *struct {
		ID string `json:"id"`
	} `json:"SpecialToken"`
	Sequence *json.RawMessage `json:"Sequence"`
}

// or is a flag that may be left out.
func or(flag *bool, usual bool) bool {
	if flag == nil {
		return usual
	}
	return *flag
}

func (r *reader) readNormalizer() error {
	if r.Normalizer == nil {
		return nil
	}
	return r.normalize(*r.Normalizer, 0)
}

// maxDepth bounds sequences in sequences.
const maxDepth = 8

func (r *reader) normal(code tokenizer.StepCode, a, b string) {
	r.config.Normal = append(r.config.Normal, tokenizer.Step{Code: code, A: a, B: b})
}

func (r *reader) normalize(p part, depth int) error {
	plain := map[string]tokenizer.StepCode{
		"NFC": tokenizer.NFC, "NFD": tokenizer.NFD, "NFKC": tokenizer.NFKC, "NFKD": tokenizer.NFKD,
		"Lowercase": tokenizer.Lower, "StripAccents": tokenizer.DropAllMarks,
	}
	if code, ok := plain[p.Type]; ok {
		r.normal(code, "", "")
		return nil
	}
	switch p.Type {
	case "Sequence":
		if depth > maxDepth {
			return unsupported("normalizers in more than %d sequences", maxDepth)
		}
		for _, q := range p.Normalizers {
			if err := r.normalize(q, depth+1); err != nil {
				return err
			}
		}
	case "Prepend":
		if p.Prepend != "" {
			r.normal(tokenizer.Prepend, p.Prepend, "")
		}
		r.lead = r.lead || p.Prepend == space || p.Prepend == " "
	case "Replace":
		return r.replace(p)
	case "Strip":
		if or(p.StripLeft, true) {
			r.normal(tokenizer.TrimLeft, "", "")
		}
		if or(p.StripRight, true) {
			r.normal(tokenizer.TrimRight, "", "")
		}
	case "BertNormalizer":
		r.bert(p)
	case "Precompiled":
		if p.Charsmap == nil || *p.Charsmap == "" {
			return nil
		}
		b, err := base64.StdEncoding.DecodeString(*p.Charsmap)
		if err != nil {
			return fmt.Errorf("precompiled_charsmap: %w", err)
		}
		if len(b) > 0 {
			r.normal(tokenizer.Charsmap, string(b), "")
		}
	default:
		return unsupported("normalizer %q", p.Type)
	}
	return nil
}

func (r *reader) bert(p part) {
	lower := or(p.Lowercase, true)
	if or(p.Clean, true) {
		r.normal(tokenizer.CleanControl, "", "")
	}
	if or(p.Chinese, true) {
		r.normal(tokenizer.SpaceHan, "", "")
	}
	if or(p.Accents, lower) {
		r.normal(tokenizer.NFD, "", "")
		r.normal(tokenizer.DropMarks, "", "")
	}
	if lower {
		r.normal(tokenizer.Lower, "", "")
	}
}

func (r *reader) replace(p part) error {
	switch {
	case p.Pattern == nil:
		return unsupported("normalizer Replace without a pattern")
	case p.Pattern.String != nil && *p.Pattern.String != "":
		r.normal(tokenizer.Replace, *p.Pattern.String, p.Content)
	case p.Pattern.Regex != nil && *p.Pattern.Regex == " {2,}" && p.Content != "":
		r.normal(tokenizer.Squeeze, "", p.Content)
	case p.Pattern.Regex != nil && literal(*p.Pattern.Regex):
		r.normal(tokenizer.Replace, *p.Pattern.Regex, p.Content)
	default:
		return unsupported("normalizer Replace of pattern %s", p.Pattern.name())
	}
	return nil
}

// literal says whether an expression matches just itself.
func literal(regex string) bool { return regex != "" && !strings.ContainsAny(regex, `\.+*?()|[]{}^$`) }

// name names a pattern in messages.
func (m *matched) name() string {
	switch {
	case m != nil && m.Regex != nil:
		return fmt.Sprintf("%.300q", *m.Regex)
	case m != nil && m.String != nil:
		return fmt.Sprintf("%.300q", *m.String)
	}
	return "of another kind"
}
