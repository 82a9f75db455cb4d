package meter

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/guide/metrics.md")

const house = "../.."

// page is docs/guide/metrics.md as the table makes it.
func page() string {
	var b strings.Builder
	b.WriteString(`# Metrics

` + "`--metrics ADDR`" + ` gives a gateway, node, challenger or chain an address for its operator: ` + "`GET /metrics`" + ` for Prometheus,
` + "`GET /healthz`" + ` (200 while the process lives) and ` + "`GET /readyz`" + ` (200 if every check holds, else 503, with the reasons). Keep that
address away from strangers. ` + "`elenchus up`" + ` opens one for each role and writes where they are to ` + "`targets.json`" + ` in its state
directory, as Prometheus' ` + "`file_sd_configs`" + ` wants it. A dashboard, alerts and a scrape configuration are in ` + "[deploy](../../deploy)" + `.

Labels hold routes, outcomes and addresses of your own configuration, never what a client writes, and no key. This table is made
from the code: ` + "`go test ./app/meter -update`" + `. Histograms have buckets from 1 ms to 120 s. Besides these, each role shows ` + "`go_*`" + ` and ` + "`process_*`" + `.

| metric | kind | labels | of | what |
|---|---|---|---|---|
`)
	for _, m := range Table() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Kind, strings.Join(m.Labels, ", "), strings.Join(m.Roles, ", "), m.Help)
	}
	return b.String()
}

// TestDocumentedMetricsAreThoseOfTheCode.
func TestDocumentedMetricsAreThoseOfTheCode(t *testing.T) {
	path := filepath.Join(house, "docs/guide/metrics.md")
	if *update {
		if err := os.WriteFile(path, []byte(page()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil || string(b) != page() {
		t.Errorf("docs/guide/metrics.md is stale: run go test ./app/meter -update (%v)", err)
	}
}

// named finds our metrics in a text, histograms without the endings of their series.
func named(text string) (out []string) {
	for _, m := range regexp.MustCompile(`\belenchus_[a-z0-9_]+`).FindAllString(text, -1) {
		out = append(out, regexp.MustCompile(`(_seconds)_(bucket|sum|count)$`).ReplaceAllString(m, "$1"))
	}
	return out
}

func known(name string) bool {
	return slices.ContainsFunc(Table(), func(m Metric) bool { return m.Name == name })
}

// TestDashboardAsksForMetricsThatExist, with labels that they have, and shows every one.
func TestDashboardAsksForMetricsThatExist(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(house, "deploy/grafana/elenchus.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			names := named(target.Expr)
			if len(names) == 0 {
				t.Errorf("panel %q asks for nothing of ours: %s", p.Title, target.Expr)
			}
			for _, n := range names {
				shown[n] = true
				if !known(n) {
					t.Errorf("panel %q asks for %s, which nobody measures", p.Title, n)
				}
			}
			checkLabels(t, p.Title, target.Expr, names)
		}
	}
	for _, m := range Table() {
		if !shown[m.Name] {
			t.Errorf("no panel shows %s", m.Name)
		}
	}
}

// checkLabels: what an expression groups by is a label of its metric, or one that Prometheus adds.
func checkLabels(t *testing.T, title, expr string, names []string) {
	t.Helper()
	for _, by := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(by[1], ",") {
			label = strings.TrimSpace(label)
			has := slices.ContainsFunc(Table(), func(m Metric) bool { return slices.Contains(names, m.Name) && slices.Contains(m.Labels, label) })
			if !has && label != "le" && label != "instance" {
				t.Errorf("panel %q groups by %q, which its metrics do not have: %s", title, label, expr)
			}
		}
	}
}

// TestAlertsAskForMetricsThatExist.
func TestAlertsAskForMetricsThatExist(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(house, "deploy/prometheus/alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	names := named(string(b))
	if len(names) < 5 {
		t.Errorf("only %q", names)
	}
	for _, n := range names {
		if !known(n) {
			t.Errorf("an alert asks for %s, which nobody measures", n)
		}
	}
}

// TestNamesFollowTheirKind: counters end in _total, histograms are seconds.
func TestNamesFollowTheirKind(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Table() {
		if seen[m.Name] {
			t.Errorf("%s stands twice in the table", m.Name)
		}
		seen[m.Name] = true
		if (m.Kind == Counter) != strings.HasSuffix(m.Name, "_total") {
			t.Errorf("%s is a %s", m.Name, m.Kind)
		}
		if m.Kind == Histogram && !strings.HasSuffix(m.Name, "_seconds") || m.Help == "" || len(m.Roles) == 0 {
			t.Errorf("%+v", m)
		}
	}
}

// TestSetShowsWhatIsMeasured, and only what is the role's.
func TestSetShowsWhatIsMeasured(t *testing.T) {
	s := New(Gateway)
	s.Add("elenchus_gateway_requests_total", 2, "GET /v1/models", "200")
	s.Set("elenchus_ready", 1)
	s.Observe("elenchus_gateway_first_token_seconds", 0.02)
	w := httptest.NewRecorder()
	s.Handler(func() { s.Set("elenchus_gateway_answers_running", 7) }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`elenchus_gateway_requests_total{route="GET /v1/models",status="200"} 2`, "elenchus_ready 1", "elenchus_gateway_answers_running 7",
		`elenchus_gateway_first_token_seconds_bucket{le="0.025"} 1`, `role="gateway"`, "go_goroutines",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(w.Body.String(), "elenchus_node_") {
		t.Error("a gateway shows metrics of nodes")
	}
	var none *Set
	none.Add("elenchus_gateway_requests_total", 1)
	none.Set("x", 1)
	none.Observe("x", 1)
	defer func() {
		if recover() == nil {
			t.Error("a metric that is not in the table is counted")
		}
	}()
	s.Add("elenchus_node_tokens_total", 1)
}
