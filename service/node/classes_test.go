package node_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/crypto/ecies"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
	"elenchus/service/node"
)

// veiled is a world whose model is of a class that hides its leaves.
func veiled(t *testing.T, class manifest.Class) *world {
	t.Helper()
	w := newWorld(t)
	m := modeltest.Llama(3, modeltest.Config{Vocab: 320, TMax: 64, Dim: 64, Heads: 1, KVHeads: 1, HeadDim: 16, FF: 64, Layers: 1})
	var err error
	if class == manifest.Private {
		w.man, err = manifest.BindPrivate(m, &manifest.Secret{1})
	} else {
		w.man, err = manifest.BindAs(m, class)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.o.Models = []node.Model{{Name: "veiled", Manifest: w.man, Computer: &engine.Computer{Manifest: w.man}}}
	return w
}

// fetched is what a node says to a party who signs, or to a stranger without a signature.
func fetched(n *node.Node, path, authorization string) (int, []byte) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	n.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.Bytes()
}

// Tensors of a confidential model are for the parties of the claim alone, encrypted, though its data are
// public; states are served. Of a private model neither is, nor are hidden states of either. SPEC 15 §2.5.
func TestTensorsOfHiddenModelsAreForParties(t *testing.T) {
	user, err1 := crypto.ToECDSA([]byte("a user's key, 32 bytes as others"))
	stranger, err := crypto.ToECDSA([]byte("the key of one without any game."))
	err = errors.Join(err1, err)
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range []manifest.Class{manifest.Confidential, manifest.Private} {
		w := veiled(t, class)
		n := w.start()
		job := w.job(1)
		job.Request.User = claim.AddressOf(user)
		r, err := n.Serve(t.Context(), job, func(int32) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		id := r.ID()
		states, tensor := fmt.Sprintf("/v1/claims/%x/states", id), fmt.Sprintf("/v1/claims/%x/steps/0/1/3", id)
		sig, err := claim.Sign(claim.FetchDigest(domain, id), user)
		if err != nil {
			t.Fatal(err)
		}
		signed := "Elenchus " + base64.RawURLEncoding.EncodeToString(sig[:])
		sig, err = claim.Sign(claim.FetchDigest(domain, id), stranger)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := fetched(n, tensor, "Elenchus "+base64.RawURLEncoding.EncodeToString(sig[:])); status == 200 {
			t.Errorf("%v: a stranger without a game has a tensor", class)
		}
		want := map[manifest.Class][4]int{manifest.Confidential: {200, 401, 200, 400}, manifest.Private: {403, 403, 403, 400}}[class]
		got := [4]int{}
		got[0], _ = fetched(n, states, "")
		got[1], _ = fetched(n, tensor, "")
		status, body := fetched(n, tensor, signed)
		hidden := httptest.NewRecorder()
		n.Handler().ServeHTTP(hidden, httptest.NewRequest(http.MethodPost, "/v1/hidden", strings.NewReader(fmt.Sprintf(`{"model":"%s","prompt":[1,2]}`, w.man.ID()))))
		if got[2], got[3] = status, hidden.Code; got != want || !strings.Contains(hidden.Body.String(), class.String()) {
			t.Errorf("%v: states, tensor, tensor for a party, hidden states: %v, want %v", class, got, want)
		}
		if info := get(t, n, "/v1/node"); !strings.Contains(info, fmt.Sprintf(`"class":%q`, class)) {
			t.Errorf("%v: the node says %s", class, info)
		}
		if status == 200 {
			d := decode.Job{Prompt: r.Prompt, StopIDs: r.Stop, MaxNew: 5, Temperature: 1 << 16, Seed: 1}
			step, err := trace.Replay(w.man, d, 0, nil, nil, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			st, err := step.Stage(1)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := ecies.ImportECDSA(user).Decrypt(body, nil, claim.DeliveryInfo(id, "steps/0/1/3"))
			if err != nil || string(plain) != string(st.Tensors[3].Bytes(0, st.Tensors[3].Len())) {
				t.Errorf("what the party decrypts is not the tensor: %v", err)
			}
		}
		w.close(n)
	}
}
