package kernel

// Stop strings. SPEC 02 §4 op 34.

// Bounds of stop strings and of what a token adds to a text.
const (
	stopStrings = 4
	stopBytes   = 64
	tokenBytes  = 128
	stopDone    = -1
)

// StopState is the state of the stop strings after a token that adds the bytes to the text: how many
// of its first bytes the text ends with, a byte for each string, or -1 once one is complete. lens are
// the lengths of the strings, one byte each, table has 64 bytes for each; token has at most 128.
func StopState(state int32, lens uint32, table []byte, token []int8) int32 {
	switch {
	case lens == 0:
		return 0
	case state == stopDone:
		return stopDone
	}
	out := int32(0)
	var text [stopBytes + tokenBytes]byte
	for s := range stopStrings {
		want := table[s*stopBytes:][:min(lens>>(8*s)&255, stopBytes)]
		if len(want) == 0 {
			continue
		}
		n := copy(text[:], want[:min(int(uint32(state)>>(8*s)&255), len(want)-1)])
		for _, b := range token {
			text[n] = byte(b)
			n++
		}
		k := prefixAtEnd(text[:n], want)
		if k == len(want) {
			return stopDone
		}
		out |= int32(k) << (8 * s)
	}
	return out
}

// prefixAtEnd is the length of want if it is complete in the text, else that of the longest prefix of
// want that the text ends with. It walks the text once, with the borders of what is matched.
func prefixAtEnd(text, want []byte) int {
	var border [stopBytes + 1]int
	for i, k := 1, 0; i < len(want); i++ {
		for k > 0 && want[i] != want[k] {
			k = border[k]
		}
		if want[i] == want[k] {
			k++
		}
		border[i+1] = k
	}
	k := 0
	for _, b := range text {
		for k > 0 && want[k] != b {
			k = border[k]
		}
		if want[k] == b {
			k++
		}
		if k == len(want) {
			break
		}
	}
	return k
}
