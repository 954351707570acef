package recompute

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ringfence/ringfence/processors/kpi"
)

// Lists at a moment within a day are counted from the stock as of its beginning and the leads that changed since: new ones, such
// as moved to another campaign, and such as a call made useless. The next day's stock is made in the same way.
func TestListsSinceTheStock(t *testing.T) {
	conn := database(t)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 10, 30, 0, 0, 0, 0, zone)
	r := rand.New(rand.NewPCG(5, 9))
	f := size{400, 80, 30, 3, 3}.random(r, begin)
	for i := range f.leads {
		f.leads[i].at = begin.Add(-time.Duration(i) * time.Minute)
	}
	f.insert(t, conn)
	midnight := begin.AddDate(0, 0, 2)
	equal := func(what string, to time.Time) {
		t.Helper()
		for _, by := range [][]string{nil, {"campaign"}, {"list"}} {
			q := kpi.Query{Metrics: []string{"account_size", "corruption_rate", "effective_accounts"}, From: begin, To: to, By: by, Zone: zone, Now: to}
			sameAsFacts(t, conn, what, q, false)
			sameAsFacts(t, conn, what+", panel", q, true)
		}
	}
	equal("no stock holds", midnight.Add(12*time.Hour))
	roll(t, conn, zone, midnight.Add(time.Hour), 1)
	noon := midnight.Add(12 * time.Hour)
	equal("calls since the stock", noon)
	at := midnight.Add(3 * time.Hour)
	spoilt := call{id: "spoilt", direction: "outbound", customer: "C1", lead: f.leads[5].id, campaign: "c2", agent: "a1", purpose: "sales", products: []string{"x"}, started: at, ended: at.Add(time.Minute), outcome: "invalid_number"}
	since := &facts{calls: []call{spoilt}}
	for i := range 6 {
		since.leads = append(since.leads, lead{fmt.Sprint("new", i), "c1", "l3", []string{"", "closed"}[i%2], at.Add(time.Duration(i) * time.Minute)})
		moved := f.leads[20+i]
		moved.at, moved.campaign, moved.useless = at, "c7", ""
		since.leads = append(since.leads, moved)
	}
	since.insertAt(t, conn, 1000)
	equal("leads since the stock", noon)
	equal("at the stock's moment", midnight)
	size := func(to time.Time) float64 {
		t.Helper()
		res, err := kpi.Ask(t.Context(), conn, kpi.Query{Metrics: []string{"account_size"}, From: begin, To: to, Zone: zone, Now: to})
		if err != nil {
			t.Fatal(err)
		}
		return *res[0].Rows[0].Value
	}
	// A forged stock shows, so it is what all this was counted from; and in the next day's, which is made from it.
	was := size(noon)
	err = conn.Exec(t.Context(), "INSERT INTO leads_stock (day, version, campaign_id, list_id, accounts, useless) SELECT toDate('2026-11-01'), (SELECT argMax(version, made_at) FROM rolled WHERE rollup = 'leads_stock' AND bucket = toInt64(toUInt16(toDate('2026-11-01')))), 'c1', 'l3', 1000, 0")
	if err != nil {
		t.Fatal(err)
	}
	if n := size(noon); n != was+1000 {
		t.Errorf("%v accounts at noon with 1,000 forged in the stock, %v without", n, was)
	}
	roll(t, conn, zone, midnight.AddDate(0, 0, 1).Add(time.Hour), 1)
	if n := size(midnight.AddDate(0, 0, 1)); n < was+1000 {
		t.Errorf("the next day's stock has %v accounts: it was not made from the one before", n)
	}
}
