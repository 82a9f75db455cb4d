package claim

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/big"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

var update = flag.Bool("update", false, "rewrite the shared vectors")

const vectorFile = "../../testvectors/claim/digests.json"

// vector is one case of testvectors/claim/digests.json; bytes are hex without 0x.
type vector struct {
	ChainID       uint64   `json:"chainId"`
	Arena         string   `json:"arena"`
	Separator     string   `json:"separator"`
	Request       string   `json:"request"`
	RequestDigest string   `json:"requestDigest"`
	Claim         string   `json:"claim"`
	ClaimDigest   string   `json:"claimDigest"`
	ClaimID       string   `json:"claimId"`
	Key           string   `json:"key"`
	Signature     string   `json:"signature"`
	BatchDigests  []string `json:"batchDigests"`
	BatchRoot     string   `json:"batchRoot"`
	BatchIndex    uint32   `json:"batchIndex"`
	BatchPath     []string `json:"batchPath"`
	BatchLeaf     string   `json:"batchLeaf"`
	Cancel        string   `json:"cancel"`      // digest that the user signs to end the answer after the claim's count
	CancelledBy   string   `json:"cancelledBy"` // his signature, with the same key
	Cancelled     string   `json:"cancelled"`   // requestDigest of a claim with finish 5 and that count
}

func hexes(hs []Hash) []string {
	out := []string{}
	for _, h := range hs {
		out = append(out, hex.EncodeToString(h[:]))
	}
	return out
}

func makeVector(t *testing.T, i int) vector {
	t.Helper()
	seed := func(s string) Hash { return Keccak([]byte(s), []byte{byte(i)}) }
	arena, user := seed("arena"), seed("user")
	u := uint64(i)
	k := key(t, "node"+string(rune('0'+i)))
	d := Domain{ChainID: 31337 + u, Arena: Address(arena[:20])}

	r := Request{Model: seed("model"), PromptRoot: seed("prompt"), PromptCount: 7 * uint32(i), MaxNew: 100, Temperature: 65536,
		Seed: 1<<63 + u, StopRoot: seed("stop"), StopCount: 2, DataClass: uint8(i % 3), User: Address(user[:20]), Nonce: u,
		Price: Amount{Hi: u << 60, Lo: 12345}}
	c := Claim{Version: 1, Node: AddressOf(k), RequestDigest: r.Digest(d), Count: 9, Finish: FinishEnd, StateRoot: seed("states"),
		OutputRoot: seed("outputs"), Value: Amount{Hi: u, Lo: 1<<64 - 1}, Issued: 1_800_000_000, BatchBy: 1_800_000_060, ChallengeUntil: 1_800_000_090}
	dig := c.Digest(d)
	s, err := Sign(dig, k)
	if err != nil {
		t.Fatal(err)
	}
	digests := []Hash{}
	for j := range 2*i + 1 {
		digests = append(digests, Keccak([]byte{byte(i), byte(j)}))
	}
	digests[i] = dig
	b, _ := NewBatch(digests)
	h := func(b []byte) string { return hex.EncodeToString(b) }
	sep, rd, id, root := d.Separator(), r.Digest(d), c.ID(d), b.Root()
	leaf := treeLeaf(dig)
	cancel := CancelDigest(d, rd, c.Count)
	by, err := Sign(cancel, k)
	if err != nil {
		t.Fatal(err)
	}
	ended := c
	ended.Finish = FinishCancelled
	named := ended.Named(d, rd, by)
	if plain := c.Named(d, rd, by); plain != rd {
		t.Fatalf("a claim that was not cancelled names %x", plain)
	}
	return vector{d.ChainID, h(d.Arena[:]), h(sep[:]), h(r.Encode()), h(rd[:]), h(c.Encode()), h(dig[:]), h(id[:]),
		h(k.D.FillBytes(make([]byte, 32))), h(s[:]), hexes(digests), h(root[:]), uint32(i), hexes(b.Path(i)), h(leaf[:]), h(cancel[:]), h(by[:]), h(named[:])}
}

// The file is what the contract side reads; -update rewrites it.
func TestSharedVectors(t *testing.T) {
	vs := []vector{}
	for i := range 5 {
		vs = append(vs, makeVector(t, i))
	}
	got, err := json.MarshalIndent(vs, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(vectorFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatal("vectors differ from " + vectorFile + "; rewrite them with -update and say why")
	}
}

func typed(name string, fields [][2]string, msg apitypes.TypedDataMessage, d Domain) apitypes.TypedData {
	own := []apitypes.Type{}
	for _, f := range fields {
		own = append(own, apitypes.Type{Name: f[1], Type: f[0]})
	}
	return apitypes.TypedData{
		Types: apitypes.Types{
			"EIP712Domain": {{Name: "name", Type: "string"}, {Name: "version", Type: "string"}, {Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"}},
			name:           own,
		},
		PrimaryType: name,
		Domain: apitypes.TypedDataDomain{Name: "elenchus", Version: "1", ChainId: (*math.HexOrDecimal256)(new(big.Int).SetUint64(d.ChainID)),
			VerifyingContract: "0x" + hex.EncodeToString(d.Arena[:])},
		Message: msg,
	}
}

func big64(v uint64) *big.Int { return new(big.Int).SetUint64(v) }

// The digests agree with go-ethereum's own EIP-712 implementation.
func TestDigestsAreEIP712(t *testing.T) {
	d := Domain{ChainID: 31337, Arena: Address{1, 2, 3, 19: 9}}
	r := Request{Hash{1}, Hash{2}, 3, 4, 5, 6, Hash{7}, 8, Hash{9}, 2, Address{10}, 11, Amount{12, 13}}
	addr := func(a Address) string { return "0x" + hex.EncodeToString(a[:]) }
	want, _, err := apitypes.TypedDataAndHash(typed("Request", [][2]string{{"bytes32", "model"}, {"bytes32", "promptRoot"},
		{"uint32", "promptCount"}, {"uint32", "maxNew"}, {"uint32", "temperature"}, {"uint64", "seed"}, {"bytes32", "stopRoot"},
		{"uint8", "stopCount"}, {"bytes32", "extras"}, {"uint8", "dataClass"}, {"address", "user"}, {"uint64", "nonce"}, {"uint128", "price"}},
		apitypes.TypedDataMessage{"model": r.Model[:], "promptRoot": r.PromptRoot[:], "promptCount": big64(3), "maxNew": big64(4),
			"temperature": big64(5), "seed": big64(6), "stopRoot": r.StopRoot[:], "stopCount": big64(8), "extras": r.Extras[:],
			"dataClass": big64(2), "user": addr(r.User), "nonce": big64(11), "price": r.Price.Big()}, d))
	if err != nil {
		t.Fatal(err)
	}
	if Hash(want) != r.Digest(d) {
		t.Fatalf("request digest %x, want %x", r.Digest(d), want)
	}
	end := typed("Cancel", [][2]string{{"bytes32", "request"}, {"uint32", "count"}}, apitypes.TypedDataMessage{"request": want, "count": big64(4)}, d)
	if want, _, err := apitypes.TypedDataAndHash(end); err != nil || Hash(want) != CancelDigest(d, r.Digest(d), 4) {
		t.Fatalf("cancel digest %x, want %x, %v", CancelDigest(d, r.Digest(d), 4), want, err)
	}
	l := Lists{Hash{7}, Hash{9}, Hash{10}, Hash{11}, 12}
	lists := typed("Lists", [][2]string{{"bytes32", "biasRoot"}, {"bytes32", "stopRoot"}, {"bytes32", "grammarRoot"},
		{"bytes32", "dataRoot"}, {"uint32", "dataBytes"}},
		apitypes.TypedDataMessage{"biasRoot": l.Bias[:], "stopRoot": l.Stop[:], "grammarRoot": l.Grammar[:],
			"dataRoot": l.Data[:], "dataBytes": big64(12)}, d)
	if want, err := lists.HashStruct("Lists", lists.Message); err != nil || Hash(want) != l.Hash() || (Lists{}).Hash() != (Hash{}) {
		t.Fatalf("lists %x, want %x, %v", l.Hash(), want, err)
	}
	if DecodeLists([ListsSize]byte(l.Encode())) != l {
		t.Error("lists change on the way")
	}
	s := Sampler{1, 2, 3, 4, -5, 6, 8, l.Hash()}
	if DecodeSampler([SamplerSize]byte(s.Encode())) != s {
		t.Error("settings change on the way")
	}
	td := typed("Sampler", [][2]string{{"uint32", "topK"}, {"uint32", "topP"}, {"uint32", "minP"}, {"uint32", "repetition"},
		{"int32", "presence"}, {"int32", "frequency"}, {"uint32", "stopLengths"}, {"bytes32", "lists"}},
		apitypes.TypedDataMessage{"topK": big64(1), "topP": big64(2), "minP": big64(3), "repetition": big64(4), "presence": big.NewInt(-5),
			"frequency": big64(6), "stopLengths": big64(8), "lists": s.Lists[:]}, d)
	if want, err := td.HashStruct("Sampler", td.Message); err != nil || Hash(want) != s.Extras() {
		t.Fatalf("extras %x, want %x, %v", s.Extras(), want, err)
	}
	if (Sampler{}).Extras() != (Hash{}) {
		t.Error("settings that are all off have extras")
	}
	c := Claim{1, Address{2}, Hash{3}, 4, 5, Hash{6}, Hash{7}, Amount{8, 9}, 10, 11, 12}
	core := [][2]string{{"uint16", "version"}, {"address", "node"}, {"bytes32", "requestDigest"}, {"uint32", "count"},
		{"uint8", "finish"}, {"bytes32", "stateRoot"}, {"bytes32", "outputRoot"}, {"uint128", "value"}}
	msg := apitypes.TypedDataMessage{"version": big64(1), "node": addr(c.Node), "requestDigest": c.RequestDigest[:], "count": big64(4),
		"finish": big64(5), "stateRoot": c.StateRoot[:], "outputRoot": c.OutputRoot[:], "value": c.Value.Big()}
	if want, _, err = apitypes.TypedDataAndHash(typed("ClaimCore", core, msg, d)); err != nil || Hash(want) != c.ID(d) {
		t.Fatalf("claim id %x, want %x, %v", c.ID(d), want, err)
	}
	msg["issued"], msg["batchBy"], msg["challengeUntil"] = big64(10), big64(11), big64(12)
	full := append(core, [2]string{"uint64", "issued"}, [2]string{"uint64", "batchBy"}, [2]string{"uint64", "challengeUntil"})
	if want, _, err = apitypes.TypedDataAndHash(typed("Claim", full, msg, d)); err != nil || Hash(want) != c.Digest(d) {
		t.Fatalf("claim digest %x, want %x, %v", c.Digest(d), want, err)
	}
}
