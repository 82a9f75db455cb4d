package conformance_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/opset"
)

// faces are the forms that each operation has: the definition, the fast one, the contract's and the
// circuit's. DESIGN law 2.
var faces = []string{"reference", "kernel", "evaluator", "circuit"}

// mayPend are the faces that an operation may be without for a time.
var mayPend = []string{"kernel", "circuit"}

type pendingRow struct {
	op   opset.Code
	face string
}

func pending(t *testing.T) []pendingRow {
	t.Helper()
	var out []pendingRow
	for n, line := range strings.Split(read(t, "pending.txt"), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.SplitN(line, " ", 3)
		if len(f) != 3 || strings.TrimSpace(f[2]) == "" {
			t.Errorf("line %d of pending.txt is not \"op face reason\": %q", n+1, line)
			continue
		}
		op, ok := opset.Parse(f[0])
		if !ok || op == opset.Input {
			t.Errorf("line %d of pending.txt names %q, which is no operation", n+1, f[0])
		}
		if !slices.Contains(mayPend, f[1]) {
			t.Errorf("line %d of pending.txt: face %q may not be missing, only %v", n+1, f[1], mayPend)
		}
		row := pendingRow{op, f[1]}
		if slices.Contains(out, row) {
			t.Errorf("line %d of pending.txt repeats %s %s", n+1, f[0], f[1])
		}
		out = append(out, row)
	}
	return out
}

// Every operation has its faces or a row that says why not, and a row goes when the face is there.
// DESIGN law 2.
func TestEveryFaceExistsOrIsPending(t *testing.T) {
	rows := pending(t)
	for _, op := range opset.Codes() {
		for _, face := range faces {
			found := runner(t, face, op)
			waits := slices.Contains(rows, pendingRow{op, face})
			if found == waits {
				t.Errorf("%s, face %s: delivered %v, pending %v", op, face, found, waits)
			}
		}
	}
}

// runner says whether a face of an operation is run on the vectors: the definition and the
// evaluators by this package, kernels and circuits by a file that names the operation.
func runner(t *testing.T, face string, op opset.Code) bool {
	t.Helper()
	switch face {
	case "reference":
		v, err := filepath.Glob(filepath.Join(opVectors, op.String()+".json"))
		return err == nil && len(v) == 1
	case "evaluator":
		return strings.Contains(read(t, "testdata/evaluators.gas"), "\n"+op.String()+" ")
	}
	v, err := filepath.Glob(filepath.Join("testdata", face, op.String()+".txt"))
	return err == nil && len(v) == 1
}
