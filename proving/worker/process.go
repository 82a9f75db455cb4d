package worker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"unicode/utf8"
)

// Process is a worker: a key, and proofs of it one after the other. It is for one goroutine at a time. Every call that
// fails ends it. The zero value is illegal; Start starts one.
type Process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	fault *tail
	stage func(string) // where it is; never nil
	ended error        // why, after the first failure
}

// passed are the variables of the environment that a worker has, too: how much of the machine it may use.
var passed = []string{"GOMAXPROCS", "GOMEMLIMIT", "GOGC", "TMPDIR"}

// Start starts exe, a program that calls Child before anything else, with a task, and returns the worker with the size of
// its circuit. Stage, which may be nil, is called with each stage that it passes, during this and later calls. The
// worker outlives ctx, which is for this call; Close ends it. Errors are those of compiling the circuit, ErrLost, and
// that of ctx.
func Start(ctx context.Context, exe string, t *Task, stage func(string)) (*Process, *Size, error) {
	if IsChild() {
		return nil, nil, fmt.Errorf("%w: %s does not begin with its work", ErrLost, exe)
	}
	for _, path := range []string{t.Keys.Dir, t.Keys.SRS} {
		if !utf8.ValidString(path) {
			return nil, nil, fmt.Errorf("the path %q is no UTF-8: keys of proofs are passed on by names in UTF-8, move them", path)
		}
	}
	cmd := exec.Command(exe) //nolint:noctx // its calls have contexts, and kill it
	cmd.Env = []string{variable + "=1"}
	for _, name := range passed {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	p, err := start(cmd, stage)
	if err != nil {
		return nil, nil, err
	}
	var f sizeFields
	if err := p.ask(ctx, kindTask, t.fields(), kindSize, &f); err != nil {
		return nil, nil, err
	}
	size, err := f.size()
	if err != nil {
		return nil, nil, p.end(err)
	}
	return p, size, nil
}

// start starts the process.
func start(cmd *exec.Cmd, stage func(string)) (*Process, error) {
	p := &Process{cmd: cmd, fault: &tail{}, stage: stage}
	if stage == nil {
		p.stage = func(string) {}
	}
	cmd.Stderr = p.fault
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: it could not be started: %w", ErrLost, err)
	}
	return p, nil
}

// Key has the key read, or made. Errors: ErrNoKey, step.ErrKey, ErrLost, and that of ctx.
func (p *Process) Key(ctx context.Context) (*KeyInfo, error) {
	var f keyFields
	if err := p.ask(ctx, kindBegin, struct{}{}, kindKey, &f); err != nil {
		return nil, err
	}
	return &KeyInfo{f.Origin, f.Made, f.Words}, nil
}

// Prove has a proof made. Errors: step.ErrWitness, circuit.ErrUnit, ErrLost, and that of ctx.
func (p *Process) Prove(ctx context.Context, w *Witness) ([]byte, error) {
	f := &witnessFields{hex.EncodeToString(w.Binding[:]), w.Target, w.Leaves}
	var out proofFields
	err := p.ask(ctx, kindWitness, f, kindProof, &out)
	return out.Proof, err
}

// Close ends the worker and waits until it is gone. It may be called more than once.
func (p *Process) Close() {
	if p.ended == nil {
		_ = p.end(ErrLost)
	}
}

// end kills the worker and waits until it is gone; it returns why.
func (p *Process) end(why error) error {
	if p.ended != nil {
		return p.ended
	}
	p.ended = why
	_ = p.cmd.Process.Kill() // it may be gone
	_ = p.in.Close()
	_ = p.cmd.Wait() // what it says of itself is in the error already, or is that it was killed
	return why
}

// ask sends a frame and waits for the answer. When ctx ends, the worker is killed, whatever it does.
func (p *Process) ask(ctx context.Context, kind uint8, x any, want uint8, to any) error {
	if p.ended != nil {
		return fmt.Errorf("%w: it was ended before", ErrLost)
	}
	if err := ctx.Err(); err != nil {
		return p.end(err)
	}
	release := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	defer release()
	err := send(p.in, kind, x)
	if err == nil {
		err = p.await(ctx, want, to)
	}
	switch {
	case err == nil && ctx.Err() == nil:
		return nil
	case ctx.Err() != nil:
		return p.end(ctx.Err())
	}
	var said *fault
	if errors.As(err, &said) {
		return p.end(said)
	}
	return p.lost(err)
}

// await reads frames until the one that is wanted or a fault. What comes after the end of ctx is not looked at.
func (p *Process) await(ctx context.Context, want uint8, to any) error {
	for {
		f, err := receive(p.out)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		switch f.kind {
		case kindStage:
			var s stageFields
			if err := f.into(kindStage, &s); err != nil {
				return err
			}
			p.stage(s.Stage)
		case kindFault:
			var s faultFields
			if err := f.into(kindFault, &s); err != nil {
				return err
			}
			return s.err()
		default:
			return f.into(want, to)
		}
	}
}

// lost ends a worker that did not answer, and says what is known of why.
func (p *Process) lost(err error) error {
	_ = p.cmd.Process.Kill()
	_ = p.in.Close()
	state := p.cmd.Wait()
	p.ended = ErrLost
	first, _, _ := strings.Cut(strings.TrimSpace(p.fault.String()), "\n")
	switch {
	case first != "":
		err = errors.New(first)
	case errors.Is(err, io.EOF) && state != nil:
		err = fmt.Errorf("%w (out of memory?)", state)
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}

// tail keeps the beginning of what a worker says on its standard error.
type tail struct{ b bytes.Buffer }

func (t *tail) Write(b []byte) (int, error) {
	if room := maxText - t.b.Len(); room > 0 {
		t.b.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

func (t *tail) String() string { return t.b.String() }
