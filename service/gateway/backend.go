package gateway

import (
	"context"
	"errors"

	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	"elenchus/compute/template"
)

// Errors that a Backend or a Codec wraps to choose the HTTP answer. The text of an error that matches one of these
// reaches the client, so it must not hold secrets; any other error becomes a 500 whose text is only logged.
var (
	// ErrModelNotFound says that no node serves the model: 404, code model_not_found.
	ErrModelNotFound = errors.New("model not found")
	// ErrInvalid says that the request itself cannot be served, e.g. an order of roles the template rejects: 400.
	ErrInvalid = errors.New("invalid request")
	// ErrBusy says that the request may succeed if it is sent again later: 429.
	ErrBusy = errors.New("all nodes are busy")
	// ErrUnavailable says that nothing can serve the request now: 503.
	ErrUnavailable = errors.New("no node is available")
)

// Model describes one model that can be asked.
type Model struct {
	ID            string  // model id, lower-case hex; the system_fingerprint of every answer
	Name          string  // the name clients use; when empty clients use ID
	Created       int64   // Unix seconds; 0 if unknown
	ContextLength int     // Tmax, the most positions of prompt and answer together; at least 1
	Vocab         int     // number of token ids; ids are below it
	Vectors       int     // elements of the vectors of an encoder; 0: a model that answers
	Stop          []int32 // end-of-answer ids, at most 64; passed on in every Job
	Architecture  string  // what its operations say of it, for people; may be empty
	Class         string  // of its weights, such as r8
	Parameters    int64   // numbers that were learnt; 0 if unknown
	Bytes         int64   // of its weights; 0 if unknown
	Private       bool    // no game can refute an answer by an element
}

// Message is one turn of a conversation. Role is "system", "user", "assistant" or "tool".
type Message = template.Message

// Codec is the text side of one model: its chat template and its tokenizer. It is used by many goroutines at once.
type Codec interface {
	// EncodeChat renders messages with the model's template, up to and including the cue for the assistant's turn,
	// and returns the token ids. An error that matches ErrInvalid blames the request.
	EncodeChat(c template.Conversation) ([]int32, error)
	// Syntax is how the model writes calls of tools; nil if it cannot be shown tools.
	Syntax() *template.Syntax
	// Effort says whether the model can be asked to reason so, and whether that is told from other efforts.
	Effort(e template.Effort) (ok, own bool)
	// Thoughts is how the answer to a conversation tells reasoning from what it says; nil if all of it is said.
	Thoughts(c template.Conversation) *template.Thoughts
	// EncodeText returns the token ids of a plain prompt, with the leading id the model expects, if any.
	EncodeText(text string) ([]int32, error)
	// Piece returns the bytes that id adds in the middle of a text: perhaps a part of a character, none for ids that end
	// an answer.
	Piece(id int32) string
	// NewDecoder starts the text of one answer; afterPrompt are the ids it continues.
	NewDecoder(afterPrompt []int32) Decoder
	// Bind makes a grammar of an automaton for the tokens of the model, where an answer ends with one of the ids. An error
	// blames the request.
	Bind(ctx context.Context, automaton []byte, ends []int32) (*grammar.Grammar, error)
}

// Decoder turns ids into text one by one. One goroutine uses it.
type Decoder interface {
	// Write returns the text that id completes: valid UTF-8, possibly empty while a character is unfinished.
	Write(id int32) string
	// Flush returns what is still held back at the end, with broken characters replaced.
	Flush() string
	// Until ends the text before the first of the strings that occurs in it; what could still become one is held back.
	// It is called before the first Write, if at all.
	Until(strings []string)
	// Aloud has control pieces that occur in one of the words say their text. It is called before the first Write, if
	// at all.
	Aloud(words ...string)
	// Stopped is the string that ended the text, "" while none has.
	Stopped() string
}

// Job is one inference to run. Every field has been checked: ids are below Model.Vocab, 1 <= len(Prompt) <= ContextLength,
// 1 <= MaxNew <= ContextLength.
type Job struct {
	RequestID      string // the X-Request-Id of the HTTP request, for logs
	Model          string // Model.ID
	Prompt         []int32
	MaxNew         int
	TemperatureQ16 int64   // temperature times 65536, 0..131072; 0 is greedy
	Seed           uint64  // 0 when greedy and the client named none
	Stop           []int32 // Model.Stop
	Sampler        decode.Sampler
	Logprobs       bool  // whether events carry Odds
	DataClass      uint8 // who is shown the data: claim.Public, Parties or Sealed
	Route          Route
	TopLogprobs    int // alternatives in each, 0..decode.MaxOdds
}

// FinishCode says why an answer ended, with the numbers of the protocol's state.
type FinishCode uint8

// The codes that a gateway can meet. The zero value means "not finished".
const (
	FinishEOS       FinishCode = 1 // an end-of-answer id was produced
	FinishStop      FinishCode = 2 // a stop string was produced
	FinishLength    FinishCode = 3 // MaxNew tokens were produced
	FinishContext   FinishCode = 4 // the context is full
	FinishCancelled FinishCode = 5 // the job was cancelled
	FinishGrammar   FinishCode = 6 // the grammar allows no token
)

// Event is one step of an answer: a produced token while Finish is 0, else the end of the answer.
type Event struct {
	Token   int32        // below Model.Vocab; meaningful while Finish is 0; the end-of-answer id is reported too
	Odds    *decode.Odds // of the token, if Job.Logprobs; no receipt binds them
	Finish  FinishCode   // not 0 on the last event, which carries no token
	Receipt string       // on the last event: canonical base64url text; empty if the backend makes no receipts
}

// Stream is the answer to one job while it is being made. One goroutine uses it.
type Stream interface {
	// ReceiptID names the receipt to come, e.g. the hex request digest; empty if unknown or if there will be none.
	// It must be printable ASCII without spaces.
	ReceiptID() string
	// Next waits for the next event. When ctx ends first it returns an error that matches ctx.Err() and loses
	// nothing: the next call returns the same event. After the event with a finish code it is not called again.
	Next(ctx context.Context) (Event, error)
	// Cancel ends the answer after the first n tokens that Next gave, in the name of the user who asked, and returns
	// the receipt of what is claimed of it: of those tokens, or of the whole answer if it was complete by then. Next
	// is not called again. An error says why nothing is claimed. SPEC 16 §4.10.
	Cancel(ctx context.Context, n int) (receipt string, err error)
}

// Backend runs jobs. It is used by many goroutines at once.
type Backend interface {
	// Models lists what can be asked now, in a stable order. It is called for every request and should be cheap.
	Models(ctx context.Context) ([]Model, error)
	// Codec returns the text side of the model with this id; ErrModelNotFound if there is none.
	Codec(ctx context.Context, modelID string) (Codec, error)
	// Submit starts a job. The job lives until ctx ends, which the gateway makes happen once it has the last event,
	// has cancelled it or has lost interest; the backend must then release everything the job holds.
	Submit(ctx context.Context, job Job) (Stream, error)
}
