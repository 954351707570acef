package stream

// decoded is the queue of the entries whose states are kept decoded: the oldest gives its own up, unless it was used since
// it was queued. What is given up is decoded again from the entry's bytes when it is needed.
type decoded[S any] struct {
	queue []*entry[S]
	head  int
	most  int
}

// use notes that the entry was touched by a transaction that stands.
func (d *decoded[S]) use(e *entry[S]) {
	switch {
	case e.dec == nil:
	case e.queued:
		e.again = true
	default:
		e.queued, e.again = true, false
		d.queue = append(d.queue, e)
	}
}

// trim drops what is too much. No transaction is in hand.
func (d *decoded[S]) trim() {
	for tries := 2 * len(d.queue); len(d.queue)-d.head > d.most && tries > 0; tries-- {
		e := d.queue[d.head]
		d.queue[d.head] = nil
		d.head++
		if e.again && e.dec != nil {
			e.again = false
			d.queue = append(d.queue, e)
			continue
		}
		e.queued, e.dec = false, nil
	}
	if d.head > len(d.queue)/2 {
		n := copy(d.queue, d.queue[d.head:])
		clear(d.queue[n:])
		d.queue, d.head = d.queue[:n], 0
	}
}
