package app

import (
	"context"
	"fmt"

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

// Sampled tells whether one in so many of every agent's day is drawn, rounded up: every day in ClickHouse is closed.
func (a *App) Sampled(ctx context.Context) (bool, error) {
	var open uint64
	err := a.conn.QueryRow(ctx, `SELECT count() FROM (SELECT day, agent_id, count() AS n, countIf(has(drawn, 'daily')) AS d
		FROM sampling_population FINAL GROUP BY day, agent_id HAVING d != intDiv(n + ? - 1, ?))`, a.cfg.Sampling.OneIn, a.cfg.Sampling.OneIn).Scan(&open)
	if err != nil {
		return false, fmt.Errorf("look at the samples: %w", err)
	}
	return open == 0, nil
}
