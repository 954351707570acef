package stream

import (
	"bytes"
	"fmt"
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
	keys := p.aheadKeys[:0]
	for i := range p.in {
		for _, r := range p.in[i].recs[:min(len(p.in[i].recs), aheadRecords)] {
			if len(keys) >= most {
				break
			}
			if k := text(r.Key); !p.cache.Contains(k) && p.spill[k] == nil {
				keys = append(keys, k)
			}
		}
	}
	p.aheadKeys = keys
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
		p.cache.Add(e.key, e)
	}
	return nil
}

// text is a text over bytes that nobody changes.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
