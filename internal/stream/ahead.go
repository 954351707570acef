package stream

import (
	"bytes"
	"fmt"
	"slices"
	"unsafe"

	"github.com/cockroachdb/pebble/v2"
)

// Looked up one by one, in the order of the records, cold keys cost a search of the whole store each. Those of the records that
// come next are looked up together, in the order of the store, where one is found from the place of the one before.

const (
	aheadRecords = 4096 // looked at together
	aheadFew     = 8    // keys for which it isn't worth it
)

// ahead loads the states of the next records' keys that memory doesn't have. It changes nothing that anybody can see.
func (p *partition[S]) ahead() error {
	most := min(aheadRecords, p.entries/4)
	keys, places := p.aheadKeys[:0], p.aheadPlaces[:0]
	for i := range p.in {
		in := &p.in[i]
		n := min(len(in.recs), aheadRecords)
		in.found = slices.Grow(in.found[:0], n)[:n]
		for j, r := range in.recs[:n] {
			k := text(r.Key)
			e := p.cache.get(k)
			if in.found[j] = e; e == nil && len(keys) < most && p.spill[k] == nil {
				keys, places = append(keys, k), append(places, &in.found[j])
			}
		}
	}
	p.aheadKeys, p.aheadPlaces = keys, places
	defer clear(places)
	defer clear(keys)
	if len(keys) < aheadFew {
		return nil
	}
	p.aheadOrder = sortedByKey(p.aheadOrder[:0], len(keys), func(i int) string { return keys[i] })
	it, err := p.r.store.db.NewIter(&pebble.IterOptions{LowerBound: prefix(nil, uint32(p.id), kindState), UpperBound: prefix(nil, uint32(p.id), kindState+1)})
	if err != nil {
		return &storeError{err}
	}
	defer func() { _ = it.Close() }()
	for i, o := range p.aheadOrder {
		k := keys[o.n]
		if i > 0 && keys[p.aheadOrder[i-1].n] == k {
			continue
		}
		p.key = stateKey(p.key[:0], p.id, k)
		var e *entry[S]
		if it.SeekGE(p.key) && bytes.Equal(it.Key(), p.key) {
			v, err := it.ValueAndErr()
			if err != nil {
				return &storeError{err}
			}
			if e, err = p.loaded(k, v); err != nil {
				return err
			}
		} else if err := it.Error(); err != nil {
			return &storeError{fmt.Errorf("look up key %q: %w", k, err)}
		} else {
			e = p.absent(k)
		}
		p.cache.add(e)
		*places[o.n] = e
	}
	return nil
}

// text is a text over bytes that nobody changes.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
