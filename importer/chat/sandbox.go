package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
)

// childVariable tells a process that it is to run a stranger's program and nothing else.
const childVariable = "ELENCHUS_CHAT_ORACLE"

// Bounds of the process that runs a stranger's program.
const (
	childMemory = 1 << 30 // bytes, where the system can bound them
	childStack  = 64 << 20
)

// task is what the process is told on its standard input.
type task struct {
	Source Source  `json:"source"`
	Probes []Probe `json:"probes"`
}

// Sandbox runs programs in a process of its own, which is bounded in time and memory: exe must call
// Child before anything else.
func Sandbox(exe string) Runner {
	return func(ctx context.Context, s Source, probes []Probe) ([]Result, error) {
		if os.Getenv(childVariable) != "" {
			return nil, fmt.Errorf("%w: the program %s does not run templates", ErrSource, exe)
		}
		in, err := json.Marshal(task{s, probes})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSource, err)
		}
		ctx, cancel := context.WithTimeout(ctx, Deadline)
		defer cancel()
		cmd := exec.CommandContext(ctx, exe)
		cmd.Env = []string{childVariable + "=1", "GOMAXPROCS=1"}
		var out, fault bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &fault
		if err := cmd.Run(); err != nil {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%w: it ran for more than %v", ErrSource, Deadline)
			}
			first, _, _ := strings.Cut(strings.TrimSpace(fault.String()), "\n")
			return nil, fmt.Errorf("%w: %w: %s", ErrSource, err, clip(first, 200))
		}
		var results []Result
		if err := json.Unmarshal(out.Bytes(), &results); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSource, err)
		}
		return results, nil
	}
}

// Child runs the task of Sandbox and ends the process if this is one for that; else it does nothing.
func Child() {
	if os.Getenv(childVariable) == "" {
		return
	}
	debug.SetMaxStack(childStack)
	err := bound()
	if err == nil {
		err = work(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func work(in io.Reader, out io.Writer) error {
	var t task
	if err := json.NewDecoder(in).Decode(&t); err != nil {
		return err
	}
	results, err := Run(context.Background(), t.Source, t.Probes)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(results)
}
