package conformance_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"os"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/poseidon"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
)

// hiddenJob is a job whose prompt has ids of three bytes other than 0, so that none of them stands
// anywhere by chance.
func hiddenJob() decode.Job {
	job := decode.Job{StopIDs: []int32{2, 9}, MaxNew: 3, Temperature: 1 << 16, Seed: 11, Salt: [32]byte{0x5a, 7}}
	for i := range int32(40) {
		job.Prompt = append(job.Prompt, 0x10101+(i*1237+i*i*89)%3700|1)
	}
	return job
}

// wordy is a model with so many ids.
func wordy(t *testing.T) *manifest.Manifest {
	t.Helper()
	c := modeltest.Tiny()
	c.Vocab, c.TMax = 0x11000, 64
	return bound(t, modeltest.Llama(3, c))
}

// seenOnChain is all that everybody sees of the transactions since a block: calldata, the topics and data
// of logs, and what the calls return.
func (r *ring) seenOnChain(since uint64) []byte {
	r.t.Helper()
	client, err := ethclient.Dial(r.embedded.HTTP())
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.Close()
	ctx, all := r.ctx, new(bytes.Buffer)
	last, err := client.BlockNumber(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	for n := since + 1; n <= last; n++ {
		block, err := client.BlockByNumber(ctx, new(big.Int).SetUint64(n))
		if err != nil {
			r.t.Fatal(err)
		}
		for _, tx := range block.Transactions() {
			all.Write(tx.Data())
			all.Write(r.returned(ctx, client, tx, n))
			rec, err := client.TransactionReceipt(ctx, tx.Hash())
			if err != nil {
				r.t.Fatal(err)
			}
			for _, l := range rec.Logs {
				for _, topic := range l.Topics {
					all.Write(topic[:])
				}
				all.Write(l.Data)
			}
		}
	}
	return all.Bytes()
}

// returned is what a transaction returned, called again on the block before its own.
func (r *ring) returned(ctx context.Context, client *ethclient.Client, tx *types.Transaction, n uint64) []byte {
	r.t.Helper()
	from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
	if err != nil {
		r.t.Fatal(err)
	}
	out, err := client.CallContract(ctx, ethereum.CallMsg{From: from, To: tx.To(), Gas: tx.Gas(), Data: tx.Data()}, new(big.Int).SetUint64(n-1))
	if err != nil {
		return fmt.Append(nil, err) // it rests on a transaction of its own block
	}
	return out
}

// shownIDs are the places of the prompt's ids that stand in what everybody saw, as 32 bits in either order, or as the
// hash of the leaf that holds an id alone, in its place (SPEC 06 §3.8). Nodes above leaves of a tree that the prompt has
// without salt, of ids alone or of 16 in a leaf, are -1 and below: who guesses their ids finds them.
func shownIDs(prompt []int32, all []byte) map[int]bool {
	at := map[int]bool{}
	var alone []byte
	for i, id := range prompt {
		leaf := make([]byte, opset.LeafBytes)
		copy(leaf[4*(i%trace.IDsPerLeaf):], trace.IDBytes([]int32{id}))
		alone = append(alone, leaf...)
		for _, b := range [][]byte{trace.IDBytes([]int32{id}), binary.BigEndian.AppendUint32(nil, uint32(id))} {
			if bytes.Contains(all, b) {
				at[i] = true
			}
		}
	}
	bares := []*merkle.Tree{trace.IDTree(prompt)}
	for _, hash := range []merkle.Hasher{merkle.Leaf, poseidon.Leaf} {
		bares = append(bares, hash.Tree(opset.LeafBytes, alone))
	}
	for _, bare := range bares {
		single := bare.Depth() == merkle.Depth(uint64(len(prompt)))
		for level := range bare.Depth() + 1 {
			for i := range 1 << (bare.Depth() - level) {
				if h := bare.At(level, uint64(i)); h == merkle.Zero(level) || !bytes.Contains(all, h[:]) {
					continue
				}
				if single && level == 0 {
					at[i] = true
				} else {
					at[-1-i] = true
				}
			}
		}
	}
	return at
}

// hiddenGames are lies at step 0, at an id of the prompt, within the prompt, and in the answer.
func hiddenGames(man *manifest.Manifest, m int) map[string]*lie {
	row := int(man.Model.Stages[2].Ops[0].P[1])
	token := len(man.Model.Stages[man.Emit()].Ops) - 2
	prompt := len(man.Model.Stages[man.Absorb()].Ops) - 1
	return map[string]*lie{
		"first":  {t: 0, stage: 2, tensor: row, element: 3, mask: 1 << 9},
		"prompt": {t: 21, stage: man.Absorb(), tensor: prompt, mask: 1}, // beside the leaf of id 22 stands that of 23
		"middle": {t: 25, stage: 2, tensor: row, element: 3, mask: 1 << 9},
		"answer": {t: m, stage: man.Emit(), tensor: token, mask: 1},
	}
}

// A game about a request that is not public shows of its prompt the ids that its step is about, y_{t-1}
// and y_t, and of no other id a byte or a hash that could be guessed: whoever lies, wherever, and
// whatever is asked for. Played on real contracts; what everybody sees of the chain is searched. SPEC 07 §10.4.
func TestGamesOfPartiesShowNoOtherID(t *testing.T) {
	t.Parallel()
	man, job := wordy(t), hiddenJob()
	r := newEmbeddedRing(t, devchain.Osaka)
	brief := []hidden{{"first", claim.Parties, false}, {"prompt", claim.Parties, true}, {"prompt", claim.Sealed, false}, {"answer", claim.Parties, false}}
	soak, played := os.Getenv("ELENCHUS_SOAK") != "", 0
	games := hiddenGames(man, len(job.Prompt))
	for name, l := range games {
		for _, class := range []uint8{claim.Parties, claim.Sealed} {
			for _, honest := range []bool{true, false} {
				if g := (hidden{name, class, honest}); soak || slices.Contains(brief, g) {
					r.t = t
					r.hiddenGame(man, job, l, class, honest, fmt.Sprintf("%s %s %v", name, claim.ClassName(class), honest))
					played++
				}
			}
		}
	}
	want := len(brief)
	if soak {
		want = 4 * len(games)
	}
	if played != want {
		t.Errorf("%d games were played, want %d", played, want)
	}
}

// hidden is a game about a request that is not public: which lie, the class, and whether the node is honest.
type hidden struct {
	lie    string
	class  uint8
	honest bool
}

// The search finds every id whose leaf has no salt, wherever it stands in it, and none whose leaf has. SPEC 06 §3.8.
func TestMissingSaltsAreFound(t *testing.T) {
	job := hiddenJob()
	for _, hash := range []merkle.Hasher{merkle.Leaf, poseidon.Leaf} {
		var bare, salted []byte
		for i, id := range job.Prompt {
			leaf := trace.SaltedLeaf(uint32(i), id, job.Salt)
			h := hash(leaf[:])
			salted = append(salted, h[:]...)
			own := sha256.Sum256(binary.BigEndian.AppendUint32(append([]byte("elenchus/salt/1"), job.Salt[:]...), uint32(i)))
			at := bytes.Index(leaf[:], own[:])
			if at < 0 {
				t.Fatalf("leaf %d has no salt", i)
			}
			clear(leaf[at:][:len(own)])
			h = hash(leaf[:])
			bare = append(bare, h[:]...)
		}
		if found, none := shownIDs(job.Prompt, bare), shownIDs(job.Prompt, salted); len(found) != len(job.Prompt) || len(none) != 0 {
			t.Errorf("%d of %d ids without salt are found, %d with it", len(found), len(job.Prompt), len(none))
		}
	}
}

// hiddenGame plays a game to its end, in which the node or the opener has computed falsely, and looks at
// what it has shown.
func (r *ring) hiddenGame(man *manifest.Manifest, job decode.Job, l *lie, class uint8, honest bool, game string) {
	r.t.Helper()
	theirs, mine := l, (*lie)(nil)
	if honest {
		theirs, mine = nil, l
	}
	c := tokenClaim(r.t, man, job, theirs, mine)
	c.open.Request.DataClass = class
	c.name()
	r.refill()
	since := r.block()
	m := r.start(r.fresh(c))
	m.play(m.node)
	want := dispute.Refuted
	if honest {
		want = dispute.Lost
	}
	if m.state.Phase != want || int(m.state.T) != l.t {
		r.t.Fatalf("%s: ended in %s at step %d, want %s at %d", game, m.state.Phase, m.state.T, want, l.t)
	}
	m.resolve()
	all := r.seenOnChain(since)
	shown := shownIDs(job.Prompt, all)
	for i := range shown {
		if i < 0 || i != l.t && i != l.t+1 {
			r.t.Errorf("%s: id %d of the prompt, or a hash above ids if below 0, is on the chain in a game about step %d", game, i, l.t)
		}
	}
	if len(all) < 10_000 || l.t < len(job.Prompt) && !shown[l.t] {
		r.t.Errorf("%s: %d bytes were searched, in which id %d, which the game is about, is found: %v", game, len(all), l.t, shown[l.t])
	}
}

// block is the number of the latest block.
func (r *ring) block() uint64 {
	r.t.Helper()
	h, err := r.client.Head(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return h.Number
}
