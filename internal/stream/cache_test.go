package stream

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is asked for, taken in, taken out and resized, the cache holds what went in and was not given up, never more than it
// may; an entry that was asked for outlives those that came with it and were not.
func TestCacheHoldsWhatItMay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		held := map[string]*entry[int]{}
		c := newCache(rapid.IntRange(1, 8).Draw(t, "size"), func(e *entry[int]) {
			if held[e.key] != e || e.cached {
				t.Fatalf("%q is given up and wasn't held", e.key)
			}
			delete(held, e.key)
		})
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			key := strconv.Itoa(rapid.IntRange(0, 12).Draw(t, "key"))
			e := c.get(key)
			if e != held[key] {
				t.Fatalf("%q: %v, held is %v", key, e, held[key])
			}
			switch n := rapid.IntRange(0, 9).Draw(t, "step"); {
			case n == 0:
				c.resize(rapid.IntRange(1, 8).Draw(t, "size"))
			case e == nil:
				e = &entry[int]{key: key}
				held[key] = e
				c.add(e)
			case n == 1:
				c.remove(e)
			default:
				e.used = true
			}
			if len(c.ring) != len(held) || len(c.entries) != len(held) || len(held) > c.size {
				t.Fatalf("%d in the ring, %d entries, %d held, %d allowed", len(c.ring), len(c.entries), len(held), c.size)
			}
		}
	})
	c := newCache(3, func(*entry[int]) {})
	for i := range 3 {
		c.add(&entry[int]{key: strconv.Itoa(i)})
	}
	c.get("0").used = true
	for i := range 2 {
		c.add(&entry[int]{key: "new" + strconv.Itoa(i)})
	}
	if c.get("0") == nil || c.get("1") != nil || c.get("2") != nil {
		t.Fatal("what was asked for gave way before what was not")
	}
}
