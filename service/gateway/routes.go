package gateway

import (
	"net/http"
	"strings"
)

// route is one row of the table of routes.
type route struct {
	method, path string
	handle       http.HandlerFunc
}

// table lists what the gateway answers.
func (g *Gateway) table() []route {
	return []route{
		{"GET", "/healthz", g.health},
		{"GET", "/readyz", g.ready},
		{"GET", "/v1/models", g.listModels},
		{"GET", "/v1/models/{model...}", g.showModel},
		{"POST", "/v1/chat/completions", g.complete(chatDialect())},
		{"POST", "/v1/completions", g.complete(completionDialect())},
		{"POST", "/v1/responses", g.complete(g.responses.dialect())},
		{"POST", "/v1/messages", g.complete(messageDialect())},
		{"POST", "/v1/messages/count_tokens", g.countTokens(messageDialect())},
		{"POST", "/v1/embeddings", g.embeddings},
		{"GET", "/v1/receipts/{id}", g.showReceipt},
		{"POST", "/v1/receipts", g.askChain},
		{"GET", "/models/{file}", g.weights},
		{"GET", "/receipts", g.page},
		{"GET", "/receipts/{id}", g.page},
		{"GET", "/check/{file}", g.page},
		{"GET", "/api/version", version},
		{"GET", "/api/tags", g.ollamaModels},
		{"GET", "/api/ps", g.ollamaModels},
		{"POST", "/api/show", g.ollamaShow},
		{"POST", "/api/pull", g.ollamaPull},
		{"POST", "/api/chat", g.complete(ollamaChat())},
		{"POST", "/api/generate", g.complete(ollamaGenerate())},
		{"GET", "/v1/responses/{id}", g.responses.show},
		{"DELETE", "/v1/responses/{id}", g.responses.remove},
	}
}

// routes builds the multiplexer: every path of the table answers other methods with 405, every other path with 404.
func (g *Gateway) routes() *http.ServeMux {
	mux := http.NewServeMux()
	methods := make(map[string][]string)
	for _, r := range g.table() {
		mux.HandleFunc(r.method+" "+r.path, r.handle)
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, allowed := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			failed(http.StatusMethodNotAllowed, "invalid_request_error", "", "method_not_allowed",
				"this path answers "+strings.Join(allowed, " and ")+" only").write(w)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		noURL(r.URL.Path).write(w)
	})
	return mux
}

// noURL answers for a path at which there is nothing.
func noURL(path string) *failure {
	message := "there is nothing at this path"
	if !strings.HasPrefix(path, "/v1/") && !strings.HasPrefix(path, "/api/") {
		message += ": the base URL of the API ends in /v1"
	}
	return failed(http.StatusNotFound, "invalid_request_error", "", "unknown_url", message)
}
