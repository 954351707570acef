package recompute

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ringfence/ringfence/processors/kpi"
)

// A panel's statement chooses for itself: what begins within a slot, within a day, rests on a stale day, or looks back further than
// accounts_since does.
func TestPanelsChooseExactly(t *testing.T) {
	conn := database(t)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 10, 1, 0, 0, 0, 0, zone)
	r := rand.New(rand.NewPCG(7, 11))
	f := size{900, 60, 40, 3, 4}.random(r, begin)
	for i := range f.calls { // over 40 days, so that accounts come again after more than accounts_since looks back
		d := time.Duration(r.IntN(40)) * 24 * time.Hour
		f.calls[i].started, f.calls[i].ended = f.calls[i].started.Add(d), f.calls[i].ended.Add(d)
	}
	for i := range 9 { // in the slot in which the last range begins
		f.calls[i].started = begin.Add(7*time.Hour + time.Duration(3+i)*time.Minute)
		f.calls[i].ended = f.calls[i].started.Add(time.Minute)
	}
	for i := range f.leads {
		f.leads[i].at = begin.Add(-time.Hour)
	}
	for i := range f.calls { // of leads that are known: accounts_since answers the reachable rate, too
		if f.calls[i].lead != "" {
			f.calls[i].lead = f.leads[i%len(f.leads)].id
		}
	}
	f.insert(t, conn)
	ask := func(what string) {
		t.Helper()
		for _, x := range [][2]time.Time{
			{begin, begin.AddDate(0, 0, 4)},
			{begin, begin.AddDate(0, 0, 45)},
			{begin.Add(7*time.Hour + 7*time.Minute + 123*time.Millisecond), begin.AddDate(0, 0, 9).Add(5*time.Hour + 7*time.Minute)},
		} {
			for _, by := range [][]string{nil, {"campaign"}, {"team"}} {
				q := kpi.Query{Metrics: []string{"calls_made", "connect_rate"}, From: x[0], To: x[1], By: by, Zone: zone, Now: x[1]}
				sameAsFacts(t, conn, what, q, true)
				q.Metrics = []string{"accounts_called", "reachable_accounts", "average_calling_attempts"}
				sameAsFacts(t, conn, what, q, true)
				narrow := q
				narrow.Where = []kpi.Filter{{Dim: "agent", Values: []string{"a1"}}}
				sameAsFacts(t, conn, what, narrow, true)
				if len(by) == 0 || by[0] != "team" { // leads have none
					q.Metrics = []string{"reachable_rate"}
					sameAsFacts(t, conn, what, q, true)
				}
			}
		}
	}
	hours := func(what string) {
		t.Helper()
		for _, from := range []time.Time{begin, begin.Add(3*time.Hour + 7*time.Minute + 123*time.Millisecond)} {
			for _, by := range [][]string{nil, {"partner"}, {"day"}} {
				q := kpi.Query{Metrics: []string{"productivity_hours", "paid_hours", "utilization_rate", "attendance_rate"}, From: from, To: begin.AddDate(0, 0, 5), By: by, Zone: zone, Now: begin.AddDate(0, 0, 5)}
				sameAsFacts(t, conn, what, q, true)
			}
		}
	}
	roll(t, conn, zone, begin.AddDate(1, 0, 0), 1)
	ask("all is current")
	hours("all is current")
	late := f.calls[0]
	late.id, late.started = "late", begin.AddDate(0, 0, 2).Add(3*time.Hour)
	late.ended, late.version = late.started.Add(time.Minute), 10
	(&facts{calls: []call{late}}).insertAt(t, conn, 1000)
	ask("a day is stale")
	// Accounts whose lead nobody has heard of, on days that accounts_1d has and accounts_since has not.
	for i := range 20 {
		c := late
		c.direction, c.id, c.lead, c.reached, c.started, c.ended = "outbound", fmt.Sprint("stranger", i), fmt.Sprint("unheard of", i), ptr(true), late.started.Add(time.Duration(i)*time.Hour), late.ended.Add(time.Duration(i)*time.Hour)
		(&facts{calls: []call{c}}).insertAt(t, conn, 2000+10*i)
	}
	roll(t, conn, zone, begin.AddDate(2, 0, 0), 1)
	ask("there are strangers")
	for _, q := range []string{"DELETE FROM accounts_since WHERE 1", "DELETE FROM rolled WHERE rollup = 'accounts_since'"} {
		if err := conn.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	ask("accounts_since is still to be made")
	// A roll-up of the same facts that was made, and one that was not, in one statement.
	for _, q := range []string{"DELETE FROM presence_1d WHERE 1", "DELETE FROM rolled WHERE rollup = 'presence_1d'"} {
		if err := conn.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	hours("presence_1d is still to be made")
}
