package tokenizer

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func marshal(t testing.TB, tok *Tokenizer) []byte {
	t.Helper()
	b, err := tok.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseInvertsMarshal(t *testing.T) {
	for seed := range uint64(20) {
		c := sample(randomMerges(rand.New(rand.NewPCG(seed, 2)))...)
		c.AddBOS, c.AddEOS, c.AddSpacePrefix = seed&1 != 0, seed&2 != 0, seed&4 != 0
		c.EOS = None
		b := marshal(t, build(t, c))
		tok, err := Parse(b)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !reflect.DeepEqual(tok.config, c) {
			t.Fatalf("seed %d: parsed to another tokenizer", seed)
		}
		if !bytes.Equal(marshal(t, tok), b) {
			t.Fatalf("seed %d: encoding differs after parsing", seed)
		}
	}
}

// The layout is part of the model identity: these bytes must never change.
func TestEncodingIsAsDocumented(t *testing.T) {
	tok := build(t, Config{
		Pieces: []Piece{{"<unk>", 0, Unknown}, {"ab", -2, Normal}},
		BOS:    None, EOS: 1, Unknown: 0, AddEOS: true, AddSpacePrefix: true,
	})
	const want = "656c656e636875732f746f6b656e697a65722f31" + "01" + "06" +
		"ffffffff" + "00000001" + "00000000" + "00000002" +
		"02" + "00000000" + "0005" + "3c756e6b3e" +
		"01" + "fffffffe" + "0002" + "6162"
	if got := hex.EncodeToString(marshal(t, tok)); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func TestParseRefusesEverythingElse(t *testing.T) {
	good := marshal(t, build(t, sample()))
	count := len(Tag) + 14
	for _, c := range []struct {
		name string
		edit func([]byte) []byte
	}{
		{"empty", func(b []byte) []byte { return nil }},
		{"other version", func(b []byte) []byte { b[len(Tag)-1] = '2'; return b }},
		{"other algorithm", func(b []byte) []byte { b[len(Tag)] = 2; return b }},
		{"unknown flag", func(b []byte) []byte { b[len(Tag)+1] |= 8; return b }},
		{"one byte more", func(b []byte) []byte { return append(b, 0) }},
		{"one byte less", func(b []byte) []byte { return b[:len(b)-1] }},
		{"no pieces", func(b []byte) []byte { return binary.BigEndian.AppendUint32(b[:count], 0) }},
		{"too many pieces", func(b []byte) []byte { binary.BigEndian.PutUint32(b[count:], 1<<31); return b }},
		{"one piece more", func(b []byte) []byte { b[count+3]++; return b }},
		{"long piece", func(b []byte) []byte { b[count+4+5] = 0xff; return b }},
		{"bad kind", func(b []byte) []byte { b[count+4] = 9; return b }},
		{"BOS out of range", func(b []byte) []byte { b[len(Tag)+2] = 1; return b }},
	} {
		b := c.edit(slices.Clone(good))
		if _, err := Parse(b); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: error %v, want ErrEncoding", c.name, err)
		}
	}
	for n := range good {
		if _, err := Parse(good[:n]); !errors.Is(err, ErrEncoding) {
			t.Fatalf("first %d bytes: error %v, want ErrEncoding", n, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(marshal(f, build(f, sample())), "some text")
	f.Add(marshal(f, build(f, sample(Piece{"ab", 1, Normal}, Piece{"<u>", 0, UserDefined}))), "a<u>b")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		tok, err := Parse(b)
		if err != nil {
			return
		}
		if !bytes.Equal(marshal(t, tok), b) {
			t.Fatal("a second encoding of the same tokenizer was accepted")
		}
		if _, err := tok.Decode(tok.Encode(text)); err != nil {
			t.Fatal(err)
		}
	})
}
