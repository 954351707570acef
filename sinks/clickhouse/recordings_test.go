package clickhouse

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/retention"
)

// The view of recordings and the decision say the same of many random histories, whatever their order of arrival.
func TestRecordings(t *testing.T) {
	r := newRig(t)
	r.sink(nil)
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	rules := retention.Rules{OnlineMonths: 6, Months: 12, Zone: zone}
	rnd := rand.New(rand.NewPCG(5, 6))
	start := time.Date(2024, 1, 31, 15, 30, 0, 0, time.UTC)
	day := func() time.Time { return start.Add(time.Duration(rnd.IntN(600)) * 24 * time.Hour) }
	type life struct {
		sold []string
		at   time.Time
	}
	const customers = 250
	names := []string{"5g", "tv"}
	want := map[string]retention.Decision{}
	open := map[string][]string{}
	produce := func(topic, key string, m interface{ MarshalVT() ([]byte, error) }) {
		if err := r.client.ProduceSync(t.Context(), r.record(topic, key, m)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range customers {
		customer := fmt.Sprint("C", i)
		changes := map[string][]retention.Event{}
		var calls []life
		for n := range rnd.IntN(4) {
			p, at := names[rnd.IntN(2)], day()
			e := event.CustomerEvent{EventId: fmt.Sprint(customer, "-", n), CustomerId: customer, Body: &event.CustomerEvent_Customer{Customer: &event.CustomerUpdate{CustomerId: customer, At: at.UnixMilli(), Products: map[string]string{}}}}
			kind := retention.Cancelled
			switch rnd.IntN(4) {
			case 0:
				left := rnd.IntN(2) == 0
				if !left {
					kind = retention.Active
				}
				e.GetCustomer().LeftNetwork = &left
				p = ""
			case 1:
				kind = retention.Active
				e.GetCustomer().Products[p] = "active"
			default:
				e.GetCustomer().Products[p] = "cancelled"
			}
			changes[p] = append(changes[p], retention.Event{At: at, Kind: kind})
			produce(event.TopicCustomerEvents, customer, &e)
		}
		for range rnd.IntN(4) {
			c := life{at: day()}
			for _, p := range names {
				if rnd.IntN(2) == 0 {
					c.sold = append(c.sold, p)
				}
			}
			calls = append(calls, c)
		}
		for n := range rnd.IntN(3) {
			id := fmt.Sprint("K", i, "-", n)
			closed := rnd.IntN(2) == 0
			for k, what := range []string{"opened", "resolved"} {
				if k == 0 || closed {
					produce(event.TopicComplaintFacts, "k", &event.ComplaintFact{EventId: id + what, Revision: uint64(k + 1), Complaint: &event.Complaint{ComplaintId: id, Event: what, At: start.Add(time.Duration(k) * time.Hour).UnixMilli(), CustomerId: customer}})
				}
			}
			if !closed {
				open[customer] = append(open[customer], id)
			}
		}
		slices.Sort(open[customer])
		for n, c := range calls {
			ms, size := c.at.UnixMilli(), int64(1000)
			f := event.CallFact{Revision: 1, Call: &event.Call{CallId: fmt.Sprint(customer, "/", n), CustomerId: customer, StartedAt: ms, EndedAt: ms + 1, UpdatedAt: ms, Products: c.sold, Ordered: c.sold, Recording: &event.Recording{Uri: fmt.Sprint("rec/", n), SizeBytes: &size}}}
			produce(event.TopicCallFacts, "a", &f)
			x := retention.Recording{StartedAt: c.at, Sale: len(c.sold) > 0, Sold: c.sold, Open: open[customer]}
			for _, p := range c.sold {
				events := slices.Concat(changes[p], changes[""])
				for _, o := range calls {
					if slices.Contains(o.sold, p) {
						events = append(events, retention.Event{At: o.at, Kind: retention.Sold})
					}
				}
				events = slices.DeleteFunc(events, func(e retention.Event) bool { return !e.At.After(c.at) })
				slices.SortFunc(events, func(a, b retention.Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Kind, b.Kind)) })
				x.After = append(x.After, events)
			}
			want[f.Call.CallId] = rules.Decide(x)
		}
	}
	adm := r.admin()
	r.waits("everything is in", func() bool { return r.number("count() FROM calls") == int64(len(want)) && r.lag(adm) == 0 })
	rows, err := r.conn.Query(t.Context(), "SELECT call_id, online_until, in_use, purge_after, held_by, hold FROM recordings")
	if err != nil {
		t.Fatal(err)
	}
	got, held, ended := map[string]retention.Decision{}, 0, 0
	for rows.Next() {
		var id string
		var d retention.Decision
		var purge *time.Time
		var hold bool
		if err := rows.Scan(&id, &d.OnlineUntil, &d.InUse, &purge, &d.HeldBy, &hold); err != nil {
			t.Fatal(err)
		}
		if purge != nil {
			d.PurgeAfter = *purge
			ended++
		}
		if hold {
			held++
		}
		if hold != (len(d.HeldBy) > 0) {
			t.Errorf("%s: hold is %v, held by %v", id, hold, d.HeldBy)
		}
		got[id] = d
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	equal := gocmp.Options{gocmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }), gocmp.Comparer(func(a, b []string) bool { return slices.Equal(a, b) })}
	if diff := gocmp.Diff(want, got, equal); diff != "" {
		t.Errorf("the decision and the view differ (-decision +view):\n%s", diff)
	}
	if held < 20 || ended < 50 || ended > len(got)-50 {
		t.Errorf("%d recordings, %d held, %d with an end: the histories are too much alike", len(got), held, ended)
	}
}
