package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A partition that is replayed from the start does not go through the store's write buffer: what was fetched is sorted, the last
// value of each key goes into a file in the form of the store's own, and the store takes the file in as a whole, with the
// changelog offset up to which it is true.

// bulkBytes is how much of the changelog is gathered for one file; a recovery holds so much, and one fetch.
const bulkBytes = 32 << 20

// bulkLevel is the level whose options such a file is written with. At the lowest one a deletion would count for nothing.
const bulkLevel = 5

// uncounted marks a meta written before the states were counted: a start that finds it counts them.
const uncounted = -1

// bulk gathers what a full replay has fetched.
type bulk struct {
	items  []bulkItem
	order  []sortedKey
	size   int
	rounds int
}

// bulkItem is one changelog record. Its slices are the fetched response's.
type bulkItem struct{ key, val []byte }

func (b *bulk) add(key, val []byte) {
	b.items = append(b.items, bulkItem{key, val})
	b.size += len(key) + len(val) + 32
}

// last sets the order: by key, and of each the last value.
func (b *bulk) last() {
	b.order = sortedByKey(b.order[:0], len(b.items), func(i int) string { return text(b.items[i].key) })
	keep := b.order[:0]
	for i, o := range b.order {
		if i+1 == len(b.order) || b.order[i+1].head != o.head || !bytes.Equal(b.items[b.order[i+1].n].key, b.items[o.n].key) {
			keep = append(keep, o)
		}
	}
	b.order = keep
}

// bulkName is a file on its way into the store; what a crash leaves of it is removed at the next start.
func bulkName(dir string, partition int32) string {
	return filepath.Join(dir, fmt.Sprintf("bulk-%d.sst", partition))
}

func removeBulks(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "bulk-*.sst"))
	for _, n := range names {
		err = errors.Join(err, os.Remove(n))
	}
	return err
}

// ingest puts what was gathered into the store, with m. It sets m.entries as far as it is known: after the first file.
func (s *store) ingest(ctx context.Context, dir string, partition int32, m *meta, b *bulk) (err error) {
	b.last()
	m.entries = uncounted
	if b.rounds == 0 {
		m.entries = 0
		for _, o := range b.order {
			if v := b.items[o.n].val; len(v) > 0 && v[0]&flagState != 0 {
				m.entries++
			}
		}
	}
	name := bulkName(dir, partition)
	defer func() {
		if err != nil {
			_ = os.Remove(name)
		}
	}()
	if err := s.writeBulk(name, partition, *m, b); err != nil {
		return &storeError{err}
	}
	if err := s.db.Ingest(ctx, []string{name}); err != nil {
		return &storeError{fmt.Errorf("take in %s: %w", name, err)}
	}
	clear(b.items)
	b.items, b.size, b.rounds = b.items[:0], 0, b.rounds+1
	return nil
}

// writeBulk writes meta, states and timers, which is the order of their keys.
func (s *store) writeBulk(name string, partition int32, m meta, b *bulk) (err error) {
	f, err := vfs.Default.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(f), s.opts.MakeWriterOptions(bulkLevel, s.db.TableFormat()))
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.Set(prefix(nil, uint32(partition), kindMeta), m.encode()); err != nil {
		return err
	}
	var timers []timerRef
	var key []byte
	for _, o := range b.order {
		it := &b.items[o.n]
		key = stateKey(key[:0], partition, it.key)
		if len(it.val) == 0 {
			if b.rounds > 0 { // an earlier file may have it
				err = w.Delete(key)
			}
		} else {
			err = w.Set(key, it.val)
		}
		if err != nil {
			return err
		}
		if _, timer, perr := parseValue(it.val); perr != nil {
			return fmt.Errorf("key %q: %w", it.key, perr)
		} else if timer != noTimer {
			timers = append(timers, timerRef{at: timer, key: string(it.key)})
		}
	}
	slices.SortFunc(timers, timerRef.compare)
	for _, t := range timers {
		key = timerKey(key[:0], partition, t.at, t.key)
		if err := w.Set(key, nil); err != nil {
			return err
		}
	}
	return nil
}

// empty tells whether there is nothing of a partition.
func (s *store) empty(partition int32) (bool, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix(nil, uint32(partition), 0), UpperBound: prefix(nil, uint32(partition)+1, 0)})
	if err != nil {
		return false, &storeError{err}
	}
	none := !it.First()
	if err := it.Close(); err != nil {
		return false, &storeError{err}
	}
	return none, nil
}
