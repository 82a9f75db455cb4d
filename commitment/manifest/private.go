package manifest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"elenchus/commitment/merkle"
	"elenchus/commitment/poseidon"
	"elenchus/compute/model"
	"elenchus/compute/tensor"
)

// SaltBytes is how many bytes of salt follow a leaf of a private model: one word of the sponge.
const SaltBytes = poseidon.WordBytes

// ErrSecret marks a private model whose secret is missing, or one that is given for another model.
var ErrSecret = errors.New("the model is private and its secret is missing or another")

// Secret is what salts the leaves of a private model follow from. Who has weights and secret has the
// model; the secret alone tells nothing. It never prints itself. SPEC 10 §8.2.
type Secret [32]byte

// String hides the secret from logs and errors.
func (Secret) String() string { return "(secret)" }

// GoString hides it from %#v.
func (Secret) GoString() string { return "(secret)" }

// Text is how a file holds the secret: 64 hex digits.
func (s *Secret) Text() string { return hex.EncodeToString(s[:]) }

// ParseSecret reads Text. Errors do not quote what they refuse.
func ParseSecret(text string) (*Secret, error) {
	var s Secret
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(s) || hex.EncodeToString(b) != text {
		return nil, errors.New("a secret of a private model is 64 lower-case hex digits")
	}
	copy(s[:], b)
	return &s, nil
}

// salt is that of leaf i of model tensor number k, from 1 in order of first use; tensors of steps and
// rows have one salt, k = i = 0. SPEC 10 §8.2.
func (s *Secret) salt(k uint32, i uint64) []byte {
	b := append([]byte("elenchus/private/1"), s[:]...)
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, k), i)
	h := sha256.Sum256(b)
	return h[:SaltBytes]
}

// Leaf is the hash of leaf i of model tensor number k; that of every leaf of tensors of steps and rows is
// Leaf(0, 0, leaf). SPEC 10 §8.2.
func (s *Secret) Leaf(k uint32, i uint64, leaf []byte) merkle.Hash {
	return blinded(leaf, s.salt(k, i))
}

// blinded hashes a leaf under a salt.
func blinded(leaf, salt []byte) merkle.Hash {
	b := make([]byte, 0, len(leaf)+len(salt))
	return poseidon.Leaf(append(append(b, leaf...), salt...))
}

// hasher is the hash of leaves of tensors of steps and rows.
func (s *Secret) hasher() merkle.Hasher {
	salt := s.salt(0, 0)
	return func(leaf []byte) merkle.Hash { return blinded(leaf, salt) }
}

// weights is the hash of the leaves of model tensor number k: of leaf i the i-th time it is called.
func (s *Secret) weights(k uint32) merkle.Hasher {
	i := uint64(0)
	return func(leaf []byte) merkle.Hash {
		i++
		return s.Leaf(k, i-1, leaf)
	}
}

// BindPrivate is Bind of a model whose leaves are salted: its id tells nothing of its weights, even to
// who guesses them. The manifest keeps the secret. SPEC 10 §8.
func BindPrivate(m *model.Model, secret *Secret) (*Manifest, error) {
	if secret == nil || *secret == (Secret{}) {
		return nil, fmt.Errorf("%w: a secret of 32 bytes that are not all 0 is wanted", ErrSecret)
	}
	return bind(m, Private, secret)
}

// Secret is that of a private model, nil of any other and of one of which only the header was read.
func (m *Manifest) Secret() *Secret { return m.secret }

// Hasher is the hash of leaves of tensors of steps and of rows. A private model's manifest without its
// secret, of which only the header was read, has none: the call panics.
func (m *Manifest) Hasher() merkle.Hasher {
	if m.Class != Private {
		return m.Class.Hasher()
	}
	if m.secret == nil {
		panic("manifest: leaves of a private model are hashed without its secret")
	}
	return m.secret.hasher()
}

// operandHasher is the hash of the leaves of each model tensor, by its number.
func operandHasher(class Class, secret *Secret) func(number uint32) merkle.Hasher {
	if class == Private {
		return secret.weights
	}
	return func(uint32) merkle.Hasher { return class.Hasher() }
}

// operands numbers the model tensors from 1, in order of first use, as the model file does; all are they
// in this order. SPEC 04 §5.2.
func operands(m *model.Model) (number map[*tensor.Tensor]uint32, all []*tensor.Tensor) {
	number = map[*tensor.Tensor]uint32{nil: 0}
	for s := range m.Stages {
		for i := range m.Stages[s].Ops {
			o := &m.Stages[s].Ops[i]
			for _, t := range []*tensor.Tensor{o.A, o.B} {
				if _, ok := number[t]; !ok {
					all = append(all, t)
					number[t] = uint32(len(all))
				}
			}
		}
	}
	return number, all
}
