package devchain

import "time"

// idleLateness is how late in its second an empty block is sealed. Sealing it
// near the end leaves that second free for a transaction, which then need not
// wait for the next one.
const idleLateness = 900 * time.Millisecond

// never is the wait of a chain that has nothing to do until a transaction comes.
const never = time.Duration(1<<63 - 1)

// governor decides when the next block is sealed. It is a pure function of
// what it is shown, so that its rule can be tested without a chain or a clock.
type governor struct {
	mode Mode
	idle time.Duration // 0: no empty blocks
	most time.Duration // idle grows to this with the quiet time
}

// view is what the governor is shown.
type view struct {
	now       time.Time     // the chain's clock
	head      uint64        // timestamp of the head, seconds since 1970
	sinceSeal time.Duration // real time since this process sealed the head
	pending   bool          // the pool holds executable transactions
	quiet     time.Duration // block time from the last transaction to the head
	barren    bool          // the last block left out everything that was pending
}

// next says whether to seal now, and if not, after how long to ask again.
//
// In the mode Governed a block with transactions is sealed when the clock has
// passed the head's timestamp, which leaves the new head at most at the clock.
// Only a head that is already ahead (the clock was set back, or the mode
// changed) gets a block per real second instead, in which the clock moves as far
// as the head: its lead does not grow from block to block, and the chain lives.
func (g governor) next(v view) (seal bool, wait time.Duration) {
	wait = never
	if v.pending {
		wait = time.Unix(int64(v.head)+1, 0).Sub(v.now)
		if int64(v.head) > v.now.Unix() {
			wait = time.Second - v.sinceSeal
		}
		if wait <= 0 || g.mode == OnDemand && !v.barren {
			return true, 0
		}
	}
	if g.idle > 0 {
		idle := max(g.idle, min(g.most, v.quiet/8).Truncate(time.Second))
		due := time.Unix(int64(v.head), 0).Add(idle + idleLateness)
		if wait = min(wait, due.Sub(v.now)); wait <= 0 {
			return true, 0
		}
	}
	return false, wait
}
