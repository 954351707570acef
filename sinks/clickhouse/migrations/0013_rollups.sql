-- Roll-ups of calls. Rows of a bucket are written under a new version and are read once `rolled` names it, so a bucket is
-- replaced at once and as a whole; rows of other versions are left over and are swept away later.
CREATE TABLE IF NOT EXISTS calls_1d (
  day Date, version UInt64, direction LowCardinality(String), campaign_id LowCardinality(String), agent_id LowCardinality(String), team_id LowCardinality(String), partner_id LowCardinality(String),
  list_id LowCardinality(String), purpose LowCardinality(String), products Array(LowCardinality(String)), sold Array(LowCardinality(String)),
  n UInt64, connected UInt64, human UInt64, live UInt64, effective UInt64, visits UInt64, bridged UInt64, handling_ms Int64, recorded UInt64, abandoned UInt64, violated UInt64,
  won UInt64, won_online UInt64, won_effective UInt64, won_visits UInt64
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, campaign_id, agent_id);
CREATE TABLE IF NOT EXISTS calls_1m (
  slot UInt32 CODEC(Delta, ZSTD(1)), version UInt64, minute DateTime('UTC') CODEC(Delta, ZSTD(1)), direction LowCardinality(String), campaign_id LowCardinality(String), partner_id LowCardinality(String),
  list_id LowCardinality(String), purpose LowCardinality(String),
  n UInt64, connected UInt64, human UInt64, live UInt64, effective UInt64, visits UInt64, bridged UInt64, handling_ms Int64, recorded UInt64, abandoned UInt64, violated UInt64,
  won UInt64, won_online UInt64, won_effective UInt64, won_visits UInt64
) ENGINE = MergeTree PARTITION BY toYYYYMM(minute) ORDER BY (slot, version, campaign_id, minute);
