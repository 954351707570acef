package stream

import (
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// clockAt is a clock the test moves.
type clockAt struct{ ms atomic.Int64 }

func (c *clockAt) now() time.Time { return time.UnixMilli(c.ms.Load()).UTC() }

// alarmDef sets the timer of a record's key to the value, in Unix milliseconds; the timer emits its time.
func alarmDef(name string) Definition[tally] {
	return Definition[tally]{
		Name: name, Inputs: []string{inTopic}, Codec: tallyCodec{},
		Process: func(c *Context[tally], r *Record) error {
			ms, err := strconv.ParseInt(string(r.Value), 10, 64)
			if err != nil {
				return &Reject{Reason: err.Error()}
			}
			if ms == 0 {
				return c.ClearTimer(string(r.Key))
			}
			return c.SetTimer(string(r.Key), time.UnixMilli(ms))
		},
		Timer: func(c *Context[tally], key string, at time.Time) error {
			if c.Now().Before(at) {
				return fmt.Errorf("timer of %v fired at %v", at, c.Now())
			}
			c.Emit(Output{Topic: outTopic, Key: []byte(key), Value: strconv.AppendInt(nil, at.UnixMilli(), 10), Partition: c.Partition(), ToPartition: true})
			return nil
		},
	}
}

// Timers outlive restarts, the loss of the store and moves; each fires once, none early.
func TestTimersOutlive(t *testing.T) {
	for _, lose := range []bool{false, true} {
		t.Run(fmt.Sprint("store lost ", lose), func(t *testing.T) {
			b, dir := newBroker(t, 2), t.TempDir()
			base := time.Now().Add(time.Hour).UnixMilli()
			clock := &clockAt{}
			clock.ms.Store(base)
			var taken atomic.Int64
			run := func() *running {
				if lose {
					dir = t.TempDir()
				}
				cfg := b.config(dir, "a")
				cfg.Clock, cfg.Tick = clock.now, 20*time.Millisecond
				return start(t, alarmDef("alarm"), cfg, func(r *Runner[tally]) { r.onCommit = func(n int) { taken.Add(int64(n)) } })
			}
			var want []string
			for i := range 40 {
				k, at := fmt.Sprint("t", i), base+1000*int64(1+i)
				b.say(k, strconv.FormatInt(base+500_000, 10)) // set, and set anew
				b.say(k, strconv.FormatInt(at, 10))
				if i%4 == 3 {
					b.say(k, "0")
				} else {
					want = append(want, fmt.Sprint(k, " ", at))
				}
			}
			slices.Sort(want)
			var got []string
			for _, seconds := range []int64{0, 11, 23, 60} {
				r := run()
				clock.ms.Store(base + 1000*seconds)
				due := 0
				for i := range 40 {
					if i%4 != 3 && int64(1+i) <= seconds {
						due++
					}
				}
				got = got[:0]
				for _, rec := range b.read(outTopic, due) {
					got = append(got, fmt.Sprint(string(rec.Key), " ", string(rec.Value)))
				}
				if len(got) != due {
					t.Fatalf("after %d s %d timers fired, want %d: %v", seconds, len(got), due, got)
				}
				until(t, "all is processed", func() bool { s := r.Status(); return s.Ready && s.Lag == 0 && taken.Load() == 90 })
				if err := r.stop(); err != nil {
					t.Fatal(err)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("fired %v\nwant  %v", got, want)
			}
		})
	}
}

// The clock steps back by an hour: stream time stands still until it has caught up.
func TestClockStepsBack(t *testing.T) {
	b := newBroker(t, 1)
	clock := &clockAt{}
	base := time.Now().Add(24 * time.Hour).UnixMilli()
	clock.ms.Store(base)
	def := alarmDef("back")
	def.Process = func(c *Context[tally], r *Record) error {
		c.Emit(Output{Topic: outTopic, Key: r.Key, Value: strconv.AppendInt(nil, c.Now().UnixMilli(), 10)})
		return nil
	}
	cfg := b.config(t.TempDir(), "a")
	cfg.Clock = clock.now
	start(t, def, cfg)
	last := int64(0)
	for i, ms := range []int64{base, base - 3_600_000, base - 10, base + 10} {
		clock.ms.Store(ms)
		b.say("k", "0")
		recs := b.read(outTopic, i+1)
		now, err := strconv.ParseInt(string(recs[i].Value), 10, 64)
		if err != nil || now < last || now < base {
			t.Fatalf("stream time %d after %d (%v)", now, last, err)
		}
		last = now
	}
}

// The very first session makes the changelog, and its timers are committed like those of any other.
func TestTimerOfTheFirstSession(t *testing.T) {
	b := newBroker(t, 1)
	clock := &clockAt{}
	base := time.Now().Add(time.Hour).UnixMilli()
	clock.ms.Store(base)
	cfg := b.config(t.TempDir(), "a")
	cfg.Clock, cfg.Tick = clock.now, 20*time.Millisecond
	r := start(t, alarmDef("first"), cfg)
	b.say("k", strconv.FormatInt(base+1000, 10))
	until(t, "the timer is set", func() bool {
		s := r.Status()
		return s.Ready && len(s.Partitions) == 1 && s.Lag == 0 && testutil.ToFloat64(metricsOf(r).records) == 1
	})
	clock.ms.Store(base + 2000)
	b.read(outTopic, 1)
	for _, how := range []string{"aborted", "unknown"} {
		if n := testutil.ToFloat64(metricsOf(r).transactions.WithLabelValues(how)); n > 0 {
			t.Errorf("%v transactions %s", n, how)
		}
	}
}
