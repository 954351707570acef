-- Roll-ups by hour of the reporting zone, for charts by the hour. They are made a day at a time, as those by day are, and
-- read by the same rule.
CREATE TABLE IF NOT EXISTS calls_1h (
  day Date, version UInt64, hour DateTime('UTC') CODEC(Delta, ZSTD(1)), direction LowCardinality(String), campaign_id LowCardinality(String), agent_id LowCardinality(String), team_id LowCardinality(String),
  partner_id LowCardinality(String), list_id LowCardinality(String), purpose LowCardinality(String), products Array(LowCardinality(String)), sold Array(LowCardinality(String)),
  n UInt64, connected UInt64, human UInt64, live UInt64, effective UInt64, visits UInt64, bridged UInt64, handling_ms Int64, recorded UInt64, abandoned UInt64, violated UInt64,
  won UInt64, won_online UInt64, won_effective UInt64, won_visits UInt64
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, hour, campaign_id, agent_id);
CREATE TABLE IF NOT EXISTS states_1h (
  day Date, version UInt64, hour DateTime('UTC') CODEC(Delta, ZSTD(1)), agent_id LowCardinality(String), team_id LowCardinality(String), partner_id LowCardinality(String), campaign_id LowCardinality(String),
  state LowCardinality(String), ms Int64
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, hour, campaign_id, agent_id);
CREATE TABLE IF NOT EXISTS permits_1h (
  day Date, version UInt64, hour DateTime('UTC') CODEC(Delta, ZSTD(1)), campaign_id LowCardinality(String), partner_id LowCardinality(String), purpose LowCardinality(String), products Array(LowCardinality(String)),
  permitted UInt64, denied UInt64
) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (day, version, hour, campaign_id);
