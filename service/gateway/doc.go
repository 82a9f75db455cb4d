// Package gateway turns HTTP requests in the dialects of its clients into jobs and streams the answers back with their receipts.
//
// It stands at the top of the walk: a request comes in, a prompt of token ids and the sampling parameters go out as a
// Job; tokens come back as Events and leave as text. What runs the job, and what makes the receipt, is behind Backend,
// which app plugs in: this package knows no node, no chain and no model format. A dialect is a value: how its requests
// are read, and how its answers, streams and errors are written (OpenAI: encode, chunks, responses; Anthropic: messages;
// Ollama: ollama). All of them lead to one Job. SPEC 16.
//
// Invariants:
//   - no parameter that would change the answer is dropped in silence: it is honoured or refused with its name;
//     fields this package has never heard of are ignored and listed in the header X-Elenchus-Ignored;
//   - the temperature is read from the decimal text of the request with integers, never through a float;
//   - a receipt is an ordinary extra field on an ordinary object: header X-Elenchus-Receipt and field elenchus_receipt
//     of a plain answer, field elenchus_receipt of the last chunk of a stream; nothing follows "data: [DONE]";
//   - what is kept for later requests, responses and receipts, is bounded and found only with the key that made it;
//   - the context of a job ends when its client leaves, when the client stops reading, and when the answer is complete;
//   - API keys, prompts and answers never reach a log.
//
// Example:
//
//	g, err := gateway.New(backend, gateway.Options{Keys: []string{key}})
//	if err != nil { return err }
//	ln, err := net.Listen("tcp", "127.0.0.1:8080")
//	if err != nil { return err }
//	return g.Serve(ctx, ln)
package gateway
