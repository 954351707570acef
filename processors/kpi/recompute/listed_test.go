package recompute

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/processors/kpi"
)

// TestListedEqualFacts compares what listings add up with the facts while nothing, all and some of it is rolled up.
func TestListedEqualFacts(t *testing.T) {
	conn := database(t)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 10, 30, 0, 0, 0, 0, zone)
	r := rand.New(rand.NewPCG(11, 7))
	f := random(r, begin)
	for i := range f.intervals {
		f.intervals[i].open = false // the two answers are not of one moment
	}
	f.insert(t, conn)
	do := func(q string) {
		t.Helper()
		if err := conn.Exec(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	denials := func(name string, n int, after time.Time) {
		for range 2 {
			do(fmt.Sprintf(`INSERT INTO permits (request_id, permit_id, decision, customer_id, campaign_id, partner_id, products, denied_by, at) SELECT concat('%s', toString(number)) AS id, concat('p', id), if(number %% 7 = 0, 'permit', 'deny'), concat('C', toString(cityHash64(number) %% 40)),
				if(number %% 3 = 0, 'c1', 'c2'), if(number %% 5 = 0, 'p1', ''), if(number %% 4 = 0, ['x', 'y'], ['y']), if(number %% 7 = 0, [], if(number %% 2 = 0, ['CAP-01'], ['CAP-01', 'HRS-02'])),
				fromUnixTimestamp64Milli(toInt64(%d + cityHash64(number, '%s') %% 345600000)) FROM numbers(%d)`, name, after.UnixMilli(), name, n))
		}
	}
	denials("first", 400, begin)
	denials("before", 60, begin.AddDate(0, 0, -36))
	answer := func(q string) (out []string) {
		t.Helper()
		rows, err := conn.Query(t.Context(), "SELECT toString(tuple(*)) FROM ("+q+") ORDER BY 1")
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
		}
		return out
	}
	statuses := func(name string, n int) {
		for range 2 {
			do(fmt.Sprintf(`INSERT INTO permit_status (permit_id, status, at, permit_at) SELECT permit_id, toString(s), at + 60, if(cityHash64(permit_id, 1) %% 9 = 0, toDateTime64(0, 3, 'UTC'), at) FROM permits
				ARRAY JOIN if(cityHash64(permit_id) %% 4 = 0, [], if(cityHash64(permit_id) %% 4 = 1, ['released'], if(cityHash64(permit_id) %% 4 = 2, ['orphaned', 'used'], ['used']))) AS s WHERE decision = 'permit' AND startsWith(request_id, '%s') LIMIT %d`, name, n))
		}
	}
	statuses("first", 1000)
	equal := func(what string) {
		t.Helper()
		for _, x := range [][2]time.Time{
			{begin, begin.AddDate(0, 0, 4)}, {begin.AddDate(0, 0, 1), begin.AddDate(0, 0, 3)}, {begin.Add(7*time.Hour + 123*time.Millisecond), begin.Add(80 * time.Hour)}, {begin.AddDate(0, 0, -36), begin.AddDate(0, 0, 4)}} {
			from, to := fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d), 'UTC')", x[0].UnixMilli()), fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d), 'UTC')", x[1].UnixMilli())
			for _, c := range []string{"1", "campaign_id IN ('c1') AND partner_id IN ('', 'p1')", "hasAny(products, ['x'])"} {
				calls := "(SELECT * FROM calls FINAL) WHERE direction = 'outbound' AND started_at >= " + from + " AND started_at < " + to + " AND " + c
				for name, q := range map[string][2]string{
					"results": {"SELECT outcome, disposition, toInt64(sum(n)), sum(no_campaign), sum(no_customer), sum(no_agent), sum(no_disposition), sum(no_permit), sum(no_answerer), sum(no_wrap_up) FROM " + kpi.Results(from, to, zone.String(), c) + " GROUP BY outcome, disposition",
						"SELECT outcome, disposition, toInt64(count()), toInt64(countIf(campaign_id = '')), toInt64(countIf(customer_id = '' OR customer_id LIKE 'n:%')), toInt64(countIf(bridged_at IS NOT NULL AND agent_id = '')), toInt64(countIf(bridged_at IS NOT NULL AND disposition = '')), toInt64(countIf(permit_id = '')), " +
							"toInt64(countIf(answered_at IS NOT NULL AND answered_by = '')), toInt64(countIf(bridged_at IS NOT NULL AND wrapped_up_at IS NULL)) FROM " + calls + " GROUP BY outcome, disposition"},
					"denials": {"SELECT rule, requests, customers, last FROM " + kpi.Denials(from, to, zone.String(), c, fmt.Sprint("1 = ", len(c))),
						"SELECT rule, count(), uniqExact(customer_id), max(at) FROM (SELECT * FROM permits FINAL) ARRAY JOIN denied_by AS rule WHERE decision = 'deny' AND at >= " + from + " AND at < " + to + " AND " + c + " GROUP BY rule"},
					"fates": {"SELECT fate, toUInt64(sum(n)) FROM " + kpi.Fates(from, to, zone.String(), c) + " GROUP BY fate",
						"SELECT if(s.status = '', 'out', s.status) AS fate, count() FROM (SELECT permit_id FROM permits FINAL WHERE decision = 'permit' AND at >= " + from + " AND at < " + to + " AND " + c +
							") AS p LEFT JOIN (SELECT permit_id, toString(max(status)) AS status FROM permit_status GROUP BY permit_id) AS s ON p.permit_id = s.permit_id GROUP BY fate"},
					"newest violations": {"SELECT call_id FROM calls FINAL WHERE direction = 'outbound' AND notEmpty(violations) AND started_at >= " + from + " AND started_at < " + to + " AND " + c + " AND " + kpi.NewestViolations(from, to, zone.String(), c, 5) + " ORDER BY started_at DESC, call_id LIMIT 5",
						"SELECT call_id FROM " + calls + " AND notEmpty(violations) ORDER BY started_at DESC, call_id LIMIT 5"},
					"rows of calls":   {newestOf(kpi.RowsOf("calls", "calls", "started_at", from, to)), "SELECT 'calls', count(), maxOrNull(started_at) FROM calls WHERE started_at >= " + from + " AND started_at < " + to},
					"rows of permits": {newestOf(kpi.RowsOf("permits", "permits", "at", from, to)), "SELECT 'permits', count(), maxOrNull(at) FROM permits WHERE at >= " + from + " AND at < " + to},
					"rows of leads":   {newestOf(kpi.RowsOf("leads", "leads_by_time", "at", from, to)), "SELECT 'leads', count(), maxOrNull(at) FROM leads WHERE at >= " + from + " AND at < " + to},
				} {
					if diff := cmp.Diff(answer(q[1]), answer(q[0])); diff != "" {
						t.Errorf("%s: %s where %s from %v: facts -, roll-ups +\n%s", what, name, c, x[0], diff)
					}
				}
				if c == "hasAny(products, ['x'])" {
					continue // time has no products
				}
				got := answer("SELECT state, sum(ms) FROM " + kpi.States(from, to, zone.String(), c) + " GROUP BY state HAVING sum(ms) > 0")
				ms := "sum(toUnixTimestamp64Milli(least(end_at, " + to + ")) - toUnixTimestamp64Milli(greatest(start_at, " + from + ")))"
				if diff := cmp.Diff(answer("SELECT toString(state), "+ms+" FROM agent_intervals FINAL WHERE start_at < "+to+" AND end_at > "+from+" AND "+c+" GROUP BY state"), got); diff != "" {
					t.Errorf("%s: states where %s from %v: facts -, roll-ups +\n%s", what, c, x[0], diff)
				}
			}
		}
	}
	equal("nothing is rolled up")
	roll(t, conn, zone, begin.AddDate(1, 0, 0), 1)
	equal("all is current")
	late := f.calls[3]
	late.version, late.outcome, late.disposition = 10, "busy", ""
	(&facts{calls: []call{late}, intervals: []interval{{"a9", "t1", "p1", "c1", "talking", begin.Add(30 * time.Hour), begin.Add(31 * time.Hour), false}}}).insert(t, conn)
	denials("late", 20, begin)
	statuses("late", 20)
	equal("some days are stale")
	roll(t, conn, zone, begin.AddDate(2, 0, 0), 1)
	equal("all is current again")
	// The roll-ups are read: a forged row shows.
	for table, q := range map[string][2]string{
		"results_1d":   {"outcome, direction, n", "'forged', 'outbound', 1"},
		"denials_1d":   {"rule, n", "'forged', 1"},
		"denied_since": {"rule, n", "'forged since', 1"},
		"fates_1d":     {"fate, n", "'forged', 1"},
	} {
		do(fmt.Sprintf("INSERT INTO %[1]s (day, version, %[2]s) SELECT toDate('2026-10-31'), (SELECT argMax(version, made_at) FROM rolled WHERE rollup = '%[1]s' AND bucket = toInt64(toUInt16(toDate('2026-10-31')))), %[3]s", table, q[0], q[1]))
	}
	from, to := fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d), 'UTC')", begin.UnixMilli()), fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d), 'UTC')", begin.AddDate(0, 0, 4).UnixMilli())
	for name, q := range map[string]string{"results_1d": "SELECT n FROM " + kpi.Results(from, to, zone.String(), "1") + " WHERE outcome = 'forged'", "denials_1d": "SELECT requests FROM " + kpi.Denials(from, to, zone.String(), "1", "0") + " WHERE rule LIKE 'forged%'",
		"denied_since": "SELECT requests FROM " + kpi.Denials(from, to, zone.String(), "1", "1") + " WHERE rule LIKE 'forged%'", "fates_1d": "SELECT n FROM " + kpi.Fates(from, to, zone.String(), "1") + " WHERE fate = 'forged'"} {
		if n := len(answer(q)); n != 1 {
			t.Errorf("%s is not read, or not alone: %d forged rows", name, n)
		}
	}
}

// newestOf adds up what RowsOf tells of one fact.
func newestOf(rows string) string {
	return "SELECT fact, sum(n), max(newest) FROM (" + rows + ") GROUP BY fact"
}
