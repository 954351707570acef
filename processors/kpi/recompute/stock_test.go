package recompute

import (
	"fmt"
	"log/slog"
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

// Where there are many leads the lists are counted as of days gone by, too, so that a moment long ago is not counted from nothing.
// What comes late makes the stocks after it stale; they are made again, from those before it.
func TestStocksOfDaysGoneBy(t *testing.T) {
	conn := database(t)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 9, 1, 0, 0, 0, 0, zone)
	r := rand.New(rand.NewPCG(15, 4))
	f := size{400, 80, 10, 3, 3}.random(r, begin)
	for i := range f.calls {
		d := time.Duration(r.IntN(60)) * 24 * time.Hour
		f.calls[i].started, f.calls[i].ended = f.calls[i].started.Add(d), f.calls[i].ended.Add(d)
	}
	for i := range f.leads {
		f.leads[i].at = begin.Add(time.Duration(r.IntN(60*24)) * time.Hour)
	}
	f.insert(t, conn)
	roller := &kpi.Roller{Conn: conn, Zone: zone, Logger: slog.New(slog.DiscardHandler), StocksFrom: 10}
	round := 0
	rolled := func() {
		t.Helper()
		round++
		if _, err := roller.Once(t.Context(), begin.AddDate(round, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	equal := func(what string) {
		t.Helper()
		for _, day := range []int{3, 9, 31, 44, 58} {
			to := begin.AddDate(0, 0, day).Add(13*time.Hour + 7*time.Minute)
			q := kpi.Query{Metrics: []string{"account_size", "corruption_rate"}, From: begin, To: to, By: []string{"campaign"}, Zone: zone, Now: to}
			sameAsFacts(t, conn, fmt.Sprintf("%s, day %d", what, day), q, true)
		}
	}
	stocks := func(condition string) (n uint64) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT uniqExact(bucket) FROM rolled WHERE rollup = 'leads_stock' AND "+condition).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	rolled()
	equal("all stocks hold")
	// Of some 61 days the last 35, and the Mondays among the others.
	if n := stocks("1"); n < 35+3 || n > 35+5 {
		t.Errorf("%d stocks", n)
	}
	late := lead{"late", "c1", "l1", "", begin.AddDate(0, 0, 40).Add(time.Hour)}
	(&facts{leads: []lead{late}}).insertAt(t, conn, 1000)
	equal("some are stale")
	before := time.Now().UnixNano()
	rolled()
	equal("made again")
	if n := stocks("version > " + fmt.Sprint(before)); n < 20 || n > 24 {
		t.Errorf("%d stocks were made again, those of the days after the late lead's are some 22", n)
	}
	if n, err := roller.Once(t.Context(), begin.AddDate(9, 0, 0)); err != nil || n != 0 {
		t.Errorf("%d buckets are still stale: %v", n, err)
	}
	// They are read: a forged one shows.
	to := begin.AddDate(0, 0, 31).Add(time.Hour)
	size := func() float64 {
		t.Helper()
		res, err := kpi.Ask(t.Context(), conn, kpi.Query{Metrics: []string{"account_size"}, From: begin, To: to, Zone: zone, Now: to})
		if err != nil {
			t.Fatal(err)
		}
		return *res[0].Rows[0].Value
	}
	was := size()
	if err := conn.Exec(t.Context(), "INSERT INTO leads_stock (day, version, campaign_id, list_id, accounts, useless) SELECT toDate('2026-10-02'), (SELECT argMax(version, made_at) FROM rolled WHERE rollup = 'leads_stock' AND bucket = toInt64(toUInt16(toDate('2026-10-02')))), 'c1', 'l3', 1000, 0"); err != nil {
		t.Fatal(err)
	}
	if n := size(); n != was+1000 {
		t.Errorf("%v accounts with 1,000 forged in the stock of the day, %v without", n, was)
	}
}
