// Package importer turns other people's model files into canonical integer models.
//
// It stands above compute and commitment and is never on the serving path: floats end here. The
// same bytes in give the same model id on every machine. SPEC 04 §2.
//
//	man, err := importer.File("model.gguf", progress)
package importer

import (
	"errors"
	"fmt"
	"strings"

	"elenchus/commitment/manifest"
	"elenchus/importer/chat"
)

// ErrUnsupported marks a file that is well-formed but holds something this version cannot import.
var ErrUnsupported = errors.New("unsupported model")

// Progress is told the tensors done and the tensors in all; nil is silent.
type Progress func(done, all int)

// Options steer an import; the zero value is the default.
type Options struct {
	Progress Progress
	// Bits of a weight: 8 (one int8 digit, the fast path), 16 (two digits, half the speed, for
	// models where it does not matter), 0: 16 up to SmallModel weights, else 8.
	Bits int
	// Class says how weights become integers; the classes of rows set Bits, and the zero value
	// is the one of them that Bits names.
	Class Class
	// Context is the number of positions; 0: what the file says, at least MinContext.
	Context int
	// Template is "" or "auto": derive the chat template from the model's own, where it has one; or
	// "concat": the contents of the messages, concatenated.
	Template string
	// Chat runs the model's own chat template; nil runs it in this process, which is for files that
	// are trusted not to be bombs: see chat.Sandbox.
	Chat chat.Runner
	// Notes is told what people should know about the import; nil is silent.
	Notes func(line string)
	// NoText leaves out tokenizer, template and end ids: such a model gives logits for ids, to be
	// compared with another program's.
	NoText bool
}

// SmallModel is the number of weights up to which 16 bits are the default.
const SmallModel = 64 << 20

// MinContext is the least number of positions by default: converters write 128 for models that
// were trained on more, and rotary embeddings need no table in the file.
const MinContext = 512

// Fraction bits of the fixed formats. SPEC 04 §2.
const (
	residualBits = 16 // residual stream (at most), q, k, gate, up, logits: int32
	normBits     = 46 // of the reciprocal in norm_inv: sqrt(d) 2^46 / r stays below 2^55
	gammaBits    = 14 // of gains that stay with the activations
	outBits      = 20 // at most, of what a block adds if a norm follows
	wideBits     = 20 // of the normalised row before gamma is applied
	headroom     = 16 // standard deviations of a row result that int16 rows must hold
	siluShift    = 16 // gate * up comes back to residualBits
)

// Describe is a line about a supported file, for people.
func Describe(m *manifest.Manifest) string {
	return strings.TrimSpace(fmt.Sprintf("kind %d, %d layers, vocabulary %d, context %d", m.Kind, m.Layers, m.Vocab, m.TMax))
}
