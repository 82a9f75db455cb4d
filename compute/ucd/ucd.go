// Package ucd holds the character data of Unicode 15.0.0.
//
// It stands at the bottom of the compute floor, below tokenizer: what a letter is, how a character
// decomposes and what its lower case is decides about token ids, which a model id binds, so the
// tables are pinned here and do not follow the Go version. A test compares them with the standard
// library wherever that has the same version, and writes them (-update). SPEC 04 §4.
//
//	ucd.Of('é') == ucd.Ll
//	ucd.NFD([]rune("é")) // e, U+0301
package ucd

// Version is the version of the Unicode character database in the tables.
const Version = "15.0.0"

// Category is a general category. The zero value is Cn, unassigned.
type Category uint8

// The general categories.
const (
	Cn Category = iota // unassigned, and whatever is no code point
	Lu
	Ll
	Lt
	Lm
	Lo
	Mn
	Mc
	Me
	Nd
	Nl
	No
	Pc
	Pd
	Ps
	Pe
	Pi
	Pf
	Po
	Sm
	Sc
	Sk
	So
	Zs
	Zl
	Zp
	Cc
	Cf
	Cs
	Co
	categories // their number
)

// Set is a set of categories, one bit each.
type Set uint32

// The categories by their first letter.
const (
	L Set = 1<<Lu | 1<<Ll | 1<<Lt | 1<<Lm | 1<<Lo
	M Set = 1<<Mn | 1<<Mc | 1<<Me
	N Set = 1<<Nd | 1<<Nl | 1<<No
	P Set = 1<<Pc | 1<<Pd | 1<<Ps | 1<<Pe | 1<<Pi | 1<<Pf | 1<<Po
	S Set = 1<<Sm | 1<<Sc | 1<<Sk | 1<<So
	Z Set = 1<<Zs | 1<<Zl | 1<<Zp
	C Set = 1<<Cn | 1<<Cc | 1<<Cf | 1<<Cs | 1<<Co
)

// Has says whether a category is in the set.
func (s Set) Has(c Category) bool { return s>>c&1 != 0 }

// Of is the general category of a code point; what is no code point is Cn.
func Of(r rune) Category {
	if r < 0 || r > 0x10FFFF {
		return Cn
	}
	return Category(categoryRuns[find(categoryRuns[:], uint32(r)<<8|0xff)] & 0xff)
}

// find is the index of the last element that is at most x; the first element is.
func find(a []uint32, x uint32) int {
	low, high := 0, len(a)
	for high-low > 1 {
		mid := int(uint(low+high) >> 1)
		if a[mid] <= x {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// Space says whether a code point has the property White_Space.
func Space(r rune) bool {
	switch {
	case r < 0x80:
		return r == ' ' || r >= '\t' && r <= '\r'
	case r == 0x85, r == 0xA0, r == 0x1680, r == 0x2028, r == 0x2029, r == 0x202F, r == 0x205F, r == 0x3000:
		return true
	}
	return r >= 0x2000 && r <= 0x200A
}

// wordCategories are letters, marks, digits and connectors.
const wordCategories = L | M | 1<<Nd | 1<<Nl | 1<<Pc

// Word says whether a code point of a category is a word character: \w of regular expressions. Beyond
// wordCategories these are letters in circles and squares.
func Word(r rune, c Category) bool {
	if c != So {
		return wordCategories.Has(c)
	}
	return r >= 0x24B6 && r <= 0x24E9 || r >= 0x1F130 && r <= 0x1F149 || r >= 0x1F150 && r <= 0x1F169 || r >= 0x1F170 && r <= 0x1F189
}

// Han says whether a code point has the script Han.
func Han(r rune) bool {
	if r < 0x2E80 || r > 0x10FFFF {
		return false
	}
	return find(hanBounds[:], uint32(r))&1 != 0
}

// AppendLower appends the full lower case of a character, without regard to its neighbours.
func AppendLower(out []rune, r rune) []rune {
	switch {
	case r < 0x80:
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return append(out, r)
	case r == 0x130: // the only one that becomes two
		return append(out, 'i', 0x307)
	}
	if i := find(lowerFrom[:], uint32(r)); lowerFrom[i] == uint32(r) {
		r = rune(lowerTo[i])
	}
	return append(out, r)
}

// HanRanges are the code points of the script Han: pairs of first and last, ascending.
func HanRanges() []rune {
	out := make([]rune, 0, len(hanBounds))
	for i := 1; i+1 < len(hanBounds); i += 2 {
		out = append(out, rune(hanBounds[i]), rune(hanBounds[i+1])-1)
	}
	return out
}
