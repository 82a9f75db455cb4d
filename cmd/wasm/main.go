//go:build js && wasm

// Command wasm is the verifier of receipts for browsers and other hosts of JavaScript.
//
// It puts one object, elenchus, into the global scope; every function takes text or bytes and gives
// JSON, {"error": text} for what it refuses. Nothing is fetched and nothing waits: whoever hosts it
// brings model and replies, and computes pass by pass, so that it can show progress and stop.
//
//	GOOS=js GOARCH=wasm go build -o verifier.wasm ./cmd/wasm
package main

import (
	"encoding/json"
	"fmt"
	"syscall/js"

	"elenchus/cmd/wasm/audit"
	"elenchus/commitment/manifest"
)

// host is what a page has loaded so far.
type host struct {
	man   *manifest.Manifest
	audit *audit.Audit
}

func main() {
	h := &host{}
	api := js.Global().Get("Object").New()
	for name, f := range map[string]func(a []js.Value) (any, error){
		"describe":  func(a []js.Value) (any, error) { return audit.Describe(text(a, 0)) },
		"load":      h.load,
		"begin":     h.begin,
		"step":      h.step,
		"result":    h.result,
		"questions": questions,
		"judge":     judge,
	} {
		api.Set(name, js.FuncOf(func(_ js.Value, a []js.Value) any { return answer(f, a) }))
	}
	js.Global().Set("elenchus", api)
	select {}
}

// answer is what f gives as JSON. A fault of ours that bad input uncovers ends the call, not the page.
func answer(f func(a []js.Value) (any, error), a []js.Value) (out any) {
	defer func() {
		if v := recover(); v != nil {
			out = refusal(fmt.Errorf("cannot go on: %v", v))
		}
	}()
	v, err := f(a)
	if err != nil {
		return refusal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return refusal(err)
	}
	return string(b)
}

func refusal(err error) any {
	b, _ := json.Marshal(map[string]string{"error": err.Error()}) // never fails
	return string(b)
}

// text is argument i, or "" if it is no text.
func text(a []js.Value, i int) string {
	if i >= len(a) || a[i].Type() != js.TypeString {
		return ""
	}
	return a[i].String()
}

// load takes the bytes of a model file.
func (h *host) load(a []js.Value) (any, error) {
	if len(a) == 0 || a[0].Type() != js.TypeObject || !a[0].InstanceOf(js.Global().Get("Uint8Array")) || !js.Global().Get("ArrayBuffer").Call("isView", a[0]).Bool() {
		return nil, fmt.Errorf("load takes the bytes of a model file")
	}
	b := make([]byte, a[0].Get("length").Int())
	js.CopyBytesToGo(b, a[0])
	man, name, err := audit.LoadModel(b)
	if err != nil {
		return nil, err
	}
	h.man = man
	return map[string]any{"id": man.ID().String(), "name": name, "layers": man.Layers, "vocab": man.Vocab, "context": man.TMax}, nil
}

// begin takes the text of a receipt.
func (h *host) begin(a []js.Value) (out any, err error) {
	if h.man == nil {
		return nil, fmt.Errorf("load a model first")
	}
	if h.audit, err = audit.Begin(text(a, 0), h.man); err != nil {
		return nil, err
	}
	return map[string]bool{"over": h.audit.Done()}, nil
}

func (h *host) step([]js.Value) (any, error) {
	if h.audit == nil {
		return nil, fmt.Errorf("begin an answer first")
	}
	return h.audit.Step()
}

func (h *host) result([]js.Value) (any, error) {
	if h.audit == nil || !h.audit.Done() {
		return nil, fmt.Errorf("the answer is not complete")
	}
	return h.audit.Result(), nil
}

// questions takes the text of a receipt and JSON of its place in a batch, "" if none is known.
func questions(a []js.Value) (any, error) {
	place, err := placeOf(text(a, 1))
	if err != nil {
		return nil, err
	}
	return audit.Questions(text(a, 0), place)
}

// judge takes what questions takes, and JSON of the replies by name.
func judge(a []js.Value) (any, error) {
	place, err := placeOf(text(a, 1))
	if err != nil {
		return nil, err
	}
	var replies map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text(a, 2)), &replies); err != nil {
		return nil, fmt.Errorf("%w: %w", audit.ErrReply, err)
	}
	return audit.Judge(text(a, 0), place, replies)
}

func placeOf(s string) (*audit.Place, error) {
	if s == "" {
		return nil, nil
	}
	p := &audit.Place{}
	if err := json.Unmarshal([]byte(s), p); err != nil {
		return nil, fmt.Errorf("%w: %w", audit.ErrReply, err)
	}
	return p, nil
}
