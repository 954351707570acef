package main

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// What belongs to the generated calls: a lead for each account, an agent's day of 135 rounds of four states and a pause in
// each tenth, a permit for each outbound call, which it used, and a denial for each eighth, a shift a day, a complaint for
// each ten thousand calls, and of the recordings of a day one in ten drawn and reviewed.
const (
	blockLeads = 1_250_000 // leads of the ten days of a block
	rounds     = 135
)

// generateRest writes what is not there of it: leads for all calls, the rest for the last `days`. A day is whole that has
// reviews, which are written last.
func generateRest(ctx context.Context, conn driver.Conn, calls, days int, progress func(string)) error {
	const last = 1000 // as in callsSQL: the last day's number
	first := last - (calls+dayCalls-1)/dayCalls + 1
	leads, err := daysWith(ctx, conn, "leads", "at + toIntervalHour(2)", blockLeads)
	if err != nil {
		return err
	}
	for block := last / 10; block >= first/10; block-- {
		if leads[last-block*10] {
			continue
		}
		if err := conn.Exec(ctx, leadsSQL(block)); err != nil {
			return fmt.Errorf("generate the leads of block %d: %w", block, err)
		}
		progress(fmt.Sprintf("leads of block %d", block))
	}
	reviewed, err := daysWith(ctx, conn, "qa_reviews", "call_started_at", 1)
	if err != nil {
		return err
	}
	for ago := 0; ago < min(days, last-first+1); ago++ {
		if reviewed[ago] {
			continue
		}
		for _, q := range restSQL(ago) {
			if err := conn.Exec(ctx, q); err != nil {
				return fmt.Errorf("generate what belongs to the calls of the day %d before the last: %w", ago, err)
			}
		}
		progress(fmt.Sprintf("what belongs to the calls of the day %d before the last", ago))
	}
	return nil
}

// midnight is the SQL of the first moment of the day `ago` days before the last.
func midnight(ago int) string {
	return fmt.Sprintf("toDateTime64('%s', 3, 'Asia/Shanghai') - toIntervalDay(%d)", generatedEnd, ago+1)
}

func leadsSQL(block int) string {
	return fmt.Sprintf(`INSERT INTO leads (lead_id, campaign_id, customer_id, at, list_id, products, useless, event_id, arrival)
WITH toUInt64(%[1]d) AS block, block * %[2]d + number AS no, no %% 20 AS campaign_no, cityHash64(no) AS h
SELECT concat('L', toString(no)), concat('campaign-', toString(campaign_no)), concat('C', toString(no)), %[3]s - toIntervalHour(2) + toIntervalMillisecond(h %% 3600000),
  concat('list-', toString(campaign_no), '-', toString(block)), [concat('product-', toString(campaign_no %% 8))], if(h %% 97 = 0, 'not_target', ''), concat('e', toString(no)), no
FROM numbers_mt(%[2]d)`, block, blockLeads, midnight(1000-block*10))
}

func restSQL(ago int) []string {
	day := 1000 - ago
	begin, end := midnight(ago), midnight(ago-1)
	calls := fmt.Sprintf("calls WHERE slot >= intDiv(toUnixTimestamp(%[1]s), 900) AND slot < intDiv(toUnixTimestamp(%[2]s), 900)", begin, end)
	const ofAgent = "concat('agent-', toString(agent)) AS agent_id, concat('team-', toString(intDiv(agent, 10))) AS team_id, concat('campaign-', toString(intDiv(agent, 50))) AS campaign_id, ['', 'partner-1', 'partner-2', 'partner-3'][intDiv(agent, 50) % 4 + 1] AS partner_id"
	return []string{
		fmt.Sprintf(`INSERT INTO agent_intervals (agent_id, team_id, campaign_id, partner_id, state, start_at, end_at, revision)
WITH intDiv(number, %[1]d) AS agent, number %% %[1]d AS step, intDiv(step, 4) AS round, step %% 4 AS part, %[2]s + toIntervalMillisecond(28800000 + round * 346000) AS began,
  [0, 90, 115, 270, 346][part + 1] AS a, [0, 90, 115, 270, 346][part + 2] AS b
SELECT %[3]s, if(round %% 10 = 9 AND part = 0, 'break', ['available', 'dialing', 'talking', 'wrap_up'][part + 1]), began + toIntervalSecond(a), began + toIntervalSecond(b), 1
FROM numbers_mt(%[4]d)`, rounds*4, begin, ofAgent, agents*rounds*4),
		fmt.Sprintf(`INSERT INTO schedules (agent_id, team_id, partner_id, kind, start_at, end_at, revision)
WITH number %% %[1]d AS agent SELECT agent_id, team_id, partner_id, kind, start_at, end_at, 1 FROM (SELECT %[2]s, if(number < %[1]d, 'work', 'leave') AS kind,
  %[3]s + toIntervalMinute(if(number < %[1]d, 480, 720)) AS start_at, %[3]s + toIntervalMinute(if(number < %[1]d, 1260, 780)) AS end_at FROM numbers(%[4]d))`, agents, ofAgent, begin, agents+agents/50),
		`INSERT INTO permits (request_id, permit_id, decision, customer_id, at, policy, purpose, products, campaign_id, partner_id, denied_by)
SELECT if(deny = 0, concat('r', call_id), concat('d', call_id)), if(deny = 0, concat('p', call_id), ''), if(deny = 0, 'permit', 'deny'), customer_id, started_at - toIntervalMillisecond(2000 + deny * 9), 'china-unicom@3', purpose, products, campaign_id, partner_id,
  if(deny = 0, [], ['CAP-01']) FROM (SELECT * FROM ` + calls + ` AND direction = 'outbound') ARRAY JOIN if(cityHash64(call_id) % 8 = 0, [0, 1], [0]) AS deny`,
		`INSERT INTO permit_status (permit_id, status, at, call_id, campaign_id, permit_at) SELECT concat('p', call_id), 'used', started_at, call_id, campaign_id, started_at - toIntervalMillisecond(2000) FROM ` + calls + ` AND direction = 'outbound'`,
		`INSERT INTO complaints (complaint_id, event, event_id, at, call_id, campaign_id, agent_id, team_id, partner_id, products, category, channel, attributed_by, attributed_call_id, revision)
SELECT concat('m', call_id), event, concat(event, call_id), ended_at + toIntervalHour(if(event = 'opened', 1, 20)), call_id, campaign_id, agent_id, team_id, partner_id, products, ['attitude', 'time_limit', 'other'][cityHash64(call_id) % 3 + 1], 'hotline', 'call', call_id, revision
FROM (SELECT * FROM ` + calls + ` AND agent_id != '' AND cityHash64(call_id) % 2700 = 0) ARRAY JOIN ['opened', if(cityHash64(call_id) % 5 = 0, 'upheld', 'resolved')] AS event`,
		fmt.Sprintf(`INSERT INTO sampling_population (day, agent_id, seq, call_id, drawn, campaign_id, team_id, partner_id, call_started_at, revision)
SELECT toDate(%[1]s, 'Asia/Shanghai'), agent_id, row_number() OVER (PARTITION BY agent_id ORDER BY started_at), call_id, if(cityHash64(call_id) %% 10 = 0, ['daily'], []), campaign_id, team_id, partner_id, started_at, 1
FROM (SELECT * FROM %[2]s AND recording_size_bytes > 44 AND direction = 'outbound' AND agent_id != '')`, begin, calls),
		fmt.Sprintf(`INSERT INTO qa_tasks (task_id, call_id, agent_id, team_id, campaign_id, partner_id, day, seq, draw, drawn_at, call_started_at)
SELECT concat('t', call_id), call_id, agent_id, team_id, campaign_id, partner_id, day, seq, 'daily', call_started_at + toIntervalHour(1), call_started_at FROM sampling_population WHERE day = toDate(%s, 'Asia/Shanghai') AND has(drawn, 'daily')`, begin),
		`INSERT INTO qa_reviews (review_id, task_id, call_id, agent_id, team_id, campaign_id, partner_id, call_started_at, sale, standards_met, score, fatal, published_at, revision)
SELECT concat('v', call_id), concat('t', call_id), call_id, agent_id, team_id, campaign_id, partner_id, started_at, notEmpty(ordered), cityHash64(call_id, 1) % 20 > 0, 60 + cityHash64(call_id, 2) % 41, cityHash64(call_id, 3) % 50 = 0, started_at + toIntervalHour(9), ` + fmt.Sprint(day) + `
FROM (SELECT * FROM ` + calls + ` AND recording_size_bytes > 44 AND direction = 'outbound' AND agent_id != '' AND cityHash64(call_id) % 10 = 0)`,
	}
}
