package grammar_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"testing"

	"elenchus/compute/grammar"
)

var update = flag.Bool("update", false, "write the vectors again")

const vectorFile = "../../testvectors/grammars/tables.json"

// binding is a case of the vector file: an automaton, tokens and stop ids, and the table of them, or the one
// rule that refuses it.
type binding struct {
	Name      string   `json:"name"`
	Outcome   string   `json:"outcome"`
	Automaton string   `json:"automaton"` // hex
	Tokens    []string `json:"tokens"`    // hex
	Ends      []int32  `json:"ends"`
	Table     []int32  `json:"table,omitempty"` // without the zeros behind it
}

// outcomes is the closed list.
var outcomes = []string{
	"table", "ends early", "bytes follow", "states", "flags", "edge from hi to lo", "edges out of order", "edges that touch lead to one state", "an edge to no state",
	"no edges by ids", "ids out of order", "an id to no state", "an id beyond the tokens", "an id with bytes", "an id that ends an answer", "nothing can be written",
}

// spelled are the tokens "a", "b", "ab", a stop id, and two control pieces.
func spelled() []string { return []string{"61", "62", "6162", "", "", ""} }

// bindings are the cases. The plain automaton is the example of SPEC 05 §7.4; the other one begins with piece 4
// and goes on with a, and piece 5 or b lead back.
func bindings() []binding {
	const plain, pieces = "0002 01 01 61610001 00 01 62620000", "0002 03 00 01 000000040001 02 02 61610001 62620000 01 000000050000"
	c := func(name, outcome, automaton string) binding {
		return binding{Name: name, Outcome: outcome, Automaton: string(bytes.ReplaceAll([]byte(automaton), []byte(" "), nil)), Tokens: spelled(), Ends: []int32{3}}
	}
	out := []binding{
		c("the example", "table", plain), c("pieces", "table", pieces),
		c("two ids from one state to one", "table", "0001 03 00 02 000000040000 000000050000"),
		c("an id and bytes to different states", "table", "0003 02 01 61610001 01 000000040002 01 00 02 00 01 000000050001"),
		c("a piece leads to no end", "table", "0002 03 01 61610000 01 000000050001 00 00"),
		c("cut off", "ends early", plain[:len(plain)-2]), c("cut off among ids", "ends early", pieces[:len(pieces)-2]),
		c("one byte more", "bytes follow", plain+"00"), c("no states", "states", "0000"), c("a flag of 4", "flags", "0001 05 00"),
		c("z to a", "edge from hi to lo", "0001 01 01 7a610000"), c("b before a", "edges out of order", "0002 01 02 62620000 61610001 01 00"),
		c("a and b apart", "edges that touch lead to one state", "0001 01 02 61610000 62620000"), c("to state 1 of 1", "an edge to no state", "0001 01 01 61610001"),
		c("ids announced, and none", "no edges by ids", "0001 03 01 61610000 00"), c("5 before 4", "ids out of order", "0001 03 00 02 000000050000 000000040000"),
		c("5 twice", "ids out of order", "0001 03 00 02 000000050000 000000050000"), c("an id of 2^31", "ids out of order", "0001 03 00 01 800000040000"),
		c("by id to state 1 of 1", "an id to no state", "0001 03 00 01 000000040001"), c("id 6 of 6", "an id beyond the tokens", "0001 03 00 01 000000060000"),
		c("the id of a", "an id with bytes", "0001 03 00 01 000000000000"), c("the stop id", "an id that ends an answer", "0001 03 00 01 000000030000"),
		c("a byte that no token has", "nothing can be written", "0002 00 01 7a7a0001 01 00"),
	}
	long := c("the id of 128 bytes", "an id with bytes", "0001 03 00 01 000000040000")
	long.Tokens[4] = hex.EncodeToString(bytes.Repeat([]byte{'a'}, grammar.TokenBytes))
	return append(out, long)
}

// of is the table that the package makes.
func (c *binding) of(t *testing.T) ([]int32, error) {
	source, err := hex.DecodeString(c.Automaton)
	if err != nil {
		t.Fatal(err)
	}
	a, err := grammar.Decode(source)
	if err != nil {
		return nil, err
	}
	v := grammar.NewVocabulary(len(c.Tokens), func(id int) []byte {
		b, err := hex.DecodeString(c.Tokens[id])
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
	return v.Table(a, c.Ends)
}

// Automata bind to tokens as the vectors say, and each rule refuses one that the others do not. SPEC 05 §7.2, §7.3.
func TestTableVectors(t *testing.T) {
	all := bindings()
	for i := range all {
		c := &all[i]
		table, err := c.of(t)
		if !slices.Contains(outcomes, c.Outcome) || (err == nil) != (c.Outcome == "table") || err != nil && !errors.Is(err, grammar.ErrGrammar) {
			t.Errorf("%s: %v, want %s", c.Name, err, c.Outcome)
		}
		c.Table = table
	}
	want, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(vectorFile, want, 0o644); err != nil { //nolint:gosec // read by everybody
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorFile)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the vectors say something else (%v): write them again with -update and say why", err)
	}
}

// The table of pieces, by hand: in state 0 piece 4 leads to 1, in state 1 a stays, b and piece 5 lead back.
func TestTableOfPieces(t *testing.T) {
	c := bindings()[1]
	table, err := c.of(t)
	// b, and piece 5, lead alike from every state and are one class, 1; ab too, since a leads to where b leads back.
	want := []int32{0, 1, 1, 2, 3, 1, 0, 0, 1, 5, 5, 1}
	if err != nil || !slices.Equal(table, want) {
		t.Fatalf("%v, %v, want %v", table, err, want)
	}
}
