package gateway

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOfficialSDKs uses the gateway through the official client packages. A package that is not installed is skipped
// by name, unless ELENCHUS_REQUIRE lists it. ELENCHUS_PYTHON names the interpreter, NODE_PATH the folder of packages,
// else that of tools/package.json.
func TestOfficialSDKs(t *testing.T) {
	python := os.Getenv("ELENCHUS_PYTHON")
	if python == "" {
		python = "python3"
	}
	if os.Getenv("NODE_PATH") == "" {
		packages, err := filepath.Abs("../../tools/node_modules")
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("NODE_PATH", packages)
	}
	for _, sdk := range []struct{ name, program, probe, script string }{
		{"openai-python", python, "import openai", "check.py"},
		{"openai-node", "node", "openai", "check.cjs"},
		{"anthropic-python", python, "import anthropic", "messages.py"},
		{"anthropic-node", "node", "@anthropic-ai/sdk", "anthropic.cjs"},
		{"ollama-python", python, "import ollama", "lines.py"},
		{"ollama-node", "node", "ollama", "ollama.cjs"},
		{"ai-sdk", "node", "ai", "aisdk.cjs"},
		{"langchain-node", "node", "@langchain/openai", "langchain.cjs"},
		{"agents-node", "node", "@openai/agents-openai", "agents.cjs"},
		{"langchain-python", python, "import langchain_openai", "langchain.py"},
	} {
		t.Run(sdk.name, func(t *testing.T) {
			if sdk.program == python {
				needSDK(t, sdk.name, python, "-c", sdk.probe)
			} else {
				needSDK(t, sdk.name, "node", "-e", "require.resolve('"+sdk.probe+"')")
			}
			checkSDK(t, sdk.program, "testdata/sdk/"+sdk.script)
		})
	}
	t.Run("openai-go", func(t *testing.T) {
		program := filepath.Join(t.TempDir(), "openai-go")
		needSDK(t, "openai-go", "go", "build", "-C", "../../tools/sdk", "-o", program, ".")
		checkSDK(t, program)
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
func checkSDK(t *testing.T, program string, script ...string) {
	t.Helper()
	const key = "sk-test-key-for-sdks"
	options := fixedOptions()
	var log bytes.Buffer
	options.Keys, options.Log = []string{key}, textLog(&log)
	b := &toyBackend{ends: make(chan error, 100), script: sdkAnswers, more: []string{"caller", "agent", "thinker"}, room: 400,
		after: fmt.Errorf("%w: the node left", ErrUnavailable),
		err:   map[string]error{"busy": ErrBusy, "down": ErrUnavailable}}
	server := httptest.NewServer(newGateway(t, vectorBackend{b, nil}, options))
	defer server.Close()
	out, err := exec.CommandContext(t.Context(), program, append(script, server.URL+"/v1", key)...).CombinedOutput()
	t.Logf("%s", out)
	server.Close()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, script, err, log.String())
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
	case modelID("agent"): // calls until it sees a result
		if strings.Contains(string(bytesOf(job.Prompt)), "<t>") {
			return says("done", FinishStop)(job)
		}
		return says(`<call>{"name":"f","arguments":{"x":1}}</call>`, FinishStop)(job)
	case modelID("thinker"): // thinks, and calls the tool that it is shown until it sees a result
		switch prompt := string(bytesOf(job.Prompt)); {
		case strings.HasSuffix(prompt, "</think>"):
			return says("done", FinishStop)(job)
		case strings.Contains(prompt, `"function"`) && !strings.Contains(prompt, "<t>"):
			return says(`<think>let me see</think><call>{"name":"f","arguments":{"x":1}}</call>`, FinishStop)(job)
		}
		return says("<think>let me see</think>\n\ndone", FinishStop)(job)
	case modelID("endless"):
		return says(strings.Repeat("x", 1<<16), FinishLength)(job)
	}
	if job.Sampler.Grammar != nil {
		return constrained(job)
	}
	if len(job.Sampler.Stops) > 0 {
		return stopped("héllo")(job)
	}
	return says("héllo", FinishEOS)(job)
}

// bytesOf is the text of the toy's ids.
func bytesOf(ids []int32) []byte {
	out := make([]byte, len(ids))
	for i, id := range ids {
		out[i] = byte(id)
	}
	return out
}
