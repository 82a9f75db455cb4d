// Package anviltest starts anvil, a second EVM implementation, for tests.
//
// It belongs to package chain and is imported by tests only. anvil is a program
// of its own; where it is missing a test is skipped, or fails if the environment
// variable ELENCHUS_REQUIRE, a list with commas, contains anvil.
package anviltest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

const startTimeout = 30 * time.Second

// Chain is a running anvil.
type Chain struct {
	// URL is the JSON-RPC address, for HTTP; with ws:// in front it takes WebSocket.
	URL string
}

// Start runs anvil on a free loopback port until the test ends. args are
// anvil's own, such as "--hardfork", "osaka".
func Start(t testing.TB, args ...string) *Chain {
	t.Helper()
	path, err := Find()
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("ELENCHUS_REQUIRE"), ","), "anvil") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, append([]string{"--host", "127.0.0.1", "--port", "0"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	found := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		listen(bufio.NewScanner(out), found)
	}()
	t.Cleanup(func() {
		cancel()
		cmd.Wait() // it was killed: its status says nothing
		<-drained  // Wait has closed the pipe
	})
	select {
	case address := <-found:
		return &Chain{URL: "http://" + address}
	case <-drained:
		t.Fatalf("%s ended without listening", path)
	case <-time.After(startTimeout):
		t.Fatalf("%s does not listen after %v", path, startTimeout)
	}
	return nil
}

// listen finds the address in anvil's output and reads the rest away.
func listen(lines *bufio.Scanner, found chan<- string) {
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "Listening on "); ok {
			select {
			case found <- strings.TrimSpace(address):
			default:
			}
		}
	}
}

// Find returns the path of anvil: the environment variable ELENCHUS_ANVIL, the
// search path, or tools/node_modules/.bin in this folder or one above.
func Find() (string, error) {
	path, err := find()
	if err != nil {
		return "", err
	}
	return native(path), nil
}

// native returns the program behind npm's starter script at path. Killing the
// script would leave the program running.
func native(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil || filepath.Base(real) != "bin.mjs" {
		return path
	}
	system := map[string]string{"windows": "win32"}[runtime.GOOS]
	if system == "" {
		system = runtime.GOOS
	}
	name := "anvil-" + system + "-" + runtime.GOARCH
	for _, file := range []string{"anvil", "anvil.exe"} {
		program := filepath.Join(filepath.Dir(real), "..", name, "bin", file)
		if _, err := os.Stat(program); err == nil {
			return program
		}
	}
	return path
}

func find() (string, error) {
	if path := os.Getenv("ELENCHUS_ANVIL"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("anvil not found at ELENCHUS_ANVIL: %w", err)
		}
		return path, nil
	}
	if path, err := exec.LookPath("anvil"); err == nil {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, "tools", "node_modules", ".bin", "anvil")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("anvil not found: npm install --prefix tools @foundry-rs/anvil@1.7.1")
		}
		dir = filepath.Dir(dir)
	}
}
