package app

import (
	"fmt"
	"io"

	"elenchus/compute/model"
)

// Announce prints what runs where, the gateway on a line of its own that programs may read.
func (n *Network) Announce(w io.Writer) {
	fmt.Fprintf(w, "chain %s (id %d)\n", n.RPC, n.Addresses.ChainID)
	for i, url := range n.Nodes {
		a := n.Accounts[fmt.Sprintf("node%d", i+1)]
		fmt.Fprintf(w, "node %s 0x%x\n", url, a[:])
	}
	fmt.Fprintf(w, "watch %s\n", n.Watch)
	fmt.Fprintf(w, "gateway %s\n", n.Gateway)
	fmt.Fprintf(w, "metrics %s\n", n.TargetsFile())
	if n.makesVectors() {
		fmt.Fprintf(w, "\ntry: curl %s/v1/embeddings -d '{\"model\":\"%s\",\"input\":\"Once upon a time\"}'\n", n.Gateway, n.modelTitle())
		return
	}
	fmt.Fprintf(w, "\ntry: curl %s/v1/chat/completions -d '{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}]}'\n", n.Gateway, n.modelTitle())
}

// makesVectors says whether the model of the store that the nodes serve is an encoder.
func (n *Network) makesVectors() bool {
	s, err := OpenStore("")
	if err != nil {
		return false
	}
	p, err := s.peek(n.models()[0])
	return err == nil && p.header.Kind == model.KindGraph
}

func (n *Network) modelTitle() string {
	return title(n.models()[0])
}

// modelList is a list of one model, or of none for "".
func modelList(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}
