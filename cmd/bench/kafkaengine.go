package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ringfence/ringfence/event"
)

// kafkaEngine lets ClickHouse read the same topic itself: a table of its Kafka engine, tuned, and a view that writes what
// comes into the same table. It gives the rate from the view's creation on.
func (x *intoClickHouse) kafkaEngine(ctx context.Context) (float64, error) {
	schemas := filepath.Join(x.dir, "schemas")
	if err := os.CopyFS(schemas, event.Schema); err != nil {
		return 0, err
	}
	schema := filepath.Join(schemas, "event.proto")
	const at = "fromUnixTimestamp64Milli(%s, 'UTC')"
	moment := func(f string) string { return fmt.Sprintf(at, f) }
	maybe := func(f string) string { return "if(" + f + " = 0, NULL, " + moment(f) + ")" }
	call := "call_id String, direction String, caller_id String, permit_id String, purpose String, campaign_id String, products Array(String), list_id String, lead_id String, agent_id String, team_id String, partner_id String, " +
		"dialer_id String, started_at Int64, answered_at Int64, bridged_at Int64, ended_at Int64, wrapped_up_at Int64, prepared_ms Nullable(Int64), updated_at Int64, outcome String, answered_by String, hangup_by String, hangup_cause Int32, " +
		"disposition String, reached Nullable(Bool), completed Nullable(Bool), refused Array(String), ordered Array(String), opt_out Nullable(Bool), useless String, appointment_at Int64, strategy String, " +
		"recording Tuple(uri String, size_bytes Nullable(Int64), duration_ms Nullable(Int64)), inbound_number String, inbound_lead Nullable(Bool), joint_channel String, customer_id String, number_hash String, number_masked String"
	var cols, values []string
	add := func(name, value string) { cols, values = append(cols, name), append(values, value) }
	for _, f := range strings.Split("call_id direction customer_id number_hash number_masked caller_id permit_id purpose campaign_id products list_id lead_id agent_id team_id partner_id dialer_id prepared_ms outcome answered_by hangup_by "+
		"hangup_cause disposition reached completed refused ordered opt_out useless strategy inbound_number inbound_lead joint_channel", " ") {
		add(f, "call."+f)
	}
	for _, f := range []string{"started_at", "ended_at", "updated_at"} {
		add(f, moment("call."+f))
	}
	for _, f := range []string{"answered_at", "bridged_at", "wrapped_up_at", "appointment_at"} {
		add(f, maybe("call."+f))
	}
	for _, f := range []string{"uri", "size_bytes", "duration_ms"} {
		add("recording_"+f, "call.recording."+f)
	}
	for _, f := range []string{"customer_hash", "attempt_no", "cap_verdict", "violations", "policy", "source", "revision"} {
		add(f, f)
	}
	add("received_at", moment("received_at"))
	for i, c := range cols {
		values[i] += " AS " + c
	}
	queries := []string{
		"TRUNCATE TABLE calls",
		fmt.Sprintf(`CREATE TABLE own_queue (call Tuple(%s), customer_hash String, attempt_no Int64, cap_verdict String, violations Array(String), policy String, revision UInt64, received_at Int64, source String)
			ENGINE = Kafka SETTINGS kafka_broker_list = '%s', kafka_topic_list = '%s', kafka_group_name = 'own-%d', kafka_format = 'ProtobufSingle', kafka_schema = '%s:CallFact',
			kafka_num_consumers = 2, kafka_thread_per_consumer = 1, kafka_max_block_size = 524288, kafka_poll_max_batch_size = 524288`, call, strings.Join(x.broker.addrs, ","), event.TopicCallFacts, time.Now().UnixNano(), schema),
		"CREATE MATERIALIZED VIEW own_view TO calls AS SELECT " + strings.Join(values, ", ") + " FROM own_queue",
	}
	var began time.Time
	for _, q := range queries {
		began = time.Now()
		if err := x.conn.Exec(ctx, q); err != nil {
			return 0, err
		}
	}
	var there uint64
	// It is slow: a minute tells its rate.
	for there < uint64(x.n) && time.Since(began) < time.Minute {
		if err := x.conn.QueryRow(ctx, "SELECT count() FROM calls").Scan(&there); err != nil {
			return 0, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(25 * time.Millisecond):
		}
	}
	took := time.Since(began).Seconds()
	var said string
	if there == 0 {
		if err := x.conn.QueryRow(ctx, "SELECT arrayStringConcat(arrayDistinct(arrayMap(x -> substring(x, 1, 300), arrayFlatten(groupArray(exceptions.text)))), '; ') || ' ' || toString(sum(num_messages_read)) || ' messages, ' || any(last_used::String) FROM system.kafka_consumers WHERE table = 'own_queue'").Scan(&said); err != nil {
			said = err.Error()
		}
	}
	for _, q := range []string{"DROP TABLE own_view SYNC", "DROP TABLE own_queue SYNC"} {
		if err := x.conn.Exec(ctx, q); err != nil {
			return 0, err
		}
	}
	if there == 0 {
		return 0, fmt.Errorf("it has read nothing in %.0f s: %s", took, said)
	}
	x.say("ClickHouse's Kafka engine: %d rows in %.1f s", there, took)
	return float64(there) / took, nil
}
