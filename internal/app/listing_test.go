package app_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/ringfence/ringfence/dashboards"
	"github.com/ringfence/ringfence/internal/embedded"
	"github.com/ringfence/ringfence/sinks/clickhouse"
)

// emptyClickHouse has the schema and no rows.
func emptyClickHouse(t *testing.T) driver.Conn {
	t.Helper()
	engine, err := embedded.StartClickHouse(t.Context(), embedded.ClickHouseOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	conn, err := clickhouse.Open(t.Context(), clickhouse.Options{Addr: []string{engine.Addr()}, Database: "ringfence", Username: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// The listing of calls reads the end of the range alone, and has the newest calls all the same: of calls in many versions, of
// calls that moved away, of few calls and of none.
func TestNewestCalls(t *testing.T) {
	ctx := t.Context()
	conn := emptyClickHouse(t)
	begin := time.Date(2026, 3, 6, 0, 0, 0, 0, time.UTC)
	// 8,000 calls, one a minute. Those of the last day have 15 versions each, so that the newest rows are of few calls; of
	// these every second one moved away.
	for version := range 15 {
		err := conn.Exec(ctx, fmt.Sprintf(`INSERT INTO calls (call_id, direction, campaign_id, started_at, ended_at, outcome, disposition, reached, revision, deleted)
			SELECT concat('k', toString(number)), if(number %% 5 = 0, 'inbound', 'outbound'), multiIf(number %% 2000 = 1, 'rare', number < 1000, 'old', 'usual'), fromUnixTimestamp64Milli(toInt64(%d + number * 60000)) AS at, at,
				if(number %% 2 = 0, 'abandoned', 'answered'), if(number %% 3 = 0, 'agree', ''), number %% 3 = 0, %d, number >= 6560 AND number %% 2 = 1 AND %d = 14 FROM numbers(8000) WHERE number >= 6560 OR %d = 0`, begin.UnixMilli(), version, version, version))
		if err != nil {
			t.Fatal(err)
		}
	}
	d, ok := dashboards.Find("calls")
	if !ok {
		t.Fatal("there is no dashboard of calls")
	}
	panels := d.Panels()
	p := panels[slices.IndexFunc(panels, func(p dashboards.Panel) bool { return p.Rows == "calls" })]
	q, err := d.Query(p, "UTC")
	if err != nil {
		t.Fatal(err)
	}
	ids := func(sql string) (out []string) {
		t.Helper()
		rows, err := conn.Query(ctx, sql)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			out = append(out, id)
		}
		return out
	}
	for _, c := range []struct {
		name      string
		values    dashboards.Values
		condition string
		last      int // the minute before which the range ends
		want      int
	}{
		{"all", dashboards.Values{}, "1", 8000, 200},
		{"a part of the last day", dashboards.Values{}, "1", 6700, 200},
		{"those that moved away are not there", dashboards.Values{"which": {"orders"}}, "disposition = 'agree'", 8000, 200},
		{"old ones", dashboards.Values{"campaign": {"old"}}, "campaign_id = 'old'", 8000, 200},
		{"few", dashboards.Values{"campaign": {"rare"}}, "campaign_id = 'rare'", 8000, 4},
		{"of two campaigns", dashboards.Values{"campaign": {"rare", "old"}, "which": {"abandoned"}}, "campaign_id IN ('rare', 'old') AND outcome = 'abandoned'", 8000, 200},
		{"none", dashboards.Values{"campaign": {"none"}}, "0", 8000, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := begin.Add(time.Duration(c.last) * time.Minute)
			sql, err := dashboards.Expand(q.SQL, d.WithDefaults(c.values), dashboards.Range{From: begin, To: to})
			if err != nil {
				t.Fatal(err)
			}
			want := ids(fmt.Sprintf("SELECT call_id FROM (SELECT * FROM calls FINAL) WHERE direction = 'outbound' AND %s AND started_at < fromUnixTimestamp64Milli(toInt64(%d)) ORDER BY started_at DESC, call_id LIMIT 200", c.condition, to.UnixMilli()))
			if diff := cmp.Diff(want, ids("SELECT call_id FROM ("+sql+")")); diff != "" {
				t.Error(diff)
			}
			if len(want) != c.want {
				t.Errorf("%d calls, want %d", len(want), c.want)
			}
		})
	}
}

// Grafana knows a table's columns by their names in the answer: each is the one the panel says it is.
func TestColumnsHaveTheNamesGrafanaKnows(t *testing.T) {
	ctx := t.Context()
	conn := emptyClickHouse(t)
	begin := time.Date(2026, 3, 6, 0, 0, 0, 0, time.UTC)
	asked := 0
	for _, d := range dashboards.All() {
		for _, p := range d.Panels() {
			q, err := d.Query(p, "Asia/Shanghai")
			if err != nil {
				t.Fatal(err)
			}
			if p.Kind != dashboards.Listing && p.Kind != dashboards.Breakdown {
				continue
			}
			sql, err := dashboards.Expand(q.SQL, d.WithDefaults(nil), dashboards.Range{From: begin, To: begin.AddDate(0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			rows, err := conn.Query(ctx, sql)
			if err != nil {
				t.Fatalf("%s, %q: %v", d.UID, p.Title.EN, err)
			}
			var want []string
			for _, c := range q.Columns {
				if c.Field == "" {
					c.Field = c.Name
				}
				want = append(want, c.Field)
			}
			if diff := cmp.Diff(want, rows.Columns()); diff != "" {
				t.Errorf("%s, %q: the panel's columns and those of the answer (+) differ:\n%s", d.UID, p.Title.EN, diff)
			}
			if err := rows.Close(); err != nil {
				t.Fatal(err)
			}
			asked++
		}
	}
	if asked == 0 {
		t.Fatal("no panel shows columns")
	}
}
