package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// store is one Pebble database a runner. Keys start with the partition:
//
//	partition 'm'           -> meta of the partition
//	partition 's' key       -> state and timer (see entry.go)
//	partition 't' time key  -> empty: the timer index, ordered by time. It may hold leftovers of timers that were
//	                           moved; an index entry counts only if the state names the same time.
//	0xffffffff 'm'          -> form of the store and number of partitions
type store struct {
	db     *pebble.DB
	opts   *pebble.Options
	failed atomic.Pointer[error] // of the last attempt to write in the background; nil = it succeeded
}

// failing says why the store can't write, if it can't.
func (s *store) failing() error {
	if s == nil {
		return nil
	}
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// listener notes whether what is written in the background comes to the disk. Pebble tries again at once, for ever.
func (s *store) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			s.failed.Store(&err)
			time.Sleep(20 * time.Millisecond)
		},
		FlushEnd: func(i pebble.FlushInfo) {
			if i.Err == nil {
				s.failed.Store(nil)
			}
		},
	}
}

// storeError is a failure of the disk, never the fault of a record.
type storeError struct{ err error }

func (e *storeError) Error() string { return "state store: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

const (
	kindMeta  = 'm'
	kindState = 's'
	kindTimer = 't'
	prefixLen = 5
	storeForm = 1
)

// meta says up to which changelog offset the states of a partition are true.
type meta struct {
	topicID [16]byte // of the changelog: another one means another history
	offset  int64    // the next changelog offset
	at      int64    // when that was written, Unix milliseconds
	now     int64    // stream time
	entries int64    // keys with a state
}

func openStore(dir string, cfg Config) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make %s: %w", dir, err)
	}
	s := &store{}
	cache := pebble.NewCache(cfg.BlockCache)
	defer cache.Unref()
	opts := &pebble.Options{
		Cache:                       cache,
		MemTableSize:                cfg.MemTable,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       1000,
		DisableWAL:                  true, // the changelog is the log: a crash costs the replay of at most a few write buffers
		MaxOpenFiles:                512,
		Logger:                      pebbleLog{cfg.Logger},
		EventListener:               s.listener(),
		FormatMajorVersion:          pebble.FormatNewest,
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		opts.Levels[i].FilterType = pebble.TableFilter
	}
	opts.Levels[0].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression } // soon it is compacted away
	opts.EnsureDefaults()
	db, err := pebble.Open(dir, opts)
	if err != nil {
		return nil, fmt.Errorf("open the state store in %s (is another process using it?): %w", dir, err)
	}
	s.db, s.opts = db, opts
	return s, nil
}

func (s *store) close() error {
	if err := s.db.Flush(); err != nil {
		return errors.Join(err, s.db.Close())
	}
	return s.db.Close()
}

// checkPartitions refuses a store that was filled under another number of partitions.
func (s *store) checkPartitions(n int32) error {
	key := prefix(nil, math.MaxUint32, kindMeta)
	v, ok, err := s.get(nil, key)
	if err != nil {
		return err
	}
	if !ok {
		v = binary.BigEndian.AppendUint32([]byte{storeForm}, uint32(n))
		if err := s.db.Set(key, v, pebble.NoSync); err != nil {
			return &storeError{err}
		}
		return nil
	}
	if len(v) != 5 || v[0] != storeForm {
		return fmt.Errorf("the state store has form %x, this version knows %d only", v, storeForm)
	}
	if had := binary.BigEndian.Uint32(v[1:]); had != uint32(n) {
		return fmt.Errorf("the state store was filled under %d partitions, the inputs have %d now: keys have moved between partitions, so the states can't be kept", had, n)
	}
	return nil
}

// get appends the value of key to dst.
func (s *store) get(dst, key []byte) ([]byte, bool, error) {
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, false, nil
	}
	if err != nil {
		return dst, false, &storeError{err}
	}
	dst = append(dst, v...)
	if err := closer.Close(); err != nil {
		return dst, false, &storeError{err}
	}
	return dst, true, nil
}

func (s *store) meta(partition int32) (meta, bool, error) {
	v, ok, err := s.get(nil, prefix(nil, uint32(partition), kindMeta))
	if err != nil || !ok {
		return meta{}, false, err
	}
	if len(v) != 48 {
		return meta{}, false, fmt.Errorf("meta of partition %d has %d bytes, not 48", partition, len(v))
	}
	m := meta{
		offset:  int64(binary.BigEndian.Uint64(v[16:])),
		at:      int64(binary.BigEndian.Uint64(v[24:])),
		now:     int64(binary.BigEndian.Uint64(v[32:])),
		entries: int64(binary.BigEndian.Uint64(v[40:])),
	}
	copy(m.topicID[:], v)
	return m, true, nil
}

func (m meta) encode() []byte {
	v := make([]byte, 0, 48)
	v = append(v, m.topicID[:]...)
	for _, n := range []int64{m.offset, m.at, m.now, m.entries} {
		v = binary.BigEndian.AppendUint64(v, uint64(n))
	}
	return v
}

func setMeta(b *pebble.Batch, partition int32, m meta) error {
	return b.Set(prefix(nil, uint32(partition), kindMeta), m.encode(), nil)
}

// wipe forgets all of a partition.
func (s *store) wipe(partition int32) error {
	if none, err := s.empty(partition); none || err != nil {
		return err
	}
	from := binary.BigEndian.AppendUint32(nil, uint32(partition))
	to := binary.BigEndian.AppendUint32(nil, uint32(partition)+1)
	if err := s.db.DeleteRange(from, to, pebble.NoSync); err != nil {
		return &storeError{err}
	}
	// There is no log: what is put in its place must not outlive a crash that this does not.
	if err := s.db.Flush(); err != nil {
		return &storeError{err}
	}
	return nil
}

// count is the number of states of a partition, counted one by one.
func (s *store) count(partition int32) (n int64, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: prefix(nil, uint32(partition), kindState), UpperBound: prefix(nil, uint32(partition), kindState+1),
	})
	if err != nil {
		return 0, &storeError{err}
	}
	for ok := it.First(); ok; ok = it.Next() {
		if v := it.Value(); len(v) > 0 && v[0]&flagState != 0 {
			n++
		}
	}
	if err := it.Close(); err != nil {
		return 0, &storeError{err}
	}
	return n, nil
}

// timers iterates over the timer index of a partition from the time ms on.
func (s *store) timers(partition int32, ms int64) (*pebble.Iterator, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: timerKey(nil, partition, ms, ""), UpperBound: prefix(nil, uint32(partition), kindTimer+1),
	})
	if err != nil {
		return nil, &storeError{err}
	}
	return it, nil
}

func (s *store) diskBytes() float64 { return float64(s.db.Metrics().DiskSpaceUsage()) }

func prefix(dst []byte, partition uint32, kind byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, partition), kind)
}

func stateKey[K string | []byte](dst []byte, partition int32, key K) []byte {
	return append(prefix(dst, uint32(partition), kindState), key...)
}

func timerKey[K string | []byte](dst []byte, partition int32, ms int64, key K) []byte {
	dst = prefix(dst, uint32(partition), kindTimer)
	dst = binary.BigEndian.AppendUint64(dst, uint64(ms)^1<<63)
	return append(dst, key...)
}

func parseTimerKey(k []byte) (ms int64, key []byte) {
	return int64(binary.BigEndian.Uint64(k[prefixLen:]) ^ 1<<63), k[prefixLen+8:]
}

// instanceID reads the identity kept in dir, or makes one.
func instanceID(dir string, random func() string) (string, error) {
	path := filepath.Join(dir, "instance-id")
	b, err := os.ReadFile(path)
	if err == nil && len(bytes.TrimSpace(b)) > 0 {
		return string(bytes.TrimSpace(b)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the instance ID: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make %s: %w", dir, err)
	}
	id := random()
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the instance ID: %w", err)
	}
	return id, nil
}

// pebbleLog passes on what Pebble finds wrong; its everyday talk is left out.
type pebbleLog struct{ l *slog.Logger }

func (p pebbleLog) Infof(string, ...any) {}
func (p pebbleLog) Errorf(format string, args ...any) {
	p.l.Error("state store", "err", fmt.Sprintf(format, args...))
}

func (p pebbleLog) Fatalf(format string, args ...any) {
	panic(&storeError{fmt.Errorf(format, args...)})
}
