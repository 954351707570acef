package stream

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Keys of all lengths, alike in their beginnings or not, with NULs in them: their order is that of the bytes, and of equal ones the
// first comes first.
func TestSortedByKey(t *testing.T) {
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		keys := make([]string, rnd.IntN(40))
		shared := string(make([]byte, rnd.IntN(3))) + "customer-"[:rnd.IntN(10)]
		for i := range keys {
			b := []byte(shared)
			for range rnd.IntN(12) {
				b = append(b, byte(rnd.IntN(3)))
			}
			keys[i] = string(b)
		}
		order := sortedByKey(nil, len(keys), func(i int) string { return keys[i] })
		want := make([]int, len(keys))
		for i := range want {
			want[i] = i
		}
		slices.SortStableFunc(want, func(a, b int) int {
			if keys[a] < keys[b] {
				return -1
			}
			if keys[a] > keys[b] {
				return 1
			}
			return 0
		})
		if len(order) != len(want) {
			t.Fatalf("seed %d: %d places of %d keys", seed, len(order), len(want))
		}
		for i, o := range order {
			if int(o.n) != want[i] {
				t.Fatalf("seed %d: at place %d stands %d (%q), not %d (%q)", seed, i, o.n, keys[o.n], want[i], keys[want[i]])
			}
		}
	}
}
