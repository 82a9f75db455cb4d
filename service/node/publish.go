package node

import (
	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// publish answers a demand for the ids of a claim with the next piece of them: in the clear, or encrypted
// to the key of who asks, each piece under a key of its own. SPEC 08 §4.12.
func (n *Node) publish(g ledger.Game, s dispute.State, o ledger.Move) (ledger.Order, error) {
	job, err := dispute.DecodeJob(g.Job)
	if err != nil {
		return nil, err
	}
	r, err := n.receipt(g.ClaimID)
	if err != nil {
		return nil, err
	}
	once, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	m, err := dispute.NextPiece(&s, job, &dispute.IDs{Prompt: r.Prompt, Stop: r.Stop, Output: r.Output, Salt: r.Salt, Lists: r.Sampler.Lists()}, once)
	if err != nil {
		return nil, err
	}
	o.Kind, o.Payload = uint8(m.Kind()), m.Encode()
	return o, nil
}
