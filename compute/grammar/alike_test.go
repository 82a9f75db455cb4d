package grammar

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/compute/opset"
)

// drawnWords are n tokens: all bytes, then words, some of other alphabets, and runs of spaces; the last has no bytes.
func drawnWords(n, longest int) [][]byte {
	r := rand.New(rand.NewPCG(5, uint64(n)))
	const letters = "etaoinshrdlucmfwypvbgkjqxz0123456789\"{}[]:,"
	words := make([][]byte, n)
	for i := range words[:n-1] {
		switch {
		case i < 256:
			words[i] = []byte{byte(i)}
		case i < 256+longest:
			words[i] = slices.Repeat([]byte(" "), i-255)
		default:
			for range 1 + r.IntN(6) {
				words[i] = append(words[i], letters[min(r.IntN(len(letters)), r.IntN(len(letters)))])
			}
			if r.IntN(10) == 0 {
				words[i] = append(words[i], "é世"[r.IntN(2):]...)
			}
		}
	}
	return words
}

// apart is the table of SPEC 05 §7.3, from where each token leads from each state.
func apart(a *Automaton, words [][]byte, end int32) []int32 {
	t, n := a.steps(), len(a.States)
	to := make([][]int16, n)
	for s := range to {
		to[s] = make([]int16, len(words))
		for id, w := range words {
			at := int16(s)
			for i := 0; i < len(w) && at != refused; i++ {
				at = t[at][w[i]]
			}
			if to[s][id] = at; len(w) == 0 || int32(id) == end {
				to[s][id] = a.States[s].piece(int32(id))
			}
		}
	}
	live := livesOf(a, to)
	columns, first := map[string]int32{}, []int(nil)
	var table []int32
	for id := range words {
		key := fmt.Sprint(int32(id) == end)
		for s := range n {
			if live[s] && to[s][id] != refused && live[to[s][id]] {
				key += fmt.Sprint(" ", s, to[s][id])
			}
		}
		if _, ok := columns[key]; !ok {
			columns[key] = int32(len(first))
			first = append(first, id)
		}
		table = append(table, columns[key])
	}
	row, rows := make([]int32, n), int32(0)
	for s := range n {
		if row[s] = rows; live[s] {
			rows++
		}
	}
	for s := range n {
		for _, id := range first {
			next := to[s][id]
			if int32(id) == end && a.States[s].Accept {
				next = int16(s)
			}
			switch {
			case !live[s]:
			case next == refused || !live[next]:
				table = append(table, 0)
			default:
				table = append(table, row[next]*int32(len(first))+1)
			}
		}
	}
	for len(table) > 0 && table[len(table)-1] == 0 {
		table = table[:len(table)-1]
	}
	return table
}

// livesOf are the states that are reached and from which a text can be ended.
func livesOf(a *Automaton, to [][]int16) []bool {
	reached, live := make([]bool, len(to)), make([]bool, len(to))
	reached[0] = true
	for changed := true; changed; {
		changed = false
		for s := range to {
			for _, next := range to[s] {
				if reached[s] && next != refused && !reached[next] {
					reached[next], changed = true, true
				}
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for s := len(to) - 1; s >= 0; s-- {
			ends := reached[s] && (a.States[s].Accept || slices.ContainsFunc(to[s], func(next int16) bool { return next != refused && live[next] }))
			if ends && !live[s] {
				live[s], changed = true, true
			}
		}
	}
	return live
}

// Tables that go through the tokens once for states that look alike are those that go through them for each.
// SPEC 05 §7.3.
func TestTablesOfStatesThatCount(t *testing.T) {
	for _, c := range []struct{ longest, pieces int }{{1, 0}, {9, 0}, {9, 2}} {
		words := drawnWords(420, c.longest)
		end := int32(len(words) - 1)
		pieces := []int32{end - 9, end - 2}[:c.pieces]
		for _, id := range pieces {
			words[id] = nil
		}
		v := NewVocabulary(len(words), func(id int) []byte { return words[id] })
		for _, schema := range []string{
			`{"type":"string","maxLength":12}`, `{"type":"string","minLength":3,"maxLength":7}`, `{"type":"array","items":{"type":"integer"},"maxItems":9}`,
			`{"type":"array","items":{"enum":["a","ab"]},"minItems":2,"maxItems":6}`, `{"type":"string","pattern":"^(ab|c){2,5}$"}`,
			`{"type":"object","properties":{"a":{"type":"string","maxLength":4},"b":{"type":"string","maxLength":4}},"required":["b"]}`,
			`{"enum":["one","two",12,[1,2]]}`, `{"type":"integer","minimum":-30,"maximum":1200}`,
		} {
			a, err := Schema([]byte(schema))
			if err != nil {
				t.Fatal(err)
			}
			for s := range a.States {
				for i, id := range pieces[:min(s%4, c.pieces)] {
					a.States[s].Pieces = append(a.States[s].Pieces, Piece{id, uint16((s + i) % len(a.States))})
				}
			}
			got, err := v.Table(a, []int32{end})
			if err != nil {
				t.Fatal(err)
			}
			if want := apart(a, words, end); !slices.Equal(got, want) {
				t.Errorf("%s, tokens of %d bytes, %d pieces: another table of %d elements, want %d", schema, c.longest, c.pieces, len(got), len(want))
			}
		}
	}
}

// A string of many characters fits the vocabularies of today: 50,000 tokens, some of the greatest length. What it
// takes is bounded in steps.
func TestLongStringsFitLargeVocabularies(t *testing.T) {
	words := drawnWords(50_000, TokenBytes-1)
	v := NewVocabulary(len(words), func(id int) []byte { return words[id] })
	a, err := Schema([]byte(`{"type":"string","maxLength":160}`))
	if err != nil {
		t.Fatal(err)
	}
	table, err := v.Table(a, []int32{int32(len(words) - 1)})
	if err != nil || len(table) > opset.GrammarCount {
		t.Fatalf("%d states: a table of %d elements, %v", len(a.States), len(table), err)
	}
}
