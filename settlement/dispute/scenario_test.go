package dispute

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/compute/model/modeltest"
)

// A scenario is a text: words that set it up, a line "--", and one line for each move that
// followed: time, phase, move, and what changed. -update rewrites the part below the line.
//
//	model llama|mlp|toy
//	lie STEP STAGE TENSOR ELEMENT MASK
//	open states|outputs|named
//	serve            the accused serves its tensors
//	silent PHASE     the node makes no move in this phase
//	slow PHASE       the node moves after D1 in this phase
type scenario struct {
	model, open, silent, slow string
	lie                       *lie
	serve                     bool
}

func parseScenario(t *testing.T, text string) scenario {
	t.Helper()
	s := scenario{open: "states"}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		arg := strings.Join(f[1:], " ")
		switch f[0] {
		case "model":
			s.model = arg
		case "open":
			s.open = arg
		case "silent":
			s.silent = arg
		case "slow":
			s.slow = arg
		case "serve":
			s.serve = true
		case "lie":
			s.lie = &lie{}
			if _, err := fmt.Sscan(arg, &s.lie.t, &s.lie.stage, &s.lie.tensor, &s.lie.element, &s.lie.mask); err != nil {
				t.Fatalf("lie %q: %v", arg, err)
			}
		default:
			t.Fatalf("no such word: %q", line)
		}
	}
	return s
}

func (s scenario) world(t *testing.T) *world {
	t.Helper()
	var w *world
	switch s.model {
	case "llama":
		w = tokenWorld(t, bind(t, modeltest.Llama(3, modeltest.Tiny())), tokenJob(11), s.lie)
	case "mlp":
		w = graphWorld(t, bind(t, modeltest.MLP(5)), s.lie)
	case "toy":
		w = graphWorld(t, bind(t, modeltest.Toy()), s.lie)
	default:
		t.Fatalf("no model %q", s.model)
	}
	switch {
	case s.open == "outputs":
		w.open.T = AnyOutput
	case s.open == "named" && !w.name():
		t.Fatal("nothing to name: the claim is true")
	}
	if s.serve {
		w.serveAll()
	}
	return w
}

// move is who moves now and what; a nil move lets the clock run out.
func (s scenario) move(g *game, pick func(*game) (Move, error)) (Move, bool) {
	node := g.s.Phase.Turn() == Node
	if node && g.s.Phase.String() == s.silent {
		return nil, true
	}
	var m Move
	var err error
	if node && (g.s.Phase != Answer || s.lie == nil) {
		m, err = NextForNode(g.s, g.j, g.w.node)
	} else {
		m, err = pick(g)
	}
	if err != nil {
		return nil, node
	}
	return m, node
}

func (s scenario) play(t *testing.T) string {
	t.Helper()
	g := begin(t, s.world(t))
	pick := honest
	if s.lie == nil {
		pick = firstPick
	}
	var out strings.Builder
	for g.s.Phase.Turn() != Nobody {
		before := g.s
		m, node := s.move(g, pick)
		mover := g.s.Opener
		g.now++
		switch {
		case m == nil && node:
			m, g.now = Timeout{}, g.s.Last+1
		case m == nil:
			m, g.now = Timeout{}, g.s.Deadline+1
		case node && g.s.Phase.String() == s.slow:
			g.now = g.s.Deadline + 1
		}
		if node {
			mover = g.s.Node
		}
		if err := g.apply(m, mover); err != nil {
			t.Fatalf("%s: %v", g.s.Phase, err)
		}
		fmt.Fprintf(&out, "%d %s: %s", g.now, before.Phase, m.Kind())
		if g.last.Void {
			out.WriteString(", claim void")
		}
		if g.last.Convicts {
			d, _, _ := g.w.man.Descriptor(int(g.s.Stage), int(g.last.Tensor))
			fmt.Fprintf(&out, ", convicts %s, stage %d, tensor %d, element %d", d.Op, g.s.Stage, g.last.Tensor, g.last.Element)
		}
		fmt.Fprintf(&out, "; escrow %s, cost %s\n", g.s.Escrow, g.s.Cost)
	}
	return out.String() + g.s.Phase.String() + "\n"
}

// firstPick picks the first of whatever is offered, and descends.
func firstPick(g *game) (Move, error) {
	s := &g.s
	switch s.Phase {
	case StatesPick, TensorPick, OutputsPick:
		if posted, err := last[Children](g.seen); s.Level > 0 {
			return s.pickChild(posted, 0), err
		}
		return PickElement{0, &g.j}, nil
	case Stage:
		return PickStage{0}, nil
	case Pick:
		posted, err := last[Tensors](g.seen)
		if err != nil {
			return nil, err
		}
		d, path, err := g.w.man.Descriptor(int(s.Stage), 1)
		return PickTensor{Tensor: 1, Index: Descend, Root: posted.Roots[1], RootPath: treePath(posted.Roots, 1), Descriptor: d.Encode(), GraphPath: path}, err
	case Element:
		return PickElement{Element: 0}, nil
	}
	return nil, fmt.Errorf("%w: phase %s", ErrStuck, s.Phase)
}

// SPEC 08 §3 to §5, told as stories.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			setup, want, _ := strings.Cut(string(b), "--\n")
			got := parseScenario(t, setup).play(t)
			if *update {
				if err := os.WriteFile(file, []byte(setup+"--\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("%s went\n%s\nwant\n%s", file, got, want)
			}
		})
	}
}
