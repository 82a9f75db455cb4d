package app

import (
	"fmt"
	"io"
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
	fmt.Fprintf(w, "\ntry: curl %s/v1/chat/completions -d '{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}]}'\n", n.Gateway, n.modelTitle())
}

func (n *Network) modelTitle() string {
	if m := n.model(); m == "default" {
		return m
	}
	return title(n.model())
}
