package kernel

// Attention over one head of the cache for several queries at once: scores, their maximum, weights, their
// sum, the weighted sum of values and the division, as ops 18, 3, 19, 4, 21 and 22 give them. Sums are
// exact, so that neither the partial sums of op 21 nor their order are to be kept. SPEC 02 §4.

// Attention are the constants of attention.
type Attention struct {
	HD, Group, DKV int   // elements of a head, heads that share one of the cache, elements of a row of the cache
	Mult, Shift    int64 // of scores
	Bits           int   // fraction bits of weights
}

// Query is a position that attends: rows [First, First+Span) of the cache, Span at least 1.
type Query struct {
	Q, Out      []int16 // of all heads
	First, Span int
}

// AttendRoom is the scratch memory of Attend. The zero value is ready; it belongs to one call at a time.
type AttendRoom struct {
	scores []int32 // [queries][width]
	q      []int32 // [queries] planes of pairs
	num    []int64 // [queries][hd]
	turned [mixChunk / 2 * maxHD]int32
	paired [mixChunk * maxHD]int16
	tail   [turnRows * maxHD]int16
	digits [3 * 64]int64
}

const (
	maxHD    = 256
	turnRows = 16 // positions of one turn
	scoreRun = 32 // positions of one step of scores
)

// attend are the kernels of Attend. hd is a multiple of 32.
type attend struct {
	// planes writes hd elements as pairs of high bytes and pairs of low bytes.
	planes func(dst []int32, q []int16)
	// turn brings 16 positions, stride elements apart, to dst [hd / 2][16].
	turn func(dst []int32, k []int16, hd, stride int)
	// scores writes rs(q . k * mult, s) of two queries for times * 32 positions, step elements apart.
	scores func(dst []int32, step int, k, q []int32, hd, times int, mult, s int64)
	// pair brings 2 * pairs positions to dst [pairs][hd][2].
	pair func(dst, v []int16, hd, stride, pairs int)
	// weigh adds the sums of weight * v over 2 * pairs positions.
	weigh func(dst []int64, digits *[3 * 64]int64, v []int16, pairs int)
}

// Attends says whether the set has kernels for such attention. A dot product of an element of 8 bits and
// one of 16 over 256 elements stays below 2^31, weights below 2^27 are three digits.
func (s *Set) Attends(a *Attention) bool {
	return s.attend.turn != nil && a.HD%32 == 0 && a.HD >= 32 && a.HD <= maxHD && a.Group >= 1 && within(a.Shift) && a.Bits >= 0 && a.Bits <= 26
}

// Attend computes the heads of head kv of the cache for queries whose rows begin and end in order; k and v
// are the rows of a layer. The set attends.
func (s *Set) Attend(a *Attention, kv int, queries []Query, k, v []int16, m *AttendRoom) {
	first, end := queries[0].First, 0
	for i := range queries {
		end = max(end, queries[i].First+queries[i].Span)
	}
	width := (end - first + mixChunk - 1) / mixChunk * mixChunk
	m.take(len(queries)*a.Group, width, a.HD)
	s.planesOf(a, kv, queries, m)
	at := kv * a.HD
	for c := first; c < end; c += mixChunk {
		s.scoreChunk(a, queries, k[at:], c, min(mixChunk, end-c), m, c-first, width)
	}
	for i := range queries {
		z := &queries[i]
		for g := range a.Group {
			s.weights(a, m.scores[(i*a.Group+g)*width:][:width], z.First-first, z.Span)
		}
	}
	for c := first; c < end; c += mixChunk {
		s.mixChunkOf(a, queries, v[at:], c, min(mixChunk, end-c), m, c-first, width)
	}
	s.divide(a, kv, queries, m, first, width)
}

// take makes room for rows, an even number of which is scored.
func (m *AttendRoom) take(rows, width, hd int) {
	m.scores = roomFor(m.scores, (rows+1)*width)
	m.q = roomFor(m.q, (rows+1)*hd)
	m.num = roomFor(m.num, rows*hd)
	clear(m.num)
}

// roomFor is s with n elements, of any values.
func roomFor[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/2)
	}
	return s[:n]
}

// planesOf splits the heads of the queries in planes.
func (s *Set) planesOf(a *Attention, kv int, queries []Query, m *AttendRoom) {
	for i := range queries {
		for g := range a.Group {
			r, h := i*a.Group+g, kv*a.Group+g
			s.attend.planes(m.q[r*a.HD:][:a.HD], queries[i].Q[h*a.HD:][:a.HD])
		}
	}
}

// scoreChunk scores n positions from c on, at most mixChunk, at place at of each row.
func (s *Set) scoreChunk(a *Attention, queries []Query, k []int16, c, n int, m *AttendRoom, at, width int) {
	runs := (n + scoreRun - 1) / scoreRun
	for i := 0; i < runs*scoreRun; i += turnRows {
		rows, stride := k[(c+min(i, n-1))*a.DKV:], a.DKV
		if i+turnRows > n {
			rows, stride = m.lastRows(rows, max(0, n-i), turnRows, a), a.HD
		}
		s.attend.turn(m.turned[i*a.HD/2:][:turnRows*a.HD/2], rows, a.HD, stride)
	}
	heads := len(queries) * a.Group
	for r := 0; r < heads; r += 2 {
		z := &queries[min(r+1, heads-1)/a.Group] // the later one of two
		if own := min(n, z.First+z.Span-c); own > 0 && queries[r/a.Group].First < c+n {
			times := (own + scoreRun - 1) / scoreRun
			s.attend.scores(m.scores[r*width+at:], width, m.turned[:], m.q[r*a.HD:], a.HD, times, a.Mult, a.Shift)
		}
	}
}

// lastRows copies the last n rows and puts zeros behind them, up to all of them.
func (m *AttendRoom) lastRows(rows []int16, n, all int, a *Attention) []int16 {
	out := m.tail[:all*a.HD]
	for i := range n {
		copy(out[i*a.HD:], rows[i*a.DKV:][:a.HD])
	}
	clear(out[n*a.HD:])
	return out
}

// weights makes weights of the n scores of a row from lo on, and zeros of those beside them.
func (s *Set) weights(a *Attention, row []int32, lo, n int) {
	var top [1]int64
	x := row[lo : lo+n]
	s.Max(top[:], x, n, n, 0, 1)
	s.Exp2(x, x, top[:], n, a.Bits, 0, 1)
	clear(row[:lo])
	clear(row[lo+n:])
}

// mixChunkOf adds the weighted values of n positions from c on.
func (s *Set) mixChunkOf(a *Attention, queries []Query, v []int16, c, n int, m *AttendRoom, at, width int) {
	if n/2 > 0 {
		s.attend.pair(m.paired[:], v[c*a.DKV:], a.HD, a.DKV, n/2)
	}
	if n%2 > 0 {
		s.attend.pair(m.paired[(n-1)*a.HD:], m.lastRows(v[(c+n-1)*a.DKV:], 1, 2, a), a.HD, a.HD, 1)
	}
	for i := range queries {
		z := &queries[i]
		own := min(n, z.First+z.Span-c)
		if own <= 0 || z.First >= c+n {
			continue
		}
		for g := range a.Group {
			r := i*a.Group + g
			s.digits(&m.digits, (*[mixChunk]int32)(m.scores[r*width+at:]))
			s.attend.weigh(m.num[r*a.HD:][:a.HD], &m.digits, m.paired[:], (own+1)/2)
		}
	}
}

// divide writes the results of the heads.
func (s *Set) divide(a *Attention, kv int, queries []Query, m *AttendRoom, first, width int) {
	for i := range queries {
		z := &queries[i]
		for g := range a.Group {
			r, h := i*a.Group+g, kv*a.Group+g
			var sum [1]int64
			s.Sum(sum[:], m.scores[r*width+z.First-first:][:z.Span], z.Span, z.Span, 0, 1)
			s.Div(z.Out[h*a.HD:][:a.HD], m.num[r*a.HD:][:a.HD], sum[:], a.HD)
		}
	}
}
