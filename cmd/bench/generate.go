package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// The generated centre: half a million dials a day by 1,000 agents in 20 campaigns, each lead called four times within ten
// days. Everything follows from the number of the call, so two runs make the same rows.
const (
	dayCalls = 500_000
	agents   = 1000
	// generatedEnd is the midnight (Asia/Shanghai) before which the last generated day lies.
	generatedEnd = "2026-11-26 00:00:00"
)

// generate writes days of calls straight into ClickHouse, from the last backwards, as far as they are not there whole.
func generate(ctx context.Context, conn driver.Conn, calls int, progress func(done int)) error {
	whole, err := daysWith(ctx, conn, "calls", "started_at", dayCalls)
	if err != nil {
		return err
	}
	for done := 0; done < calls; done += dayCalls {
		n, ago := min(dayCalls, calls-done), done/dayCalls
		if !whole[ago] {
			if err := conn.Exec(ctx, callsSQL(ago, n)); err != nil {
				return fmt.Errorf("generate the day %d before the last: %w", ago, err)
			}
		}
		progress(done + n)
	}
	return nil
}

// callsSQL makes n calls of the day that lies `ago` days before the last.
func callsSQL(ago, n int) string {
	names, values := []string{}, []string{}
	col := func(name, value string) { names, values = append(names, name), append(values, value) }
	col("call_id", "id")
	col("direction", "if(h % 50 = 0, 'inbound', 'outbound')")
	col("customer_id", "concat('C', toString(lead_no))")
	col("purpose", "['sales', 'sales', 'retention', 'care'][campaign_no % 4 + 1]")
	col("campaign_id", "concat('campaign-', toString(campaign_no))")
	col("products", "if(h % 7 = 0, [concat('product-', toString(campaign_no % 8)), 'broadband'], [concat('product-', toString(campaign_no % 8))])")
	col("list_id", "concat('list-', toString(campaign_no), '-', toString(block))")
	col("lead_id", "concat('L', toString(lead_no))")
	col("agent_id", "if(bridged, concat('agent-', toString(agent_no)), '')")
	col("team_id", "if(bridged, concat('team-', toString(intDiv(agent_no, 10))), '')")
	col("partner_id", "['', 'partner-1', 'partner-2', 'partner-3'][campaign_no % 4 + 1]")
	col("started_at", "at")
	col("answered_at", "if(connected, at + toIntervalMillisecond(4000 + h % 12000), NULL)")
	col("bridged_at", "if(bridged, at + toIntervalMillisecond(5500 + h % 12000), NULL)")
	col("ended_at", "at + toIntervalMillisecond(20000 + if(bridged, h2 % 180000, h2 % 9000))")
	col("wrapped_up_at", "if(bridged, at + toIntervalMillisecond(40000 + h2 % 180000), NULL)")
	col("prepared_ms", "if(bridged, 2000 + h2 % 6000, NULL)")
	col("updated_at", "at + toIntervalMillisecond(40000 + h2 % 180000)")
	col("outcome", "multiIf(bridged, 'answered', connected AND machine, 'answered', connected, 'abandoned', h % 31 = 0, 'invalid_number', h % 3 = 0, 'busy', 'no_answer')")
	col("answered_by", "multiIf(NOT connected, '', machine, 'machine', 'human')")
	col("disposition", "if(bridged AND h2 % 10 < 8, ['agree', 'consider', 'hesitate', 'refuse', 'refuse', 'other', 'consider', 'refuse'][h2 % 8 + 1], '')")
	col("reached", "if(bridged, toNullable(h2 % 10 < 7), NULL)")
	col("completed", "if(bridged, toNullable(h2 % 10 < 4), NULL)")
	col("ordered", "if(bridged AND h2 % 80 = 0, [concat('product-', toString(campaign_no % 8))], [])")
	col("useless", "if(h % 61 = 0, 'wrong_number', '')")
	col("recording_size_bytes", "if(bridged AND h2 % 200 > 0, toNullable(480000 + h2 % 1000000), NULL)")
	col("violations", "if(h % 5000 = 0, ['CAP-01'], [])")
	col("revision", "toUInt64(toUnixTimestamp64Milli(at)) * 256")
	with := fmt.Sprintf(`WITH toUInt64(%[1]d) AS day, cityHash64(day, number) AS h, cityHash64(h) AS h2, intDiv(day, 10) AS block,
  toUInt64((block * 1250000 + h2 %% 1250000)) AS lead_no, lead_no %% 20 AS campaign_no, campaign_no * %[2]d + intDiv(h, 1000) %% %[2]d AS agent_no,
  concat('g', leftPad(toString(day), 4, '0'), '-', leftPad(toString(number), 7, '0')) AS id,
  h %% 100 < 40 AS connected, connected AND h %% 100 < 12 AS machine, connected AND NOT machine AND h %% 100 < 39 AS bridged,
  toDateTime64('%[3]s', 3, 'Asia/Shanghai') - toIntervalDay(%[4]d) + toIntervalMillisecond(28800000 + intDiv(number * 46800000, %[5]d)) AS at
`, 1000-ago, agents/20, generatedEnd, ago+1, dayCalls)
	return "INSERT INTO calls (" + strings.Join(names, ", ") + ")\n" + with + "SELECT " + strings.Join(values, ",\n  ") + fmt.Sprintf("\nFROM numbers_mt(%d)", n)
}

// rangeOfGenerated is the last days of what was generated.
func rangeOfGenerated(days int) (from, to time.Time, err error) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		return from, to, err
	}
	to, err = time.ParseInLocation(time.DateTime, generatedEnd, zone)
	return to.AddDate(0, 0, -days), to, err
}
