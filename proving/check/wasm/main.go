//go:build js && wasm

// Command wasm is the verifier of answers by proof for browsers and other hosts of JavaScript.
//
// It puts one object, elenchusProof, into the global scope. Its function verify takes three
// Uint8Arrays, the words of a key, a statement and a proof (check.Bytes), and returns "" for an answer
// that holds, else the reason by the name that the contract has for it. It never throws.
//
//	GOOS=js GOARCH=wasm go build -o proof.wasm ./proving/check/wasm
package main

import (
	"syscall/js"

	"elenchus/proving/check"
)

// most bounds what is copied out of JavaScript, in bytes; check.Bytes has the exact bounds.
const most = 1 << 16

func main() {
	api := js.Global().Get("Object").New()
	api.Set("verify", js.FuncOf(verify))
	js.Global().Set("elenchusProof", api)
	select {}
}

func verify(_ js.Value, a []js.Value) any {
	if len(a) != 3 {
		return check.ErrShape.Error() + ": want a key, a statement and a proof"
	}
	array, view := js.Global().Get("Uint8Array"), js.Global().Get("ArrayBuffer")
	var parts [3][]byte
	for i := range parts {
		if a[i].Type() != js.TypeObject || !a[i].InstanceOf(array) || !view.Call("isView", a[i]).Bool() { // an heir of the prototype is no array
			return check.ErrShape.Error() + ": want three Uint8Arrays"
		}
		parts[i] = make([]byte, most+1)
		parts[i] = parts[i][:js.CopyBytesToGo(parts[i], a[i])]
	}
	if err := check.Bytes(parts[0], parts[1], parts[2]); err != nil {
		return err.Error()
	}
	return ""
}
