package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/compute/kernel"
	"elenchus/compute/machine"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/engine"
)

// ErrCannot marks what this machine, this build or this file cannot do.
var ErrCannot = errors.New("not possible here")

// maxStory is the number of tokens of a story, its beginning included, that perplexity counts.
const maxStory = 256

// storyEnd separates the stories of a text.
const storyEnd = "<|endoftext|>"

// Perplexity is the result of EvalPerplexity.
type Perplexity struct {
	Tokens  int     `json:"tokens"` // predicted
	NLL     float64 `json:"nll"`    // mean natural-log nats per predicted token
	ModelID string  `json:"model_id"`
}

// EvalPerplexity measures how well a model predicts stories: each is encoded with the beginning of
// sequence, cut to 256 tokens, and starts at position 0; its tokens from the second on are
// predicted by the program that a claim commits to. threads 0 is one for each processor; progress,
// when not nil, is told stories done and in all.
func EvalPerplexity(ctx context.Context, man *manifest.Manifest, text string, threads int, progress func(done, all int)) (Perplexity, error) {
	out := Perplexity{ModelID: man.ID().String()}
	tok, err := textSide(man)
	if err != nil {
		return out, err
	}
	pool := engine.NewPool(threads)
	defer pool.Close()
	if man, err = ready(man, "", pool); err != nil {
		return out, err
	}
	stories := slices.DeleteFunc(strings.Split(text, storyEnd), func(s string) bool { return strings.TrimSpace(s) == "" })
	sum := 0.0
	for i, s := range stories {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		ids := template.Prompt(tok, strings.TrimSpace(s))
		ids = ids[:min(len(ids), maxStory, int(man.TMax))]
		err := decode.Teacher(man.Model, ids, pool.Split, func(at int, logits []int32) {
			if at+1 < len(ids) {
				sum += nll(logits, ids[at+1])
				out.Tokens++
			}
		})
		if err != nil {
			return out, err
		}
		if progress != nil {
			progress(i+1, len(stories))
		}
	}
	if out.Tokens == 0 {
		return out, errors.New("the text has no token to predict: it must hold at least one story of two tokens")
	}
	out.NLL = sum / float64(out.Tokens)
	return out, nil
}

// nll is the negative log-likelihood of an id in nats.
func nll(logits []int32, id int32) float64 {
	const unit = 1 << decode.LogitBits
	top, z := float64(slices.Max(logits)), 0.0
	for _, l := range logits {
		z += math.Exp((float64(l) - top) / unit)
	}
	return math.Log(z) - (float64(logits[id])-top)/unit
}

// textSide is the tokenizer of a token model.
func textSide(man *manifest.Manifest) (*tokenizer.Tokenizer, error) {
	if man.Vocab == 0 {
		return nil, fmt.Errorf("%w: model %s computes tensors, not text", ErrCannot, man.ID())
	}
	return tokenizer.Parse(man.Model.Tokenizer)
}

// KernelVariable is the environment variable that names the kernels of commands without --kernel.
const KernelVariable = "ELENCHUS_KERNEL"

// KernelNames are the names that --kernel may have.
func KernelNames() []string { return engine.KernelNames() }

// CheckKernel says ErrCannot for kernels that this processor or this build lacks. "" is the choice
// of the environment.
func CheckKernel(name string) error {
	_, err := kernelSet(name)
	return err
}

func kernelSet(name string) (kernel.Set, error) {
	from := ""
	if name == "" {
		name, from = os.Getenv(KernelVariable), KernelVariable+": "
	}
	s, err := engine.Kernel(name)
	if err != nil {
		return s, fmt.Errorf("%w: %s%w", ErrCannot, from, err)
	}
	return s, nil
}

// Ready packs a model's weights for the kernels of the environment's choice. It fails with
// ErrCannot for kernels that are not here and for memory that is not.
func Ready(man *manifest.Manifest) (*manifest.Manifest, error) { return ready(man, "", nil) }

// ready is Ready for kernels by name, on the threads of a pool (nil: one).
func ready(man *manifest.Manifest, kernels string, pool *engine.Pool) (*manifest.Manifest, error) {
	set, err := kernelSet(kernels)
	if err != nil || set.Plain() {
		return man, err
	}
	if err := fits(engine.PackedBytes(man)); err != nil {
		return nil, fmt.Errorf("pack the weights for kernel %s: %w; kernel generic does without", set.Name(), err)
	}
	var split machine.Split
	if pool != nil {
		split = pool.Split
	}
	return engine.Prepare(man, set, split), nil
}

// DigestOptions say what EvalDigest runs and how.
type DigestOptions struct {
	Prompt  string
	Tokens  uint32
	Kernel  string // see CheckKernel
	Threads int    // 0: one for each processor
	Batch   int    // prompt positions per pass
}

// EvalDigest is engine.Digest of a greedy run: one value for all kernels, threads and batches.
func EvalDigest(ctx context.Context, man *manifest.Manifest, o DigestOptions) ([32]byte, error) {
	tok, err := textSide(man)
	if err != nil {
		return [32]byte{}, err
	}
	pool := engine.NewPool(o.Threads)
	defer pool.Close()
	if man, err = ready(man, o.Kernel, pool); err != nil {
		return [32]byte{}, err
	}
	job := decode.Job{Prompt: template.Prompt(tok, o.Prompt), StopIDs: man.Model.EndIDs, MaxNew: o.Tokens}
	return engine.Digest(ctx, man, job, pool.Split, o.Batch)
}
