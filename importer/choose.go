package importer

import (
	"fmt"
	"math"

	"elenchus/importer/floatref"
	"elenchus/importer/gguf"
	"elenchus/importer/quality"
)

// Trial is what a class loses on a calibration text, in nats per token against the float reference of
// the same file.
type Trial struct {
	Class      Class
	Loss       float64
	Divergence float64 // from the floats' distributions to the model's
}

// Choice is the class of an import and why.
type Choice struct {
	Class  Class
	Trials []Trial // in the order tried; empty where nothing was measured
	Tokens int     // of the calibration text
	Why    string  // where nothing was measured
}

// Limits of a measurement: weights of the model, and tokens read, in pieces of so many.
const (
	measureWeights = 16 << 20
	measureTokens  = 384
	measurePiece   = 128
)

// lossGate is how far from the float reference a class may be, in nats per token, in either
// direction: what gains by chance elsewhere loses by chance.
const lossGate = 0.001

// Choose picks the class of an import. Files with tensors in block formats are tried as ClassB first,
// others in two digits or, where the size of the model calls for 8 bits, as ClassB: blocks of 8 bits
// lose a sixth of what one digit with a scale per row does (docs/quality.md); the first
// within 0.001 nats per token of the float reference on the text is taken, else the nearest. Losses
// are compared to the millionth. Where there is no reference, or it would take too long, the first is
// taken unmeasured. text "" is our own calibration text.
func Choose(f Source, o Options, text string) (Choice, error) {
	if text == "" {
		text = quality.Calibration()
	}
	size := Measure(f, Options{Bits: o.Bits, Context: o.Context})
	list := candidates(f, size.Bits)
	ref, ids, why := reference(f, size.Parameters, text)
	if why != "" {
		return Choice{Class: list[0], Why: why}, nil
	}
	want, err := quality.Refer(ref, ids)
	if err != nil {
		return Choice{}, err
	}
	c := Choice{Tokens: ids.Tokens()}
	least := math.Inf(1)
	for _, class := range list {
		trial, err := try(f, o, class, want)
		if err != nil {
			return Choice{}, err
		}
		c.Trials = append(c.Trials, trial)
		if math.Abs(trial.Loss) < least {
			c.Class, least = class, math.Abs(trial.Loss)
		}
		if least <= lossGate {
			break
		}
	}
	return c, nil
}

// candidates are the classes to try, the best guess first.
func candidates(f Source, bits int) []Class {
	r := &reader{f: f, o: Options{Class: ClassB}}
	switch {
	case isEncoder(f) && bits == 8:
		return []Class{ClassR8, ClassR16}
	case isEncoder(f):
		return []Class{ClassR16}
	case r.anyCoded():
		return []Class{ClassB, ClassR16}
	case bits == 16:
		return []Class{ClassR16, ClassB}
	}
	return []Class{ClassB, ClassR12, ClassR16}
}

// reference is the float model and the text in its ids; why says why there is none.
func reference(f Source, weights int64, text string) (m *floatref.Model, ids quality.Text, why string) {
	file, ok := f.(*gguf.File)
	if !ok {
		return nil, nil, "the float reference reads GGUF files only"
	}
	if weights > measureWeights {
		return nil, nil, fmt.Sprintf("%d million parameters take too long to compare with floats", weights>>20)
	}
	tok, err := f.Tokenizer()
	if err != nil {
		return nil, nil, "there is no tokenizer to read a text with"
	}
	if m, err = floatref.Load(file); err != nil {
		return nil, nil, "there is no float reference of this model: " + err.Error()
	}
	if ids = quality.Read(tok, text, min(measurePiece, m.Context), min(measureTokens, quality.Limit/m.Vocab)); ids.Tokens() == 0 {
		return nil, nil, "the calibration text has fewer than two tokens"
	}
	return m, ids, ""
}

// try imports as a class and compares, rounded to the millionth.
func try(f Source, o Options, class Class, want *quality.Reference) (Trial, error) {
	man, err := Import(f, Options{Class: class, Bits: o.Bits, Context: o.Context, NoText: true})
	if err != nil {
		return Trial{}, err
	}
	loss, err := want.Loss(man.Model)
	millionth := func(x float64) float64 { return math.Round(x*1e6) / 1e6 }
	return Trial{class, millionth(loss.Nats), millionth(loss.Divergence)}, err
}

// Lines tells people what was chosen and what it costs.
func (c Choice) Lines() []string {
	if len(c.Trials) == 0 {
		return []string{fmt.Sprintf("class %s, unmeasured: %s", c.Class, c.Why)}
	}
	var out []string
	for _, t := range c.Trials {
		line := fmt.Sprintf("class %s: %+.6f nats per token against floats, divergence %.6f, over %d tokens", t.Class, t.Loss, max(0, t.Divergence), c.Tokens)
		if t.Class == c.Class {
			line += " (chosen)"
		}
		out = append(out, line)
	}
	return out
}
