package stream

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A process that follows the partitions of another has next to nothing to replay when it takes them over; one that does not
// has it all.
func TestStandby(t *testing.T) {
	for _, standby := range []bool{true, false} {
		b, o := newBroker(t, 4), newOracle()
		reg := prometheus.NewRegistry()
		cfg := b.config(t.TempDir(), "a")
		cfg.Standby, cfg.Registerer = standby, reg
		a := start(t, tallyDef("standby"), cfg)
		until(t, "a owns all", func() bool { return len(a.Status().Partitions) == 4 && a.Status().Ready })
		other := start(t, tallyDef("standby"), b.config(t.TempDir(), "b"))
		until(t, "they share", func() bool { return len(a.Status().Partitions) == 2 && other.Status().Ready })
		for range 3 {
			b.feed(o, 2000, 500)
		}
		b.check(o)
		if standby {
			until(t, "the standby has followed", func() bool {
				behind := testutil.CollectAndCount(metricsOf(a).standby) != 2
				for _, p := range other.Status().Partitions {
					behind = behind || testutil.ToFloat64(metricsOf(a).standby.WithLabelValues(label(p.Partition))) > 0 || a.stored(p.Partition) < other.changelogEnd(p.Partition)
				}
				return !behind
			})
		}
		before := testutil.ToFloat64(metricsOf(a).recovered)
		if err := other.stop(); err != nil {
			t.Fatal(err)
		}
		until(t, "a owns all again", func() bool { return len(a.Status().Partitions) == 4 && a.Status().Ready })
		replayed := testutil.ToFloat64(metricsOf(a).recovered) - before
		if standby && replayed > 0 || !standby && replayed < 200 {
			t.Errorf("standby %v: %v changelog records were replayed at the take-over", standby, replayed)
		}
		b.feed(o, 500, 500)
		b.check(o)
		if err := a.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// stored is the changelog offset the store of a partition is true up to.
func (r *running) stored(id int32) int64 {
	m, _, err := r.Runnable.(*Runner[tally]).store.meta(id)
	if err != nil {
		return -1
	}
	return m.offset
}

// changelogEnd is the offset after the last record its owner knows to be acknowledged.
func (r *running) changelogEnd(id int32) int64 {
	own := r.Runnable.(*Runner[tally])
	own.mu.Lock()
	defer own.mu.Unlock()
	if p := own.parts[id]; p != nil {
		return p.next.Load()
	}
	return -1
}

func metricsOf(r *running) *metrics { return r.Runnable.(*Runner[tally]).metrics }
