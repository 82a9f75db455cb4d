package ledger

import (
	"slices"
	"testing"

	"elenchus/commitment/claim"
)

// Orders that do different things have different keys; the same order asked twice has one.
func TestOrderKeys(t *testing.T) {
	a, b := Hash{1}, Hash{2}
	orders := []Order{
		PostBatch{Root: a}, PostBatch{Root: b}, ReleaseBatch{Root: a}, Commit{a}, Commit{b}, Open{Game: a}, Open{Game: b},
		Move{Game: a, Kind: 5, State: []byte{1}}, Move{Game: a, Kind: 5, State: []byte{2}}, Move{Game: b, Kind: 5, State: []byte{1}},
		Timeout{a, []byte{1}}, Timeout{a, []byte{2}}, Resolve{Game: a}, Resolve{Game: b}, Settle{a}, Settle{b},
		Withdraw{claim.Units(1), 1}, Withdraw{claim.Units(1), 2},
	}
	var keys []string
	for i, o := range orders {
		if o.Key() != orders[i].Key() {
			t.Errorf("%T has no stable key", o)
		}
		if j := slices.Index(keys, o.Key()); j >= 0 {
			t.Errorf("%T %+v and %T %+v have one key", orders[j], orders[j], o, o)
		}
		keys = append(keys, o.Key())
	}
	// A second payload for the same state is the same turn: an outbox must not send both.
	m := Move{Game: a, Kind: 5, State: []byte{1}, Payload: []byte{1}}
	if m.Key() != orders[7].Key() {
		t.Error("a move's key depends on its payload")
	}
}
