package stream

// cache holds the entries used lately, up to a number. What gives way is found by a hand that goes round: the first entry which
// wasn't asked for since the hand passed it last. Being asked for costs one bit, and no list is put in order.
type cache[S any] struct {
	entries map[string]*entry[S]
	ring    []*entry[S]
	hand    int
	size    int
	evicted func(*entry[S])
}

func newCache[S any](size int, evicted func(*entry[S])) cache[S] {
	return cache[S]{entries: map[string]*entry[S]{}, size: size, evicted: evicted}
}

// get returns the entry of key; nil if it isn't here.
func (c *cache[S]) get(key string) *entry[S] { return c.entries[key] }

// add takes in an entry whose key isn't here.
func (c *cache[S]) add(e *entry[S]) {
	c.entries[e.key] = e
	e.cached, e.used = true, false
	if len(c.ring) < c.size {
		e.place = int32(len(c.ring))
		c.ring = append(c.ring, e)
		return
	}
	for c.ring[c.hand].used {
		c.ring[c.hand].used = false
		c.hand = (c.hand + 1) % len(c.ring)
	}
	old := c.ring[c.hand]
	c.ring[c.hand], e.place = e, int32(c.hand)
	c.hand = (c.hand + 1) % len(c.ring)
	c.drop(old)
}

func (c *cache[S]) drop(e *entry[S]) {
	delete(c.entries, e.key)
	e.cached = false
	c.evicted(e)
}

// remove takes an entry out, if it is here.
func (c *cache[S]) remove(e *entry[S]) {
	if !e.cached {
		return
	}
	last := len(c.ring) - 1
	c.ring[e.place] = c.ring[last]
	c.ring[e.place].place = e.place
	c.ring[last] = nil
	c.ring = c.ring[:last]
	if c.hand >= last {
		c.hand = 0
	}
	c.drop(e)
}

// resize changes how many entries there may be, one at least.
func (c *cache[S]) resize(size int) {
	c.size = size
	for len(c.ring) > size {
		c.remove(c.ring[len(c.ring)-1])
	}
}
