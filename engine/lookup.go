package engine

// lookup guesses what follows from what stood behind the same ids before, in the prompt or in the
// answer so far. A wrong guess costs positions that are computed in vain; their number is at most
// lossFirst, one for each lossShare tokens of the answer, and half of the positions that right
// guesses gained. It belongs to one run.
type lookup struct {
	ids      []int32                  // prompt and answer so far
	next     map[[lookupIDs]int32]int // where in ids that stands which followed last
	prompt   int                      // number of ids
	guessed  int                      // ids of the last guess
	most     int                      // ids to guess next
	won, off int                      // guessed ids that were right, and that were not
}

const (
	lookupIDs = 3 // ids that must be the same
	lossShare = 32
	lossFirst = 4
	firstMost = 4 // ids of the first guess
)

func newLookup(prompt []int32) *lookup {
	l := &lookup{next: map[[lookupIDs]int32]int{}, prompt: len(prompt), most: firstMost}
	for _, id := range prompt {
		l.push(id)
	}
	return l
}

// push takes the next id.
func (l *lookup) push(id int32) {
	if n := len(l.ids); n >= lookupIDs {
		l.next[[lookupIDs]int32(l.ids[n-lookupIDs:])] = n
	}
	l.ids = append(l.ids, id)
}

// learn takes what the last guess led to.
func (l *lookup) learn(output []int32) {
	news := output[len(l.ids)-l.prompt:]
	for _, id := range news {
		l.push(id)
	}
	if l.guessed == 0 {
		return
	}
	right := len(news) - 1 // a pass yields a token more than its guesses that were right
	l.won, l.off = l.won+right, l.off+l.guessed-right
	if right == l.guessed {
		l.most = min(2*l.most, 64)
	} else {
		l.most = max(1, right)
	}
	l.guessed = 0
}

// guess is decode.Run.Draft.
func (l *lookup) guess(output []int32, most int) []int32 {
	l.learn(output)
	if len(l.ids) < lookupIDs {
		return nil
	}
	from, ok := l.next[[lookupIDs]int32(l.ids[len(l.ids)-lookupIDs:])]
	most = min(most, l.most, lossFirst+len(output)/lossShare+l.won/2-l.off)
	if !ok || most <= 0 {
		return nil
	}
	out := make([]int32, 0, most)
	for i := from; len(out) < most; i++ {
		if i < len(l.ids) {
			out = append(out, l.ids[i])
		} else {
			out = append(out, out[i-len(l.ids)])
		}
	}
	l.guessed = most
	return out
}
