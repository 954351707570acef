package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ringfence/ringfence/event"
)

// sources are all topics the sink reads: those of facts, and what customers' changes say about what they have.
func sources() []string { return append(Topics(), event.TopicCustomerEvents) }

// Recordings say how long recordings are kept; the decision is internal/retention's.
type Recordings struct {
	OnlineMonths, Months int
	Zone                 string // in which months are counted
}

// recordingsView is the table for people: every recording with when it may be deleted (NULL while something sold is in
// use) and whether a complaint holds it. It says the same as retention.Rules.Decide.
const recordingsView = `CREATE OR REPLACE VIEW recordings AS
SELECT call_id, customer_id, campaign_id, agent_id, team_id, partner_id, started_at, recording_uri, recording_size_bytes, recording_duration_ms, sale, sold,
  toTimeZone(toTimeZone(started_at, '%[3]s') + toIntervalMonth(%[1]d), 'UTC') AS online_until,
  arrayFilter((p, end) -> isNull(end), sold, ends) AS in_use,
  if(notEmpty(in_use), NULL, toTimeZone(arrayMax(arrayConcat([toTimeZone(started_at, '%[3]s') + toIntervalMonth(%[2]d)], arrayMap(e -> assumeNotNull(toTimeZone(e, '%[3]s') + toIntervalMonth(%[2]d)), ends))), 'UTC')) AS purge_after,
  notEmpty(complaints) AS hold, complaints AS held_by
FROM (SELECT *, arrayMap(events -> nullIf(arrayFold((state, e) -> if(state.2, state, multiIf(e.2 = 0, (if(state.1 = never, e.1, state.1), false), e.2 = 2, (never, false), (state.1, state.1 != never))), events, (never, false)).1, never), after) AS ends
  FROM (SELECT *, toDateTime64('1970-01-01 00:00:00', 3, 'UTC') AS never FROM recordings_evidence))
COMMENT '%[4]s'`

// view makes the view of recordings if it is not there with these rules.
func (r Recordings) view(ctx context.Context, conn driver.Conn, run spread) error {
	if r.Months == 0 {
		r = Recordings{6, 12, "Asia/Shanghai"}
	}
	mark := fmt.Sprintf("version 1: %d months on line, %d altogether, months of %s", r.OnlineMonths, r.Months, r.Zone)
	var is string
	if err := conn.QueryRow(ctx, "SELECT max(comment) FROM system.tables WHERE database = currentDatabase() AND name = 'recordings'").Scan(&is); err != nil {
		return fmt.Errorf("look for the view of recordings: %w", err)
	}
	if is == mark {
		return nil
	}
	if err := run(ctx, fmt.Sprintf(recordingsView, r.OnlineMonths, r.Months, r.Zone, mark)); err != nil {
		return fmt.Errorf("make the view of recordings: %w", err)
	}
	return nil
}
