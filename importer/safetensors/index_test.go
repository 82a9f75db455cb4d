package safetensors

import (
	"strings"
	"testing"
)

// FuzzIndex wants no panic, and no shard that is not a file of the folder itself.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":8},"weight_map":{"x":"a.safetensors"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		where, err := parseIndex(b)
		if err == nil && len(where) == 0 {
			t.Fatal("an index of nothing is read")
		}
		for tensor, file := range where {
			if err == nil && (strings.ContainsAny(file, "/\\\x00") || len(tensor) > MaxNameBytes) {
				t.Fatalf("tensor %q in shard %q", tensor, file)
			}
		}
	})
}
