package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// ErrChainID: the RPC serves another chain than the caller asked for.
var ErrChainID = errors.New("rpc serves another chain")

// ErrNotMined: the transaction is in no block of the chain as it is now.
var ErrNotMined = errors.New("transaction is not mined")

// Client is a connection to one chain. Its methods may be called from any goroutine.
type Client struct {
	eth *ethclient.Client
	id  *big.Int
	url string
}

// Head is a block as the head was seen.
type Head struct {
	Number  uint64
	Hash    common.Hash
	Time    uint64   // seconds since 1970; contracts read this clock
	BaseFee *big.Int // wei per gas; nil before EIP-1559
}

// Dial connects to a JSON-RPC address (http, https, ws or wss) and checks that
// it serves the chain chainID; 0 accepts any. The error matches ErrChainID.
func Dial(ctx context.Context, address string, chainID uint64) (*Client, error) {
	transport, err := rpc.DialOptions(ctx, address, options(address)...)
	if err != nil {
		return nil, fmt.Errorf("dial chain at %s: %w", address, err)
	}
	client := ethclient.NewClient(transport)
	id, err := client.ChainID(ctx)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("ask %s for its chain id: %w: is a chain running there?", address, err)
	}
	if chainID != 0 && (!id.IsUint64() || id.Uint64() != chainID) {
		client.Close()
		return nil, fmt.Errorf("%w: %s serves chain %v, not %d: check the address", ErrChainID, address, id, chainID)
	}
	return &Client{eth: client, id: id, url: address}, nil
}

// options spare a chain on this machine the compression of its replies, which costs both sides more
// than the bytes do.
func options(address string) []rpc.ClientOption {
	u, err := url.Parse(address)
	if err != nil || !net.ParseIP(u.Hostname()).IsLoopback() && u.Hostname() != "localhost" {
		return nil
	}
	plain, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil
	}
	plain = plain.Clone()
	plain.DisableCompression = true
	return []rpc.ClientOption{rpc.WithHTTPClient(&http.Client{Transport: plain})}
}

// Close ends the connection.
func (c *Client) Close() { c.eth.Close() }

// ChainID returns the chain's id.
func (c *Client) ChainID() *big.Int { return new(big.Int).Set(c.id) }

// URL returns the address that was dialled.
func (c *Client) URL() string { return c.url }

// Backend returns the library's client, for generated bindings and rare calls.
func (c *Client) Backend() *ethclient.Client { return c.eth }

// Head returns the latest block.
func (c *Client) Head(ctx context.Context) (Head, error) { return c.HeadAt(ctx, nil) }

// HeadAt returns the canonical block number n, the latest for nil.
func (c *Client) HeadAt(ctx context.Context, n *big.Int) (Head, error) {
	h, err := c.eth.HeaderByNumber(ctx, n)
	if err != nil {
		return Head{}, fmt.Errorf("read block %v: %w", blockName(n), err)
	}
	return Head{Number: h.Number.Uint64(), Hash: h.Hash(), Time: h.Time, BaseFee: h.BaseFee}, nil
}

func blockName(n *big.Int) string {
	if n == nil {
		return "latest"
	}
	return n.String()
}

// Balance returns the balance of a in wei at the latest block.
func (c *Client) Balance(ctx context.Context, a common.Address) (*big.Int, error) {
	wei, err := c.eth.BalanceAt(ctx, a, nil)
	if err != nil {
		return nil, fmt.Errorf("read balance of %v: %w", a, err)
	}
	return wei, nil
}

// Code returns the code of a at the latest block, empty if there is none.
func (c *Client) Code(ctx context.Context, a common.Address) ([]byte, error) {
	code, err := c.eth.CodeAt(ctx, a, nil)
	if err != nil {
		return nil, fmt.Errorf("read code of %v: %w", a, err)
	}
	return code, nil
}

// since is the block that put code at a, for a node that keeps old states, else 0: logs of all blocks are
// looked through then.
func (c *Client) since(ctx context.Context, a common.Address) (uint64, error) {
	head, err := c.Head(ctx)
	if err != nil {
		return 0, err
	}
	low, high := uint64(0), head.Number // there is code at high
	for low < high {
		middle := low + (high-low)/2
		code, err := c.eth.CodeAt(ctx, a, new(big.Int).SetUint64(middle))
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err != nil {
			return 0, nil //nolint:nilerr // the state is gone
		}
		if len(code) == 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// Call runs data on the contract to, from the given sender, on the state of the
// latest block, and returns what it returned. A revert is a *RevertError.
func (c *Client) Call(ctx context.Context, from, to common.Address, data []byte) ([]byte, error) {
	out, err := c.eth.CallContract(ctx, ethereum.CallMsg{From: from, To: &to, Data: data}, nil)
	if err != nil {
		return nil, asRevert(err)
	}
	return out, nil
}

// Receipt returns the receipt of a mined transaction, or ErrNotMined.
func (c *Client) Receipt(ctx context.Context, tx common.Hash) (*types.Receipt, error) {
	r, err := c.eth.TransactionReceipt(ctx, tx)
	switch {
	case err == nil:
		return r, nil
	case errors.Is(err, ethereum.NotFound), strings.Contains(err.Error(), "indexing is in progress"):
		return nil, fmt.Errorf("%w: %v", ErrNotMined, tx)
	}
	return nil, fmt.Errorf("read receipt of %v: %w", tx, err)
}
