package kpi

import (
	"testing"

	"pgregory.net/rapid"
)

// Portions hold all days in their order; none of several days has more rows than go at once, and none could have taken the first
// day of the next.
func TestPortioned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var days []bucket
		has := map[int64]uint64{}
		for i := range rapid.IntRange(0, 40).Draw(t, "days") {
			days = append(days, bucket{bucket: int64(100 - i)})
			has[int64(100-i)] = rapid.OneOf(rapid.Uint64Range(0, 1000), rapid.Uint64Range(0, rowsAtOnce*2)).Draw(t, "rows")
		}
		rows := func(portion []bucket) (n uint64) {
			for _, b := range portion {
				n += has[b.bucket]
			}
			return n
		}
		portions := portioned(days, has)
		var all []bucket
		for i, p := range portions {
			all = append(all, p...)
			if len(p) == 0 || len(p) > 1 && rows(p) > rowsAtOnce {
				t.Fatalf("portion %d has %d days with %d rows", i, len(p), rows(p))
			}
			if i > 0 && rows(portions[i-1])+has[p[0].bucket] <= rowsAtOnce {
				t.Fatalf("portion %d could have been longer", i-1)
			}
		}
		if len(all) != len(days) {
			t.Fatalf("%d days became %d", len(days), len(all))
		}
		for i := range all {
			if all[i] != days[i] {
				t.Fatalf("day %d is %v, want %v", i, all[i], days[i])
			}
		}
	})
}
