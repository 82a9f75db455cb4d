package ledger

import "slices"

// Game is what the chain has said about one game.
type Game struct {
	Key       Hash
	Node      Address
	ClaimID   Hash
	Job       []byte
	State     []byte     // of the last move
	Moves     []Moved    // in order, the opening first
	Posts     []Posted   // payloads in order
	Times     []uint64   // block times of Moves
	Convicted *Convicted // once an answer refuted the claim
	Resolved  *Resolved  // once it is closed
}

// Games folds facts into games. The zero value knows none. It is not safe for concurrent use.
type Games struct {
	facts map[Hash][]Fact // by game, in chain order
	order []Hash          // games in order of opening
}

// Apply takes a fact, in any order with respect to other games; a removed fact is forgotten. It
// returns the game that the fact concerns, or false.
func (g *Games) Apply(f Fact) (Hash, bool) {
	key, ok := gameOf(f.Event)
	if !ok {
		return key, false
	}
	if g.facts == nil {
		g.facts = map[Hash][]Fact{}
	}
	list := g.facts[key]
	at, found := slices.BinarySearchFunc(list, f, compare)
	switch {
	case f.Removed && found:
		g.facts[key] = slices.Delete(list, at, at+1)
	case !f.Removed && !found:
		if list == nil {
			g.order = append(g.order, key)
		}
		g.facts[key] = slices.Insert(list, at, f)
	}
	return key, true
}

func compare(a, b Fact) int {
	if a.Block != b.Block {
		if a.Block < b.Block {
			return -1
		}
		return 1
	}
	if a.Index != b.Index {
		if a.Index < b.Index {
			return -1
		}
		return 1
	}
	return slices.Compare(a.BlockHash[:], b.BlockHash[:])
}

func gameOf(e Event) (Hash, bool) {
	switch e := e.(type) {
	case Opened:
		return e.Game, true
	case Posted:
		return e.Game, true
	case Moved:
		return e.Game, true
	case Convicted:
		return e.Game, true
	case Resolved:
		return e.Game, true
	}
	return Hash{}, false
}

// Game is the game of a key, or false before it was opened.
func (g *Games) Game(key Hash) (Game, bool) {
	out := Game{Key: key}
	opened := false
	for _, f := range g.facts[key] {
		switch e := f.Event.(type) {
		case Opened:
			out.Node, out.ClaimID, out.Job, opened = e.Node, e.ClaimID, e.Job, true
		case Posted:
			out.Posts = append(out.Posts, e)
		case Moved:
			out.Moves, out.State = append(out.Moves, e), e.State
			out.Times = append(out.Times, f.Time)
		case Convicted:
			out.Convicted = &e
		case Resolved:
			out.Resolved = &e
		}
	}
	return out, opened && out.State != nil
}

// All are the opened games in the order in which they were first seen.
func (g *Games) All() []Game {
	var out []Game
	for _, key := range g.order {
		if game, ok := g.Game(key); ok {
			out = append(out, game)
		}
	}
	return out
}

// Open are the games that are not resolved.
func (g *Games) Open() []Game {
	return slices.DeleteFunc(g.All(), func(x Game) bool { return x.Resolved != nil })
}
