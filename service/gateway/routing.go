package gateway

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/compute/decode"
)

const (
	maxProviders = 64  // names in one list
	maxProvider  = 256 // bytes of a name
)

// Route says which nodes a job may go to. Nodes go by their account's address, their host, or their base URL.
type Route struct {
	Order       []string // to ask first, in this order
	Only        []string // if there are any, no others
	Ignore      []string // not these
	Sort        string   // "", "price", "throughput" or "latency"
	NoFallbacks bool     // only those of Order, or without it only one
}

// readProvider reads the routing words of OpenRouter. SPEC 16 §9.
func readProvider(r *request, m member) *failure {
	return inside(m.value, m.name, func(name string, m member) (f *failure) {
		switch name {
		case "order":
			r.route.Order, f = readNames(m)
		case "only":
			r.route.Only, f = readNames(m)
		case "ignore":
			r.route.Ignore, f = readNames(m)
		case "sort":
			f = only(`"price", "throughput" or "latency"`, `"price"`, `"throughput"`, `"latency"`)(r, m)
			if f == nil {
				r.route.Sort, f = readString(m, maxProvider)
			}
		case "allow_fallbacks":
			allowed, f := readBool(m)
			r.route.NoFallbacks = !allowed
			return f
		case "max_price":
			f = readMaxPrice(r, m)
		case "require_parameters": // always so: what is not honoured is refused
			_, f = readBool(m)
		case "data_collection":
			f = only(`"allow": requests and answers are public here`, `"allow"`)(r, m)
		case "zdr":
			f = only("false: requests and answers are public here", `false`)(r, m)
		default:
			r.ignore("provider." + name)
		}
		return f
	})
}

// Levels of verification that a request may ask for.
const (
	levelNone  = "none"  // no receipt with the answer
	levelClaim = "claim" // the node's signed claim, which a game can refute by an element
	// levelSignature is that of private models: the signed claim, and no game about an element.
	levelSignature = "signature"
)

// readVerification reads {"level": ...}. SPEC 16 §10.
func readVerification(r *request, m member) *failure {
	return inside(m.value, m.name, func(name string, m member) *failure {
		switch name {
		case "level":
			return setLevel(r, m)
		case "disclosure":
			return setDisclosure(r, m)
		}
		r.ignore("verification." + name)
		return nil
	})
}

// setDisclosure reads who is shown request and answer. SPEC 07 §10.
func setDisclosure(r *request, m member) *failure {
	name, f := readString(m, maxProvider)
	if f != nil {
		return f
	}
	class, ok := claim.ParseClass(name)
	if !ok {
		return unsupported(m.name, `"public", "parties" or "sealed"`)
	}
	r.dataClass = class
	return nil
}

func setLevel(r *request, m member) *failure {
	level, f := readString(m, maxProvider)
	if f == nil && level != levelNone && level != levelClaim && level != levelSignature {
		f = unsupported(m.name, `"claim" or "none", for private models "signature" or "none"`)
	}
	r.level, r.unsigned = level, level == levelNone
	return f
}

// offered are the levels of a model, the strongest last.
func offered(m Model) []string {
	if m.Private {
		return []string{levelNone, levelSignature}
	}
	return []string{levelNone, levelClaim}
}

// checkLevel refuses a level that the model has not, and says in the headers of an answer of a private model
// what its receipt is worth. SPEC 16 §10.2.
func (r *request) checkLevel(w http.ResponseWriter, m Model) *failure {
	switch {
	case r.level != "" && !slices.Contains(offered(m), r.level) && m.Private:
		return badParam("verification", "the model "+publicName(m)+` is private: no game can refute a claim about it by an element; ask for level "signature" or "none"`)
	case r.level != "" && !slices.Contains(offered(m), r.level):
		return unsupported("verification", `"claim" or "none": this model is not private`)
	case m.Private && !r.unsigned:
		w.Header().Set(levelHeader, levelSignature)
	}
	return nil
}

// readMaxPrice reads the most that tokens and requests may cost. Only requests have a price.
func readMaxPrice(r *request, m member) *failure {
	return inside(m.value, m.name, func(name string, m member) *failure {
		if name != "prompt" && name != "completion" && name != "request" && name != "image" {
			r.ignore("provider.max_price." + name)
			return nil
		}
		text := string(m.value)
		if kind(m.value) == '"' {
			text, _ = readString(m, maxProvider)
		}
		if d, err := decode.ParseDecimal(text); err != nil || d.Compare(0) < 0 {
			return badParam(m.name, m.name+" must be a number of at least 0")
		}
		if name == "request" {
			r.maxPrice, _ = new(big.Rat).SetString(text) // a decimal of bounded length and exponent
		}
		return nil
	})
}

func readNames(m member) (names []string, f *failure) {
	f = each(m, func(i int, raw json.RawMessage) *failure {
		if i == maxProviders {
			return badParam(m.name, fmt.Sprintf("%s must hold at most %d names", m.name, maxProviders))
		}
		name, f := readString(member{fmt.Sprintf("%s[%d]", m.name, i), raw}, maxProvider)
		names = append(names, name)
		return f
	})
	return names, f
}
