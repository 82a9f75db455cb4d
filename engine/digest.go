package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
)

// Digest runs a job and hashes everything that could differ between two machines: for each step
// the token y_t as i32, little-endian, the KV root of state S_t and, where the token is drawn, all
// int32 logits, little-endian. It is one value for all threads and batches.
func Digest(ctx context.Context, man *manifest.Manifest, job decode.Job, split machine.Split, batch int) ([32]byte, error) {
	sum := sha256.New()
	if err := job.Check(man.Model); err != nil {
		return [32]byte{}, err
	}
	chain := trace.NewChain(man, &job)
	states := 0
	var logits []byte
	hooks := decode.Hooks{Step: func(_ int, y decode.Yield, kv *machine.Cache) {
		chain.Append(y, kv)
		states++
		root := chain.Answer(nil).States[states].KV
		sum.Write(binary.LittleEndian.AppendUint32(nil, uint32(y.Y)))
		sum.Write(root[:])
		sum.Write(logits)
		logits = nil
	}}
	run, err := decode.New(man.Model, job, split, hooks)
	if err != nil {
		return [32]byte{}, err
	}
	run.Logits = func(_ int, l []int32) { logits = trace.IDBytes(l) } // before the step's hook
	for !run.Done() {
		if err := ctx.Err(); err != nil {
			return [32]byte{}, err
		}
		if err := run.Advance(max(1, batch)); err != nil {
			return [32]byte{}, err
		}
	}
	return [32]byte(sum.Sum(nil)), nil
}
