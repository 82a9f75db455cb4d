package chain

import (
	"github.com/ethereum/go-ethereum/common"

	"elenchus/settlement/dispute"
	"elenchus/settlement/stake"
)

// DeployParams are what a deployment fixes for ever: the arena's parameters, its token, and who may
// name evaluators. SPEC 08 §5, 09 §6.
type DeployParams struct {
	stake.Params
	Token     common.Address // the ERC-20 of all stakes; zero deploys a test token that anyone may mint
	Registrar common.Address // may add evaluators for new operations; zero: nobody
	Guardian  common.Address // may hold up new claims for a while; zero: nobody
	Governor  common.Address // announces later arenas in a directory of the deployment; zero: there is none
	Delay     uint64         // least seconds from an announcement to the change
	Salt      [32]byte       // keeps deployments of the same parameters apart; part of every address
}

// DevnetParams are the parameters of a development chain: W 90 s, D0 8 s, grace 8 s, a token with 18
// decimals of which 3,000 are worth an ether. SPEC 09 §6.
func DevnetParams() DeployParams { return DeployParams{Params: stake.ParamsOf(stake.Devnet)} }

// Clocks are the parameters that the twin of the arena needs.
func (p DeployParams) Clocks() dispute.Params {
	return dispute.Params{D0: p.ReplyTime, Grace: p.Grace}
}
