package stream

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// sortedKey is the place of one key among others. Head is what it has behind the beginning that they all share: it decides most
// comparisons, without a look at the key.
type sortedKey struct {
	head uint64
	n    int32
}

// sortedByKey appends the numbers 0 to n-1 to dst in the order of their keys, those of the same key in their own.
func sortedByKey(dst []sortedKey, n int, key func(int) string) []sortedKey {
	if n == 0 {
		return dst
	}
	first := key(0)
	shared := len(first)
	for i := 1; i < n && shared > 0; i++ {
		k := key(i)
		shared = min(shared, len(k))
		for k[:shared] != first[:shared] {
			shared--
		}
	}
	dst = slices.Grow(dst, n)
	for i := range n {
		var head [8]byte
		copy(head[:], key(i)[shared:])
		dst = append(dst, sortedKey{binary.BigEndian.Uint64(head[:]), int32(i)})
	}
	slices.SortFunc(dst, func(x, y sortedKey) int {
		if x.head != y.head {
			return cmp.Compare(x.head, y.head)
		}
		return cmp.Or(cmp.Compare(key(int(x.n)), key(int(y.n))), cmp.Compare(x.n, y.n))
	})
	return dst
}
