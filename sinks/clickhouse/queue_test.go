package clickhouse

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// When topics are written: at once after a quiet time, then once a linger, in step, and sooner if much lies there or somebody waits.
func TestDueTopics(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	type topic struct {
		ago     time.Duration // since it was written
		records int
	}
	for _, c := range []struct {
		name   string
		topics map[string]topic
		hurry  bool
		want   string
	}{
		{"nothing lies there", map[string]topic{"calls": {time.Hour, 0}}, false, ""},
		{"a quiet one, right away", map[string]topic{"calls": {2 * time.Second, 1}, "permits": {900 * time.Millisecond, 9}}, false, "calls"},
		{"a busy one, not yet", map[string]topic{"calls": {999 * time.Millisecond, 9}}, false, ""},
		{"a busy one, once a linger; with it what is half through", map[string]topic{"calls": {time.Second, 9}, "permits": {500 * time.Millisecond, 9}, "leads": {499 * time.Millisecond, 9}, "surveys": {time.Second, 0}}, false, "calls permits"},
		{"many records of a partition", map[string]topic{"calls": {10 * time.Millisecond, 25}, "permits": {900 * time.Millisecond, 24}}, false, "calls"},
		{"somebody waits", map[string]topic{"calls": {10 * time.Millisecond, 1}, "permits": {10 * time.Millisecond, 0}}, true, "calls"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Sink{opt: SinkOptions{MaxBatch: 100, Linger: time.Second}, queues: map[string]map[int32]*queue{}, wrote: map[string]time.Time{}}
			for name, x := range c.topics {
				// The records lie in one of the topic's partitions; the topic is due as a whole.
				s.queues[name], s.wrote[name] = map[int32]*queue{0: {}, 1: {recs: make([]*kgo.Record, x.records)}}, now.Add(-x.ago)
			}
			if c.hurry {
				s.hurry.Store(now.Add(time.Millisecond).UnixNano())
			}
			if got := strings.Join(slices.Sorted(maps.Keys(s.dueTopics(now))), " "); got != c.want {
				t.Errorf("due: %q, want %q", got, c.want)
			}
		})
	}
}
