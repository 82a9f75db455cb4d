package gateway

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestOfficialSDKs uses the gateway through the official client packages. A package that is not installed is skipped
// by name, unless ELENCHUS_REQUIRE lists it. ELENCHUS_PYTHON names the interpreter, NODE_PATH the folder of packages.
func TestOfficialSDKs(t *testing.T) {
	python := os.Getenv("ELENCHUS_PYTHON")
	if python == "" {
		python = "python3"
	}
	t.Run("openai-python", func(t *testing.T) {
		needSDK(t, "openai-python", python, "-c", "import openai")
		checkSDK(t, python, "testdata/sdk/check.py")
	})
	t.Run("openai-node", func(t *testing.T) {
		needSDK(t, "openai-node", "node", "-e", "require('openai')")
		checkSDK(t, "node", "testdata/sdk/check.cjs")
	})
	t.Run("anthropic-python", func(t *testing.T) {
		needSDK(t, "anthropic-python", python, "-c", "import anthropic")
		checkSDK(t, python, "testdata/sdk/messages.py")
	})
	t.Run("ollama-python", func(t *testing.T) {
		needSDK(t, "ollama-python", python, "-c", "import ollama")
		checkSDK(t, python, "testdata/sdk/lines.py")
	})
}

// needSDK skips or fails the test when the probe does not run.
func needSDK(t *testing.T, name string, probe ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), probe[0], probe[1:]...).CombinedOutput()
	switch {
	case err == nil:
	case slices.Contains(strings.Split(os.Getenv("ELENCHUS_REQUIRE"), ","), name):
		t.Fatalf("%s is required and does not load: %v\n%s", name, err, out)
	default:
		t.Skipf("%s is not installed", name)
	}
}

// checkSDK runs a script against a gateway of its own.
func checkSDK(t *testing.T, program, script string) {
	t.Helper()
	const key = "sk-test-key-for-sdks"
	options := fixedOptions()
	var log bytes.Buffer
	options.Keys, options.Log = []string{key}, textLog(&log)
	b := &toyBackend{ends: make(chan error, 100), script: sdkAnswers, more: []string{"caller"}, room: 200,
		after: fmt.Errorf("%w: the node left", ErrUnavailable),
		err:   map[string]error{"busy": ErrBusy, "down": ErrUnavailable}}
	server := httptest.NewServer(newGateway(t, vectorBackend{b, nil}, options))
	defer server.Close()
	out, err := exec.CommandContext(t.Context(), program, script, server.URL+"/v1", key).CombinedOutput()
	t.Logf("%s", out)
	server.Close()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, log.String())
	}
	for range b.jobs {
		<-b.ends // every job's context ends
	}
	if job := b.jobs[0]; job.TemperatureQ16 != 52429 || job.Seed != 7 {
		t.Errorf("temperature 0.8 and seed 7 arrived as %d and %d", job.TemperatureQ16, job.Seed)
	}
}

// sdkAnswers is what the models of the scripts answer.
func sdkAnswers(job Job) []Event {
	switch job.Model {
	case modelID("late"):
		return says("partial", 0)(job)
	case modelID("caller"):
		return says(`<call>{"name":"f","arguments":{"x":1}}</call>`, FinishStop)(job)
	case modelID("endless"):
		return says(strings.Repeat("x", 1<<16), FinishLength)(job)
	}
	return says("héllo", FinishEOS)(job)
}
