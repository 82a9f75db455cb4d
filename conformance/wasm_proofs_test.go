package conformance_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"elenchus/conformance/oracle"
	"elenchus/proving/check"
	"elenchus/web"
)

// wasmCases runs a script of conformance/testdata/wasm in Node on the modules for browsers, with the
// folder of modules, that of the page's files and more arguments; it returns what the script prints.
func wasmCases(t *testing.T, script string, args ...string) []byte {
	t.Helper()
	_, missing := exec.LookPath("node")
	oracle.Require(t, "wasm", missing == nil && web.Embedded(), "no node, or no modules in this binary: go generate ./web")
	dir := t.TempDir()
	for _, name := range []string{web.Receipt, web.Proof, web.Support} {
		var modules web.Modules
		b, err := modules.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name+".gz"), b)
	}
	page, err := filepath.Abs("../web/page")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "node", append([]string{filepath.Join("testdata", "wasm", script), dir, page}, args...)...) //nolint:gosec // ours
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// proofRun is what proof.mjs prints.
type proofRun struct {
	Verdicts []string  `json:"verdicts"` // of the cases of the corpus, in order
	Hostile  []string  `json:"hostile"`  // of shapes that are none: each must be refused
	Shapes   []string  `json:"shapes"`   // what statements of other shapes throw
	Millis   []float64 `json:"millis"`   // of the true case, one after the other
}

// The module for browsers accepts the true answer of the corpus, refuses every forged one by the reason
// that the contract has for it, and neither throws nor stops on shapes that are no proof. SPEC 10 §5.5.
func TestWasmRefusesForgedProofs(t *testing.T) {
	for _, k := range forgeries() {
		t.Run(k.system.String(), k.onWasm)
	}
}

func (k corpus) onWasm(t *testing.T) {
	path, err := filepath.Abs(k.path)
	if err != nil {
		t.Fatal(err)
	}
	var got proofRun
	if err := json.Unmarshal(wasmCases(t, "proof.mjs", path), &got); err != nil {
		t.Fatal(err)
	}
	f := k.read(t)
	if len(got.Verdicts) != len(f.Cases) {
		t.Fatalf("%d verdicts on %d cases", len(got.Verdicts), len(f.Cases))
	}
	for i, c := range f.Cases {
		if got.Verdicts[i] != c.Want {
			t.Errorf("%s: %q, want %q", c.Name, got.Verdicts[i], c.Want)
		}
	}
	if len(got.Hostile) < 10 || len(got.Shapes) < 10 {
		t.Fatalf("%d hostile calls, %d shapes", len(got.Hostile), len(got.Shapes))
	}
	for i, v := range got.Hostile {
		if v == "" {
			t.Errorf("hostile call %d was accepted", i)
		}
	}
	for i, v := range got.Shapes {
		if v == "" {
			t.Errorf("statement %d has another shape and was taken", i)
		}
	}
	t.Logf("verification of one proof, ms: %.1f", got.Millis)
}

// A statement has one encoding, and Bytes says of it what Answer says.
func TestStatementsHaveOneEncoding(t *testing.T) {
	for _, k := range forgeries() {
		k.asBytes(t)
	}
}

func (k *corpus) asBytes(t *testing.T) {
	t.Helper()
	f := k.read(t)
	for _, c := range f.Cases {
		words := unhex(t, f.Key)
		if c.Key != "" {
			words = unhex(t, c.Key)
		}
		s, leaves, proof := c.parts(t)
		b := s.Encode(leaves)
		back, again, err := check.Decode(b)
		if err != nil || string(back.Encode(again)) != string(b) {
			t.Fatalf("%s: %v", c.Name, err)
		}
		verdict := ""
		if err := check.Bytes(words, b, proof); err != nil {
			verdict = err.Error()
		}
		if verdict != c.Want {
			t.Errorf("%s: %q, want %q", c.Name, verdict, c.Want)
		}
	}
}

// Whatever the bytes are, the verifier says a reason and does not panic; what it reads it writes again.
func FuzzProofBytes(f *testing.F) {
	s := check.Statement{Op: 13, Element: 1024, Chain: 1337, Equal: true}
	f.Add([]byte{}, s.Encode(nil), []byte{})
	f.Add(make([]byte, 704), s.Encode(make([][32]byte, 2)), make([]byte, 256))
	f.Add(make([]byte, 672), s.Encode(make([][32]byte, 2)), make([]byte, 768))
	f.Fuzz(func(t *testing.T, words, about, proof []byte) {
		if s, leaves, err := check.Decode(about); err == nil && string(s.Encode(leaves)) != string(about) {
			t.Error("a statement has two encodings")
		}
		_ = check.Bytes(words, about, proof) // a forged proof is not met by luck
	})
}
