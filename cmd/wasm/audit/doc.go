// Package audit is what a browser says of a receipt: its fields in words, its answer computed again
// pass by pass, and what to ask a chain about it.
//
// It stands behind cmd/wasm, which hands it to JavaScript, and knows no browser: everything comes in
// and goes out as values. Invariants: total on hostile receipts, model files and replies of chains;
// an answer that is computed here owes nothing to who asked for it. SPEC 07 §9.
//
//	sheet, err := audit.Describe(text)
//	a, err := audit.Begin(text, man)
//	for !a.Done() { news, err := a.Step() }
//	result := a.Result()
package audit
