// Package devchain runs an EVM chain inside this process: go-ethereum's own
// execution stack, sealed by itself, spoken to over JSON-RPC like any other.
//
// It stands on the network floor beside package chain, which is the client.
// Neither imports the other: what happens here reaches a client only through
// the RPC address, so that a client cannot tell this chain from a public one.
// Only app and conformance import this package, because it is dear to build.
//
// Invariants:
//   - The fork is pinned by Options.Fork and never follows the library's own
//     development configuration, which prices opcodes by an unfinished fork.
//   - State is kept by hash and never pruned, and the database is flushed after
//     every block: a killed process comes back with every block that it sealed,
//     except the one that was being written.
//   - In the mode Governed the lead of the head's timestamp over the wall clock
//     never grows: at most one block per second of real time once the head has
//     caught up. A burst of transactions cannot run a game's clock (GAME rule 35).
//   - It listens on loopback only.
//
// One operator orders everything: this chain has no consensus and no finality
// beyond its disk. The head is as reorgable as any (package chain treats it so).
//
// Gas under the two forks. Osaka caps the gas limit of a transaction at
// 16,777,216 (EIP-7825). Amsterdam meters new state apart from execution: a new
// storage slot costs about 98,000 more, a byte of deployed code about 1,500
// instead of 200, so that deploying 9 kB takes about 14 million gas; the cap
// binds only the execution part, and a limit above it is accepted. The block
// limit is 60 million under both. Tests that state a gas figure state the fork.
//
//	c, err := devchain.Start(ctx, devchain.Options{
//		DataDir: dir,
//		Alloc:   map[common.Address]*big.Int{account: wei},
//	})
//	defer c.Close()
//	client, err := chain.Dial(ctx, c.HTTP(), devchain.DefaultChainID)
package devchain
