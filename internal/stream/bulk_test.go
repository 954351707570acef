package stream

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

// changelogValue is a state as the changelog keeps it.
func changelogValue(state string, timer int64) []byte {
	flags := byte(formV1 | flagState)
	if timer == noTimer {
		return append([]byte{flags}, state...)
	}
	return append(binary.BigEndian.AppendUint64([]byte{flags | flagTimer}, uint64(timer)), state...)
}

// A changelog of any order, with keys written again, deleted and made anew, goes into the store as it would one record after
// another, however many files it takes; and so it does when the process dies between two of them.
func TestBulkAgainstModel(t *testing.T) {
	for seed := range uint64(8) { // each waits for the disk some ten times
		rnd := rand.New(rand.NewPCG(seed, 1))
		type value struct {
			state string
			timer int64
		}
		model := map[string]value{}
		dir := t.TempDir()
		cfg := Config{}.withDefaults()
		st, err := openStore(filepath.Join(dir, "db"), cfg)
		if err != nil {
			t.Fatal(err)
		}
		// Another partition's states, and what this one had before, which is to go.
		other, was := bulk{}, bulk{}
		other.add([]byte("k1"), changelogValue("other", 5))
		was.add([]byte("ghost"), changelogValue("was", 6))
		om, wm := meta{offset: 1}, meta{offset: 1}
		if err := st.ingest(t.Context(), dir, 1, &om, &other); err != nil {
			t.Fatal(err)
		}
		if err := st.ingest(t.Context(), dir, 0, &wm, &was); err != nil {
			t.Fatal(err)
		}
		if err := st.wipe(0); err != nil {
			t.Fatal(err)
		}
		r := &Runner[tally]{store: st, cfg: cfg, dir: dir, changelog: "changelog"}
		c := &recovery[tally]{r: r, p: newPartition(r, 0, 1)}
		m, b := meta{}, bulk{}
		rounds := 1 + rnd.IntN(4)
		for round := range rounds {
			var recs []*kgo.Record
			for range rnd.IntN(60) {
				key := fmt.Sprint("k", rnd.IntN(25))
				if rnd.IntN(4) == 0 {
					delete(model, key)
					recs = append(recs, &kgo.Record{Key: []byte(key)})
					continue
				}
				v := value{fmt.Sprint("state ", rnd.IntN(1000)), noTimer}
				if rnd.IntN(2) == 0 {
					v.timer = int64(rnd.IntN(100))
				}
				model[key] = v
				recs = append(recs, &kgo.Record{Key: []byte(key), Value: changelogValue(v.state, v.timer)})
			}
			if rnd.IntN(2) == 0 {
				b.size += bulkBytes // a file for this fetch
			}
			if err := c.gather(t.Context(), &m, &b, recs, m.offset+int64(len(recs)), round == rounds-1); err != nil {
				t.Fatal(err)
			}
		}
		if err := st.close(); err != nil {
			t.Fatal(err)
		}
		if st, err = openStore(filepath.Join(dir, "db"), cfg); err != nil {
			t.Fatal(err)
		}
		n, err := st.count(0)
		if err != nil || n != int64(len(model)) {
			t.Fatalf("seed %d: %d states counted (%v), not %d", seed, n, err, len(model))
		}
		if m.entries != uncounted && m.entries != n {
			t.Fatalf("seed %d: meta says %d states, there are %d", seed, m.entries, n)
		}
		for i := range 25 {
			key := fmt.Sprint("k", i)
			got, ok, err := st.get(nil, stateKey(nil, 0, key))
			v, want := model[key]
			if err != nil || ok != want || ok && string(got) != string(changelogValue(v.state, v.timer)) {
				t.Fatalf("seed %d: %s is %q (%v, %v), not %+v", seed, key, got, ok, err, v)
			}
		}
		if _, ok, _ := st.get(nil, stateKey(nil, 0, "ghost")); ok {
			t.Fatalf("seed %d: what was wiped is there again", seed)
		}
		if got, ok, _ := st.get(nil, stateKey(nil, 1, "k1")); !ok || string(got) != string(changelogValue("other", 5)) {
			t.Fatalf("seed %d: another partition's state is %q", seed, got)
		}
		index := map[string]bool{}
		it, err := st.timers(0, math.MinInt64)
		if err != nil {
			t.Fatal(err)
		}
		for ok := it.First(); ok; ok = it.Next() {
			at, key := parseTimerKey(it.Key())
			index[fmt.Sprint(at, " ", string(key))] = true
		}
		if err := it.Close(); err != nil {
			t.Fatal(err)
		}
		for key, v := range model { // leftovers may be there, too
			if v.timer != noTimer && !index[fmt.Sprint(v.timer, " ", key)] {
				t.Fatalf("seed %d: the timer of %s is missing", seed, key)
			}
		}
		if sm, ok, err := st.meta(0); err != nil || m.offset > 0 && (!ok || sm.offset != m.offset) {
			t.Fatalf("seed %d: the stored offset is %d (%v, %v), not %d", seed, sm.offset, ok, err, m.offset)
		}
		if err := st.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A replay from the start that ended between two files goes on behind the first, and knows in the end how many states there are.
func TestBulkCutOff(t *testing.T) {
	b, o, dir := newBroker(t, 1), newOracle(), t.TempDir()
	b.feed(o, 1000, 300)
	r := start(t, tallyDef("cut"), b.config(dir, "a"))
	b.check(o)
	until(t, "counted", func() bool { return entriesOf(r) == int64(len(o.state)) })
	want := entriesOf(r)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	// The store as the first file of several would leave it: an earlier offset, states not counted.
	st, err := openStore(filepath.Join(dir, "state", "cut", "db"), Config{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	m, ok, err := st.meta(0)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	m.offset, m.entries = m.offset/2, uncounted
	batch := st.db.NewBatch()
	if err := setMeta(batch, 0, m); err != nil {
		t.Fatal(err)
	}
	if err := batch.Commit(pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	if err := st.close(); err != nil {
		t.Fatal(err)
	}
	left := bulkName(filepath.Join(dir, "state", "cut"), 0)
	if err := os.WriteFile(left, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = start(t, tallyDef("cut"), b.config(dir, "a"))
	until(t, "recovered", func() bool { return r.Status().Ready })
	if got := entriesOf(r); got != want {
		t.Errorf("%d states after the recovery, not %d", got, want)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what a crash left of a file is still there: %v", err)
	}
	b.feed(o, 100, 300)
	b.check(o)
}

func entriesOf(r Runnable) (n int64) {
	for _, p := range r.Status().Partitions {
		n += p.Entries
	}
	return n
}
