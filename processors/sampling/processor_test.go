package sampling

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/stream"
	"github.com/ringfence/ringfence/internal/stream/memory"
)

// rig runs the processor in memory; what it says to the days' keepers comes back to it.
type rig struct {
	d     *memory.Driver[State]
	rows  map[string]*event.PopulationRow // day|agent|seq, the latest
	tasks map[string]int                  // by call
	keys  map[string][]*event.SamplingKey
}

var shanghai = func() *time.Location {
	z, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		panic(err)
	}
	return z
}()

func newRig() *rig {
	return &rig{d: memory.New(New(Options{Secret: []byte("a secret of the tests' own"), Zone: shanghai, OneIn: 10, Grace: 6 * time.Hour, Quiet: 10 * time.Minute})),
		rows: map[string]*event.PopulationRow{}, tasks: map[string]int{}, keys: map[string][]*event.SamplingKey{}}
}

// take keeps what came out and feeds back what is for the processor itself.
func (r *rig) take() error {
	for outs := r.d.Outputs(); len(outs) > 0; outs = r.d.Outputs() {
		for _, o := range outs {
			switch o.Topic {
			case event.TopicSamplingFacts:
				var f event.SamplingFact
				if err := f.UnmarshalVT(o.Value); err != nil {
					return err
				}
				if p := f.GetPopulation(); p != nil {
					k := fmt.Sprint(p.Day, "|", p.AgentId, "|", p.Seq)
					if was := r.rows[k]; was == nil || p.Revision > was.Revision {
						r.rows[k] = p
					}
				} else if k := f.GetKey(); k != nil {
					r.keys[k.Day] = append(r.keys[k.Day], k)
				}
			case event.TopicQATasks:
				var t event.QATask
				if err := t.UnmarshalVT(o.Value); err != nil {
					return err
				}
				r.tasks[t.CallId]++
			case event.TopicSamplingDays:
				if err := r.d.Feed(stream.Record{Topic: o.Topic, Key: o.Key, Value: o.Value}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *rig) recording(id, agent string, started, arrives time.Time) error {
	size := int64(1000)
	s := started.UnixMilli()
	f := event.CallFact{Call: &event.Call{CallId: id, AgentId: agent, Direction: "outbound", StartedAt: s, AnsweredAt: s + 1000, BridgedAt: s + 2000, EndedAt: s + 60_000,
		Recording: &event.Recording{Uri: id + ".wav", SizeBytes: &size}}}
	v, err := f.MarshalVT()
	if err != nil {
		return err
	}
	return errors.Join(r.d.Feed(stream.Record{Topic: event.TopicCallFacts, Key: []byte(agent), Value: v, Time: arrives}), r.take())
}

// drawn counts an agent's recordings of a day and those drawn.
func (r *rig) drawn(day, agent string) (n, d int, late bool) {
	for _, p := range r.rows {
		if p.Day != day || p.AgentId != agent {
			continue
		}
		n++
		late = late || p.Late
		if len(p.Drawn) > 0 {
			d++
		}
	}
	return n, d, late
}

// However recordings come, once the day is closed exactly one in ten of every agent's is drawn, rounded up; each is
// numbered once and drawn once; the key is published before it is revealed.
func TestDayIsSampledExactly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig()
		day := time.Date(2026, 3, 2, 9, 0, 0, 0, shanghai)
		now := day
		want := map[string]int{}
		for a := range rapid.IntRange(1, 4).Draw(rt, "agents") {
			agent := fmt.Sprint("a", a)
			for i := range rapid.IntRange(0, 43).Draw(rt, "recordings") {
				want[agent]++
				now = now.Add(time.Duration(rapid.IntRange(0, 120).Draw(rt, "seconds")) * time.Second)
				for range rapid.IntRange(1, 2).Draw(rt, "times") { // a second version of the call changes nothing
					if err := r.recording(fmt.Sprint(agent, "-", i), agent, day.Add(time.Duration(i)*time.Minute), now); err != nil {
						rt.Fatal(err)
					}
				}
			}
		}
		for range 40 { // hours pass
			now = now.Add(time.Hour)
			if err := errors.Join(r.d.SetNow(now), r.take()); err != nil {
				rt.Fatal(err)
			}
		}
		total := 0
		for agent, n := range want {
			got, d, late := r.drawn("2026-03-02", agent)
			if got != n || d != (n+9)/10 || late {
				rt.Fatalf("%s: %d of %d numbered, %d drawn, late %v", agent, got, n, d, late)
			}
			total += d
		}
		if len(r.tasks) != total {
			rt.Fatalf("%d tasks, %d drawn", len(r.tasks), total)
		}
		for call, n := range r.tasks {
			if n != 1 {
				rt.Fatalf("%s is drawn %d times", call, n)
			}
		}
		if keys := r.keys["2026-03-02"]; total > 0 && (len(keys) != 2 || keys[0].Key != "" || keys[1].Key == "" || keys[0].KeySha256 != keys[1].KeySha256) {
			rt.Fatalf("keys: %v", keys)
		}
	})
}

// A recording that comes after its day was closed goes on with the numbering and is late; a block begun after the close
// draws its first number.
func TestLateRecordings(t *testing.T) {
	r := newRig()
	day := time.Date(2026, 3, 2, 9, 0, 0, 0, shanghai)
	for i := range 12 {
		if err := r.recording(fmt.Sprint("on-", i), "a", day, day.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(r.d.SetNow(day.Add(48*time.Hour)), r.take(), r.d.SetNow(day.Add(49*time.Hour)), r.take()); err != nil {
		t.Fatal(err)
	}
	if n, d, _ := r.drawn("2026-03-02", "a"); n != 12 || d != 2 {
		t.Fatalf("%d drawn of %d, want 2 of 12", d, n)
	}
	for i := range 9 { // fills the second block, which drew already, and begins a third
		if err := r.recording(fmt.Sprint("late-", i), "a", day, day.Add(50*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if n, d, late := r.drawn("2026-03-02", "a"); n != 21 || d != 3 || !late {
		t.Errorf("%d drawn of %d, late %v; want 3 of 21", d, n, late)
	}
	if p := r.rows["2026-03-02|a|21"]; p == nil || len(p.Drawn) != 1 || !p.Late {
		t.Errorf("the first number of a block begun after the close: %v", p)
	}
}
