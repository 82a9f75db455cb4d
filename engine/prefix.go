package engine

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/machine"
)

// PrefixCache keeps K and V rows of token sequences, so that a prompt that begins like an earlier
// one (a system text, a conversation so far) is computed from where it differs. Rows are kept in
// blocks that never change, found by model id and all ids up to their end; who uses them copies
// them and checks the copy against the root that the rows had when they were computed, so an error
// of memory costs time and changes nothing. It is safe for concurrent use. Create it with
// NewPrefixCache. SPEC 05 §3.2.
type PrefixCache struct {
	limit int64

	mu     sync.Mutex // guards the fields below
	blocks map[merkle.Hash]*list.Element
	order  list.List // of *prefixBlock, the last used first
	size   int64
}

// prefixIDs is the number of positions of a block.
const prefixIDs = 32

// prefixBlock is immutable once it is in the cache.
type prefixBlock struct {
	key    merkle.Hash
	rows   []int16       // layer by layer, K then V, position by position
	leaves []merkle.Hash // position leaves
}

// bytes is about the memory of a block.
func (b *prefixBlock) bytes() int64 { return int64(2*len(b.rows) + 32*len(b.leaves) + 256) }

// NewPrefixCache makes a cache of at most limit bytes; what was not used for the longest goes first.
func NewPrefixCache(limit int64) *PrefixCache {
	return &PrefixCache{limit: limit, blocks: map[merkle.Hash]*list.Element{}}
}

// Size is the number of bytes in the cache.
func (p *PrefixCache) Size() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size
}

// prefixKeys are the keys of all whole blocks of ids.
func prefixKeys(man *manifest.Manifest, ids []int32) []merkle.Hash {
	id := man.ID()
	key := sha256.Sum256(append([]byte("elenchus/prefix/1"), id[:]...))
	var out []merkle.Hash
	for ; len(ids) >= prefixIDs; ids = ids[prefixIDs:] {
		b := key[:]
		for _, id := range ids[:prefixIDs] {
			b = binary.LittleEndian.AppendUint32(b, uint32(id))
		}
		key = sha256.Sum256(b)
		out = append(out, key)
	}
	return out
}

// find returns a block and marks it as used, nil if there is none.
func (p *PrefixCache) find(key merkle.Hash) *prefixBlock {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.blocks[key]
	if e == nil {
		return nil
	}
	p.order.MoveToFront(e)
	return e.Value.(*prefixBlock) //nolint:forcetypeassert // the list holds nothing else
}

// load fills the cache of a run with the rows of a prompt, block by block from the first position
// on, and returns the position leaves of those that are there and right. The last position of a
// prompt is never among them: its output is needed.
func (p *PrefixCache) load(man *manifest.Manifest, prompt []int32, kv *machine.Cache, chain *trace.Chain) []merkle.Hash {
	var leaves []merkle.Hash
	keys := prefixKeys(man, prompt[:len(prompt)-1])
	for i, key := range keys {
		b := p.find(key)
		if b == nil {
			break
		}
		b.eachRows(kv, i*prefixIDs, func(kept, rows []int16) { copy(rows, kept) })
		for j, leaf := range b.leaves {
			if chain.Leaf(kv, i*prefixIDs+j) != leaf {
				p.drop(key)
				return leaves
			}
			leaves = append(leaves, leaf)
		}
	}
	for i := len(leaves) / prefixIDs; i > 0; i-- { // a block is of no use without those before it
		p.find(keys[i-1])
	}
	return leaves
}

// keep puts the whole blocks of ids into the cache, from the rows of a run and their leaves.
func (p *PrefixCache) keep(man *manifest.Manifest, ids []int32, kv *machine.Cache, leaves []merkle.Hash) {
	keys := prefixKeys(man, ids)
	for i, key := range keys {
		if p.find(key) != nil {
			continue
		}
		b := &prefixBlock{key: key, rows: make([]int16, 2*len(kv.K)*prefixIDs*kv.DKV)}
		b.leaves = append(b.leaves, leaves[i*prefixIDs:(i+1)*prefixIDs]...)
		if b.bytes()*int64(i+1) > p.limit {
			break // it and those before it have no room together
		}
		b.eachRows(kv, i*prefixIDs, func(kept, rows []int16) { copy(kept, rows) })
		p.put(b)
	}
	for i := len(keys); i > 0; i-- {
		p.find(keys[i-1])
	}
}

// eachRows pairs the rows of the block with those of a run from a position on.
func (b *prefixBlock) eachRows(kv *machine.Cache, at int, do func(kept, rows []int16)) {
	n := prefixIDs * kv.DKV
	for l := range kv.K {
		do(b.rows[2*l*n:(2*l+1)*n], kv.K[l][at*kv.DKV:][:n])
		do(b.rows[(2*l+1)*n:(2*l+2)*n], kv.V[l][at*kv.DKV:][:n])
	}
}

func (p *PrefixCache) put(b *prefixBlock) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blocks[b.key] != nil {
		return // another run was faster
	}
	p.blocks[b.key] = p.order.PushFront(b)
	p.size += b.bytes()
	for p.size > p.limit {
		p.remove(p.order.Back())
	}
}

// Clear forgets all rows.
func (p *PrefixCache) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.order.Len() > 0 {
		p.remove(p.order.Back())
	}
}

func (p *PrefixCache) drop(key merkle.Hash) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.blocks[key]; e != nil {
		p.remove(e)
	}
}

// remove needs the lock.
func (p *PrefixCache) remove(e *list.Element) {
	b := p.order.Remove(e).(*prefixBlock) //nolint:forcetypeassert // the list holds nothing else
	delete(p.blocks, b.key)
	p.size -= b.bytes()
}
