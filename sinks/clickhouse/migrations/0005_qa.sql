-- Quality monitoring: what became of each task, appeals, incidents, agreement between raters, and the other draws' numbering.
ALTER TABLE qa_tasks ADD COLUMN IF NOT EXISTS for_role LowCardinality(String), ADD COLUMN IF NOT EXISTS period LowCardinality(String), ADD COLUMN IF NOT EXISTS sale Bool, ADD COLUMN IF NOT EXISTS replaces String;
ALTER TABLE qa_reviews ADD COLUMN IF NOT EXISTS draw LowCardinality(String), ADD COLUMN IF NOT EXISTS rater_role LowCardinality(String), ADD COLUMN IF NOT EXISTS passed Bool,
  ADD COLUMN IF NOT EXISTS scored_at Nullable(DateTime64(3,'UTC')), ADD COLUMN IF NOT EXISTS failed Array(LowCardinality(String)), ADD COLUMN IF NOT EXISTS penalty Float64,
  ADD COLUMN IF NOT EXISTS amended Bool, ADD COLUMN IF NOT EXISTS void Bool, ADD COLUMN IF NOT EXISTS calibration_id String;
CREATE TABLE IF NOT EXISTS qa_task_status (
  task_id String, call_id String, agent_id LowCardinality(String), team_id LowCardinality(String), campaign_id LowCardinality(String), partner_id LowCardinality(String), draw LowCardinality(String),
  for_role LowCardinality(String), status LowCardinality(String), rater LowCardinality(String), drawn_at DateTime64(3,'UTC'), due_at DateTime64(3,'UTC'), claimed_at Nullable(DateTime64(3,'UTC')),
  scored_at Nullable(DateTime64(3,'UTC')), published_at Nullable(DateTime64(3,'UTC')), appeal_until Nullable(DateTime64(3,'UTC')), complaints Array(String), at DateTime64(3,'UTC'), revision UInt64
) ENGINE = ReplacingMergeTree(revision) ORDER BY task_id SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS qa_task_events (
  agent_id LowCardinality(String), task_id String, kind LowCardinality(String), at DateTime64(3,'UTC'), by LowCardinality(String), command_id String, detail String, revision UInt64
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(at) ORDER BY (agent_id, task_id, revision, kind, command_id) SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS qa_appeals (
  review_id String, task_id String, call_id String, agent_id LowCardinality(String), team_id LowCardinality(String), partner_id LowCardinality(String), at DateTime64(3,'UTC'), text String,
  checkpoints Array(LowCardinality(String)), support_by LowCardinality(String), support_vote LowCardinality(String), support_reason String, leader_by LowCardinality(String),
  leader_vote LowCardinality(String), leader_reason String, outcome LowCardinality(String), decided_at Nullable(DateTime64(3,'UTC')), score_before Float64, score_after Float64, revision UInt64
) ENGINE = ReplacingMergeTree(revision) ORDER BY review_id SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS qa_incidents (
  task_id String, call_id String, agent_id LowCardinality(String), team_id LowCardinality(String), campaign_id LowCardinality(String), partner_id LowCardinality(String), day Date, seq UInt32,
  draw LowCardinality(String), problem LowCardinality(String), detail String, at DateTime64(3,'UTC'), by LowCardinality(String), recording_uri String
) ENGINE = ReplacingMergeTree ORDER BY task_id SETTINGS non_replicated_deduplication_window = 10000;
ALTER TABLE sampling_population ADD COLUMN IF NOT EXISTS week Date, ADD COLUMN IF NOT EXISTS week_seq UInt32, ADD COLUMN IF NOT EXISTS week_late Bool, ADD COLUMN IF NOT EXISTS extra_seq UInt32,
  ADD COLUMN IF NOT EXISTS period LowCardinality(String), ADD COLUMN IF NOT EXISTS slice UInt8;
CREATE TABLE IF NOT EXISTS sampling_quotas (
  draw LowCardinality(String), scope LowCardinality(String), agent_id LowCardinality(String), slice UInt8, nth UInt8, population UInt32, required UInt32, drawn UInt32, call_ids Array(String), for_roles Array(LowCardinality(String)),
  order_of_campaigns Array(LowCardinality(String)), reason LowCardinality(String), at DateTime64(3,'UTC')
) ENGINE = ReplacingMergeTree ORDER BY (draw, scope, agent_id, slice) SETTINGS non_replicated_deduplication_window = 10000;
CREATE TABLE IF NOT EXISTS sampling_replacements (
  task_id String, day Date, agent_id LowCardinality(String), draw LowCardinality(String), seq UInt32, problem LowCardinality(String), replaced_by UInt32, population UInt32, nth UInt32, at DateTime64(3,'UTC')
) ENGINE = ReplacingMergeTree ORDER BY task_id SETTINGS non_replicated_deduplication_window = 10000;
