package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/app"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v2"
)

// composeService is a service of deploy/compose.yaml: the keys of the Compose Specification that it uses, with their types.
type composeService struct {
	Image       string                                `yaml:"image"`
	Restart     string                                `yaml:"restart"`
	ReadOnly    bool                                  `yaml:"read_only"`
	Tmpfs       []string                              `yaml:"tmpfs"`
	CapDrop     []string                              `yaml:"cap_drop"`
	Security    []string                              `yaml:"security_opt"`
	Grace       string                                `yaml:"stop_grace_period"`
	Volumes     []string                              `yaml:"volumes"`
	Network     string                                `yaml:"network_mode"`
	Ports       []string                              `yaml:"ports"`
	Command     []string                              `yaml:"command"`
	Environment map[string]string                     `yaml:"environment"`
	Depends     map[string]struct{ Condition string } `yaml:"depends_on"`
	Health      *composeHealth                        `yaml:"healthcheck"`
}

type composeHealth struct {
	Test     []string `yaml:"test"`
	Interval string   `yaml:"interval"`
	Timeout  string   `yaml:"timeout"`
	Retries  int      `yaml:"retries"`
	Start    string   `yaml:"start_period"`
}

// readCompose reads the file; an unknown key, or a value of another type, is an error.
func readCompose(t *testing.T) map[string]composeService {
	t.Helper()
	b, err := os.ReadFile("../../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var top map[string]any
	var merged struct { // anchors are merged first: the strict reader takes a key that replaces a merged one for a repeated one
		Services map[string]map[string]any
		Volumes  map[string]struct{}
	}
	if err := errors.Join(yaml.Unmarshal(b, &top), yaml.Unmarshal(b, &merged)); err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(top)); !slices.Equal(names, []string{"name", "services", "volumes", "x-role"}) {
		t.Errorf("the file has the keys %q", names)
	}
	b, err = yaml.Marshal(merged.Services)
	if err != nil {
		t.Fatal(err)
	}
	services := map[string]composeService{}
	if err := yaml.UnmarshalStrict(b, &services); err != nil {
		t.Fatal(err)
	}
	for name, s := range services {
		for _, v := range s.Volumes {
			volume, _, _ := strings.Cut(v, ":")
			if _, ok := merged.Volumes[volume]; !ok {
				t.Errorf("%s mounts the volume %q, which is not declared", name, volume)
			}
		}
	}
	return services
}

// The compose file has every role, each with a command that exists, a health check and no rights; only the gateway is
// published, on loopback.
func TestComposeFile(t *testing.T) {
	services := readCompose(t)
	for _, name := range []string{"chain", "deploy", "node1", "node2", "watch", "gateway"} {
		if _, ok := services[name]; !ok {
			t.Errorf("there is no service %s", name)
		}
	}
	for name, s := range services {
		t.Run(name, func(t *testing.T) {
			checkService(t, name, s, services)
			checkCommand(t, s.Command...)
			if s.Health != nil {
				checkHealth(t, s)
			} else if s.Restart != "no" {
				t.Error("a service that stays has no health check")
			}
		})
	}
	if key := services["gateway"].Environment["ELENCHUS_GATEWAY_API_KEY"]; !strings.HasPrefix(key, "${ELENCHUS_API_KEY:?") {
		t.Errorf("a gateway that listens to all begins without a key of its own: %q", key)
	}
	if got := services["chain"].Ports; !slices.Equal(got, []string{"127.0.0.1:8080:8080"}) {
		t.Errorf("published: %q", got)
	}
}

func checkService(t *testing.T, name string, s composeService, all map[string]composeService) {
	t.Helper()
	if s.Image == "" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.Volumes) == 0 || s.Volumes[0] != "state:/var/lib/elenchus" {
		t.Errorf("image, rights or state: %+v", s)
	}
	if name == "chain" == (s.Network == "service:chain") || name != "chain" && len(s.Ports) > 0 {
		t.Errorf("network %q, ports %q: all share that of the chain", s.Network, s.Ports)
	}
	if _, err := time.ParseDuration(s.Grace); err != nil {
		t.Error(err)
	}
	for other, d := range s.Depends {
		switch o, ok := all[other]; {
		case !ok:
			t.Errorf("it depends on %s, which is none", other)
		case d.Condition == "service_healthy" && o.Health == nil, d.Condition == "service_completed_successfully" && o.Restart != "no",
			d.Condition != "service_healthy" && d.Condition != "service_completed_successfully":
			t.Errorf("%s will never be %q", other, d.Condition)
		}
	}
	if !slices.Contains([]string{"no", "unless-stopped"}, s.Restart) {
		t.Errorf("restart %q", s.Restart)
	}
}

// checkCommand wants a command of ours with flags that it has, and the required ones among them.
func checkCommand(t *testing.T, args ...string) *cobra.Command {
	t.Helper()
	root := &cobra.Command{Use: "elenchus"}
	root.AddCommand(commands()...)
	c, rest, err := root.Find(args)
	if err != nil || c == root || !c.Runnable() {
		t.Fatalf("there is no command %q: %v", args, err)
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	if err := c.ValidateRequiredFlags(); err != nil {
		t.Errorf("%q: %v", args, err)
	}
	if c.Flags().NArg() > 0 {
		t.Errorf("%q has arguments: %q", args, c.Flags().Args())
	}
	return c
}

// checkHealth wants a check that asks the address at which the service says whether it is ready.
func checkHealth(t *testing.T, s composeService) {
	t.Helper()
	h := s.Health
	for _, text := range []string{h.Interval, h.Timeout, h.Start} {
		if _, err := time.ParseDuration(text); err != nil {
			t.Error(err)
		}
	}
	if len(h.Test) < 4 || h.Test[0] != "CMD" || h.Test[1] != "/usr/local/bin/elenchus" || h.Retries < 1 {
		t.Fatalf("health check %+v", h)
	}
	url, err := checkCommand(t, h.Test[2:]...).Flags().GetString("ready")
	port := regexp.MustCompile(`:\d+$`).FindString(url)
	if err != nil || port == "" || !slices.ContainsFunc(s.Command, func(a string) bool {
		return strings.HasSuffix(a, port) && (strings.HasPrefix(a, "--metrics=") || strings.HasPrefix(a, "--listen="))
	}) {
		t.Errorf("it asks %q (%v), and the service is ready elsewhere: %q", url, err, s.Command)
	}
}

// What asks for a role's readiness hands on why it is not ready.
func TestAskReady(t *testing.T) {
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.WriteHeader(status)
		fmt.Fprint(w, "chain: no head for a minute")
	}))
	if err := app.AskReady(t.Context(), s.URL+"/"); err != nil {
		t.Error(err)
	}
	status = http.StatusServiceUnavailable
	if err := app.AskReady(t.Context(), s.URL); !errors.Is(err, app.ErrNotReady) || !strings.Contains(err.Error(), "no head") {
		t.Errorf("got %v", err)
	}
	s.Close()
	if err := app.AskReady(t.Context(), s.URL); !errors.Is(err, app.ErrNotReady) {
		t.Errorf("got %v", err)
	}
}
