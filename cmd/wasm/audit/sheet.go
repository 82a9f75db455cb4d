package audit

import (
	"fmt"
	"strings"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
)

// MaxText bounds the text of a receipt in bytes: three lists of 2^20 ids take less.
const MaxText = 20 << 20

// mostFirst bounds the ids of a sheet.
const mostFirst = 512

// Row is a field of a receipt: its value as it was signed, and what it means.
type Row struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Means string `json:"means"`
}

// Group is fields that belong together.
type Group struct {
	Title string `json:"title"`
	Rows  []Row  `json:"rows"`
}

// Check is a statement about a receipt and what became of it: unasked, holds, pending, cannot, false.
type Check struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Detail  string `json:"detail"`
}

// Sheet is a receipt in words. Hashes are 64 hex digits.
type Sheet struct {
	ID      string  `json:"id"`      // of the claim
	Request string  `json:"request"` // digest of the request, the id that gateways keep the receipt under
	Model   string  `json:"model"`
	Graph   bool    `json:"graph"` // whether a graph model answered: no tokens
	Node    string  `json:"node"`
	Chain   uint64  `json:"chain"`
	Arena   string  `json:"arena"`
	Prompt  int     `json:"prompt"` // ids
	Output  int     `json:"output"`
	First   []int32 `json:"first"` // output ids, as many as are shown
	Roots   Roots   `json:"roots"`
	Held    Held    `json:"held"`
	Groups  []Group `json:"groups"`
	Checks  []Check `json:"checks"`
	Outcome string  `json:"outcome"`
}

// Held are the commitments to what the receipt holds: those that should be signed.
type Held struct {
	Roots
	Request string `json:"request"`
}

// Roots are the commitments of a claim.
type Roots struct {
	Prompt string `json:"prompt"`
	Stop   string `json:"stop"`
	Extras string `json:"extras"`
	Output string `json:"output"`
	State  string `json:"state"`
}

// Parse reads the text of a receipt with white space around it; the error matches receipt.ErrReceipt.
func Parse(text string) (*receipt.Receipt, error) {
	if text = strings.TrimSpace(text); len(text) > MaxText {
		return nil, fmt.Errorf("%w: %d characters, at most %d", receipt.ErrReceipt, len(text), MaxText)
	}
	return receipt.Parse(text)
}

// Describe puts a receipt into words and checks what needs nothing else: the signature, and that the
// claim follows from ids and settings. The error matches receipt.ErrReceipt.
func Describe(text string) (*Sheet, error) {
	r, err := Parse(text)
	if err != nil {
		return nil, err
	}
	rep := receipt.Verify(r, receipt.Facts{})
	q, c := &r.Request, &r.Claim
	return &Sheet{
		ID: hash(rep.ID), Request: hash(c.RequestDigest), Model: hash(q.Model), Graph: q.Graph(), Node: address(c.Node),
		Chain: r.Domain.ChainID, Arena: address(r.Domain.Arena), Prompt: len(r.Prompt), Output: len(r.Output),
		First:  append([]int32{}, r.Output[:min(len(r.Output), mostFirst)]...),
		Roots:  Roots{hash(q.PromptRoot), hash(q.StopRoot), hash(q.Extras), hash(c.OutputRoot), hash(c.StateRoot)},
		Held:   heldBy(r),
		Groups: []Group{who(r), asked(r), settings(r), asserted(r), times(r)},
		Checks: checksOf(rep), Outcome: rep.Outcome().String(),
	}, nil
}

// heldBy commits to the ids and settings of a receipt. SPEC 07 §2.
func heldBy(r *receipt.Receipt) Held {
	stop := claim.Hash{}
	if len(r.Stop) > 0 {
		stop = trace.IDTree(r.Stop).Root()
	}
	roots := Roots{
		Prompt: hash(trace.PromptTree(r.Prompt, r.Salt).Root()), Stop: hash(stop), Extras: hash(trace.Settings(&r.Sampler).Extras()), Output: hash(trace.IDTree(r.Output).Root()),
	}
	return Held{roots, hash(r.Request.Digest(r.Domain))}
}

func checksOf(rep *receipt.Report) []Check {
	out := make([]Check, len(rep.Checks))
	for i, c := range rep.Checks {
		out[i] = Check{c.Name, c.Outcome.String(), c.Detail}
	}
	return out
}

func hash(h claim.Hash) string       { return fmt.Sprintf("%x", h) }
func address(a claim.Address) string { return fmt.Sprintf("0x%x", a) }

func who(r *receipt.Receipt) Group {
	return Group{"Who signed, and where it counts", []Row{
		{"node", address(r.Claim.Node), "the account whose stake answers for this claim"},
		{"signature", fmt.Sprintf("%x", r.Signature), "the node's, of the claim below: 65 bytes r, s, v"},
		{"chain", fmt.Sprint(r.Domain.ChainID), "the chain whose contracts judge the claim"},
		{"arena", address(r.Domain.Arena), "the contract there; the signature is worth nothing elsewhere"},
		{"claim version", fmt.Sprint(r.Claim.Version), "of the rules that the claim follows"},
	}}
}

// classes say what a data class means.
var classes = [...]string{"public: anyone may have the data and challenge", "parties: the holder of the receipt and drawn auditors have the data", "sealed: nobody computes it again, proofs only"}

func asked(r *receipt.Receipt) Group {
	q := &r.Request
	class := "none that is known"
	if int(q.DataClass) < len(classes) {
		class = classes[q.DataClass]
	}
	rows := []Row{
		{"model", hash(q.Model), "its program, weights, tokenizer and template: one bit changed is another model"},
		{"prompt", fmt.Sprintf("%d ids, root %x", q.PromptCount, q.PromptRoot), "what the model was given; the receipt holds the ids"},
		{"user", address(q.User), "whom the request names"},
		{"nonce", fmt.Sprint(q.Nonce), "tells equal requests apart"},
		{"price", amount(q.Price), "offered, in token units"},
		{"data class", fmt.Sprint(q.DataClass), class},
		{"request digest", hash(r.Claim.RequestDigest), "what the claim answers; it covers every field of the request"},
	}
	if q.Graph() {
		rows[1] = Row{"input", fmt.Sprintf("%d elements, root %x", len(r.Prompt), q.PromptRoot), "the tensor that the model was given; the receipt holds it"}
	}
	return Group{"What was asked", rows}
}

func settings(r *receipt.Receipt) Group {
	q, s := &r.Request, &r.Sampler
	if q.Graph() {
		return Group{"How it was to be drawn", []Row{{"settings", "none", "a graph model draws nothing"}}}
	}
	rows := []Row{
		{"temperature", fmt.Sprintf("%d / 65536", q.Temperature), temperature(q.Temperature)},
		{"seed", fmt.Sprint(q.Seed), "with the step's number it decides every draw"},
		{"max new", fmt.Sprint(q.MaxNew), "tokens at most"},
		{"end ids", fmt.Sprintf("%d ids, root %x", q.StopCount, q.StopRoot), fmt.Sprintf("any of %v ends the answer", r.Stop)},
	}
	if s.None() {
		return Group{"How it was to be drawn", append(rows, Row{"other settings", "off", "top-k, top-p, min-p, penalties, bias, stop strings, grammar"})}
	}
	for _, x := range []struct {
		on          bool
		name, value string
		means       string
	}{
		{s.TopK != 0, "top-k", fmt.Sprint(s.TopK), "only the likeliest tokens are drawn from"},
		{s.TopP != 0, "top-p", fraction(int64(s.TopP), 30), "share of the weight that is drawn from"},
		{s.MinP != 0, "min-p", fraction(int64(s.MinP), 30), "least weight, as a share of the greatest"},
		{s.Repetition != 0, "repetition penalty", fraction(int64(s.Repetition), 16), "of tokens that have occurred"},
		{s.Presence != 0, "presence penalty", fraction(int64(s.Presence), 16), "of tokens that were drawn before"},
		{s.Frequency != 0, "frequency penalty", fraction(int64(s.Frequency), 16), "for each time they were drawn"},
		{len(s.Bias) > 0, "bias", fmt.Sprintf("%d tokens", len(s.Bias)), "added to their logits"},
		{len(s.Stops) > 0, "stop strings", fmt.Sprintf("%q", s.Stops), "the answer ends where one occurs"},
		{s.Grammar != nil, "grammar", fmt.Sprintf("root %x", trace.Lists(s).Grammar), "the answer keeps to it"},
	} {
		if x.on {
			rows = append(rows, Row{x.name, x.value, x.means})
		}
	}
	return Group{"How it was to be drawn", append(rows, Row{"settings hash", hash(q.Extras), "covers the settings beyond the temperature"})}
}

// temperature says what a temperature in Q16 does.
func temperature(q16 uint32) string {
	if q16 == 0 {
		return "greedy: always the likeliest token"
	}
	return fraction(int64(q16), 16) + ": below 1 keeps closer to the likeliest tokens, above 1 strays further"
}

// fraction is v / 2^bits with four digits, cut.
func fraction(v int64, bits uint) string {
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	return fmt.Sprintf("%s%d.%04d", sign, v>>bits, (v&(1<<bits-1))*10000>>bits)
}

// finishes say what a finish code means.
var finishes = [...]string{
	"none", "the model ended it itself", "a stop string ended it", "the most tokens that were asked for were drawn",
	"the context was full", "its user ended it, and signed that", "the grammar allowed no token",
}

func asserted(r *receipt.Receipt) Group {
	c := &r.Claim
	if r.Request.Graph() {
		return Group{"What the node claims", []Row{
			{"output", fmt.Sprintf("%d elements, root %x", len(r.Output), c.OutputRoot), "the tensor that the model gave"},
			{"stages", hash(c.StateRoot), "root over the input and what each stage of the model gave"},
			{"value", amount(c.Value), "declared worth of the answer, in token units"},
		}}
	}
	why := "none that is known"
	if int(c.Finish) < len(finishes) {
		why = finishes[c.Finish]
	}
	return Group{"What the node claims", []Row{
		{"output", fmt.Sprintf("%d ids, root %x", c.Count, c.OutputRoot), "the tokens of the answer, in order"},
		{"states", hash(c.StateRoot), "root over one state per token: the whole memory of the model after it"},
		{"finish", fmt.Sprint(c.Finish), why},
		{"value", amount(c.Value), "declared worth of the answer, in token units"},
	}}
}

func times(r *receipt.Receipt) Group {
	c := &r.Claim
	return Group{"When", []Row{
		{"issued", fmt.Sprint(c.Issued), date(c.Issued)},
		{"batch by", fmt.Sprint(c.BatchBy), date(c.BatchBy) + ": by then the claim is in a batch on the chain, or the node can be held to it"},
		{"challenge until", fmt.Sprint(c.ChallengeUntil), date(c.ChallengeUntil) + ": until then anyone may refute it"},
	}}
}

// date is a time of the chain in UTC; what no calendar of ours holds has none.
func date(unix uint64) string {
	const end = 253402300800 // the year 10000
	if unix >= end {
		return "after the year 9999"
	}
	return time.Unix(int64(unix), 0).UTC().Format("2006-01-02 15:04:05 UTC")
}

// amount is a number of token units.
func amount(a claim.Amount) string { return a.String() }
