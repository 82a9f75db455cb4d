package adversary

import "slices"

// Verdicts of a story: a false claim cost its node stake; something was refused before it could be
// claimed; what was attacked stands.
const (
	Slashed = "slashed"
	Refused = "refused"
	Upheld  = "upheld"
)

// Fate is what becomes of the money of a party of an attack. Parties that an attack does not name are
// honest, and whole: not poorer than before, their gas included.
type Fate uint8

const (
	// Pays: poorer than before, if only by gas.
	Pays Fate = iota + 1
	// Forfeits: poorer by at least half of the reserve that stands behind one claim.
	Forfeits
)

// Card says what an attack is and what it must come to.
type Card struct {
	Name    string
	Does    string // one sentence
	Verdict string
	// Fates of the attackers: node1 is the first node, mallory an account without a node. What
	// partners own is counted together where one of them Forfeits.
	Fates map[string]Fate
	// True says that the claim is true: its node is slashed for what it does about it.
	True bool
	// Cost and Gain are what the attacker spends and is after; PaysFrom is from which parameters on the
	// gain is above the cost. r is the reserve, v the value of a claim, B a bond.
	Cost, Gain, PaysFrom string
}

// Guilty says whether the card is about a false claim of node1.
func (c *Card) Guilty() bool { return c.Fates["node1"] == Forfeits && !c.True }

// Find is the card of an attack, or false.
func Find(name string) (Card, bool) {
	all := Catalogue()
	if i := slices.IndexFunc(all, func(c Card) bool { return c.Name == name }); i >= 0 {
		return all[i], true
	}
	return Card{}, false
}

func liar() map[string]Fate  { return map[string]Fate{"node1": Forfeits} }
func gang() map[string]Fate  { return map[string]Fate{"node1": Forfeits, "mallory": Pays} }
func alone() map[string]Fate { return map[string]Fate{"mallory": Pays} }

const (
	whenUnseen  = "p * r / 2 below what the lie gains: p is the chance that anybody computes the claim again, r the reserve (09 §2.5)"
	whenFree    = "never: no parameter pays the attacker; half of what he loses goes to the node"
	whenSilence = "D2 shorter than the time for which a node can be kept off the chain"
)

// Catalogue lists every attack of the kit, in the order of the documentation. GAME §3, SPEC 09 §8.
func Catalogue() []Card {
	return slices.Concat(liesOfNodes(), attacksOnHonest())
}

func liesOfNodes() []Card {
	lie := func(name, does, gain string) Card {
		return Card{Name: name, Does: does, Verdict: Slashed, Fates: liar(), Cost: "r + v, gas", Gain: gain, PaysFrom: whenUnseen}
	}
	keeps := func(name, does, gain string) Card {
		return Card{Name: name, Does: does, Verdict: Slashed, Fates: liar(), True: true, Cost: "r + v, gas", Gain: gain,
			PaysFrom: "claims about which nobody who may demand their data knows request and claim, or which nobody relies on among more of a node's than watchers ask for unasked (08 §4.12, 09 §8.11)"}
	}
	with := func(name, does, cost, gain, from string) Card {
		return Card{Name: name, Does: does, Verdict: Slashed, Fates: gang(), Cost: cost, Gain: gain, PaysFrom: from}
	}
	return []Card{
		lie("model-swap", "serves a coarser model under the name of the fine one", "the difference of what both cost to run"),
		lie("wrong-token", "computes honestly and signs another output id", "an answer of its choice"),
		lie("truncated", "ends the answer early and says that its length was reached", "the work of the rest"),
		lie("bad-kv", "keeps a wrong row in its cache", "an answer of its choice"),
		lie("needle", "changes one coordinate before the last norm and withholds every tensor", "an answer of its choice"),
		lie("byte", "flips one bit somewhere", "none: a fault of memory"),
		lie("silent", "lies and makes no move in any game", "the gas of its defence"),
		lie("biased-sampling", "draws from the likely tokens that it prefers", "an answer of its choice"),
		lie("wrong-penalty", "draws as if nothing had been said before, whatever penalties were asked for", "an answer of its choice"),
		lie("wrong-stop", "goes on behind a stop string, as if it had not been drawn", "an answer of its choice"),
		lie("wrong-mask", "draws a token that the grammar of the request refuses", "an answer of its choice"),
		lie("withhold", "lies and serves neither claims, states, tensors nor batches", "a lie that nobody can locate"),
		lie("padding", "goes on behind the end of the answer", "the price of the tokens behind the end"),
		lie("forged-cancel", "ends the answer early and says that its user cancelled it", "the work of the rest"),
		lie("poisoned-weights", "serves the model with one row of weights changed", "a back door in a known model"),
		lie("equivocation", "signs two answers to one request", "each user an answer of its choice"),
		keeps("withheld-data", "answers truly, serves the data of its public claim to nobody and does not publish what is demanded", "a claim that nobody can check"),
		keeps("garbled-data", "answers truly and delivers to the user who demands his data what does not decrypt to it", "a user without the answer that he paid for"),
		with("copycat", "lies; a partner sees every transaction before it is mined and sends the same before it", "r + v, B / 2 for every commit it takes away, gas",
			"the reward of the honest challenger", "never: the reward goes to the earliest commit that wins, and a commit is bound to its opener (08 §4)"),
		with("self-slash", "lies; a partner who knows where refutes it before anybody else", "at least (r + v) / 2, gas",
			"the challenger's share of the slash, and stake before its time", "the burned share b below g / r: g is what the lie gains (09 §2.5)"),
		with("late-friend", "lies; a partner opens a game about it and loses it, so that others think it is judged", "r + v, B / 2, gas",
			"a window that passes unused", "challengers who take a stranger's game for their own"),
		lie("reorg", "lies; the chain forgets its last blocks, up to three deep, whenever the game has moved", "a game that never ends"),
	}
}

func attacksOnHonest() []Card {
	on := func(name, does, gain, from string) Card {
		return Card{Name: name, Does: does, Verdict: Upheld, Fates: alone(), Cost: "B less the gas of the node, gas", Gain: gain, PaysFrom: from}
	}
	hostile := Card{Name: "hostile-model", Does: "makes models whose computation no honest node could defend, and asks for them", Verdict: Refused,
		Fates: map[string]Fate{}, Cost: "nothing", Gain: "the stake of who serves one", PaysFrom: "an answer above the gas limit of a block (02 §6)"}
	resign := on("crash-resign", "makes a node sign the same answer twice, with its state lost in between, and plays both receipts against it",
		"a slash for two signatures", "a rule of equivocation that compares more than the answer")
	lazy := on("lazy-auditor", "is drawn to audit a true claim and approves it without computing", "the fee of the audit", "fewer than 2 * F / D of the drawn claims planted or false, where a node gives away all its rows (11 §8.3)")
	lazy.Cost = "forfeit of the deposit, gas; the deposit D where what it approved is false or planted"
	flood := on("flood", "opens game after game about one true claim, and stops moving", "a node that is late, and half of its slash", whenSilence)
	flood.Cost = "B, doubled for every 8 open games, less the gas of the node; 8 * B * (2^(n/8) - 1) for n at a time (09 §7.5)"
	return []Card{
		on("rich-griefer", "challenges a true claim and forces every descent there is", "the gas and the time of the node", whenFree),
		flood,
		on("clock-burst", "fills block after block so that the clock of the chain runs ahead", "a node that is late", whenSilence),
		resign,
		on("starved-precompile", "sends answers with so little gas that a hash in them fails", "a wrong verdict on a true claim", "a contract that reads what a failed call left"),
		on("demand-spam", "asks a node that is being challenged for one re-execution after the other", "a node that is late", whenSilence),
		hostile,
		lazy,
	}
}
