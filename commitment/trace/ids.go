package trace

import (
	"crypto/sha256"
	"encoding/binary"

	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
)

// saltTag begins what the salt of an id hashes.
const saltTag = "elenchus/salt/1"

// IDsPerLeaf is how many ids a leaf holds that is not salted.
const IDsPerLeaf = opset.LeafBytes / 4

// saltSize is the length of the salt in a leaf: half of it.
const saltSize = opset.LeafBytes / 2

// IDBytes are ids as the bytes of an i32 tensor.
func IDBytes(ids []int32) []byte {
	b := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	return b
}

// IDTree is the tree over ids without salt: outputs, stop ids, the prompt of a public request. SPEC 06 §3.4.
func IDTree(ids []int32) *merkle.Tree { return merkle.BytesTree(opset.LeafBytes, IDBytes(ids)) }

// PromptTree is the tree over the ids of a prompt: salt is that of the request, zero if it is public.
// SPEC 06 §3.4, §3.8.
func PromptTree(ids []int32, salt [32]byte) *merkle.Tree {
	return merkle.BytesTree(opset.LeafBytes, PromptLeaves(ids, salt))
}

// PromptLeaves are the bytes that this tree hashes: the ids one after the other, or with a salt a leaf
// of its own for each.
func PromptLeaves(ids []int32, salt [32]byte) []byte {
	if salt == ([32]byte{}) {
		return IDBytes(ids)
	}
	b := make([]byte, 0, opset.LeafBytes*len(ids))
	for i, id := range ids {
		leaf := SaltedLeaf(uint32(i), id, salt)
		b = append(b, leaf[:]...)
	}
	return b
}

// SaltedLeaf is the leaf of id i of a prompt: the id where it stands in a leaf that is not salted, its
// salt in the other half. SPEC 06 §3.8.
func SaltedLeaf(i uint32, id int32, salt [32]byte) (leaf [opset.LeafBytes]byte) {
	own := sha256.Sum256(binary.BigEndian.AppendUint32(append([]byte(saltTag), salt[:]...), i))
	at := 4 * (i % IDsPerLeaf)
	binary.LittleEndian.PutUint32(leaf[at:], uint32(id))
	copy(leaf[saltSize-at/saltSize*saltSize:], own[:])
	return leaf
}

// openPrompt opens the leaves of a read of the prompt; a salted one is read id by id.
func openPrompt(ids []int32, salt [32]byte, r opset.Read) Opening {
	if salt == ([32]byte{}) {
		a, b := r.Leaves()
		return openBytes(merkle.Leaf, IDBytes(ids), r.Leaf, a, b)
	}
	return openBytes(merkle.Leaf, PromptLeaves(ids, salt), r.Leaf, r.Lo/4, (r.Hi+3)/4)
}
