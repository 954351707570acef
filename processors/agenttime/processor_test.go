package agenttime

import (
	"fmt"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/internal/stream/memory"
)

var states = []string{"available", "talking", "wrap_up", "break", "logged_out"}

// naive says minute by minute what an agent does, another way than Intervals.
func naive(ts []*event.AgentState, timeout int64) map[int64]string {
	out := map[int64]string{}
	for _, t := range ts {
		for m := t.At; m < t.At+timeout; m += 60_000 {
			out[m] = t.State
		}
		for m := range out {
			if m >= t.At+timeout {
				delete(out, m)
			}
		}
	}
	for m, s := range out {
		if s == "logged_out" {
			delete(out, m)
		}
	}
	return out
}

// The intervals are those of a naive count whatever the order of arrival, cut at midnight, without overlap.
func TestIntervals(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		const timeout = 8 * time.Hour
		base := time.Date(2026, 3, 2, 8, 0, 0, 0, zone).UnixMilli()
		n := rapid.IntRange(1, 20).Draw(t, "n")
		seen := map[int64]bool{}
		var ts []*event.AgentState
		for i := range n {
			at := base + rapid.Int64Range(0, 3000).Draw(t, "minute")*60_000
			if seen[at] {
				continue
			}
			seen[at] = true
			ts = append(ts, &event.AgentState{EventId: fmt.Sprint(i), AgentId: "a", At: at, State: rapid.SampledFrom(states).Draw(t, "state")})
		}
		d := memory.New(New(Options{Timeout: timeout, Zone: zone}))
		for _, i := range rapid.Permutation(seq(len(ts))).Draw(t, "order") {
			for range 2 { // each twice
				v, err := (&event.AgentEvent{Body: &event.AgentEvent_State{State: ts[i]}}).MarshalVT()
				if err != nil {
					t.Fatal(err)
				}
				if err := d.Feed(stream.Record{Key: []byte("a"), Value: v}); err != nil {
					t.Fatal(err)
				}
			}
		}
		latest := map[int64]*event.AgentInterval{}
		for _, o := range d.Outputs() {
			iv := &event.AgentInterval{}
			if err := iv.UnmarshalVT(o.Value); err != nil {
				t.Fatal(err)
			}
			if old := latest[iv.StartAt]; old == nil || iv.Revision > old.Revision {
				latest[iv.StartAt] = iv
			}
		}
		got := map[int64]string{}
		for _, iv := range latest {
			if iv.EndAt > iv.StartAt && nextMidnight(iv.StartAt, zone) < iv.EndAt {
				t.Fatalf("crosses midnight: %v", iv)
			}
			for m := iv.StartAt; m < iv.EndAt; m += 60_000 {
				if got[m] != "" {
					t.Fatalf("overlap at %d", m)
				}
				got[m] = iv.State
			}
		}
		sort.Slice(ts, func(i, j int) bool { return ts[i].At < ts[j].At })
		if diff := cmp.Diff(naive(ts, timeout.Milliseconds()), got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func seq(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// An id that follows from the transition is found in the chunk of its time; only one that a client chose is kept apart.
func TestOnlyChosenIdsAreKeptApart(t *testing.T) {
	d := memory.New(New(Options{Timeout: 8 * time.Hour, Zone: time.UTC}))
	const at = int64(1772416800000)
	for id, apart := range map[string]bool{"mine": true, fmt.Sprintf("agent-state:a:%d:break", at): false, fmt.Sprintf("agent-state:a:%d:break", at+1): true} {
		v, err := (&event.AgentEvent{Body: &event.AgentEvent_State{State: &event.AgentState{EventId: id, AgentId: "a", At: at, State: "break"}}}).MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Feed(stream.Record{Key: []byte("a"), Value: v}); err != nil {
			t.Fatal(err)
		}
		if _, kept, err := d.State("a\x00id\x00" + id); err != nil || kept != apart {
			t.Errorf("%s: kept apart %t, want %t: %v", id, kept, apart, err)
		}
	}
}
