package main

import (
	"context"
	"fmt"
	"io"

	"elenchus"
	"elenchus/app"
	"elenchus/commitment/receipt"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"
)

func mcpCommand() *cobra.Command {
	l, f := &local{}, &chainFlags{}
	c := &cobra.Command{
		Use: "mcp", Short: "Serve the Model Context Protocol on standard input and output: verify_receipt, list_disputes, explain", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t := &mcpTools{local: l, chain: f, cmd: c}
			ctx, stop := untilStopped(c)
			defer stop()
			return t.server().Run(ctx, &mcp.IOTransport{Reader: io.NopCloser(c.InOrStdin()), Writer: keepOpen{c.OutOrStdout()}})
		},
	}
	c.Flags().StringVar(&l.dir, "dir", "", "state directory (default: elenchus in the user's data directory)")
	f.add(c)
	return c
}

// keepOpen is standard output, which outlives the session.
type keepOpen struct{ io.Writer }

// Close does nothing.
func (keepOpen) Close() error { return nil }

// mcpTools are what a client may call. All of them only read.
type mcpTools struct {
	local *local
	chain *chainFlags
	cmd   *cobra.Command
}

// verifyIn is the input of verify_receipt.
type verifyIn struct {
	Receipt  string `json:"receipt" jsonschema:"the receipt's text, or the JSON or stream of a response that carries it"`
	Request  string `json:"request,omitempty" jsonschema:"the JSON body that was sent, to check that the node was asked that"`
	Response string `json:"response,omitempty" jsonschema:"what came back, to check that its text is that of the claim"`
}

// explainIn is the input of explain.
type explainIn struct {
	ID string `json:"id" jsonschema:"8 to 64 hex digits of a game, a claim or an account"`
}

// disputesOut is what list_disputes and explain return.
type disputesOut struct {
	Disputes []app.Dispute `json:"disputes"`
}

func (t *mcpTools) server() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "elenchus", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "verify_receipt",
		Description: "Check the receipt of an AI answer: signature, token ids, and, where the model is at hand, by computing the answer again. With a chain, also whether the claim is posted and stands."}, t.verify)
	mcp.AddTool(s, &mcp.Tool{Name: "list_disputes", Description: "List the games about claims on the chain, with their state and outcome."}, t.list)
	mcp.AddTool(s, &mcp.Tool{Name: "explain", Description: "Say why a claim was disputed, how its game ended and who paid."}, t.explain)
	return s
}

// verify is the command verify on one receipt. What does not hold is a result, not an error.
func (t *mcpTools) verify(ctx context.Context, _ *mcp.CallToolRequest, in verifyIn) (*mcp.CallToolResult, verdict, error) {
	if len(in.Receipt)+len(in.Request)+len(in.Response) > maxReceipt {
		return nil, verdict{}, fmt.Errorf("more than %d bytes", maxReceipt)
	}
	text, err := elenchus.FindReceipt([]byte(in.Receipt))
	if err != nil {
		return nil, verdict{}, err
	}
	r, err := receipt.Parse(text)
	if err != nil {
		return nil, verdict{}, err
	}
	f := &verifyFlags{local: *t.local, rpc: t.chain.rpc, deployment: t.chain.deployment}
	o, err := f.options(t.cmd, r)
	if err != nil {
		return nil, verdict{}, err
	}
	if in.Request != "" {
		o.Request = []byte(in.Request)
	}
	if in.Response != "" {
		o.Response = []byte(in.Response)
	}
	pool := app.NewPool(0)
	defer pool.Close()
	o.Split = pool.Split
	rep, err := elenchus.Verify(ctx, text, *o)
	if err != nil {
		return nil, verdict{}, err
	}
	return nil, verdictOf(rep), nil
}

// disputes asks the chain.
func (t *mcpTools) disputes(ask func(k *app.ChainLookup) ([]app.Dispute, error)) (*mcp.CallToolResult, disputesOut, error) {
	if t.chain.rpc == "" {
		return nil, disputesOut{}, fmt.Errorf("this server knows no chain: start it with --rpc")
	}
	k, err := t.chain.lookup(t.local.dir)
	if err != nil {
		return nil, disputesOut{}, err
	}
	all, err := ask(k)
	return nil, disputesOut{all}, err
}

func (t *mcpTools) list(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, disputesOut, error) {
	return t.disputes(func(k *app.ChainLookup) ([]app.Dispute, error) { return k.Disputes(ctx) })
}

func (t *mcpTools) explain(ctx context.Context, _ *mcp.CallToolRequest, in explainIn) (*mcp.CallToolResult, disputesOut, error) {
	return t.disputes(func(k *app.ChainLookup) ([]app.Dispute, error) { return k.Explain(ctx, in.ID) })
}
