package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What is verified every morning is said: a call that ClickHouse lost makes the metric count and the alert fire, and both
// are well again when it is back.
func TestFiguresAreVerified(t *testing.T) {
	if testing.Short() {
		t.Skip("every metric is worked out three times")
	}
	a, cl, _ := start(t)
	ctx := t.Context()
	day := time.Date(2026, 3, 6, 2, 0, 0, 0, time.UTC)
	var calls []any
	for i := range 12 {
		calls = append(calls, sale(i, "a1", day.Add(time.Duration(i)*time.Minute)))
	}
	if res, err := cl.Send(ctx, "calls", calls...); err != nil || len(res.Rejected) > 0 {
		t.Fatal(err, res)
	}
	until(t, "the calls are counted", func() bool {
		var n uint64
		return a.Conn().QueryRow(ctx, "SELECT count() FROM calls_current").Scan(&n) == nil && n == 12
	})
	do := func(sql ...string) {
		t.Helper()
		for _, q := range sql {
			if err := a.Conn().Exec(ctx, q); err != nil {
				t.Fatal(err)
			}
		}
	}
	verify := func(hours int) (metric string) {
		t.Helper()
		if err := a.VerifyFigures(ctx, day.AddDate(0, 0, 1).Add(time.Duration(hours)*time.Hour)); err != nil {
			t.Fatal(err)
		}
		res, err := http.Get(a.URL() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "ringfence_kpi_verify_differences "); ok {
				metric = strings.TrimSpace(rest)
			}
		}
		return metric
	}
	told := func(state, detail string) {
		t.Helper()
		until(t, "the alert is "+state, func() bool {
			var s, d string
			err := a.Conn().QueryRow(ctx, "SELECT argMax(state, at), argMax(detail, at) FROM alerts FINAL WHERE alert_id = 'kpi-verify'").Scan(&s, &d)
			return err == nil && s == state && strings.Contains(d, detail)
		})
	}
	// A roll-up would go on saying what was there: the row's slot is touched, as by whoever takes it away.
	touch := "INSERT INTO touched SELECT 'calls', intDiv(toUnixTimestamp(toDateTime('2026-03-06 02:03:00', 'UTC')), 900), 1"
	do("CREATE TABLE saved ENGINE = MergeTree ORDER BY call_id AS SELECT * FROM calls WHERE call_id = 'a1-3'",
		"ALTER TABLE calls DELETE WHERE call_id = 'a1-3' SETTINGS mutations_sync = 2", touch)
	if metric := verify(0); metric == "0" || metric == "" {
		t.Errorf("a call is lost: ringfence_kpi_verify_differences %q", metric)
	}
	told("firing", "differ; the first: ")
	do("INSERT INTO calls SELECT * FROM saved", touch)
	if metric := verify(1); metric != "0" {
		t.Errorf("the call is back: ringfence_kpi_verify_differences %q", metric)
	}
	told("resolved", ", 0 differ")
}
