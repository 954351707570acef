package stream

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world is what a partition should hold: states and timers.
type world struct {
	states map[string]tally
	timers map[string]int64
}

func (w world) clone() world { return world{maps.Clone(w.states), maps.Clone(w.timers)} }

// machine drives one partition over a real store, with commits, aborts, records taken back, flushes and losses of
// memory in any order, beside a model that is a pair of maps.
type machine struct {
	r         *Runner[tally]
	p         *partition[tally]
	committed world
	cache     int
	now       int64
}

func newMachine(t *rapid.T, dir string, cache int) *machine {
	r, err := New(Definition[tally]{
		Name: "model", Inputs: []string{inTopic}, Codec: tallyCodec{},
		Process: func(*Context[tally], *Record) error { return nil },
	}, testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	if r.store, err = openStore(dir, r.cfg); err != nil {
		t.Fatal(err)
	}
	m := &machine{r: r, cache: cache, now: 1000, committed: world{map[string]tally{}, map[string]int64{}}}
	m.p = newPartition(r, 3, cache)
	return m
}

var errBack = errors.New("take it back")

// record runs one record of random operations and returns whether it stands.
func (m *machine) record(t *rapid.T, w *world) {
	before := w.clone()
	back := rapid.IntRange(0, 5).Draw(t, "back") == 0
	err := m.p.call(func() error {
		for range rapid.IntRange(1, 6).Draw(t, "ops") {
			if err := m.op(t, w); err != nil {
				return err
			}
		}
		if back {
			return errBack
		}
		return nil
	})
	if back {
		*w = before
	}
	if err != nil && !errors.Is(err, errBack) {
		t.Fatal(err)
	}
}

func (m *machine) op(t *rapid.T, w *world) error {
	key := fmt.Sprint("k", rapid.IntRange(0, 12).Draw(t, "key"))
	c := m.p.ctx
	switch rapid.IntRange(0, 5).Draw(t, "op") {
	case 0: // change it without putting it
		s, ok, err := c.Get(key)
		if err := m.same(w, key, s, ok, err); err != nil {
			return err
		}
		if ok {
			s.n = math.MaxUint64
			// Seen again in this record only if put, so keep away from the key until it is.
			return c.Put(key, &tally{w.states[key].n, w.states[key].sum})
		}
	case 1:
		s, ok, err := c.Get(key)
		if err := m.same(w, key, s, ok, err); err != nil {
			return err
		}
		if !ok {
			s = &tally{}
		}
		s.n++
		s.sum = rapid.Uint64().Draw(t, "sum")
		w.states[key] = *s
		return c.Put(key, s)
	case 2:
		delete(w.states, key)
		return c.Delete(key)
	case 3:
		at := m.now + rapid.Int64Range(-5, 40).Draw(t, "at")
		w.timers[key] = at
		return c.SetTimer(key, time.UnixMilli(at))
	case 4:
		delete(w.timers, key)
		return c.ClearTimer(key)
	}
	s, ok, err := c.Get(key)
	if err := m.same(w, key, s, ok, err); err != nil {
		return err
	}
	if ok { // read, changed and not put: the next record must not see it
		s.sum++
		w2 := w.states[key]
		s2, _, err := c.Get(key)
		if err != nil || s2 != s || w2.sum+1 != s2.sum {
			return fmt.Errorf("the same record saw %v", s2)
		}
		*s = w2
	}
	return nil
}

func (m *machine) same(w *world, key string, s *tally, ok bool, err error) error {
	want, has := w.states[key]
	if err != nil || ok != has || ok && *s != want {
		return fmt.Errorf("%s: got %v %v %v, want %v %v", key, s, ok, err, want, has)
	}
	return nil
}

// due fires timers and compares with those the model has due.
func (m *machine) due(t *rapid.T, w *world) {
	fired := map[string]int64{}
	m.r.def.Timer = func(c *Context[tally], key string, at time.Time) error {
		if _, twice := fired[key]; twice {
			return fmt.Errorf("%s fired twice", key)
		}
		fired[key] = at.UnixMilli()
		return nil
	}
	if err := m.p.fire(); err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{}
	for k, at := range w.timers {
		if at <= m.p.nowMS {
			want[k] = at
			delete(w.timers, k)
		}
	}
	if !maps.Equal(fired, want) {
		t.Fatalf("at %d fired %v, want %v", m.p.nowMS, fired, want)
	}
}

func (m *machine) transaction(t *rapid.T) {
	w := m.committed.clone()
	m.now += rapid.Int64Range(0, 15).Draw(t, "pass")
	m.p.begin(time.UnixMilli(m.now))
	for range rapid.IntRange(1, 5).Draw(t, "records") {
		m.due(t, &w)
		m.record(t, &w)
	}
	m.due(t, &w)
	if rapid.IntRange(0, 2).Draw(t, "abort") == 0 {
		m.p.abort()
		return
	}
	m.p.next.Add(1)
	m.p.commit()
	m.committed = w
	if int(m.p.meta.entries) != len(w.states) {
		t.Fatalf("%d entries counted, %d are there", m.p.meta.entries, len(w.states))
	}
}

func TestPartitionAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newMachine(rt, t.TempDir(), rapid.IntRange(1, 20).Draw(rt, "cache"))
		defer func() {
			_ = m.p.flushEnd(true)
			if err := m.r.store.close(); err != nil {
				rt.Fatal(err)
			}
		}()
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0: // a flush may begin, and go on during the next transactions
				if _, err := m.p.flushMaybe(1); err != nil {
					rt.Fatal(err)
				}
			case 1: // memory is lost after everything is stored
				if err := m.p.flushAll(); err != nil {
					rt.Fatal(err)
				}
				meta, _, err := m.r.store.meta(3)
				if err != nil {
					rt.Fatal(err)
				}
				m.p = newPartition(m.r, 3, m.cache)
				m.p.meta = meta
				m.p.next.Store(meta.offset)
				if n, err := m.r.store.count(3); err != nil || int(n) != len(m.committed.states) {
					rt.Fatalf("%d states stored (%v), want %d", n, err, len(m.committed.states))
				}
			default:
				m.transaction(rt)
			}
		}
	})
}
