// Package manifest binds a model's stages, tensors, tokenizer, template and end ids to one model id.
//
// It stands above compute/model, which knows nothing of hashing, and below trace: Bind fills in the
// roots of model tensors and the graph root, Encode and Open are the model file. Invariant: the
// same integers give the same bytes and so the same id on every machine. SPEC 04, 06 §1.
//
//	m, err := manifest.Bind(spec)
//	id := m.ID()
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
)

// HeaderSize is the length of an encoded Header in bytes.
const HeaderSize = 224

// StageTensors is the number of descriptor leaves per stage.
const StageTensors = 128

// ErrModel marks a model that is malformed or inconsistent.
var ErrModel = errors.New("invalid model")

var magic = [16]byte{'e', 'l', 'e', 'n', 'c', 'h', 'u', 's', '/', 'm', 'o', 'd', 'e', 'l', '/', '1'}

// ID is a model id: SHA-256 of the header.
type ID [32]byte

// String is lower-case hex.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads 64 hex digits.
func ParseID(s string) (ID, error) {
	var id ID
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("model id %q is not 64 hex digits", s)
	}
	copy(id[:], b)
	return id, nil
}

// Class says how the leaves of weights, tensors and rows are hashed, and so how disputes are answered.
// The zero value is the public class.
type Class uint8

// The classes. Answers about a confidential model are proofs, which show nothing of its leaves. Leaves of
// a private one are salted besides, and there is no game about its elements. SPEC 10 §6, §8.
const (
	Public       Class = 0
	Confidential Class = 1
	Private      Class = 2
)

// String is the name of the class.
func (c Class) String() string {
	switch c {
	case Confidential:
		return "confidential"
	case Private:
		return "private"
	}
	return "public"
}

// Hasher is the hash of leaves of weights, tensors and rows. Lists of ids and tables of a request have
// merkle.Leaf in every class. Those of a private model are hashed with its secret (Manifest.Hasher), and so its class
// has none: the call panics.
func (c Class) Hasher() merkle.Hasher {
	switch c {
	case Public:
		return merkle.Leaf
	case Confidential:
		return poseidon.Leaf
	}
	panic(fmt.Sprintf("manifest: leaves of class %d are not hashed by their class alone", c))
}

// Header is the fixed part of a model. SPEC 06 §1.1.
type Header struct {
	Kind      uint16
	Vocab     uint32
	TMax      uint32
	Layers    uint16
	DPos      uint8
	DLayer    uint8
	DRow      uint8
	Class     Class
	Graph     merkle.Hash
	Tokenizer [32]byte
	Template  [32]byte
	Stop      [32]byte
}

// Encode is the canonical 224 bytes.
func (h *Header) Encode() [HeaderSize]byte {
	var b [HeaderSize]byte
	copy(b[:], magic[:])
	binary.BigEndian.PutUint16(b[16:], 1)
	binary.BigEndian.PutUint16(b[18:], h.Kind)
	binary.BigEndian.PutUint32(b[20:], h.Vocab)
	binary.BigEndian.PutUint32(b[24:], h.TMax)
	binary.BigEndian.PutUint16(b[28:], h.Layers)
	b[30], b[31], b[32], b[33] = h.DPos, h.DLayer, h.DRow, byte(h.Class)
	copy(b[64:], h.Graph[:])
	copy(b[96:], h.Tokenizer[:])
	copy(b[128:], h.Template[:])
	copy(b[160:], h.Stop[:])
	return b
}

// ID is the model id.
func (h *Header) ID() ID {
	b := h.Encode()
	return sha256.Sum256(b[:])
}

// DecodeHeader reads a header; bytes that are not exactly what Encode writes are refused.
func DecodeHeader(b []byte) (Header, error) {
	var h Header
	if len(b) != HeaderSize {
		return h, fmt.Errorf("%w: header of %d bytes, want %d", ErrModel, len(b), HeaderSize)
	}
	h.Kind = binary.BigEndian.Uint16(b[18:])
	h.Vocab = binary.BigEndian.Uint32(b[20:])
	h.TMax = binary.BigEndian.Uint32(b[24:])
	h.Layers = binary.BigEndian.Uint16(b[28:])
	h.DPos, h.DLayer, h.DRow, h.Class = b[30], b[31], b[32], Class(b[33])
	copy(h.Graph[:], b[64:])
	copy(h.Tokenizer[:], b[96:])
	copy(h.Template[:], b[128:])
	copy(h.Stop[:], b[160:])
	if h.Encode() != [HeaderSize]byte(b) {
		return h, fmt.Errorf("%w: header is not canonical (magic %q, version %d)", ErrModel, b[:16], b[17])
	}
	return h, h.check()
}

// Limits of a header: far above what is run today, low enough that no sum of sizes overflows.
const (
	maxVocab  = 1 << 20
	maxTMax   = 1 << 20
	maxLayers = 1 << 10
)

func (h *Header) check() error {
	token := h.Kind == model.KindToken
	if !token && h.Kind != model.KindGraph {
		return fmt.Errorf("%w: kind %d", ErrModel, h.Kind)
	}
	if h.Layers == 0 || h.Layers > maxLayers {
		return fmt.Errorf("%w: %d layers, want 1..%d", ErrModel, h.Layers, maxLayers)
	}
	if token && (h.Vocab == 0 || h.Vocab > maxVocab || h.TMax < 2 || h.TMax > maxTMax) {
		return fmt.Errorf("%w: vocabulary %d, positions %d", ErrModel, h.Vocab, h.TMax)
	}
	if token && (int(h.DPos) != merkle.Depth(uint64(h.TMax)) || int(h.DLayer) != merkle.Depth(uint64(h.Layers)) || h.DRow > 16) {
		return fmt.Errorf("%w: KV depths %d, %d, %d", ErrModel, h.DPos, h.DLayer, h.DRow)
	}
	if h.Class > Private || !token && h.Class != Public {
		return fmt.Errorf("%w: class %d of kind %d: confidential and private models are token models", ErrModel, h.Class, h.Kind)
	}
	if !token && (h.Vocab != 0 || h.TMax != 0 || h.DPos != 0 || h.DLayer != 0 || h.DRow != 0) {
		return fmt.Errorf("%w: a graph model has neither vocabulary nor positions", ErrModel)
	}
	return nil
}

// Stages is the number of stages. SPEC 06 §1.2.
func (h *Header) Stages() int {
	if h.Kind == model.KindToken {
		return int(h.Layers) + 3
	}
	return int(h.Layers)
}

// Emit and Absorb are the numbers of the two head stages of a token model.
func (h *Header) Emit() int { return int(h.Layers) + 1 }

// Absorb is the stage that takes the next prompt id instead of drawing one.
func (h *Header) Absorb() int { return int(h.Layers) + 2 }

// Boundaries is the number of boundary tensors of a step: b_0..b_L.
func (h *Header) Boundaries() int { return int(h.Layers) + 1 }

// KVDepth is the depth of the whole KV tree.
func (h *Header) KVDepth() int { return int(h.DPos) + h.PositionDepth() }

// PositionDepth is the height of a position leaf. SPEC 06 §2.2.
func (h *Header) PositionDepth() int { return int(h.DLayer) + 1 + int(h.DRow) }

// GraphDepth is the depth of the graph tree. SPEC 06 §1.3.
func (h *Header) GraphDepth() int { return 7 + merkle.Depth(uint64(h.Stages())) }
