package ucd

import "slices"

// Hangul syllables compose by arithmetic.
const (
	hangulS, hangulL, hangulV, hangulT = 0xAC00, 0x1100, 0x1161, 0x11A7
	hangulLs, hangulVs, hangulTs       = 19, 21, 28
	hangulSs                           = hangulLs * hangulVs * hangulTs
)

// NFD is the canonical decomposition in canonical order.
func NFD(text []rune) []rune { return reorder(decompose(text, false)) }

// NFKD is the compatibility decomposition in canonical order.
func NFKD(text []rune) []rune { return reorder(decompose(text, true)) }

// NFC is the canonical composition of NFD.
func NFC(text []rune) []rune { return compose(NFD(text)) }

// NFKC is the canonical composition of NFKD.
func NFKC(text []rune) []rune { return compose(NFKD(text)) }

func decompose(text []rune, compatible bool) []rune {
	out := make([]rune, 0, len(text)+len(text)/8)
	for _, r := range text {
		if r < 0xA0 {
			out = append(out, r)
			continue
		}
		if s := r - hangulS; s >= 0 && s < hangulSs {
			out = append(out, hangulL+s/(hangulVs*hangulTs), hangulV+s%(hangulVs*hangulTs)/hangulTs)
			if t := s % hangulTs; t != 0 {
				out = append(out, hangulT+t)
			}
			continue
		}
		out = appendDecomposed(out, r, compatible)
	}
	return out
}

// appendDecomposed looks a character up: the tables hold full decompositions.
func appendDecomposed(out []rune, r rune, compatible bool) []rune {
	from, at, to := canonicalFrom[:], canonicalAt[:], canonicalTo
	if compatible {
		if i := find(compatibleFrom[:], uint32(r)); compatibleFrom[i] == uint32(r) {
			from, at, to = compatibleFrom[:], compatibleAt[:], compatibleTo
		}
	}
	i := find(from, uint32(r))
	if from[i] != uint32(r) {
		return append(out, r)
	}
	return append(out, to[at[i]:at[i+1]]...)
}

// class is the canonical combining class of a character.
func class(r rune) uint8 {
	if r < 0x300 {
		return 0
	}
	return uint8(classRuns[find(classRuns[:], uint32(r)<<8|0xff)] & 0xff)
}

// reorder sorts every run of characters with a class by it, stably.
func reorder(text []rune) []rune {
	for i := 0; i < len(text); i++ {
		if class(text[i]) == 0 {
			continue
		}
		end := i + 1
		for end < len(text) && class(text[end]) != 0 {
			end++
		}
		if end-i > 1 {
			slices.SortStableFunc(text[i:end], func(a, b rune) int { return int(class(a)) - int(class(b)) })
		}
		i = end
	}
	return text
}

// compose joins, in place, each character that is not blocked with the last starter before it.
func compose(text []rune) []rune {
	out := text[:0]
	starter, last := -1, uint8(0)
	for _, r := range text {
		c := class(r)
		blocked := starter < len(out)-1 && (last >= c || last == 0)
		if starter >= 0 && !blocked {
			if joined := pair(out[starter], r); joined != 0 {
				out[starter] = joined
				continue
			}
		}
		if c == 0 {
			starter = len(out)
		}
		last = c
		out = append(out, r)
	}
	return out
}

// pair is the primary composite of two characters, or 0.
func pair(a, b rune) rune {
	if l, v := a-hangulL, b-hangulV; l >= 0 && l < hangulLs && v >= 0 && v < hangulVs {
		return hangulS + (l*hangulVs+v)*hangulTs
	}
	if s, t := a-hangulS, b-hangulT; s >= 0 && s < hangulSs && s%hangulTs == 0 && t > 0 && t < hangulTs {
		return a + t
	}
	if b < 0x300 {
		return 0
	}
	x := uint64(a)<<32 | uint64(b)
	i, found := slices.BinarySearchFunc(composeFrom[:], x, func(p, x uint64) int {
		switch {
		case p < x:
			return -1
		case p > x:
			return 1
		}
		return 0
	})
	if !found {
		return 0
	}
	return rune(composeTo[i])
}
