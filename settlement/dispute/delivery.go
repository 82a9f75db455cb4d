package dispute

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/opset"
)

// IDs are the data of a claim: its id lists, the salt of a prompt that has one, and the lists of a request that has any.
type IDs struct {
	Prompt, Stop, Output []int32
	Salt                 [32]byte
	Lists                []byte // bias, stop strings and grammar as receipts have them, SPEC 07 §2.1
}

// tree is the tree of a list with its leaves.
func (i *IDs) tree(p *piece) (*merkle.Tree, []byte) {
	if p.list == parts-1 {
		return merkle.BytesTree(opset.LeafBytes, i.Lists), padTo(i.Lists, opset.LeafBytes)
	}
	list, salt := i.list(p.list), [32]byte{}
	if p.salted {
		salt = i.Salt
	}
	return trace.PromptTree(list, salt), padTo(trace.PromptLeaves(list, salt), opset.LeafBytes)
}

func (i *IDs) list(n int) []int32 { return [parts - 1][]int32{i.Prompt, i.Stop, i.Output}[n] }

// NextPiece is the node's next move where its claim's ids are asked for. once is a key that is used for
// this piece and nothing else; it may be nil in the clear. The ids must be those of the claim.
func NextPiece(s *State, j Job, ids *IDs, once *ecdsa.PrivateKey) (Publish, error) {
	if s.Phase != Publication {
		return Publish{}, fmt.Errorf("%w: phase %s asks for no data", ErrStuck, s.Phase)
	}
	p := s.piece(&j, s.Index)
	tree, data := ids.tree(&p)
	if uint64(len(data)) < opset.LeafBytes*p.b || tree.Root() != p.root {
		return Publish{}, fmt.Errorf("%w: list %d is not that of the claim", ErrStuck, p.list)
	}
	m := Publish{Job: j, Data: bytes.Clone(data[opset.LeafBytes*p.a : opset.LeafBytes*p.b])}
	if p.salted {
		m.Data = append(bytes.Clone(ids.Salt[:]), trace.IDBytes(ids.Prompt[p.a:p.b])...)
	}
	for _, h := range tree.Siblings(0, p.a, p.b) {
		m.Data = append(m.Data, h[:]...)
	}
	if !s.secret() {
		return m, nil
	}
	if once == nil {
		return Publish{}, fmt.Errorf("%w: no key to encrypt with", ErrStuck)
	}
	secret, err := claim.SecretWith(once, s.receiver())
	if err != nil {
		return Publish{}, err
	}
	m.At, m.Data = claim.PointOf(once), claim.Mask(s.pieceKey(secret, s.Index), m.Data)
	return m, nil
}

// Assemble puts the ids of a claim together from the pieces that were posted in the clear; it fails
// unless they are all there and lead to the roots of the job.
func Assemble(s *State, j Job, posted []Publish) (IDs, error) {
	plain := make([][]byte, len(posted))
	for i := range posted {
		plain[i] = posted[i].Data
	}
	return assemble(s, j, plain)
}

func assemble(s *State, j Job, plain [][]byte) (IDs, error) {
	var lists [parts][]byte
	var salt [32]byte
	if uint64(len(plain)) != s.pieces(&j) {
		return IDs{}, fmt.Errorf("%w: %d pieces of %d", ErrBadPayload, len(plain), s.pieces(&j))
	}
	for i, b := range plain {
		p := s.piece(&j, uint64(i))
		if uint64(len(b)) != p.size() {
			return IDs{}, fmt.Errorf("%w: piece %d has %d bytes", ErrBadPayload, i, len(b))
		}
		if err := p.opens(b); err != nil {
			return IDs{}, err
		}
		head := b[:p.head()]
		if p.salted {
			copy(salt[:], head)
			head = head[saltBytes:]
		}
		lists[p.list] = append(lists[p.list], head...)
	}
	all := s.lists(&j)
	ids := func(n int) []int32 {
		out := make([]int32, all[n].bytes/4)
		for i := range out {
			out[i] = int32(binary.LittleEndian.Uint32(lists[n][4*i:]))
		}
		return out
	}
	got := IDs{Prompt: ids(0), Stop: ids(1), Output: ids(2), Salt: salt}
	if size := all[parts-1].bytes; size > 0 {
		got.Lists = lists[parts-1][:size]
	}
	return got, nil
}

// Receive is the opener's move at the end of a delivery, and the ids that were delivered: he takes them,
// or shows the first piece that is not what the claim commits to. key is that of the opener.
func Receive(s *State, j Job, posted []Publish, key *ecdsa.PrivateKey) (Decrypt, IDs, error) {
	if s.Phase != Check || uint64(len(posted)) != s.Total {
		return Decrypt{}, IDs{}, fmt.Errorf("%w: %d pieces of %d in phase %s", ErrStuck, len(posted), s.Total, s.Phase)
	}
	plain := make([][]byte, len(posted))
	before := Hash{}
	for i, m := range posted {
		secret, err := claim.SecretWith(key, m.At)
		if err != nil {
			return Decrypt{}, IDs{}, err
		}
		plain[i] = claim.Mask(s.pieceKey(secret, uint64(i)), m.Data)
		if p := s.piece(&j, uint64(i)); p.opens(plain[i]) != nil {
			d, err := garbled(j, posted, i, before, plain[i], key)
			return d, IDs{}, err
		}
		before = chained(before, m.hash())
	}
	ids, err := assemble(s, j, plain)
	return Decrypt{Job: j}, ids, err
}

// garbled shows a piece that is not what it should be.
func garbled(j Job, posted []Publish, at int, before Hash, plain []byte, key *ecdsa.PrivateKey) (Decrypt, error) {
	shared, err := claim.Share(key, posted[at].At)
	if err != nil {
		return Decrypt{}, err
	}
	m := &Shown{Piece: uint32(at), Before: before, At: posted[at].At, Shared: shared, Plain: plain}
	for i := at + 1; i < len(posted); i++ {
		m.Later = append(m.Later, posted[i].hash())
	}
	return Decrypt{Job: j, Shown: m}, nil
}

// Posts reads what was posted in a demand for data, in order, out of the payloads of its moves.
func Posts(s *State, j Job, payloads [][]byte) ([]Publish, error) {
	at := State{Phase: Publication, JobHash: j.Hash(), Total: s.Total, Type: s.Type, Flags: s.Flags, YPrev: s.YPrev, Y: s.Y, Tensors: s.Tensors}
	var out []Publish
	for i, b := range payloads {
		at.Index = uint64(i)
		m, err := DecodeMove(&at, KindPublish, b)
		if err != nil {
			return nil, err
		}
		out = append(out, m.(Publish))
	}
	return out, nil
}
