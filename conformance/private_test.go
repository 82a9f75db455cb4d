package conformance_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/poseidon"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"

	"github.com/ethereum/go-ethereum/core/vm/runtime"
)

// veiled is the least shape whose leaves are whole blocks of 64 bytes.
func veiled() modeltest.Config {
	return modeltest.Config{Vocab: 64, TMax: 64, Dim: 64, Heads: 1, KVHeads: 1, HeadDim: 16, FF: 64, Layers: 1}
}

// blind is a model of that shape as a private one.
func blind(t testing.TB, secret byte) *manifest.Manifest {
	t.Helper()
	m := modeltest.Llama(3, veiled())
	man, err := manifest.BindPrivate(m, &manifest.Secret{secret, 1})
	if err != nil {
		t.Fatal(err)
	}
	return man
}

// leafVector is a leaf of a class and its hash; a private one is leaf number Leaf of model tensor Tensor.
type leafVector struct {
	Class  string `json:"class"`
	Bytes  string `json:"bytes"`
	Secret string `json:"secret,omitempty"`
	Tensor uint32 `json:"tensor,omitempty"`
	Leaf   uint64 `json:"leaf,omitempty"`
	Hash   string `json:"hash"`
}

// leafVectors are leaves of every length that falls into another number of words or another width.
func leafVectors() []leafVector {
	g := rand.New(rand.NewPCG(6, 4))
	var out []leafVector
	for i, n := range []int{0, 1, 23, 24, 25, 48, 64, 72, 73, 88, 128, 360, 361, 512, 576} {
		leaf := make([]byte, n)
		for k := range leaf {
			leaf[k] = byte(g.Uint32())
		}
		if i%5 == 4 {
			clear(leaf)
		}
		h := poseidon.Leaf(leaf)
		out = append(out, leafVector{Class: "confidential", Bytes: hex.EncodeToString(leaf), Hash: hex.EncodeToString(h[:])})
		secret := manifest.Secret{byte(i), 9, 31: 7}
		k, at := uint32(i%3), uint64(0)
		if k > 0 {
			at = uint64(i) << (4 * (i % 9))
		}
		h = secret.Leaf(k, at, leaf)
		out = append(out, leafVector{
			Class: "private", Bytes: hex.EncodeToString(leaf), Secret: secret.Text(), Tensor: k, Leaf: at, Hash: hex.EncodeToString(h[:]),
		})
	}
	return out
}

// Leaves of confidential and private models are hashed as the shared vectors say. SPEC 10 §4.1, §8.2.
func TestLeavesOfClassesAreThoseOfTheVectors(t *testing.T) {
	const path = "../testvectors/trees/classes.json"
	want, err := json.MarshalIndent(leafVectors(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if os.Getenv("ELENCHUS_UPDATE") != "" {
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s is not what this program hashes (%v): ELENCHUS_UPDATE=1 writes it", path, err)
	}
}

// The id and the states of a private model are others under another secret and for other weights, and every
// leaf is salted by its own place: equal leaves have no equal hashes. SPEC 10 §8.3.
func TestPrivateModelsTellNothingByTheirRoots(t *testing.T) {
	one, other := blind(t, 1), blind(t, 2)
	if one.ID() == other.ID() {
		t.Fatal("the id does not depend on the secret")
	}
	for s := range one.Model.Stages {
		for i := range one.Model.Stages[s].Ops {
			a, b := &one.Model.Stages[s].Ops[i], &other.Model.Stages[s].Ops[i]
			if a.A != nil && a.RootA == b.RootA || a.B != nil && a.RootB == b.RootB {
				t.Errorf("stage %d tensor %d: equal roots under two secrets", s, i)
			}
		}
	}
	secret, leaf := manifest.Secret{5}, make([]byte, 64)
	seen := map[[32]byte]bool{}
	for k := range uint32(4) {
		for i := range uint64(4) {
			seen[secret.Leaf(k, i, leaf)] = true
		}
	}
	if len(seen) != 16 {
		t.Errorf("%d hashes of 16 equal leaves in 16 places", len(seen))
	}
	job := decode.Job{Prompt: []int32{5, 9, 2}, MaxNew: 3, StopIDs: nil}
	if a, b := answered(t, one, job), answered(t, other, job); a.Claim.StateRoot == b.Claim.StateRoot || a.Claim.OutputRoot != b.Claim.OutputRoot {
		t.Error("states do not depend on the secret, or outputs do")
	}
}

// Weights of a private model are opened to nobody, of other classes they are, and a class without a secret hashes no
// leaf of it. SPEC 10 §8.2, §8.5.
func TestWeightsOfPrivateModelsAreNotOpened(t *testing.T) {
	public := bound(t, modeltest.Llama(3, veiled()))
	for _, c := range []struct {
		man  *manifest.Manifest
		want error
	}{{public, nil}, {blind(t, 1), trace.ErrTrace}} {
		step, err := trace.Replay(c.man, decode.Job{Prompt: []int32{5, 9, 2}, MaxNew: 1}, 1, nil, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		st, err := step.Stage(1)
		if err != nil {
			t.Fatal(err)
		}
		opened := map[uint8]int{}
		for i := 1; i < len(st.Tensors); i++ {
			d := &c.man.Model.Stages[1].Ops[i].Descriptor
			_, err := opset.Element(d, &step.Ctx, 0, func(r opset.Read) ([]byte, error) {
				o, err := st.Open(d, i, r)
				opened[r.Kind]++
				if weights := r.Kind == opset.RootA || r.Kind == opset.RootB; weights && !errors.Is(err, c.want) || !weights && err != nil {
					t.Errorf("class %s, tensor %d, kind %d: %v", c.man.Class, i, r.Kind, err)
				}
				if err != nil {
					return nil, err
				}
				return r.Trim(o.Leaves)
			})
			if err != nil && !errors.Is(err, c.want) {
				t.Errorf("class %s, tensor %d: %v", c.man.Class, i, err)
			}
		}
		if opened[opset.RootA] == 0 || opened[opset.Tensor] == 0 {
			t.Errorf("class %s: opened %v", c.man.Class, opened)
		}
	}
	for class, panics := range map[manifest.Class]bool{manifest.Public: false, manifest.Confidential: false, manifest.Private: true, 3: true} {
		func() {
			defer func() {
				if (recover() != nil) != panics {
					t.Errorf("class %d: the hash of leaves panics: %v", class, !panics)
				}
			}()
			class.Hasher()
		}()
	}
}

// The file of a private model is read with its secret and with no other. SPEC 10 §8.2.
func TestPrivateModelFilesWantTheirSecret(t *testing.T) {
	man := blind(t, 1)
	var file bytes.Buffer
	if err := man.Encode(&file, "mine"); err != nil {
		t.Fatal(err)
	}
	read := func(s *manifest.Secret) error {
		_, _, err := manifest.DecodeSecret(bytes.NewReader(file.Bytes()), int64(file.Len()), s)
		return err
	}
	if err := read(&manifest.Secret{1, 1}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*manifest.Secret{nil, {2, 1}} {
		if err := read(s); !errors.Is(err, manifest.ErrSecret) {
			t.Errorf("secret %v: %v", s, err)
		}
	}
	if bytes.Contains(file.Bytes(), []byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) {
		t.Error("the secret is in the file")
	}
}

// The second implementation reads models of every class with the same id, computes the same states, and
// reads no private one without its secret. SPEC 10 §6, §8.
func TestSecondImplementationKnowsClasses(t *testing.T) {
	dist, dir := typescript(t), t.TempDir()
	job := decode.Job{Prompt: []int32{5, 9, 2}, MaxNew: 3}
	for _, c := range []struct {
		man    *manifest.Manifest
		secret *manifest.Secret
	}{{concealed(t), nil}, {blind(t, 1), &manifest.Secret{1, 1}}} {
		path := filepath.Join(dir, c.man.Class.String()+".elm")
		var file bytes.Buffer
		if err := c.man.Encode(&file, "mine"); err != nil {
			t.Fatal(err)
		}
		write(t, path, file.Bytes())
		r := answered(t, c.man, job)
		text := ""
		if c.secret != nil {
			text = c.secret.Text()
		}
		script := `import { readFileSync } from "node:fs";
const { openModel, generate } = await import(process.argv[1] + "/index.js");
const b = readFileSync(process.argv[2]), secret = Buffer.from(process.argv[3], "hex"), hex = (x) => Buffer.from(x).toString("hex");
if (secret.length > 0) for (const bad of [undefined, secret.map((x) => x ^ 1)]) {
  let refused = false;
  try { openModel(b, bad); } catch { refused = true; }
  if (!refused) throw new Error("read without its secret");
}
const m = openModel(b, secret.length > 0 ? secret : undefined);
const off = { topK: 0, topP: 0, minP: 0, repetition: 0, presence: 0, frequency: 0, bias: [], strings: [] };
const a = generate(m, { prompt: [5, 9, 2], stop: [], maxNew: 3, temperature: 0, seed: 0n, settings: off });
process.stdout.write(m.id + " " + hex(a.stateRoot));`
		run := exec.Command("node", "--input-type=module", "-e", script, dist, path, text)
		run.Stderr = os.Stderr
		out, err := run.Output()
		if want := c.man.ID().String() + " " + hex.EncodeToString(r.Claim.StateRoot[:]); err != nil || string(out) != want {
			t.Errorf("%v: %s, %v, want %s", c.man.Class, out, err, want)
		}
	}
}

// The registry says id and class of whatever class of model, as its header has them. SPEC 10 §8.4.
func TestRegisteredModelsNameIDAndClass(t *testing.T) {
	j := newJudge(t)
	face, at := j.deploy(t, "NodeRegistry")
	for _, man := range []*manifest.Manifest{bound(t, modeltest.Toy()), concealed(t), blind(t, 1)} {
		h := man.Header.Encode()
		input, err := face.Pack("registerModel", h[:])
		if err != nil {
			t.Fatal(err)
		}
		before := len(j.cfg.State.Logs())
		out, _, err := runtime.Call(at, input, j.cfg)
		if err != nil || man.ID() != manifest.ID(out) {
			t.Fatalf("%v: %x, %v, want %v", man.Class, out, err, man.ID())
		}
		logs := j.cfg.State.Logs()[before:]
		if len(logs) != 1 || logs[0].Topics[0] != face.Events["Model"].ID || manifest.ID(logs[0].Topics[2]) != man.ID() || logs[0].Topics[3][31] != byte(man.Class) {
			t.Fatalf("%v: logs %+v", man.Class, logs)
		}
		data, err := face.Events["Model"].Inputs.NonIndexed().Unpack(logs[0].Data)
		if err != nil || !bytes.Equal(data[0].([]byte), h[:]) {
			t.Errorf("%v: header %x, %v", man.Class, data, err)
		}
	}
}
