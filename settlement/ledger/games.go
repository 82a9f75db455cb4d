package ledger

import "slices"

// Game is what the chain has said about one game.
type Game struct {
	Key       Hash
	Node      Address
	ClaimID   Hash
	Job       []byte
	State     []byte     // of the last move that did not decide
	Moves     []Moved    // in order, the opening first, without the one that decided
	Posts     []Posted   // payloads in order
	Decided   *Decided   // once the game waits for resolve
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
	list, known := g.facts[key]
	if !known && f.Removed {
		return key, true
	}
	if !known {
		g.order = append(g.order, key)
	}
	g.facts[key] = merge(list, f)
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

// openMove is the number of the move that opens a game. SPEC 08 §4.
const openMove = 2

func gameOf(e Event) (Hash, bool) {
	switch e := e.(type) {
	case Opened:
		return e.Game, true
	case Posted:
		return e.Game, true
	case Moved:
		return e.Game, true
	case Decided:
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
			out.Moves, out.State = append(out.Moves, Moved{e.Game, openMove, e.State}), e.State
		case Posted:
			out.Posts = append(out.Posts, e)
		case Moved:
			out.Moves, out.State = append(out.Moves, e), e.State
		case Decided:
			out.Decided = &e
		case Convicted:
			out.Convicted = &e
		case Resolved:
			out.Resolved = &e
		}
	}
	return out, opened
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
