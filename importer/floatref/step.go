package floatref

import (
	"fmt"
	"math"
)

// State is a run of a model: the position and the keys and values so far. It
// is not safe for concurrent use. The zero value is illegal: use NewState.
type State struct {
	m            *Model
	position     int
	keys, values [][]float64 // per layer, KVHeads*HeadDim numbers per position
}

// NewState returns a state at position 0.
func (m *Model) NewState() *State {
	n := len(m.layers)
	return &State{m: m, keys: make([][]float64, n), values: make([][]float64, n)}
}

// Position returns the number of tokens taken.
func (s *State) Position() int { return s.position }

// Step takes the next token and returns the logits for the one after it, Vocab
// of them, owned by the caller. It panics if the token is not in 0..Vocab-1.
func (s *State) Step(token int) []float64 {
	m := s.m
	if token < 0 || token >= m.Vocab {
		panic(fmt.Sprintf("floatref: token %d, want 0..%d", token, m.Vocab-1))
	}
	x := make([]float64, m.Dim)
	for i, w := range m.embed.data[token*m.Dim : (token+1)*m.Dim] {
		x[i] = float64(w)
	}
	for i := range m.layers {
		l := &m.layers[i]
		add(x, s.attend(i, l, m.normalize(x, l.attnNorm)))
		add(x, l.feedForward(m.normalize(x, l.ffnNorm)))
	}
	s.position++
	return m.head.times(m.normalize(x, m.norm))
}

// attend appends this position's keys and values and returns the attention
// layer's contribution.
func (s *State) attend(i int, l *layer, x []float64) []float64 {
	m := s.m
	q, k := l.q.times(x), l.k.times(x)
	m.rotate(q, s.position)
	m.rotate(k, s.position)
	s.keys[i] = append(s.keys[i], k...)
	s.values[i] = append(s.values[i], l.v.times(x)...)
	out := make([]float64, len(q))
	for h := range m.Heads {
		at := h * m.HeadDim
		s.head(i, h/(m.Heads/m.KVHeads)*m.HeadDim, q[at:at+m.HeadDim], out[at:at+m.HeadDim])
	}
	return l.out.times(out)
}

// head adds to out the values of one head, weighted by how its keys, found at
// offset kv of each position, meet the query.
func (s *State) head(i, kv int, q, out []float64) {
	stride := s.m.KVHeads * s.m.HeadDim
	scores := make([]float64, s.position+1)
	largest := math.Inf(-1)
	for t := range scores {
		at := t*stride + kv
		scores[t] = dot(q, s.keys[i][at:at+len(q)]) / math.Sqrt(float64(len(q)))
		largest = max(largest, scores[t])
	}
	var sum float64
	for t := range scores {
		scores[t] = math.Exp(scores[t] - largest)
		sum += scores[t]
	}
	for t, p := range scores {
		at := t*stride + kv
		for j, v := range s.values[i][at : at+len(out)] {
			out[j] += p / sum * v
		}
	}
}

// rotate turns the pairs (2i, 2i+1) of every head by position times angles[i].
func (m *Model) rotate(x []float64, position int) {
	for at := 0; at < len(x); at += m.HeadDim {
		for i, angle := range m.angles {
			sin, cos := math.Sincos(float64(position) * angle)
			a, b := x[at+2*i], x[at+2*i+1]
			x[at+2*i], x[at+2*i+1] = a*cos-b*sin, a*sin+b*cos
		}
	}
}

func (l *layer) feedForward(x []float64) []float64 {
	gate, up := l.gate.times(x), l.up.times(x)
	for i, g := range gate {
		gate[i] = g / (1 + math.Exp(-g)) * up[i]
	}
	return l.down.times(gate)
}

// normalize returns x over its root mean square, times w.
func (m *Model) normalize(x []float64, w []float32) []float64 {
	scale := 1 / math.Sqrt(dot(x, x)/float64(len(x))+m.epsilon)
	out := make([]float64, len(x))
	for i := range x {
		out[i] = x[i] * scale * float64(w[i])
	}
	return out
}

// times returns the product of the matrix and x.
func (a matrix) times(x []float64) []float64 {
	out := make([]float64, len(a.data)/a.columns)
	for i := range out {
		row := a.data[i*a.columns : (i+1)*a.columns]
		var sum float64
		for j, w := range row {
			sum += float64(w) * x[j]
		}
		out[i] = sum
	}
	return out
}

func dot(a, b []float64) float64 {
	var sum float64
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func add(x, y []float64) {
	for i := range x {
		x[i] += y[i]
	}
}
