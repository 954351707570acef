package stream

import "testing"

func TestCountsEveryRecordOnce(t *testing.T) {
	b := newBroker(t, 4)
	o := newOracle()
	b.feed(o, 5000, 97)
	r := start(t, tallyDef("once"), b.config(t.TempDir(), "a"))
	b.check(o)
	b.feed(o, 5000, 301)
	b.check(o)
	until(t, "ready with no lag", func() bool { s := r.Status(); return s.Ready && s.Lag == 0 && len(s.Partitions) == 4 })
	var n int64
	for _, p := range r.Status().Partitions {
		n += p.Entries
	}
	if n != int64(len(o.state)) {
		t.Errorf("Status says %d keys, want %d", n, len(o.state))
	}
}

func TestRestartGoesOn(t *testing.T) {
	b, dir := newBroker(t, 3), t.TempDir()
	o := newOracle()
	for range 4 {
		b.feed(o, 2000, 150)
		r := start(t, tallyDef("restart"), b.config(dir, "a"))
		b.check(o)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	}
}
