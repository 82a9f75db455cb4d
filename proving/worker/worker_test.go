package worker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
)

// modeVariable tells this test program to be a worker of a bad kind.
const modeVariable = "WORKER_TEST_MODE"

func TestMain(m *testing.M) {
	Child()
	switch os.Getenv(modeVariable) {
	case "":
		os.Exit(m.Run())
	case "endless": // as a proof that takes for ever
		run(func(in <-chan frame, out io.Writer) error {
			(&server{in, out}).stage(StageProof)
			select {}
		})
	case "panic":
		run(func(<-chan frame, io.Writer) error { panic("worker: a broken invariant") })
	case "garbage":
		run(func(_ <-chan frame, out io.Writer) error {
			_, err := out.Write(bytes.Repeat([]byte{0xff}, 100))
			return errors.Join(err, send(out, kindProof, &proofFields{}))
		})
	case "other": // answers what nobody asked
		run(func(_ <-chan frame, out io.Writer) error {
			return send(out, kindProof, &proofFields{[]byte{1}})
		})
	}
}

func bad(t *testing.T, mode string, stage func(string)) *Process {
	t.Helper()
	cmd := exec.Command(executable(t)) //nolint:noctx // its calls have contexts
	cmd.Env = []string{modeVariable + "=" + mode}
	p, err := start(cmd, stage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func executable(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// leaf is a leaf of 64 bytes with v as element 5.
func leaf(v int32) []byte {
	b := make([]byte, 64)
	binary.LittleEndian.PutUint32(b[20:], uint32(v))
	return b
}

// sum is the answer about element 5 of x + a, -4 + 26, with a claim of it.
func sum(t testing.TB, claim int32) *circuit.Answer {
	t.Helper()
	d := opset.Descriptor{Op: opset.Add, Type: tensor.I32, Leaf: opset.LeafBytes, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 40}}}
	d.Src[0], d.Src[1] = opset.Source{Kind: opset.Tensor, Index: 1}, opset.Source{Kind: opset.Tensor, Index: 2}
	d.P[0] = 40
	a, err := circuit.PrepareAnswer(&d, &opset.Context{M: 1}, 5, leaf(claim), circuit.InOrder([][]byte{leaf(-4), leaf(26)}))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var binding = step.Binding{Game: [32]byte{1}, Chain: 5}

// open starts a worker and has its key made or read.
func open(t *testing.T, task *Task, stage func(string)) (*Process, *KeyInfo) {
	t.Helper()
	p, size, err := Start(t.Context(), executable(t), task, stage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	of, err := task.circuit()
	if err != nil {
		t.Fatal(err)
	}
	c, err := step.NewCompiled(task.System, of)
	if err != nil || size.Digest != c.Digest || size.Constraints != c.Constraints {
		t.Fatalf("the worker's circuit is %+v: %v", size, err)
	}
	k, err := p.Key(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p, k
}

// A worker makes a key and proofs, one after the other; the next worker reads the key; the proofs hold.
func TestWorkersProve(t *testing.T) {
	systems := []step.System{step.Groth16}
	if os.Getenv("ELENCHUS_SOAK") != "" { // workers do not differ in it, and its keys take seconds
		systems = append(systems, step.PLONK)
	}
	for _, system := range systems {
		a := sum(t, 22)
		task := &Task{System: system, Unit: &a.Unit, Keys: Folder{Dir: t.TempDir(), Make: true}}
		var stages []string
		p, made := open(t, task, func(s string) { stages = append(stages, s) })
		for _, claim := range []int32{22, 23} {
			a := sum(t, claim)
			proof, err := p.Prove(t.Context(), WitnessOf(a, binding))
			if err != nil {
				t.Fatal(err)
			}
			check(t, task, a, proof)
		}
		if got, want := fmt.Sprint(stages), "[circuit read make proof proof]"; got != want {
			t.Errorf("stages %s, want %s", got, want)
		}
		if _, again := open(t, task, nil); again.Made || !made.Made || !bytes.Equal(again.Words, made.Words) || again.Origin != step.DevelopmentOrigin {
			t.Errorf("%s: a key %+v was made, and %+v read", system, made, again)
		}
	}
}

// A whole tensor is proven from the operators that make it.
func TestWorkersProveWholeTensors(t *testing.T) {
	d := sum(t, 22).Descriptor
	d.Dims[2].C, d.P[0] = 16, 16
	x, err := opset.NewCluster([]opset.Operator{{Tensor: 3, Descriptor: d}}, &opset.Context{M: 1})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := circuit.PrepareWhole(x, [][]byte{leaf(-4), leaf(26)})
	if err != nil || !bytes.Equal(whole.Target, leaf(22)) {
		t.Fatalf("%x: %v", whole.Target, err)
	}
	c, err := circuit.WholeCircuit(x)
	if err != nil {
		t.Fatal(err)
	}
	task := &Task{System: step.Groth16, Cluster: x, Keys: Folder{Dir: t.TempDir(), Make: true}}
	p, _ := open(t, task, nil)
	proof, err := p.Prove(t.Context(), WitnessOfWhole(whole, binding))
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := whole.Hashes()
	if err != nil {
		t.Fatal(err)
	}
	public, err := circuit.Public(binding.Hash(), true, hashes)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := step.NewCompiled(task.System, c)
	if err != nil {
		t.Fatal(err)
	}
	key, err := task.Keys.Find(compiled)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Verify(proof, public); err != nil {
		t.Error(err)
	}
}

// check wants a proof to hold under the key of the folder.
func check(t *testing.T, task *Task, a *circuit.Answer, proof []byte) {
	t.Helper()
	c, err := step.NewCompiled(task.System, task.Unit.AnswerCircuit())
	if err != nil {
		t.Fatal(err)
	}
	k, err := task.Keys.Find(c)
	if err != nil {
		t.Fatal(err)
	}
	b := binding
	b.Op, b.Element = uint8(a.Descriptor.Op), a.Index
	public, err := a.Public(b.Hash())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Verify(proof, public); err != nil {
		t.Error(err)
	}
}

// What a worker cannot do it says, by errors that can be told apart; it is gone then.
func TestWorkersSayWhatTheyCannot(t *testing.T) {
	a := sum(t, 22)
	none := &Task{System: step.PLONK, Unit: &a.Unit, Keys: Folder{Dir: t.TempDir()}}
	p, _, err := Start(t.Context(), executable(t), none, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Key(t.Context()); !errors.Is(err, ErrNoKey) {
		t.Errorf("a folder without keys: %v", err)
	}
	gone(t, p)
	broken := *none
	broken.Keys.Make, broken.Keys.SRS, broken.Keys.SRSDigest = true, "/dev/null", "00"
	if p, _, err = Start(t.Context(), executable(t), &broken, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Key(t.Context()); !errors.Is(err, step.ErrKey) || !strings.Contains(err.Error(), "64 hex digits") {
		t.Errorf("a digest of 2 digits: %v", err)
	}
	made := *none
	made.System, made.Keys.Make = step.Groth16, true
	p, _ = open(t, &made, nil)
	short := WitnessOf(a, binding)
	short.Leaves = short.Leaves[:1]
	if _, err := p.Prove(t.Context(), short); !errors.Is(err, circuit.ErrUnit) {
		t.Errorf("one read of two: %v", err)
	}
	gone(t, p)
	other := *none
	other.Unit = &circuit.Unit{Descriptor: a.Descriptor, Context: a.Context, Index: 5, Reads: []opset.Read{a.Reads[0], a.Reads[0]}}
	if _, _, err := Start(t.Context(), executable(t), &other, nil); !errors.Is(err, circuit.ErrUnit) {
		t.Errorf("reads of no definition: %v", err)
	}
	latin := *none
	latin.Keys.Dir = "schl\xfcssel"
	if _, _, err := Start(t.Context(), executable(t), &latin, nil); err == nil || !strings.Contains(err.Error(), "no UTF-8") {
		t.Errorf("a path of bytes that frames cannot carry: %v", err)
	}
}

// gone wants a worker that does not run any more, and says so.
func gone(t *testing.T, p *Process) {
	t.Helper()
	if p.cmd.ProcessState == nil {
		t.Error("the process still runs")
	}
	if _, err := p.Prove(t.Context(), &Witness{}); !errors.Is(err, ErrLost) {
		t.Errorf("a worker that was ended: %v", err)
	}
}

// A context that ends in the middle of a proof ends the worker, and the call returns with its error: what the worker
// says meanwhile is not looked at, and a proof that would take for ever is not waited for.
func TestProofsCanBeCancelled(t *testing.T) {
	a := sum(t, 22)
	ctx, cancel := context.WithCancel(t.Context())
	task := &Task{System: step.Groth16, Unit: &a.Unit, Keys: Folder{Dir: t.TempDir(), Make: true}}
	p, _ := open(t, task, func(s string) {
		if s == StageProof {
			cancel()
		}
	})
	if proof, err := p.Prove(ctx, WitnessOf(a, binding)); !errors.Is(err, context.Canceled) || proof != nil {
		t.Errorf("cancelled: %x, %v", proof, err)
	}
	gone(t, p)

	ctx, cancel = context.WithCancel(t.Context())
	p = bad(t, "endless", func(string) { cancel() })
	if _, err := p.Prove(ctx, &Witness{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a proof without end: %v", err)
	}
	gone(t, p)
	if p = bad(t, "endless", nil); !errors.Is(errOf(p.Prove(ctx, &Witness{})), context.Canceled) {
		t.Error("a context that has ended")
	}
	gone(t, p)
}

func errOf(_ []byte, err error) error { return err }

// A worker that dies, or says what no worker says, is an error of who waits for it, which names what is known.
func TestLostWorkersAreErrors(t *testing.T) {
	var p *Process
	p = bad(t, "endless", func(string) { _ = p.cmd.Process.Kill() })
	if _, err := p.Prove(t.Context(), &Witness{}); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "out of memory?") {
		t.Errorf("killed by another: %v", err)
	}
	gone(t, p)
	for mode, want := range map[string]string{"panic": "worker: a broken invariant", "garbage": "kind 255", "other": "kind 6, want 2"} {
		p := bad(t, mode, nil)
		if err := p.ask(t.Context(), kindTask, struct{}{}, kindSize, &sizeFields{}); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", mode, err)
		}
		gone(t, p)
	}
	if _, _, err := Start(t.Context(), t.TempDir(), &Task{Unit: &sum(t, 22).Unit}, nil); !errors.Is(err, ErrLost) {
		t.Errorf("no program: %v", err)
	}
}

// A worker ends when its input does, as it does when its parent dies, whatever it is doing.
func TestWorkersEndWithTheirParent(t *testing.T) {
	began := make(chan struct{})
	p := bad(t, "endless", func(string) { close(began) })
	done := make(chan error, 1)
	go func() { done <- errOf(p.Prove(t.Context(), &Witness{})) }()
	<-began
	_ = p.in.Close()
	if err := <-done; !errors.Is(err, ErrLost) {
		t.Errorf("its input ended: %v", err)
	}
}

// No bytes make a reader of frames panic; what it accepts has one encoding.
func FuzzFrames(f *testing.F) {
	a := sum(f, 22)
	for kind, x := range map[uint8]any{
		kindTask: (&Task{System: step.PLONK, Unit: &a.Unit}).fields(), kindSize: &sizeFields{strings.Repeat("0", 64), 1},
		kindWitness: &witnessFields{strings.Repeat("0", 64), a.Target, a.Leaves}, kindFault: faultOf(ErrNoKey),
	} {
		var b bytes.Buffer
		if err := send(&b, kind, x); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := receive(bytes.NewReader(b))
		if err != nil {
			return
		}
		var task taskFields
		var size sizeFields
		var wit witnessFields
		var flt faultFields
		for kind, x := range map[uint8]any{kindTask: &task, kindSize: &size, kindWitness: &wit, kindFault: &flt} {
			if got.kind != kind || got.into(kind, x) != nil {
				continue
			}
			var again bytes.Buffer
			if err := send(&again, kind, x); err != nil || !bytes.HasPrefix(b, again.Bytes()) {
				t.Fatalf("another encoding: %v", err)
			}
			switch kind {
			case kindTask:
				_, _ = task.task()
			case kindSize:
				_, _ = size.size()
			case kindWitness:
				_, _ = wit.assignment(&Task{Unit: &a.Unit})
			case kindFault:
				_ = flt.err()
			}
		}
	})
}

// A text that is cut inside of a rune, or that is no UTF-8, crosses with its kind: no error becomes another one.
func TestFaultsOfAnyTextCross(t *testing.T) {
	for _, text := range []string{strings.Repeat("a", maxText-1) + "ü", "no \xfc"} {
		var wire bytes.Buffer
		if err := send(&wire, kindFault, faultOf(fmt.Errorf("%w: %s", ErrNoKey, text))); err != nil {
			t.Fatal(err)
		}
		f, err := receive(&wire)
		if err != nil {
			t.Fatal(err)
		}
		var got faultFields
		if err := f.into(kindFault, &got); err != nil || !errors.Is(got.err(), ErrNoKey) {
			t.Errorf("%q: %v, %v", text[max(len(text)-8, 0):], err, got)
		}
	}
}
