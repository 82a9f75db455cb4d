package conformance_test

import "elenchus/compute/opset"

// stringBytes is the length of string s of an example of stop_state, had what was matched of it.
func (e *example) stringBytes(s int) int { return min(int(e.c.StopLens>>(8*s)&255), opset.StopBytes) }
func (e *example) had(s int) int         { return int(e.c.StopState >> (8 * s) & 255) }

// added is the number of bytes that the token of an example of stop_state adds.
func (e *example) added() int {
	if len(e.x) < 4 {
		return 0
	}
	return len(e.x[2])
}

// grows says whether a string of an example was matched further than it was.
func (e *example) grows() bool {
	for s := range opset.StopStrings {
		if e.value > 0 && int(e.value>>(8*s)&255) > e.had(s) && e.had(s) > 0 {
			return true
		}
	}
	return false
}

// spelling are the conditions of stop_state.
var spelling = []condition{
	{"no stop strings", all(opset.StopState), func(e *example) bool { return len(e.x) == 0 && e.c.StopLens == 0 && e.value == 0 }},
	{"already complete", all(opset.StopState), func(e *example) bool { return len(e.x) == 0 && e.value == opset.StopDone }},
	{"completes a string", all(opset.StopState), func(e *example) bool { return len(e.x) == 4 && e.value == opset.StopDone }},
	{"completes the fourth string", all(opset.StopState), func(e *example) bool {
		return e.value == opset.StopDone && e.added() > 0 && e.stringBytes(3) > 2 && e.c.StopLens<<8 == 0
	}},
	{"matches begin", all(opset.StopState), func(e *example) bool { return e.value > 0 && e.c.StopState == 0 && e.added() > 1 }},
	{"a match goes on", all(opset.StopState), func(e *example) bool { return e.grows() }},
	{"a match breaks", all(opset.StopState), func(e *example) bool {
		return e.value == 0 && e.had(0) > 0 && e.had(0) < e.stringBytes(0) && e.added() > 0
	}},
	{"falls back to a border", all(opset.StopState), func(e *example) bool {
		n := int(e.value & 255)
		return e.value > 0 && e.added() == 1 && n > 0 && n <= e.had(0) && e.had(0) < e.stringBytes(0)
	}},
	{"a token without bytes", all(opset.StopState), func(e *example) bool { return len(e.x) == 3 && e.value > 0 }},
	{"a token of 128 bytes", all(opset.StopState), func(e *example) bool { return e.added() == opset.TokenBytes && e.value >= 0 }},
	{"a token cut off at the end", all(opset.StopState), func(e *example) bool {
		return e.added() > 0 && int64(e.added()) < e.x[1][1] && e.added() < opset.TokenBytes
	}},
	{"a token below 0", all(opset.StopState), func(e *example) bool { return len(e.x) == 4 && e.x[0][0] < 0 }},
	{"a token beyond the vocabulary", all(opset.StopState), func(e *example) bool { return len(e.x) == 4 && e.x[0][0] >= e.d.P[0] }},
	{"a place beyond the bytes", all(opset.StopState), func(e *example) bool { return len(e.x) > 2 && e.x[1][0] >= e.d.P[1] && e.x[1][1] > 0 }},
	{"lengths beyond 64", all(opset.StopState), func(e *example) bool { return e.c.StopLens&255 > opset.StopBytes && e.value >= 0 }},
	{"a state beyond its string", all(opset.StopState), func(e *example) bool {
		return e.had(0) >= e.stringBytes(0) && e.stringBytes(0) > 1 && e.value > 0 && e.c.StopState != 1<<32-1
	}},
	{"more than a word matched", all(opset.StopState), func(e *example) bool { return e.value > 0 && e.value&255 > 32 }},
}
