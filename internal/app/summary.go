package app

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Summary is what `ringfence demo --once` prints (CONTRACT.md section 5).
type Summary struct {
	Calls      uint64 `json:"calls"`
	Permits    uint64 `json:"permits"`
	Denied     uint64 `json:"denied"`
	Violations uint64 `json:"violations"`
	Recordings uint64 `json:"recordings"`
	Sampled    uint64 `json:"sampled"`
	Complaints uint64 `json:"complaints"`
	Alerts     uint64 `json:"alerts"`
	Rows       uint64 `json:"rows_in_clickhouse"`
	ElapsedMS  int64  `json:"elapsed_ms"`
}

// Summarize counts what is in ClickHouse.
func Summarize(ctx context.Context, conn driver.Conn) (*Summary, error) {
	s := &Summary{}
	for _, q := range []struct {
		into *uint64
		sql  string
	}{
		{&s.Calls, "SELECT count() FROM calls FINAL"},
		{&s.Permits, "SELECT count() FROM permits FINAL WHERE decision = 'permit'"},
		{&s.Denied, "SELECT count() FROM permits FINAL WHERE decision = 'deny'"},
		{&s.Violations, "SELECT count() FROM calls FINAL WHERE notEmpty(violations)"},
		{&s.Recordings, "SELECT count() FROM calls FINAL WHERE isNotNull(answered_at) AND (recording_size_bytes > 44 OR isNull(recording_size_bytes) AND recording_duration_ms > 0)"},
		{&s.Sampled, "SELECT count() FROM sampling_population FINAL WHERE has(drawn, 'daily')"},
		{&s.Complaints, "SELECT uniqExact(complaint_id) FROM complaints FINAL"},
		{&s.Alerts, "SELECT uniqExact(alert_id) FROM alerts FINAL WHERE state = 'firing'"},
		{&s.Rows, "SELECT sum(total_rows) FROM system.tables WHERE database = currentDatabase() AND total_rows IS NOT NULL AND name != 'schema_migrations'"},
	} {
		var n *uint64
		if err := conn.QueryRow(ctx, "SELECT toNullable(toUInt64(ifNull(("+q.sql+"), 0)))").Scan(&n); err != nil {
			return nil, fmt.Errorf("count %s: %w", q.sql, err)
		}
		if n != nil {
			*q.into = *n
		}
	}
	return s, nil
}

// Sampled tells whether every day in ClickHouse is closed: one in so many of every agent's recordings is drawn, rounded
// up, and the keys of the days are revealed. A day that is not over yet does not matter.
func (a *App) Sampled(ctx context.Context) (bool, error) {
	var short, sealed uint64
	over := time.Now().Add(-a.cfg.Sampling.Grace.D()).In(a.zone).Format(time.DateOnly) // days before this one can close
	err := a.conn.QueryRow(ctx, `SELECT count() FROM (SELECT day, agent_id, count() AS n, countIf(has(drawn, 'daily')) AS d
		FROM sampling_population FINAL WHERE day < toDate(?) GROUP BY day, agent_id HAVING d < intDiv(n + ? - 1, ?))`, over, a.cfg.Sampling.OneIn, a.cfg.Sampling.OneIn).Scan(&short)
	if err == nil {
		err = a.conn.QueryRow(ctx, `SELECT count() FROM (SELECT DISTINCT day FROM sampling_population WHERE day < toDate(?))
			WHERE day NOT IN (SELECT day FROM sampling_keys WHERE key != '')`, over).Scan(&sealed)
	}
	if err != nil {
		return false, fmt.Errorf("look at the samples: %w", err)
	}
	return short == 0 && sealed == 0, nil
}
