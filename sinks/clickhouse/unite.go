package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// uniteEvery is how often calls are united, and so how long one can stand twice.
const uniteEvery = 10 * time.Minute

// Unite leaves one row of each call that stands in two slots (CONTRACT.md section 6). That happens when one call_id was
// reported under two customers at different times: each customer's history knows of one, and neither of the other. The one
// told last stays; the other gets a mark as if it had moved. Calls that were told of since `since` are looked at, whatever
// they were before. It returns how many rows were taken away, and may be run anywhere, at any time, by several at once.
func Unite(ctx context.Context, conn driver.Conn, since time.Time) (int, error) {
	told := uint64(max(since.UnixMilli(), 0)) << 8 // revisions are moments of telling: contactcap counts up from them
	rows, err := conn.Query(ctx, fmt.Sprintf(`SELECT call_id, arraySort(groupArray((last, slot))) AS stands FROM (
  SELECT call_id, slot, max(revision) AS last FROM calls WHERE call_id IN (SELECT call_id FROM calls WHERE revision >= %d) GROUP BY call_id, slot HAVING argMax(deleted, revision) = 0)
GROUP BY call_id HAVING count() > 1`, told))
	if err != nil {
		return 0, fmt.Errorf("look for calls that stand twice: %w", err)
	}
	type twice struct {
		id     string
		stands [][]any
	}
	var found []twice
	for rows.Next() {
		var t twice
		if err := rows.Scan(&t.id, &t.stands); err != nil {
			_ = rows.Close()
			return 0, fmt.Errorf("look for calls that stand twice: %w", err)
		}
		found = append(found, t)
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("look for calls that stand twice: %w", err)
	}
	done := 0
	for _, t := range found {
		last := t.stands[len(t.stands)-1][0].(uint64)
		for _, s := range t.stands[:len(t.stands)-1] {
			revision, slot := s[0].(uint64), s[1].(uint32)
			// Of the same moment of telling the later slot stays, and the mark must be newer than the row it is for.
			err := conn.Exec(ctx, fmt.Sprintf("INSERT INTO calls (%[1]s) SELECT * REPLACE(toUInt64(%[2]d) AS revision, toUInt8(1) AS deleted) FROM (SELECT %[1]s FROM calls FINAL WHERE slot = %[3]d AND call_id = ? AND revision = %[4]d)",
				tables["calls"], max(last, revision+1), slot, revision), t.id)
			if err != nil {
				return done, fmt.Errorf("take away the earlier row of a call that stands twice: %w", err)
			}
			// The count again, after the row: whoever rolls up must not see it before.
			if err := conn.Exec(ctx, fmt.Sprintf("INSERT INTO touched (facts, slot, n) VALUES ('calls', %d, 1)", slot)); err != nil {
				return done, fmt.Errorf("count what was touched: %w", err)
			}
			done++
		}
	}
	return done, nil
}

// KeepUnited unites calls until ctx ends.
func KeepUnited(ctx context.Context, conn driver.Conn, log *slog.Logger) error {
	tick := time.NewTicker(uniteEvery)
	defer tick.Stop()
	since := time.Unix(0, 0) // what came while nobody looked
	for {
		began := time.Now()
		switch n, err := Unite(ctx, conn, since); {
		case err != nil && ctx.Err() == nil:
			log.Warn("calls reported under two customers stand twice for now", "error", err)
		case err == nil:
			since = began.Add(-time.Hour) // rows are written later than they are told
			if n > 0 {
				log.Warn("calls were reported under two customers: the last report stands", "calls", n)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
