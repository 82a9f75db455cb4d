package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Browser is what a gateway offers to people's browsers. The zero value offers nothing: what is nil answers 404.
type Browser struct {
	// Pages serves /receipts, what lies below it, and the files below /check/. It needs no key and knows nothing of users.
	Pages http.Handler
	// Weights opens the file of a model by its id, with its size in bytes. Its error may match ErrModelNotFound or ErrInvalid.
	Weights func(ctx context.Context, id string) (io.ReadCloser, int64, error)
	// Chain asks a chain about a receipt, by its text. Its error may match ErrInvalid or ErrUnavailable.
	Chain func(ctx context.Context, receipt string) (*ChainWord, error)
}

// ChainWord is what the gateway says that a chain says about a receipt.
type ChainWord struct {
	Checks []ChainCheck `json:"checks"`
	Batch  *ChainPlace  `json:"batch"` // null: the claim is in no batch that was read
}

// ChainCheck is one statement of 07 §9.4 and what became of it.
type ChainCheck struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Detail  string `json:"detail"`
}

// ChainPlace leads from a claim to the root of its batch; whoever asks the chain for the root need not believe the gateway.
type ChainPlace struct {
	Root  string   `json:"root"`
	Count uint32   `json:"count"`
	Index uint32   `json:"index"`
	Path  []string `json:"path"`
}

const (
	pagePath   = "/receipts"
	pageTime   = 5 * time.Minute // for a file of a page: it may have to be compiled first
	chainTime  = time.Minute     // for all questions about one receipt
	chainAsked = 4               // receipts that are asked about at one time
)

// openToAll says whether a path is the same for everyone: pages and their files.
func openToAll(path string) bool {
	return path == pagePath || strings.HasPrefix(path, pagePath+"/") || strings.HasPrefix(path, "/check/")
}

// page answers paths of pages.
func (g *Gateway) page(w http.ResponseWriter, r *http.Request) {
	if g.options.Browser.Pages == nil {
		noURL(r.URL.Path).write(w)
		return
	}
	allow(http.NewResponseController(w), pageTime)
	g.options.Browser.Pages.ServeHTTP(w, r)
}

// weights answers GET /models/{file}: the model file ID.elm.
func (g *Gateway) weights(w http.ResponseWriter, r *http.Request) {
	id, ok := strings.CutSuffix(r.PathValue("file"), ".elm")
	if !ok || g.options.Browser.Weights == nil {
		noURL(r.URL.Path).write(w)
		return
	}
	file, size, err := g.options.Browser.Weights(r.Context(), id)
	if errors.Is(err, ErrModelNotFound) {
		err = noModel(id)
	}
	if err != nil {
		g.fail(w, err)
		return
	}
	defer file.Close() //nolint:errcheck // it was read
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Cache-Control", "private, max-age=86400, immutable") // the name is the content's
	control, piece := http.NewResponseController(w), int64(1<<20)
	for {
		allow(control, g.options.WriteTimeout)
		if _, err := io.CopyN(w, file, piece); err != nil {
			return // the end, or a client that left
		}
	}
}

// nameReceipt says in headers which receipt there will be, and where its page is.
func (g *Gateway) nameReceipt(h http.Header, id string) {
	h.Set("X-Elenchus-Receipt-Id", id)
	if g.options.Browser.Pages != nil {
		h.Set("Link", "<"+pagePath+"/"+url.PathEscape(id)+`>; rel="describedby"; type="text/html"`)
	}
}

// askChain answers POST /v1/receipts: the body is the text of a receipt.
func (g *Gateway) askChain(w http.ResponseWriter, r *http.Request) {
	if g.options.Browser.Chain == nil {
		noURL(r.URL.Path).write(w)
		return
	}
	if g.asking.Add(1) > chainAsked {
		g.asking.Add(-1)
		g.fail(w, ErrBusy)
		return
	}
	defer g.asking.Add(-1)
	body, err := readBody(w, r)
	if err != nil {
		g.fail(w, err)
		return
	}
	allow(http.NewResponseController(w), chainTime+g.options.WriteTimeout)
	ctx, cancel := context.WithTimeout(r.Context(), chainTime)
	defer cancel()
	word, err := g.options.Browser.Chain(ctx, strings.TrimSpace(string(body)))
	if err != nil {
		g.fail(w, abandoned(r.Context(), err))
		return
	}
	writeJSON(w, http.StatusOK, word)
}

// wantsPage says whether a browser asks for something to show.
func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
