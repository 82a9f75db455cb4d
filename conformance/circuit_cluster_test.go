package conformance_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/graph"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/proving/circuit"

	"github.com/consensys/gnark/constraint"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
	"github.com/consensys/gnark/frontend/cs/scs"
)

// stageGraph is a stage of a replayed step as a graph.
func stageGraph(t *testing.T, m *model.Model, s int) *graph.Graph {
	t.Helper()
	var ds []opset.Descriptor
	for i := range m.Stages[s].Ops {
		ds = append(ds, m.Stages[s].Ops[i].Descriptor)
	}
	g, err := graph.FromStage(ds, 1)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// convexSet draws edges that can be cut out: a run of neighbours in topological order, thinned while
// it stays convex. Sets that are not convex must be refused.
func convexSet(t *testing.T, r *rand.Rand, g *graph.Graph) []int {
	t.Helper()
	from := r.IntN(max(1, len(g.Edges)-3))
	set := []int{}
	for e, to := from, from+4+r.IntN(7); e < min(len(g.Edges), to); e++ {
		set = append(set, e)
	}
	for range 3 {
		k := r.IntN(len(set))
		thinner := slices.Delete(slices.Clone(set), k, k+1)
		if len(thinner) == 0 {
			break
		}
		_, err := g.Cut(thinner)
		if err == nil {
			set = thinner
			continue
		}
		if _, err := circuit.PrepareCluster(g, thinner, &opset.Context{}, nil, nil); !errors.As(err, new(*graph.NotConvexError)) {
			t.Errorf("edges %v: %v", thinner, err)
		}
	}
	return set
}

// Random clusters of the stages of random models: cut out, compiled, and equal to what the kernels
// computed; a value that is one off is refused. SPEC 10 §3.
func TestRandomClustersEqualTheKernels(t *testing.T) {
	rounds := 16
	if soak {
		rounds = 400
	}
	r := rand.New(rand.NewPCG(10, 3))
	seen := map[opset.Code]bool{}
	several, tried := 0, 0
	for round := range rounds {
		m := []*model.Model{
			modeltest.Llama(uint64(round), modeltest.Tiny()), modeltest.Family(uint64(round)), modeltest.Llama(uint64(round), modeltest.Experts()),
			modeltest.MLP(uint64(round)),
		}[round%4]
		st, ctx, s := randomStage(t, r, m)
		g := stageGraph(t, m, s)
		edges := convexSet(t, r, g)
		x := prepareRandom(t, r, g, edges, ctx, st)
		if x == nil {
			continue
		}
		for i, e := range x.Want {
			if want := st.Tensors[e.Node].At(int(e.Index)); x.Values[i] != want {
				t.Fatalf("element %v of %v: %d, kernel %d", e, edges, x.Values[i], want)
			}
			seen[g.Edges[e.Node-1].Op] = true
		}
		if !compileCluster(t, r, x) {
			continue
		}
		tried++
		if x.Elements > 1 {
			several++
		}
	}
	t.Logf("%d clusters of %d, %d with several elements, %d operations", tried, rounds, several, len(seen))
	if tried < rounds/3 || several < rounds/4 || len(seen) < 8 {
		t.Errorf("%d of %d clusters were tried, %d with several elements, %d operations", tried, rounds, several, len(seen))
	}
}

// randomStage replays a random step and gives one of its stages.
func randomStage(t *testing.T, r *rand.Rand, m *model.Model) (*trace.Stage, *opset.Context, int) {
	t.Helper()
	man := bind(t, m)
	var step *trace.Step
	var err error
	s := r.IntN(len(m.Stages))
	if m.Kind == model.KindToken {
		job := decode.Job{Prompt: []int32{1, int32(r.IntN(m.Vocab)), 9, 4}, StopIDs: []int32{2}, MaxNew: 3, Temperature: 52429, Seed: r.Uint64()}
		step, err = trace.Replay(man, job, 3+r.IntN(2), nil, nil, nil, nil)
		if s > int(man.Layers) && err == nil {
			s = step.Head()
		}
	} else {
		in := &m.Stages[0].Ops[0]
		x := tensor.New(in.Type, 1, 1, int(in.Dims[2].C))
		for i := range x.Len() {
			x.Set(i, int64(int16(r.IntN(1<<16))))
		}
		step, err = trace.ReplayGraph(man, x, nil, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	st, err := step.Stage(s)
	if err != nil {
		t.Fatal(err)
	}
	return st, &step.Ctx, s
}

// prepareRandom wants an element or two of the cluster's last operations; nil if it is too large.
func prepareRandom(t *testing.T, r *rand.Rand, g *graph.Graph, edges []int, ctx *opset.Context, st *trace.Stage) *circuit.ClusterInstance {
	t.Helper()
	var want []circuit.Element
	for _, e := range edges[max(0, len(edges)-1-r.IntN(2)):] {
		node := g.Edges[e].Target
		want = append(want, circuit.Element{Node: node, Index: r.Uint64N(uint64(st.Tensors[node].Len()))})
	}
	x, err := circuit.PrepareCluster(g, edges, ctx, want, func(edge int) opset.Fetch { return st.Fetch(g.Edges[edge].Target) })
	if errors.Is(err, circuit.ErrLarge) {
		return nil
	}
	if err != nil {
		t.Fatalf("edges %v: %v", edges, err)
	}
	return x
}

// compileCluster compiles and solves, or says that the cluster is too large for a short run.
func compileCluster(t *testing.T, r *rand.Rand, x *circuit.ClusterInstance) bool {
	t.Helper()
	if (len(x.Cells) > 600 || x.Elements > 40) && !soak {
		return false
	}
	builder := frontend.NewBuilder(r1cs.NewBuilder[constraint.U64])
	if r.IntN(3) == 0 {
		builder = scs.NewBuilder[constraint.U64]
	}
	s, err := circuit.Compile(x.Circuit(), builder)
	if err != nil {
		t.Fatalf("edges %v: %v", x.Edges, err)
	}
	for _, by := range []int64{0, 1, -1} {
		false := *x
		false.Values = slices.Clone(x.Values)
		k := r.IntN(len(x.Values))
		false.Values[k] += by
		w, err := frontend.NewWitness(false.Assignment(), circuit.Curve.ScalarField())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.IsSolved(w, solver.WithHints(circuit.Hints()...)); (err == nil) != (by == 0) {
			t.Fatalf("edges %v, value %d is %d off: %v", x.Edges, k, by, err)
		}
	}
	return true
}

// What a cluster cannot be is refused: an element that nothing in it makes, edges that do not exist.
func TestClustersRefuse(t *testing.T) {
	m := modeltest.Llama(1, modeltest.Tiny())
	st, ctx, s := randomStage(t, rand.New(rand.NewPCG(1, 1)), m)
	g := stageGraph(t, m, s)
	fetch := func(edge int) opset.Fetch { return st.Fetch(g.Edges[edge].Target) }
	if _, err := circuit.PrepareCluster(g, []int{1}, ctx, []circuit.Element{{Node: 1}}, fetch); !errors.Is(err, circuit.ErrUnit) {
		t.Errorf("an element from outside: %v", err)
	}
	if _, err := circuit.PrepareCluster(g, []int{1 << 20}, ctx, nil, fetch); !errors.Is(err, graph.ErrGraph) {
		t.Errorf("an edge that does not exist: %v", err)
	}
	all := make([]int, len(g.Edges))
	for i := range all {
		all[i] = i
	}
	last := circuit.Element{Node: g.Edges[len(all)-1].Target}
	if _, err := circuit.PrepareCluster(g, all, ctx, []circuit.Element{last}, fetch); err != nil && !errors.Is(err, circuit.ErrLarge) {
		t.Errorf("a whole stage: %v", err)
	}
}

// clusterSizes is the golden file of the toy world as one circuit: matmul, row, relu of an element.
const clusterSizes = "testdata/circuit.clusters"

// The constraint counts of clusters of the toy world are recorded. ELENCHUS_UPDATE=1 rewrites them.
func TestClusterSizesAreTheRecordedOnes(t *testing.T) {
	m := modeltest.Toy()
	st, ctx, s := randomStage(t, rand.New(rand.NewPCG(2, 2)), m)
	g := stageGraph(t, m, s)
	var got strings.Builder
	for _, edges := range [][]int{{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 1, 2}} {
		want := []circuit.Element{{Node: g.Edges[edges[len(edges)-1]].Target, Index: 1}}
		x, err := circuit.PrepareCluster(g, edges, ctx, want, func(edge int) opset.Fetch { return st.Fetch(g.Edges[edge].Target) })
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "edges %v cells %d", edges, len(x.Cells))
		for _, builder := range []frontend.NewBuilder{r1cs.NewBuilder[constraint.U64], scs.NewBuilder[constraint.U64]} {
			c, err := circuit.Compile(x.Circuit(), builder)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&got, " %d", c.GetNbConstraints())
		}
		got.WriteByte('\n')
	}
	path := filepath.FromSlash(clusterSizes)
	if os.Getenv("ELENCHUS_UPDATE") == "1" {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, path); got.String() != want {
		t.Errorf("constraints changed; if they should, run with ELENCHUS_UPDATE=1 and say why\ngot\n%swant\n%s", got.String(), want)
	}
}
