// Package chain speaks to any EVM chain over JSON-RPC: it reads, watches logs,
// signs, and gets each intended transaction mined exactly once.
//
// It stands on the network floor, beside devchain, which runs a chain but is not
// imported here: an embedded, a test and a public chain all look the same.
//
// Invariants:
//   - The head is never final. Watch reports logs that a reorg took back, and the
//     Outbox sends a transaction again when its block is gone.
//   - An intent is known by the caller's key. Its signed bytes are on disk before
//     they are on the wire, so a crash at any point leads to the same
//     transaction, not to a second one. A new nonce is taken only when the old
//     one is spent beyond Options.Depth.
//   - "Already known" and "already mined" are success.
//   - A revert is a result: it comes with its selector and data (RevertError).
//   - Estimates get a margin, because they run at the time of the latest block,
//     where code that reads the clock may do less than it will (Margin).
//   - Keys do not appear in any text.
//   - A deployment is used only after its code, wiring and domain were compared
//     with what is embedded (Load). Logs become ledger.Facts, ledger.Orders become
//     Intents, custom errors match the sentinels of package dispute (Explain).
//
// Example:
//
//	c, err := chain.Dial(ctx, url, chainID)
//	box, err := chain.OpenOutbox(ctx, path, c, signer, chain.Options{})
//	go box.Run(ctx)
//	err = box.Submit(ctx, chain.Intent{Key: "game/7/move/3", To: &arena, Data: calldata})
//	receipt, err := box.Wait(ctx, "game/7/move/3")
//
//	at, err := chain.Deploy(ctx, c, signer, chain.DevnetParams())
//	k, err := chain.Load(ctx, c, at)
//	intent, err := k.Intent(ledger.Commit{Game: key})
//	err = k.Watch(ctx, chain.FactOptions{}, func(ctx context.Context, b chain.FactBatch) error { ... })
package chain
