package receipt

import (
	"errors"
	"fmt"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/template"
)

// Outcome is what became of a check.
type Outcome uint8

// Outcomes. The zero value says that the caller brought nothing to check against.
const (
	Unasked Outcome = iota
	Holds
	Pending // not yet, and there is still time
	Cannot  // something that was asked for is missing
	False
)

var outcomeNames = [...]string{"unasked", "holds", "pending", "cannot", "false"}

// String is the name that reports use.
func (o Outcome) String() string {
	if int(o) >= len(outcomeNames) {
		return fmt.Sprintf("outcome(%d)", uint8(o))
	}
	return outcomeNames[o]
}

// Check is one statement about a receipt and what became of it.
type Check struct {
	Name    string // one of CheckNames
	Outcome Outcome
	Detail  string // what holds, or which value is not what it should be
}

// CheckNames are the checks of a report, in order.
func CheckNames() []string {
	return []string{"signature", "ids", "model", "request", "text", "execution", "inclusion", "window", "verdict"}
}

// Facts are what a receipt is checked against. Whatever is nil is not asked for; what the caller
// asked for and could not obtain has its reason in the field beside it.
type Facts struct {
	Model   *manifest.Manifest // what the user expects to have answered
	NoModel string
	Own     *Own // an own computation of the same request
	NoOwn   string
	Asked   *Asked   // what the user asked
	Answers []string // texts of the answer that the user was given or expects, without calls of tools
	// Reasoning is what the user was given apart from these; nil: it is not looked at.
	Reasoning *string
	Calls     []template.Call // that the user was given; looked at if the user showed tools
	Parsed    bool            // arguments of Calls came as values of JSON: white space between their parts does not count
	Chain     *Chain
	NoChain   string
}

// Own is what computing the request again gives.
type Own struct {
	StateRoot merkle.Hash // of a graph model: the root over its boundaries
	Output    []int32
	Finish    uint8
}

// Report is a receipt with its checks.
type Report struct {
	Receipt *Receipt
	ID      claim.Hash // of the claim
	Prompt  string     // text of the prompt ids; empty without the model
	Output  string     // text of the output ids; empty without the model
	Checks  []Check
	// NotGiven is what nobody can hold the node to, whatever holds, in words; "" where there is no such thing or
	// the model is not at hand. SPEC 10 §8.6.
	NotGiven string
}

// privateLimits is what a receipt of a private model does not give.
const privateLimits = "the model is private: no game can refute this claim by an element, and only who has weights and secret can compute it again"

// Outcome is False if any check is, else Cannot if any is, else Pending if any is, else Holds.
// Checks that nobody asked for do not count.
func (r *Report) Outcome() Outcome {
	out := Holds
	for _, c := range r.Checks {
		out = max(out, c.Outcome)
	}
	return out
}

// Verify checks a receipt against facts. It never stops at a failure: every check is reported.
// SPEC 07.
func Verify(r *Receipt, f Facts) *Report {
	out := &Report{Receipt: r, ID: r.ID()}
	if f.Model != nil && f.Model.Class == manifest.Private {
		out.NotGiven = privateLimits
	}
	side, err := textSide(r, f.Model)
	var bad error
	ending := ""
	if side != nil {
		out.Prompt = side.prompt(r)
	}
	if side != nil && !r.Request.Graph() {
		job, last := r.Job(), 0
		if out.Output, last, bad = answer(side.tok, &job, r.Output, side.words(&f, side.divisions(&f)[0])); bad == nil {
			ending = wrongEnd(r, last)
		}
	}
	for _, c := range []func() (Outcome, string){
		func() (Outcome, string) { return signature(r) },
		func() (Outcome, string) { return ids(r) },
		func() (Outcome, string) { return model(r, &f) },
		func() (Outcome, string) { return request(r, &f, side, err) },
		func() (Outcome, string) { return text(r, &f, side, errors.Join(err, bad), ending) },
		func() (Outcome, string) { return execution(r, &f) },
		func() (Outcome, string) { return inclusion(r, &f) },
		func() (Outcome, string) { return window(r, &f) },
		func() (Outcome, string) { return verdict(r, &f) },
	} {
		o, detail := c()
		if name := CheckNames()[len(out.Checks)]; o != Unasked && r.Missing != (Missing{}) && (name == "request" || name == "text" || name == "execution") {
			o, detail = Cannot, noLists
		}
		out.Checks = append(out.Checks, Check{CheckNames()[len(out.Checks)], o, detail})
	}
	return out
}

// Job is what the machine needs to compute the answer again.
func (r *Receipt) Job() decode.Job {
	q := &r.Request
	j := decode.Job{Prompt: r.Prompt, StopIDs: r.Stop, MaxNew: q.MaxNew, Temperature: q.Temperature, Seed: q.Seed, Sampler: r.Sampler, Salt: r.Salt}
	if r.Claim.Finish == claim.FinishCancelled {
		j.Cut = r.Claim.Count
	}
	return j
}

func signature(r *Receipt) (Outcome, string) {
	if err := claim.VerifySigner(r.Claim.Digest(r.Domain), r.Signature, r.Claim.Node); err != nil {
		return False, err.Error()
	}
	if err := r.Claim.CheckCancel(r.Domain, r.Request, r.Cancel); err != nil {
		return False, err.Error()
	}
	if r.Claim.Finish == claim.FinishCancelled {
		return Holds, fmt.Sprintf("node 0x%x signed this claim: the answer was cancelled after %d tokens by the signature of its user 0x%x",
			r.Claim.Node, r.Claim.Count, r.Request.User)
	}
	return Holds, fmt.Sprintf("node 0x%x signed this claim", r.Claim.Node)
}

// ids binds the ids of the receipt to what is signed.
func ids(r *Receipt) (Outcome, string) {
	q, c := &r.Request, &r.Claim
	if err := q.Check(); err != nil {
		return False, err.Error()
	}
	if err := c.Check(*q); err != nil {
		return False, err.Error()
	}
	if q.Graph() {
		return tensors(r)
	}
	if got := r.Named(); got != c.RequestDigest {
		return False, fmt.Sprintf("the request has digest %x, the claim answers %x", got, c.RequestDigest)
	}
	if got := r.Settings().Extras(); got != q.Extras {
		return False, fmt.Sprintf("the sampler settings have hash %x, %x is signed", got, q.Extras)
	}
	if q.Salted() != (r.Salt != [32]byte{}) {
		return False, fmt.Sprintf("the request is of class %s and its salt is %x", claim.ClassName(q.DataClass), r.Salt)
	}
	for _, l := range []struct {
		name  string
		ids   []int32
		count uint32
		root  merkle.Hash
	}{
		{"prompt", r.Prompt, q.PromptCount, q.PromptRoot},
		{"stop", r.Stop, uint32(q.StopCount), q.StopRoot},
		{"output", r.Output, c.Count, c.OutputRoot},
	} {
		if len(l.ids) != int(l.count) {
			return False, fmt.Sprintf("there are %d %s ids, %d are signed", len(l.ids), l.name, l.count)
		}
		if got := rootOf(l.ids, l.name, r.Salt); got != l.root {
			return False, fmt.Sprintf("the %s ids have root %x, %x is signed", l.name, got, l.root)
		}
	}
	if r.Missing != (Missing{}) {
		return Cannot, noLists
	}
	return Holds, fmt.Sprintf("%d prompt and %d output ids are those that were signed", len(r.Prompt), len(r.Output))
}

// tensors binds input and output of a graph model to what is signed.
func tensors(r *Receipt) (Outcome, string) {
	q, c := &r.Request, &r.Claim
	if got := q.Digest(r.Domain); got != c.RequestDigest {
		return False, fmt.Sprintf("the request has digest %x, the claim answers %x", got, c.RequestDigest)
	}
	if len(r.Stop) > 0 {
		return False, fmt.Sprintf("a graph model has no stop ids, there are %d", len(r.Stop))
	}
	if len(r.Prompt) == 0 && len(r.Output) == 0 {
		return Cannot, "the receipt does not hold the input and the output of the graph model"
	}
	if got := trace.IDTree(r.Prompt).Root(); got != q.PromptRoot {
		return False, fmt.Sprintf("the input has root %x, %x is signed", got, q.PromptRoot)
	}
	if got := trace.IDTree(r.Output).Root(); got != c.OutputRoot {
		return False, fmt.Sprintf("the output has root %x, %x is signed", got, c.OutputRoot)
	}
	return Holds, fmt.Sprintf("input and output, of %d and %d elements, are those that were signed", len(r.Prompt), len(r.Output))
}

// rootOf is the root of a list of ids; an empty stop list has root zero. SPEC 07 §2.
func rootOf(ids []int32, name string, salt [32]byte) merkle.Hash {
	switch {
	case name == "prompt":
		return trace.PromptTree(ids, salt).Root()
	case len(ids) == 0 && name == "stop":
		return merkle.Hash{}
	}
	return trace.IDTree(ids).Root()
}

func model(r *Receipt, f *Facts) (Outcome, string) {
	switch {
	case f.Model == nil && f.NoModel != "":
		return Cannot, f.NoModel
	case f.Model == nil:
		return Unasked, "no model was named"
	case merkle.Hash(f.Model.ID()) != r.Request.Model:
		return False, fmt.Sprintf("the claim is about model %x, not %s", r.Request.Model, f.Model.ID())
	}
	return Holds, "the claim is about model " + f.Model.ID().String()
}

func execution(r *Receipt, f *Facts) (Outcome, string) {
	c := &r.Claim
	switch own := f.Own; {
	case own == nil && f.NoOwn != "":
		return Cannot, f.NoOwn
	case own == nil:
		return Unasked, "nothing was computed again"
	case r.Request.Graph() && !slices.Equal(own.Output, r.Output):
		return False, "the output is not what the model computes" + differ(r.Output, own.Output)
	case r.Request.Graph() && own.StateRoot != c.StateRoot:
		return False, fmt.Sprintf("the output is right but the stages are not: root %x is claimed, %x computed", c.StateRoot, own.StateRoot)
	case r.Request.Graph():
		return Holds, fmt.Sprintf("computing it again gives the same %d elements and stages, bit for bit", len(own.Output))
	case len(own.Output) != int(c.Count):
		return False, fmt.Sprintf("%d tokens are claimed, %d computed%s", c.Count, len(own.Output), differ(r.Output, own.Output))
	case own.Finish != c.Finish:
		return False, fmt.Sprintf("finish code %d is claimed, %d computed", c.Finish, own.Finish)
	case trace.IDTree(own.Output).Root() != c.OutputRoot:
		return False, "the output is not what the model computes" + differ(r.Output, own.Output)
	case own.StateRoot != c.StateRoot:
		return False, fmt.Sprintf("the output is right but the states are not: root %x is claimed, %x computed", c.StateRoot, own.StateRoot)
	}
	return Holds, fmt.Sprintf("computing it again gives the same %d tokens and states, bit for bit", c.Count)
}

// differ says where two outputs part.
func differ(claimed, own []int32) string {
	for i := range min(len(claimed), len(own)) {
		if claimed[i] != own[i] {
			return fmt.Sprintf(": output %d is id %d, computed %d", i, claimed[i], own[i])
		}
	}
	return ""
}

// sameIDs says where two lists of ids differ, or "".
func sameIDs(name string, got, want []int32) string {
	if slices.Equal(got, want) {
		return ""
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%s id %d is %d, should be %d", name, i, got[i], want[i])
		}
	}
	return fmt.Sprintf("there are %d %s ids, should be %d", len(got), name, len(want))
}
