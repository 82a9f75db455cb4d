package ledger

import (
	"fmt"

	"elenchus/commitment/claim"
)

// BatchReleased is the end of a batch: its reserve, in token units, is free stake again.
type BatchReleased struct {
	Node   Address
	Root   Hash
	Amount claim.Amount
}

func (BatchReleased) event() {}

// Expire burns the half bond of a commit that was not opened in time.
type Expire struct{ Game Hash }

// Key names the game.
func (o Expire) Key() string { return fmt.Sprintf("game/%x/expire", o.Game) }
