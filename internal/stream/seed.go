package stream

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kgo"
)

// seedFile is how many states a file of a seed holds.
const seedFile = 250_000

// Seed fills the store of a processor that has not run yet, as if states had been replayed from its changelog, which it
// makes. States calls put for every key of a partition, in ascending order, with what the codec would write. It is there to
// measure a large state without waiting until it has grown, and may be called once, before Run.
func (r *Runner[S]) Seed(ctx context.Context, states func(partition int32, put func(key string, state []byte) error) error) (err error) {
	if r.store, err = openStore(filepath.Join(r.dir, "db"), r.cfg); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.store.close()) }()
	admin, err := kgo.NewClient(r.cfg.Kafka...)
	if err != nil {
		return err
	}
	defer admin.Close()
	l, err := r.prepare(ctx, admin)
	if err != nil {
		return err
	}
	for p := range l.partitions {
		n, err := r.seedPartition(ctx, p, states)
		if err != nil {
			return fmt.Errorf("seed partition %d: %w", p, err)
		}
		b := r.store.db.NewBatch()
		m := meta{topicID: l.topicID, at: time.Now().UnixMilli(), entries: n}
		if err := errors.Join(setMeta(b, p, m), b.Commit(pebble.NoSync)); err != nil {
			return err
		}
	}
	return nil
}

// ChangelogValue is the changelog's record of a state without a timer, for the same purpose; state is what the codec writes.
func ChangelogValue(state []byte) []byte { return append([]byte{formV1 | flagState}, state...) }

func (r *Runner[S]) seedPartition(ctx context.Context, p int32, states func(int32, func(string, []byte) error) error) (n int64, err error) {
	var w *sstable.Writer
	var files []string
	done := func() error {
		if w == nil {
			return nil
		}
		err := w.Close()
		w = nil
		return err
	}
	var k, v []byte
	err = states(p, func(key string, state []byte) error {
		if n%seedFile == 0 {
			if err := done(); err != nil {
				return err
			}
			name := filepath.Join(r.dir, fmt.Sprintf("seed-%d-%d.sst", p, len(files)))
			f, err := vfs.Default.Create(name, vfs.WriteCategoryUnspecified)
			if err != nil {
				return err
			}
			files = append(files, name)
			w = sstable.NewWriter(objstorageprovider.NewFileWritable(f), r.store.opts.MakeWriterOptions(bulkLevel, r.store.db.TableFormat()))
		}
		n++
		k, v = stateKey(k[:0], p, key), append(append(v[:0], formV1|flagState), state...)
		return w.Set(k, v)
	})
	if err = errors.Join(err, done()); err != nil || len(files) == 0 {
		return n, err
	}
	return n, r.store.db.Ingest(ctx, files)
}
