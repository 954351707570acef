-- Facts. Replacing tables are queried with FINAL or through their *_current view. The sort key of calls is the call
-- itself: started_at and campaign can change by an update, and rows of one call must meet.
CREATE TABLE IF NOT EXISTS calls (
  call_id String CODEC(ZSTD(1)), direction LowCardinality(String), customer_id String CODEC(ZSTD(1)), customer_hash String CODEC(ZSTD(1)),
  number_hash String CODEC(ZSTD(1)), number_masked String CODEC(ZSTD(1)), caller_id LowCardinality(String), permit_id String CODEC(ZSTD(1)),
  purpose LowCardinality(String), campaign_id LowCardinality(String), products Array(LowCardinality(String)), list_id LowCardinality(String), lead_id String CODEC(ZSTD(1)),
  agent_id LowCardinality(String), team_id LowCardinality(String), partner_id LowCardinality(String), dialer_id LowCardinality(String),
  started_at DateTime64(3,'UTC') CODEC(Delta, ZSTD(1)), answered_at Nullable(DateTime64(3,'UTC')) CODEC(ZSTD(1)), bridged_at Nullable(DateTime64(3,'UTC')) CODEC(ZSTD(1)),
  ended_at DateTime64(3,'UTC') CODEC(Delta, ZSTD(1)), wrapped_up_at Nullable(DateTime64(3,'UTC')) CODEC(ZSTD(1)), prepared_ms Nullable(Int64), updated_at DateTime64(3,'UTC') CODEC(Delta, ZSTD(1)),
  outcome LowCardinality(String), answered_by LowCardinality(String), hangup_by LowCardinality(String), hangup_cause UInt16, disposition LowCardinality(String),
  reached Nullable(Bool), completed Nullable(Bool), refused Array(LowCardinality(String)), ordered Array(LowCardinality(String)), opt_out Nullable(Bool),
  useless LowCardinality(String), appointment_at Nullable(DateTime64(3,'UTC')), strategy LowCardinality(String),
  recording_uri String CODEC(ZSTD(1)), recording_size_bytes Nullable(Int64), recording_duration_ms Nullable(Int64),
  inbound_number LowCardinality(String), inbound_lead Nullable(Bool), joint_channel LowCardinality(String),
  attempt_no UInt32, cap_verdict LowCardinality(String), violations Array(LowCardinality(String)), policy LowCardinality(String), source LowCardinality(String),
  received_at DateTime64(3,'UTC') CODEC(Delta, ZSTD(1)), revision UInt64 CODEC(ZSTD(1)),
  INDEX started started_at TYPE minmax GRANULARITY 1
) ENGINE = ReplacingMergeTree(revision) PARTITION BY toYYYYMM(started_at) ORDER BY call_id SETTINGS non_replicated_deduplication_window = 10000;
CREATE VIEW IF NOT EXISTS calls_current AS SELECT * FROM calls FINAL;
CREATE TABLE IF NOT EXISTS agent_intervals (
  agent_id LowCardinality(String), state LowCardinality(String), start_at DateTime64(3,'UTC'), end_at DateTime64(3,'UTC'), reason String,
  team_id LowCardinality(String), partner_id LowCardinality(String), campaign_id LowCardinality(String), call_id String, open Bool, timed_out Bool, revision UInt64
) ENGINE = ReplacingMergeTree(revision) PARTITION BY toYYYYMM(start_at) ORDER BY (agent_id, start_at) SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS complaints (
  complaint_id String, event LowCardinality(String), at DateTime64(3,'UTC'), event_id String, customer_id String, customer_hash String, number_hash String, call_id String,
  campaign_id LowCardinality(String), agent_id LowCardinality(String), team_id LowCardinality(String), partner_id LowCardinality(String), products Array(LowCardinality(String)),
  channel LowCardinality(String), category LowCardinality(String), cause LowCardinality(String), sub_cause String, level LowCardinality(String), severity LowCardinality(String),
  handling LowCardinality(String), owner String, note String, attributed_by LowCardinality(String), attributed_call_id String, unattributed Bool, received_at DateTime64(3,'UTC'), revision UInt64
) ENGINE = ReplacingMergeTree(revision) PARTITION BY toYYYYMM(at) ORDER BY (complaint_id, event_id) SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS permits (
  request_id String, permit_id String, decision LowCardinality(String), customer_id String, customer_hash String, number_hash String, at DateTime64(3,'UTC') CODEC(Delta, ZSTD(1)),
  expires_at Nullable(DateTime64(3,'UTC')), policy LowCardinality(String), purpose LowCardinality(String), products Array(LowCardinality(String)), campaign_id LowCardinality(String),
  partner_id LowCardinality(String), dialer_id LowCardinality(String), denied_by Array(LowCardinality(String)), next_allowed_at Nullable(DateTime64(3,'UTC'))
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(at) ORDER BY (request_id, customer_id, at) SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS permit_status (
  permit_id String, status Enum8('orphaned' = 1, 'released' = 2, 'used' = 3), at DateTime64(3,'UTC'), call_id String, campaign_id LowCardinality(String)
) ENGINE = ReplacingMergeTree ORDER BY (permit_id, status) SETTINGS non_replicated_deduplication_window = 10000;
CREATE VIEW IF NOT EXISTS permits_current AS
  SELECT p.*, if(p.decision = 'permit', if(s.status = '', 'out', s.status), '') AS status FROM (SELECT * FROM permits FINAL) AS p
  LEFT JOIN (SELECT permit_id, toString(max(status)) AS status FROM permit_status GROUP BY permit_id) AS s ON p.permit_id = s.permit_id;
CREATE TABLE IF NOT EXISTS qa_tasks (
  task_id String, call_id String, agent_id LowCardinality(String), team_id LowCardinality(String), campaign_id LowCardinality(String), partner_id LowCardinality(String), day Date,
  seq UInt32, draw LowCardinality(String), reason String, drawn_at DateTime64(3,'UTC'), recording_uri String, call_started_at DateTime64(3,'UTC')
) ENGINE = ReplacingMergeTree ORDER BY task_id SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS sampling_keys (
  day Date, key_sha256 String, published_at DateTime64(3,'UTC'), key String, revealed_at Nullable(DateTime64(3,'UTC'))
) ENGINE = ReplacingMergeTree ORDER BY (day, key != '') SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS sampling_population (
  day Date, agent_id LowCardinality(String), seq UInt32, call_id String, late Bool, drawn Array(LowCardinality(String)), campaign_id LowCardinality(String),
  team_id LowCardinality(String), partner_id LowCardinality(String), call_started_at DateTime64(3,'UTC'), at DateTime64(3,'UTC'), revision UInt64
) ENGINE = ReplacingMergeTree(revision) PARTITION BY toYYYYMM(day) ORDER BY (day, agent_id, seq) SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS qa_reviews (
  review_id String, task_id String, call_id String, agent_id LowCardinality(String), team_id LowCardinality(String), campaign_id LowCardinality(String), partner_id LowCardinality(String),
  call_started_at DateTime64(3,'UTC'), rater LowCardinality(String), rubric LowCardinality(String), sale Bool, standards_met Bool, score Float64, fatal Bool, detail String,
  published_at Nullable(DateTime64(3,'UTC')), revision UInt64
) ENGINE = ReplacingMergeTree(revision) PARTITION BY toYYYYMM(call_started_at) ORDER BY review_id SETTINGS non_replicated_deduplication_window = 10000;
-- Of the same event sent twice the first wins: arrival counts up, and the version column down from it.
CREATE TABLE IF NOT EXISTS surveys (call_id String, at DateTime64(3,'UTC'), score LowCardinality(String), event_id String, arrival UInt64, first_wins UInt64 MATERIALIZED bitNot(arrival))
  ENGINE = ReplacingMergeTree(first_wins) ORDER BY (call_id, event_id) SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS leads (
  lead_id String, campaign_id LowCardinality(String), customer_id String, number_hashes Array(String), at DateTime64(3,'UTC'), list_id LowCardinality(String),
  products Array(LowCardinality(String)), priority Int32, expires_at Nullable(DateTime64(3,'UTC')), useless LowCardinality(String), event_id String,
  arrival UInt64, first_wins UInt64 MATERIALIZED bitNot(arrival)
) ENGINE = ReplacingMergeTree(first_wins) ORDER BY (lead_id, at, event_id) SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS schedules (
  agent_id LowCardinality(String), start_at DateTime64(3,'UTC'), end_at DateTime64(3,'UTC'), kind LowCardinality(String), team_id LowCardinality(String), partner_id LowCardinality(String), revision UInt64
) ENGINE = ReplacingMergeTree(revision) ORDER BY (agent_id, start_at) SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS campaigns (
  campaign_id LowCardinality(String), at DateTime64(3,'UTC'), name String, purpose LowCardinality(String), products Array(LowCardinality(String)), status LowCardinality(String), script_version String, partner_id LowCardinality(String),
  event_id String, arrival UInt64, first_wins UInt64 MATERIALIZED bitNot(arrival)
) ENGINE = ReplacingMergeTree(first_wins) ORDER BY (campaign_id, at, event_id) SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS campaign_signals (
  campaign_id LowCardinality(String), at DateTime64(3,'UTC'), answer_rate Float64, handling_time_ms Float64, ring_time_ms Float64, agents_available Int64, agents_busy Int64,
  abandonment_rate Float64, live_calls Int64, dials Int64, verdict LowCardinality(String), reason String, verdict_by LowCardinality(String), position String
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(at) ORDER BY (campaign_id, at, position) SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS alerts (
  alert_id String, kind LowCardinality(String), campaign_id LowCardinality(String), agent_id LowCardinality(String), state LowCardinality(String), at DateTime64(3,'UTC'), since DateTime64(3,'UTC'),
  value Float64, expected Float64, p_value Float64, count Int64, base Int64, detail String, action LowCardinality(String), call_ids Array(String)
) ENGINE = ReplacingMergeTree ORDER BY (alert_id, state, at) SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS dead_letter (at DateTime64(3,'UTC'), source LowCardinality(String), reason String, pointer String, raw String, position String)
  ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(at) ORDER BY (at, position) SETTINGS non_replicated_deduplication_window = 10000;
