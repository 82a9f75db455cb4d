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
		Timeout{a, []byte{1}, nil}, Timeout{a, []byte{2}, nil}, Resolve{Game: a}, Resolve{Game: b}, Resolve{Game: a, Held: []byte{1}},
		Settle{a, nil}, Settle{b, nil}, Settle{a, []byte{1}},
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

// What a case holds is what was said last about it, in the chain's order, and nothing after it was
// paid; a reorganisation takes that back.
func TestCases(t *testing.T) {
	id := Hash{7}
	at := func(block uint64, e Event) Fact { return Fact{Ref: Ref{Block: block}, Event: e} }
	first, second, paid := at(1, Resolved{Case: id, Held: []byte{1}}), at(2, Resolved{Case: id, Held: []byte{2}}), at(4, Settled{Case: id})
	lost := at(3, Resolved{Case: id})
	var c Cases
	for i, step := range []struct {
		fact Fact
		want []byte
	}{
		{at(9, Expired{}), nil}, {second, []byte{2}}, {first, []byte{2}}, {lost, []byte{2}}, {paid, nil}, {paid, nil},
		{removed(paid), []byte{2}}, {removed(second), []byte{1}}, {removed(second), []byte{1}}, {removed(first), nil}, {first, []byte{1}},
	} {
		c.Apply(step.fact)
		if got := c.Held(id); !slices.Equal(got, step.want) {
			t.Fatalf("step %d: holds %v, want %v", i, got, step.want)
		}
	}
	if all := c.All(); len(all) != 1 || all[0] != id {
		t.Fatalf("cases %v", all)
	}
}

func removed(f Fact) Fact {
	f.Removed = true
	return f
}
