package worker

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"elenchus/proving/step"
)

// variable tells a process that it is a worker and nothing else.
const variable = "ELENCHUS_PROVER"

// IsChild says whether this process was started as a worker.
func IsChild() bool { return os.Getenv(variable) != "" }

// Child proves for the process that started this one, and ends it, if this is a worker; else it does nothing.
// Interrupts are for the other, which ends this one: by a signal, or by ending itself.
func Child() {
	if !IsChild() {
		return
	}
	run(serve)
}

// run does the work of a worker and ends the process, at the latest when its input ends.
func run(serve func(<-chan frame, io.Writer) error) {
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	yield()
	frames := make(chan frame, 1) // so that the end of the input is seen while a frame waits
	go func() {
		defer os.Exit(0) // whoever started this process is gone, or needs it no more: also in the middle of a proof
		for {
			f, err := receive(os.Stdin)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			frames <- f
		}
	}()
	if err := serve(frames, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// server is a worker at work.
type server struct {
	in  <-chan frame
	out io.Writer
}

// serve answers frames until there are no more, or until it said why it cannot.
func serve(in <-chan frame, out io.Writer) error {
	s := &server{in, out}
	if err := s.run(); !errors.Is(err, io.EOF) {
		return send(out, kindFault, faultOf(err))
	}
	return nil
}

// next is the next frame, which has to be of a kind; io.EOF after the last.
func (s *server) next(kind uint8, x any) error {
	f, ok := <-s.in
	if !ok {
		return io.EOF
	}
	return f.into(kind, x)
}

// stage tells of a stage; whether somebody reads, the next answer finds out.
func (s *server) stage(name string) { _ = send(s.out, kindStage, &stageFields{name}) }

// run answers frames until it fails, with io.EOF after the last.
func (s *server) run() error {
	var f taskFields
	if err := s.next(kindTask, &f); err != nil {
		return err
	}
	t, err := f.task()
	if err != nil {
		return err
	}
	s.stage(StageCircuit)
	of, err := t.circuit()
	if err != nil {
		return err
	}
	c, err := step.NewCompiled(t.System, of)
	if err != nil {
		return err
	}
	if err := send(s.out, kindSize, &sizeFields{hex.EncodeToString(c.Digest[:]), c.Constraints}); err != nil {
		return err
	}
	if err := s.next(kindBegin, &struct{}{}); err != nil {
		return err
	}
	key, made, err := t.Keys.Key(c, s.stage)
	if err != nil {
		return err
	}
	words, err := key.Words()
	if err != nil {
		return err
	}
	if err := send(s.out, kindKey, &keyFields{key.Origin, made, words}); err != nil {
		return err
	}
	if err := key.Prepare(); err != nil {
		return err
	}
	for {
		if err := s.prove(t, key); err != nil {
			return err
		}
	}
}

// prove makes a proof.
func (s *server) prove(t *Task, key *step.Key) error {
	var f witnessFields
	if err := s.next(kindWitness, &f); err != nil {
		return err
	}
	w, err := f.assignment(t)
	if err != nil {
		return err
	}
	s.stage(StageProof)
	proof, err := key.Prove(w)
	if err != nil {
		return err
	}
	return send(s.out, kindProof, &proofFields{proof})
}
