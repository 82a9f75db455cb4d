package decode_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

func tiny() *model.Model { return modeltest.Llama(1, modeltest.Tiny()) }

func prompt(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(i*i*7+3) % 300
	}
	return ids
}

// parts splits work unevenly, the last part first.
func parts(n int, work func(lo, hi int)) {
	work(n/2, n)
	work(0, n/2)
}

// digest runs a job and hashes every token, finish code, cached row and logit.
func digest(t testing.TB, m *model.Model, j decode.Job, batch int, split machine.Split) (sum [32]byte, out []int32, finish int32) {
	t.Helper()
	h := sha256.New()
	steps := 0
	r, err := decode.New(m, j, split, decode.Hooks{Step: func(at int, y decode.Yield, kv *machine.Cache) {
		if at != steps {
			t.Fatalf("step %d follows step %d", at, steps-1)
		}
		steps++
		_ = binary.Write(h, binary.LittleEndian, []int32{y.Y, y.F})
		for l := range kv.K {
			_ = binary.Write(h, binary.LittleEndian, kv.K[l][at*kv.DKV:(at+1)*kv.DKV])
			_ = binary.Write(h, binary.LittleEndian, kv.V[l][at*kv.DKV:(at+1)*kv.DKV])
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.Logits = func(_ int, l []int32) { _ = binary.Write(h, binary.LittleEndian, l) }
	for !r.Done() {
		if err := r.Advance(batch); err != nil {
			t.Fatal(err)
		}
	}
	if steps != len(j.Prompt)+len(r.Output())-1 || r.Next() != steps {
		t.Fatalf("%d steps for %d prompt ids and %d outputs", steps, len(j.Prompt), len(r.Output()))
	}
	return [32]byte(h.Sum(nil)), r.Output(), r.Finish()
}

// How many prompt positions go at once, and how rows are split, changes no bit. SPEC 05 §3, DESIGN law 1.
func TestBatchesAndSplitsChangeNoBit(t *testing.T) {
	m := tiny()
	for _, temperature := range []uint32{0, 1 << 16} {
		j := decode.Job{Prompt: prompt(133), MaxNew: 4, Temperature: temperature, Seed: 5}
		want, out, _ := digest(t, m, j, 1, nil)
		for _, batch := range []int{0, 2, 3, 16, 64, 132, 1000} {
			for _, split := range []machine.Split{nil, machine.Serial, parts} {
				if got, o, _ := digest(t, m, j, batch, split); got != want || !slices.Equal(o, out) {
					t.Errorf("temperature %d, batch %d: another run", temperature, batch)
				}
			}
		}
	}
}

// An observer that changes nothing changes nothing, although it makes every tensor exist.
func TestObserverChangesNothing(t *testing.T) {
	m := tiny()
	for _, s := range []decode.Sampler{
		{}, {TopK: 1}, {TopK: 7}, {TopK: 300}, {TopP: 1 << 29}, {MinP: 1 << 27}, {TopK: 40, TopP: 1 << 29, MinP: 1 << 20}, {TopP: 1},
		{Repetition: 90_000}, {Presence: -1 << 15, Frequency: 1 << 14, TopK: 9}, {Bias: []opset.TokenBias{{ID: 8, Value: 1 << 18}}},
	} {
		for _, temperature := range []uint32{0, 1 << 15, 2 << 16} {
			observe(t, m, decode.Job{Prompt: prompt(5), MaxNew: 6, Temperature: temperature, Seed: 5, Sampler: s})
		}
	}
}

func observe(t *testing.T, m *model.Model, j decode.Job) {
	t.Helper()
	_, want, _ := digest(t, m, j, 1, nil)
	r, err := decode.New(m, j, nil, decode.Hooks{Tensor: func(int, *opset.Context, int, *tensor.Tensor) {}})
	if err != nil {
		t.Fatal(err)
	}
	for !r.Done() {
		if err := r.Advance(1); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(r.Output(), want) {
		t.Errorf("%+v: observed %v, alone %v", j.Sampler, r.Output(), want)
	}
}

// A run ends at an end id, at the length, or where the context is full, in this order of precedence;
// the last id is part of the answer. SPEC 05 §5, 02 §4 op 27.
func TestRunsEnd(t *testing.T) {
	m := tiny()
	base := decode.Job{Prompt: prompt(4), MaxNew: 12, Temperature: 1 << 16, Seed: 3}
	_, free, f := digest(t, m, base, 1, nil)
	if len(free) != 12 || f != opset.FinishLength {
		t.Fatalf("%d ids, finish %d", len(free), f)
	}
	first := slices.Index(free, free[3])
	for _, c := range []struct {
		name   string
		change func(*decode.Job)
		ids    int
		finish int32
	}{
		{"end id", func(j *decode.Job) { j.StopIDs = []int32{299, free[3]} }, first + 1, opset.FinishEnd},
		{"first token", func(j *decode.Job) { j.StopIDs = []int32{free[0]} }, 1, opset.FinishEnd},
		{"end id at the last token", func(j *decode.Job) { j.MaxNew, j.StopIDs = uint32(first+1), []int32{free[3]} }, first + 1, opset.FinishEnd},
		{"length", func(j *decode.Job) { j.MaxNew = 5 }, 5, opset.FinishLength},
		{"one token", func(j *decode.Job) { j.MaxNew = 1 }, 1, opset.FinishLength},
	} {
		j := base
		c.change(&j)
		_, out, finish := digest(t, m, j, 1, nil)
		if !slices.Equal(out, free[:c.ids]) || finish != c.finish {
			t.Errorf("%s: %d ids, finish %d, want %d, %d", c.name, len(out), finish, c.ids, c.finish)
		}
	}
	full := decode.Job{Prompt: prompt(m.TMax - 2), MaxNew: 1 << 20}
	if _, out, finish := digest(t, m, full, 64, nil); len(out) != 3 || finish != opset.FinishContext {
		t.Errorf("prompt of tMax - 2: %d ids, finish %d", len(out), finish)
	}
	full.Prompt = prompt(m.TMax)
	if _, out, finish := digest(t, m, full, 64, nil); len(out) != 1 || finish != opset.FinishContext {
		t.Errorf("prompt of tMax: %d ids, finish %d", len(out), finish)
	}
}

// A run that is done stays as it is.
func TestDoneStaysDone(t *testing.T) {
	r, err := decode.New(tiny(), decode.Job{Prompt: prompt(2), MaxNew: 1}, nil, decode.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := r.Advance(3); err != nil {
			t.Fatal(err)
		}
	}
	if !r.Done() || r.Next() != 2 || len(r.Output()) != 1 {
		t.Errorf("next %d, %d ids", r.Next(), len(r.Output()))
	}
}

// Seed and position alone decide the draw: another seed draws otherwise, temperature 0 ignores it.
// SPEC 05 §4.
func TestSeedDecides(t *testing.T) {
	m := tiny()
	run := func(seed uint64, temperature uint32) string {
		_, out, _ := digest(t, m, decode.Job{Prompt: prompt(3), MaxNew: 10, Seed: seed, Temperature: temperature}, 1, nil)
		return fmt.Sprint(out)
	}
	first, again := run(1, 1<<16), run(1, 1<<16)
	if first != again || run(1, 0) != run(2, 0) {
		t.Error("a run is not a function of its request")
	}
	if run(1, 1<<17) == run(2, 1<<17) {
		t.Error("the seed does not matter")
	}
}

// Teacher forcing gives, at each position, the logits that the run of that prefix draws from.
func TestTeacherEqualsRun(t *testing.T) {
	m := tiny()
	j := decode.Job{Prompt: prompt(6), MaxNew: 6, Temperature: 1 << 16, Seed: 8}
	r, err := decode.New(m, j, nil, decode.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int][]int32{}
	r.Logits = func(at int, l []int32) { want[at] = slices.Clone(l) }
	for !r.Done() {
		if err := r.Advance(4); err != nil {
			t.Fatal(err)
		}
	}
	ids := append(slices.Clone(j.Prompt), r.Output()...)
	ids = ids[:len(ids)-1] // the last is never fed
	seen := 0
	err = decode.Teacher(m, ids, parts, func(at int, l []int32) {
		if len(l) != m.Vocab {
			t.Fatalf("%d logits", len(l))
		}
		if w, ok := want[at]; ok {
			seen++
			if !slices.Equal(w, l) {
				t.Errorf("logits at %d differ", at)
			}
		}
	})
	if err != nil || seen != 6 {
		t.Errorf("%d positions compared, %v", seen, err)
	}
	long, order := make([]int32, min(m.TMax, 70)), 0 // more than a block
	copy(long, ids)
	err = decode.Teacher(m, long, nil, func(at int, l []int32) {
		if w, ok := want[at]; at != order || ok && !slices.Equal(w, l) {
			t.Errorf("visit %d is of position %d, or its logits differ", order, at)
		}
		order++
	})
	if err != nil || order != len(long) || order <= 64 {
		t.Errorf("%d of %d positions visited, %v", order, len(long), err)
	}
	if err := decode.Teacher(m, []int32{-1}, nil, nil); !errors.Is(err, decode.ErrJob) {
		t.Errorf("an id outside: %v", err)
	}
}

// Each limit of a job refuses by itself and is named. SPEC 05 §1.
func TestJobCheck(t *testing.T) {
	m := tiny()
	good := func() decode.Job {
		return decode.Job{Prompt: []int32{0, 299}, StopIDs: make([]int32, opset.MaxStop), MaxNew: 1 << 20, Temperature: decode.MaxTemperature}
	}
	if j := good(); j.Check(m) != nil {
		t.Fatal(j.Check(m))
	}
	for _, c := range []struct {
		name   string
		change func(*decode.Job)
		word   string
	}{
		{"no prompt", func(j *decode.Job) { j.Prompt = nil }, "prompt of 0"},
		{"a long prompt", func(j *decode.Job) { j.Prompt = prompt(m.TMax + 1) }, "prompt of 301"},
		{"a negative id", func(j *decode.Job) { j.Prompt[1] = -1 }, "prompt id -1 at 1"},
		{"an id of the vocabulary's size", func(j *decode.Job) { j.Prompt[0] = 300 }, "prompt id 300 at 0"},
		{"no new token", func(j *decode.Job) { j.MaxNew = 0 }, "max new tokens 0"},
		{"too many new tokens", func(j *decode.Job) { j.MaxNew = 1<<20 + 1 }, "max new tokens"},
		{"a high temperature", func(j *decode.Job) { j.Temperature++ }, "temperature 131073"},
		{"many stop ids", func(j *decode.Job) { j.StopIDs = append(j.StopIDs, 1) }, "65 stop ids"},
	} {
		j := good()
		c.change(&j)
		err := j.Check(m)
		if !errors.Is(err, decode.ErrJob) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := decode.New(m, j, nil, decode.Hooks{}); !errors.Is(err, decode.ErrJob) {
			t.Errorf("%s begins to run: %v", c.name, err)
		}
	}
	j := good()
	if err := j.Check(modeltest.MLP(1)); !errors.Is(err, decode.ErrJob) {
		t.Errorf("a graph model takes tokens: %v", err)
	}
}

// What an observer leaves in a tensor is what later tensors are computed from, and rows reach the
// cache as it leaves them.
func TestObserverDisturbs(t *testing.T) {
	m, j := tiny(), decode.Job{Prompt: prompt(5), MaxNew: 4}
	k := int(m.Stages[1].Ops[0].P[1])
	r, err := decode.New(m, j, nil, decode.Hooks{
		Tensor: func(stage int, c *opset.Context, i int, x *tensor.Tensor) {
			if stage == 1 && c.T == 2 && i == k {
				x.I16[1] = 12345
			}
		},
		Step: func(at int, _ decode.Yield, kv *machine.Cache) {
			if at == 2 && kv.K[0][2*kv.DKV+1] != 12345 {
				t.Errorf("cache has %d", kv.K[0][2*kv.DKV+1])
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for !r.Done() {
		if err := r.Advance(8); err != nil {
			t.Fatal(err)
		}
	}
}
