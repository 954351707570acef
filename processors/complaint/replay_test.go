package complaint

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
)

// month is three weeks of a campaign and its source, 9 to 20 o'clock, and a day on which they fall silent from noon to two.
func month() (calls []*event.WatchBucket, silentFrom time.Time) {
	silentFrom = began.Add(21*24*time.Hour + 3*time.Hour)
	n := 0
	for d := range 22 {
		for i := range 66 {
			at := began.Add(time.Duration(d)*24*time.Hour + time.Duration(i)*10*time.Minute)
			n++
			if !at.Before(silentFrom) && at.Before(silentFrom.Add(2*time.Hour)) {
				continue
			}
			b := &event.WatchBucket{At: at.UnixMilli(), Dials: int64(100 * wobble(n))}
			b.Connected = b.Dials / 2
			b.Live, b.Recorded = b.Connected, b.Connected
			calls = append(calls, b)
		}
	}
	return calls, silentFrom
}

func said(xs []*event.WatchCandidate) string {
	var out []string
	for _, x := range xs {
		if x.Alert.State != "" {
			out = append(out, fmt.Sprintf("%s %s at %s", x.Alert.Kind, x.Alert.State, time.UnixMilli(x.Alert.At).UTC().Format("02 15:04")))
		}
	}
	return strings.Join(out, "\n")
}

// A replay follows the clock: what did not come is found, when the processor would have said it, and is over when it comes
// again. A campaign that was slowed down by decision surprises nobody.
func TestReplayOfSilence(t *testing.T) {
	o := options()
	calls, from := month()
	until := began.Add(22 * 24 * time.Hour).UnixMilli()
	judged := began.Add(20 * 24 * time.Hour).UnixMilli()
	past := func(dimension string) Past {
		return Past{Dimension: dimension, Subject: "x", Calls: calls, Until: until}
	}
	live := func(dimension string) string { // the processor itself, over the same counts
		r := newRig(t, o)
		for _, b := range calls {
			at := time.UnixMilli(b.At)
			// The timers are two minutes after each ten; what is counted comes between.
			for t := r.d.Now().Truncate(10 * time.Minute).Add(2 * time.Minute); t.Before(at.Add(10 * time.Minute)); t = t.Add(10 * time.Minute) {
				if t.Before(r.d.Now()) {
					continue
				}
				r.must(r.d.SetNow(t))
				r.loop()
			}
			record := &event.WatchRecord{Body: &event.WatchRecord_Counts{Counts: &event.WatchCounts{Buckets: []*event.WatchBucket{b.CloneVT()}}}}
			v, err := record.MarshalVT()
			r.must(err)
			r.must(r.d.Feed(stream.Record{Topic: event.TopicWatchEvents, Key: []byte(subjectKey + dimension + "|x"), Value: v, Time: at.Add(10 * time.Minute)}))
			r.loop()
		}
		r.pass(time.UnixMilli(until))
		var out []string
		for _, a := range r.alerts {
			out = append(out, fmt.Sprintf("%s %s at %s", a.Kind, a.State, time.UnixMilli(a.At).UTC().Format("02 15:04")))
		}
		return strings.Join(out, "\n")
	}
	for dimension, kind := range map[string]string{"campaign": KindVolume, "source": KindSilent} {
		got := said(o.Replay(past(dimension), 1, judged))
		lines := strings.Split(got, "\n")
		if len(lines) != 2 || !strings.HasPrefix(lines[0], kind+" firing at 23 0"+fmt.Sprint(from.Hour())) && !strings.HasPrefix(lines[0], kind+" firing at 23 05") || !strings.HasPrefix(lines[1], kind+" resolved at 23 0") {
			t.Errorf("%s, silent from %s:\n%s", dimension, from.Format("02 15:04"), got)
		}
		if diff := cmp.Diff(live(dimension), got); diff != "" {
			t.Errorf("%s: the processor and the replay differ (-processor +replay):\n%s", dimension, diff)
		}
	}
	slowed := past("campaign")
	slowed.Slowed = []*event.WatchSpan{{From: from.UnixMilli(), To: from.Add(4 * time.Hour).UnixMilli()}}
	if got := said(o.Replay(slowed, 1, judged)); got != "" {
		t.Errorf("one that was stopped by decision: %s", got)
	}
	events := past("campaign")
	events.Until = 0
	if got := said(o.Replay(events, 1, judged)); got != "" {
		t.Errorf("without the clock: %s", got)
	}
}
