package gateway

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// reference is docs/api.md as the code makes it: every route, and the fields that each endpoint of prompts reads.
func reference(g *Gateway) string {
	dialects := map[string]*dialect{
		"/v1/chat/completions": chatDialect(), "/v1/completions": completionDialect(), "/v1/responses": g.responses.dialect(),
		"/v1/messages": messageDialect(), "/v1/messages/count_tokens": messageDialect(), "/api/chat": ollamaChat(), "/api/generate": ollamaGenerate(),
	}
	var b strings.Builder
	b.WriteString(`# The gateway's API

Made from the code: ` + "`go test ./service/gateway -run TestReferenceIsFresh -update`" + `. What fields mean, which values are honoured and which refused is
in [SPEC 16](spec/16-gateway.md); which clients were tried, in [clients](clients.md). A field that is not listed is ignored and named in
` + "`X-Elenchus-Ignored`" + `, or refused where the gateway is strict. One marked \* holds the prompt and must be there.

## Routes

| method | path |
|---|---|
`)
	for _, r := range g.table() {
		fmt.Fprintf(&b, "| %s | `%s` |\n", r.method, r.path)
	}
	b.WriteString("\n## Fields of requests\n")
	for _, path := range slices.Sorted(maps.Keys(dialects)) {
		d := dialects[path]
		var names []string
		for _, name := range slices.Sorted(maps.Keys(d.fields)) {
			if text := "`" + name + "`"; name == d.missing {
				names = append(names, text+"\\*")
			} else {
				names = append(names, text)
			}
		}
		fmt.Fprintf(&b, "\n### POST %s\n\n%s\n", path, strings.Join(names, ", "))
	}
	return b.String()
}

// TestReferenceIsFresh: docs/api.md lists the routes and fields of this code.
func TestReferenceIsFresh(t *testing.T) {
	g := newGateway(t, &toyBackend{}, fixedOptions())
	want := reference(g)
	const path = "../../docs/api.md"
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("docs/api.md is stale: go test ./service/gateway -run TestReferenceIsFresh -update (%v)", err)
	}
	for _, r := range g.table() { // every endpoint of prompts is in it
		if r.method == "POST" && !strings.Contains(want, "### POST "+r.path+"\n") && r.path != "/api/show" && r.path != "/api/pull" && r.path != "/v1/embeddings" && r.path != "/v1/receipts" {
			t.Errorf("the fields of %s are not listed", r.path)
		}
	}
}
