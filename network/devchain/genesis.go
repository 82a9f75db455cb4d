package devchain

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// proxy is the deterministic deployment proxy, which most public chains have; see package chain.
var proxy = common.HexToAddress("0x4e59b44847b379578588920cA78FbF26c0B4956C")

const proxyCode = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"

// genesis returns the first block: rules of the fork, system contracts,
// precompiles that exist as accounts, the deployment proxy that public chains have,
// and the funded accounts. Its timestamp is
// zero, so that the same options always give the same block.
func genesis(o Options) *core.Genesis {
	g := core.DeveloperGenesisBlock(GasLimit, nil)
	g.Config = chainConfig(o)
	g.Alloc[proxy] = types.Account{Nonce: 1, Code: common.FromHex(proxyCode), Balance: new(big.Int)}
	for a, wei := range o.Alloc {
		account := g.Alloc[a]
		account.Balance = new(big.Int).Set(wei)
		g.Alloc[a] = account
	}
	return g
}

// chainConfig switches on every fork up to o.Fork at genesis and no later one.
func chainConfig(o Options) *params.ChainConfig {
	zero, at := big.NewInt(0), func() *uint64 { return new(uint64) }
	c := &params.ChainConfig{
		ChainID:                 new(big.Int).SetUint64(o.ChainID),
		HomesteadBlock:          zero,
		EIP150Block:             zero,
		EIP155Block:             zero,
		EIP158Block:             zero,
		ByzantiumBlock:          zero,
		ConstantinopleBlock:     zero,
		PetersburgBlock:         zero,
		IstanbulBlock:           zero,
		MuirGlacierBlock:        zero,
		BerlinBlock:             zero,
		LondonBlock:             zero,
		ArrowGlacierBlock:       zero,
		GrayGlacierBlock:        zero,
		TerminalTotalDifficulty: zero,
		ShanghaiTime:            at(),
		CancunTime:              at(),
		PragueTime:              at(),
		OsakaTime:               at(),
		BlobScheduleConfig: &params.BlobScheduleConfig{
			Cancun: params.DefaultCancunBlobConfig,
			Prague: params.DefaultPragueBlobConfig,
		},
	}
	if o.Fork == Amsterdam {
		c.AmsterdamTime = at()
	}
	return c
}
