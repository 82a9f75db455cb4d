package conformance_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/params"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/conformance/opsample"
	"elenchus/contracts"
)

// evmRead is a Read as the contracts return it.
type evmRead struct {
	Kind       uint8
	Index      uint8
	TotalBytes uint64
	LeafBytes  uint32
	Lo         uint64
	Hi         uint64
}

// judge is an in-process EVM under Osaka rules with every evaluator and the registry deployed.
type judge struct {
	cfg      *runtime.Config
	abi      abi.ABI
	registry abi.ABI
	step     common.Address
	verifier abi.ABI // of Groth16
	of       map[opset.Code]common.Address
	jumps    jumps
}

// bareJudge is a chain without contracts.
func bareJudge(t testing.TB) *judge {
	t.Helper()
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	return &judge{of: map[opset.Code]common.Address{}, jumps: jumps{}, cfg: &runtime.Config{ChainConfig: params.MergedTestChainConfig,
		State: db, GasLimit: 30_000_000, BlockNumber: big.NewInt(1), EVMConfig: vm.Config{Tracer: watching}}}
}

func newJudge(t testing.TB) *judge {
	t.Helper()
	if staged != nil {
		return staged.judge.copy()
	}
	j := bareJudge(t)
	var ops []uint8
	var addresses []common.Address
	for _, e := range contracts.Evaluators() {
		var address common.Address
		j.abi, address = j.deploy(t, e.Name)
		for _, op := range e.Ops {
			ops, addresses = append(ops, op), append(addresses, address)
		}
	}
	face, groth16 := j.deploy(t, "ProofVerifier", common.Address{})
	j.verifier = face
	_, plonk := j.deploy(t, "PlonkVerifier", common.Address{})
	j.registry, j.step = j.deploy(t, "StepVerifier", common.Address{}, ops, addresses, []common.Address{groth16, plonk})
	for _, code := range opset.Codes() {
		j.of[code] = j.verifierOf(t, code)
	}
	return j
}

// copy is a judge of the same contracts whose state is its own.
func (j *judge) copy() *judge {
	c, cfg := *j, *j.cfg
	cfg.State, cfg.BaseFee, cfg.EVMConfig.Tracer = j.cfg.State.Copy(), big.NewInt(params.InitialBaseFee), watching
	c.cfg = &cfg
	return &c
}

func (j *judge) deploy(t testing.TB, name string, args ...any) (abi.ABI, common.Address) {
	t.Helper()
	text, creation, err := contracts.Artifact(name)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := abi.JSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := parsed.Pack("", args...)
	if err != nil {
		t.Fatal(err)
	}
	_, address, _, err := runtime.Create(append(creation, packed...), j.cfg)
	if err != nil {
		t.Fatalf("deploy %s: %v", name, err)
	}
	return parsed, address
}

func (j *judge) verifierOf(t testing.TB, code opset.Code) common.Address {
	t.Helper()
	input, err := j.registry.Pack("verifierOf", uint8(code))
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := j.call(j.step, input)
	if err != nil {
		t.Fatalf("verifierOf(%s): %v", code, err)
	}
	return common.BytesToAddress(out)
}

// evaluate asks the evaluator that the registry names; gas is what the call itself used.
func (j *judge) evaluate(code opset.Code, descriptor, context []byte, index uint64, data []byte) (v *big.Int, reads []evmRead, gas uint64, err error) {
	input, err := j.abi.Pack("evaluate", descriptor, context, index, data)
	if err != nil {
		return nil, nil, 0, err
	}
	out, left, err := j.call(j.of[code], input)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("%w: %s", err, j.reason(out))
	}
	values, err := j.abi.Unpack("evaluate", out)
	if err != nil {
		return nil, nil, 0, err
	}
	reads = *abi.ConvertType(values[1], new([]evmRead)).(*[]evmRead)
	return values[0].(*big.Int), reads, j.cfg.GasLimit - left, nil
}

func (j *judge) reason(out []byte) string {
	for _, e := range j.abi.Errors {
		if len(out) >= 4 && bytes.Equal(out[:4], e.ID[:4]) {
			return e.Name
		}
	}
	return hex.EncodeToString(out)
}

// recorded are the reads of a supply as contracts return them, and their leaves in order.
func recorded(s *opsample.Supply) (reads []evmRead, data []byte) {
	for i, r := range s.Reads {
		reads = append(reads, evmRead{r.Kind, r.Index, r.Total, uint32(r.Leaf), r.Lo, r.Hi})
		data = append(data, s.Leaves[i]...)
	}
	return reads, data
}

// agree evaluates one element by definition and by contract, fails on any difference, and returns
// what the call used and the leaves that it was given.
func agree(t testing.TB, j *judge, d *opset.Descriptor, c *opset.Context, index uint64, s *opsample.Supply) (gas uint64, data []byte) {
	t.Helper()
	want, err := opset.Element(d, c, index, s.Fetch)
	if err != nil {
		t.Fatalf("reference refuses a valid case: %v (%+v, %+v)", err, d, c)
	}
	wantReads, data := recorded(s)
	descriptor, context := d.Encode(), c.Encode()
	got, reads, gas, err := j.evaluate(d.Op, descriptor[:], context[:], index, data)
	if err != nil {
		t.Fatalf("%s[%d]: %v (%+v, %+v, reads %+v)", d.Op, index, err, d, c, wantReads)
	}
	if !got.IsInt64() || got.Int64() != want {
		t.Fatalf("%s[%d] = %v, reference %d (%+v, %+v, data %x)", d.Op, index, got, want, d, c, data)
	}
	if fmt.Sprint(reads) != fmt.Sprint(wantReads) {
		t.Fatalf("%s[%d] reads %+v, reference %+v", d.Op, index, reads, wantReads)
	}
	return gas, data
}

// Every op of the contracts equals the Go definition on sampled shapes and bytes. SPEC 02 §4.
func TestEvaluatorsEqualTheDefinition(t *testing.T) {
	t.Parallel()
	j := newJudge(t)
	for _, code := range opset.Codes() {
		t.Run(code.String(), func(t *testing.T) {
			for seed := range uint64(400) {
				sampleAgrees(t, j, code, seed)
			}
		})
	}
}

func sampleAgrees(t testing.TB, j *judge, code opset.Code, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(code)))
	d, c, index := opsample.Sample(r, code)
	agree(t, j, &d, &c, index, opsample.NewSupply(r, &d, opsample.Style(seed%uint64(opsample.Styles))))
}

// The same with the op and the seed of the sample chosen by the fuzzer.
func FuzzEvaluatorsEqualTheDefinition(f *testing.F) {
	j := newJudge(f)
	for _, code := range opset.Codes() {
		f.Add(uint8(code), uint64(1)<<40)
	}
	f.Fuzz(func(t *testing.T, op uint8, seed uint64) {
		codes := opset.Codes()
		sampleAgrees(t, j, codes[int(op)%len(codes)], seed)
	})
}

// The table of exp2 is the one that the inequality defines. SPEC 01 §3.6.
func TestExp2TableOfContractIsTheDefinedOne(t *testing.T) {
	j := newJudge(t)
	d := opset.Descriptor{Op: opset.Exp2Op, Type: tensor.I64, Leaf: 64, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 1}}}
	d.Src[0], d.Src[1] = opset.Source{Kind: 1}, opset.Source{Kind: 1, Index: 1}
	d.P[0], d.P[2] = 1, 31 // with x = k*256 - 65536 the result is T[k] itself
	descriptor, context := d.Encode(), (&opset.Context{M: 1}).Encode()
	for k := range int64(257) {
		data := make([]byte, 128)
		binary.LittleEndian.PutUint32(data, uint32(int32(k*256-65536)))
		if k == 256 { // x = 0 shifts by -1 instead: 2 * T[0] is T[256]
			binary.LittleEndian.PutUint32(data, 0)
		}
		got, _, _, err := j.evaluate(d.Op, descriptor[:], context[:], 0, data)
		if err != nil {
			t.Fatal(err)
		}
		want := new(big.Int).Lsh(big.NewInt(1), uint(256*31+k))
		low := new(big.Int).Exp(new(big.Int).Sub(new(big.Int).Lsh(got, 1), big.NewInt(1)), big.NewInt(256), nil)
		high := new(big.Int).Exp(new(big.Int).Add(new(big.Int).Lsh(got, 1), big.NewInt(1)), big.NewInt(256), nil)
		if low.Cmp(want) > 0 || want.Cmp(high) >= 0 {
			t.Fatalf("T[%d] = %v does not satisfy the inequality", k, got)
		}
	}
}

// Data of another length than the reads imply, an index beyond the target, a foreign op and a short
// descriptor revert, each by its own error. SPEC 02 §3.
func TestEvaluatorsRefuseWhatDoesNotFit(t *testing.T) {
	j := newJudge(t)
	d, c := shape1B(opset.MatMul)
	_, data := agree(t, j, &d, &c, 5, opsample.NewSupply(rand.New(rand.NewPCG(1, 2)), &d, opsample.Bytes))
	good, context := d.Encode(), c.Encode()
	foreign := good
	foreign[0] = byte(opset.Scale)
	flat := good
	binary.BigEndian.PutUint32(flat[24:], 0) // last dim 0
	sourceless := good
	sourceless[32] = 0
	wide := good
	binary.BigEndian.PutUint64(wide[48:], 513) // chunk
	tests := []struct {
		name       string
		descriptor []byte
		index      uint64
		data       []byte
		want       string
	}{
		{"short data", good[:], 5, data[:len(data)-1], "DataLength"},
		{"long data", good[:], 5, append(bytes.Clone(data), 0), "DataLength"},
		{"no data", good[:], 5, nil, "DataLength"},
		{"index", good[:], d.Count(&c), data, "IndexOutOfRange"},
		{"foreign op", foreign[:], 0, data, "UnknownOp"},
		{"short descriptor", good[:191], 5, data, "WrongLength"},
		{"zero dim", flat[:], 0, data, "BadTarget"},
		{"no source", sourceless[:], 5, data, "BadDescriptor"},
		{"wide chunk", wide[:], 5, data, "BadDescriptor"},
	}
	for _, test := range tests {
		_, _, _, err := j.evaluate(opset.MatMul, test.descriptor, context[:], test.index, test.data)
		if err == nil || !strings.HasSuffix(err.Error(), ": "+test.want) {
			t.Errorf("%s: got %v, want revert %s", test.name, err, test.want)
		}
	}
}

// gasFile holds the gas of one evaluation per op at the shapes of a 1B and a 70B model.
const gasFile = "testdata/evaluators.gas"

// What an evaluation costs is a golden file (Osaka; the call alone, its calldata not counted), and
// stays within the budget that leaves an answer below 220,000. ELENCHUS_UPDATE=1 rewrites the file.
func TestEvaluatorGasIsTheRecordedOne(t *testing.T) {
	j := newJudge(t)
	var got strings.Builder
	fmt.Fprintf(&got, "%-12s %8s %8s %8s\n", "op", "1B", "70B", "bytes")
	for _, code := range opset.Codes() {
		var gas [2]uint64
		var supplied int
		for i, shape := range []func(opset.Code) (opset.Descriptor, opset.Context){shape1B, shape70B} {
			d, c := shape(code)
			s := opsample.NewSupply(rand.New(rand.NewPCG(7, uint64(code))), &d, opsample.Bytes)
			used, data := agree(t, j, &d, &c, d.Count(&c)/2, s)
			gas[i], supplied = used, len(data)
			if gas[i] > 45_000 {
				t.Errorf("%s takes %d gas, more than 45000", code, gas[i])
			}
		}
		fmt.Fprintf(&got, "%-12s %8d %8d %8d\n", code, gas[0], gas[1], supplied)
	}
	if os.Getenv("ELENCHUS_UPDATE") == "1" {
		if err := os.WriteFile(gasFile, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(gasFile)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("gas changed; if it should, run with ELENCHUS_UPDATE=1 and say why\ngot\n%s\nwant\n%s", got.String(), want)
	}
}

// No byte string makes an evaluator burn its gas or panic other than by reverting within the budget.
func FuzzEvaluatorsOnHostileDescriptors(f *testing.F) {
	d, c := shape1B(opset.Score)
	descriptor, context := d.Encode(), c.Encode()
	f.Add(descriptor[:], context[:], uint64(3), make([]byte, 1024))
	j := newJudge(f)
	f.Fuzz(func(t *testing.T, descriptor, context []byte, index uint64, data []byte) {
		code := opset.MatMul
		if len(descriptor) > 0 && j.of[opset.Code(descriptor[0])] != (common.Address{}) {
			code = opset.Code(descriptor[0])
		}
		v, reads, gas, err := j.evaluate(code, descriptor, context, index, data)
		if err != nil {
			return
		}
		if !v.IsInt64() || len(reads) > 4 || gas > 2_000_000 {
			t.Fatalf("value %v, %d reads, %d gas", v, len(reads), gas)
		}
		total := 0
		for _, r := range reads {
			if r.Lo >= r.Hi || r.Hi > r.TotalBytes {
				t.Fatalf("read %+v", r)
			}
			l := uint64(r.LeafBytes)
			total += int((r.Hi+l-1)/l*l - r.Lo/l*l)
		}
		if total != len(data) {
			t.Fatalf("reads cover %d bytes of %d", total, len(data))
		}
	})
}

// Every published vector holds for the contracts.
func TestEvaluatorsMeetTheVectors(t *testing.T) {
	j := newJudge(t)
	for _, code := range opset.Codes() {
		vectorsHold(t, j, code)
	}
}

// vectorsHold checks the published vectors of an operation.
func vectorsHold(t *testing.T, j *judge, code opset.Code) {
	t.Helper()
	vectors, err := opsample.Load(filepath.Join("..", "testvectors", "ops", code.String()+".json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(v.Op+"/"+v.Name, func(t *testing.T) { checkVector(t, j, code, v) })
	}
}

func checkVector(t *testing.T, j *judge, code opset.Code, v opsample.Vector) {
	value, reads, _, err := j.evaluate(code, unhex(t, v.Descriptor), unhex(t, v.Context), v.Index, unhex(t, strings.Join(v.Data, "")))
	if err != nil {
		t.Fatal(err)
	}
	want := make([]evmRead, 0, len(v.Reads))
	for _, r := range v.Reads {
		want = append(want, evmRead{r.Kind, r.Index, r.Total, uint32(r.Leaf), r.Lo, r.Hi})
	}
	if value.String() != v.Value || fmt.Sprint(reads) != fmt.Sprint(want) {
		t.Fatalf("value %v reads %v, want %s %v", value, reads, v.Value, want)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
